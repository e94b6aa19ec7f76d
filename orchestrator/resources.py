"""What one trial asks of the machine it runs on, and what a machine lacks of it.

Must never know who places trials. A machine is what it has in all, not what is free of it now.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from orchestrator.quantities import Bytes

__all__ = ["Resources", "shortage", "unasked"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_RESERVED: Final = frozenset({"cpu", "gpu", "memory", "object_store_memory", "accelerator"})
_ACCELERATOR: Final = "accelerator_type:"
_SHARE_OF_ACCELERATOR: Final = 0.001
"""Each node has 1 of its accelerator's name; a trial that takes so little of it only chooses."""


def _name(value: object) -> object:
    if value is None or (isinstance(value, str) and _NAME.fullmatch(value)):
        return value
    raise ValueError(f"a name of letters, digits, '_', '-' and '.', got {value!r}. Write H100.")


def _amounts(value: object) -> object:
    """Reads a mapping of names to amounts as pairs in the order of the names."""
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple):
        raise ValueError(f"a mapping of names to amounts, got {value!r}. Write disk: 1.")
    for name, amount in pairs:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.lower() in _RESERVED:
            raise ValueError(
                f"a name that nodes were started with and that is no key beside custom, got"
                f" {name!r}. Write disk: 1."
            )
        number = isinstance(amount, int | float) and not isinstance(amount, bool)
        if not number or not 0.0001 <= amount <= 1e9:
            raise ValueError(f"{name}: an amount from 0.0001 to 1e9, got {amount!r}. Write 1.")
    return tuple(sorted((name, float(amount)) for name, amount in pairs))


class Resources(BaseModel):
    """What one trial asks of the machine it runs on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    cpu: float = Field(default=1, gt=0, le=1024, description="cores; also torch's threads")
    gpu: float = Field(default=0, ge=0, le=64, description="devices; may be a fraction below 1")
    memory: Bytes | None = Field(default=None, description="places trials; does not enforce")
    accelerator: Annotated[str | None, BeforeValidator(_name)] = Field(
        default=None, description="kind of GPU as Ray names it (H100, T4); counts where gpu > 0"
    )
    custom: Annotated[tuple[tuple[str, float], ...], BeforeValidator(_amounts)] = Field(
        default=(), description="name -> amount of what nodes were started with: {disk: 1}"
    )

    @model_validator(mode="after")
    def _whole_devices(self) -> Resources:
        if self.gpu > 1 and not float(self.gpu).is_integer():
            raise ValueError(f"gpu is a fraction below 1 or whole, got {self.gpu}. Round it.")
        return self

    def bundle(self) -> dict[str, float]:
        """The same in Ray's names: amount of each, above 0; memory in bytes."""
        asked = {"CPU": self.cpu, "GPU": self.gpu, "memory": float(self.memory or 0)}
        if self.accelerator is not None and self.gpu > 0:
            asked[_ACCELERATOR + self.accelerator] = _SHARE_OF_ACCELERATOR
        return {name: amount for name, amount in asked.items() if amount > 0} | dict(self.custom)


def shortage(nodes: Sequence[Mapping[str, float]], asked: Resources) -> str | None:
    """Says what no machine can give at once; None if one can.

    Args:
        nodes: what each has in all, in Ray's names.
        asked: what one trial needs of one of them.
    """
    bundle = asked.bundle()
    if any(all(node.get(name, 0) >= n for name, n in bundle.items()) for node in nodes):
        return None
    short = []
    for name, amount in bundle.items():
        most = max((node.get(name, 0) for node in nodes), default=0)
        if amount > most:
            short.append(_lack(name, amount, most, nodes))
    together = ", ".join(f"{_told(name)} {_size(name, n)}" for name, n in bundle.items())
    return " and ".join(short) or f"{together} together on one node"


def unasked(nodes: Sequence[Mapping[str, float]], demands: Collection[Resources]) -> str | None:
    """Says that the machines have GPUs where no trial asks for one; None elsewhere.

    Args:
        nodes: what each has in all, in Ray's names.
        demands: what the trials ask for.
    """
    gpus = sum(node.get("GPU", 0) for node in nodes)
    if gpus == 0 or not demands or any(asked.gpu > 0 for asked in demands):
        return None
    return (
        f"resources: the cluster has {gpus:g} GPU{'s' * (gpus != 1)}, and no trial asks for one."
        " --gpu 1, or a share such as --gpu 0.25, trains there; no id changes."
    )


def _lack(name: str, amount: float, most: float, nodes: Sequence[Mapping[str, float]]) -> str:
    if name.startswith(_ACCELERATOR):
        there = {key.removeprefix(_ACCELERATOR) for n in nodes for key in n if _ACCELERATOR in key}
        kinds = ", ".join(sorted(there)) or "none"
        return f"accelerator {name.removeprefix(_ACCELERATOR)} (the nodes have {kinds})"
    return (
        f"{_told(name)} {_size(name, amount)} (the most that one node has is {_size(name, most)})"
    )


def _told(name: str) -> str:
    """A resource as sweep files call it."""
    if name.startswith(_ACCELERATOR):
        return "accelerator"
    return name.lower() if name in ("CPU", "GPU", "memory") else f"custom {name}"


def _size(name: str, amount: float) -> str:
    if name == "memory":
        return f"{amount / 2**30:.3g} GiB"
    return name.removeprefix(_ACCELERATOR) if name.startswith(_ACCELERATOR) else f"{amount:g}"
