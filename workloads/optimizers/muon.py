"""Muon for matrices, AdamW for the rest. Never knows the model.

Muon: v ← m·v + (1 − m)·g, then w ← w − rate·s·NS((1 − m)·g + m·v), NS turning a matrix into nearly
the closest orthogonal one by Newton–Schulz steps in bfloat16, s as below. Source: Keller Jordan's
post of 2024 and torch's own Muon, which does the work; defaults as in arXiv 2605.17659: five steps
of (3.4445, −4.7750, 2.0315), momentum 0.95, Nesterov, s = √max(rows, columns).
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn, optim

from workloads.optimizers import Optimizer
from workloads.optimizers.adamw import Config as AdamW

__all__ = ["Config", "Muon"]

_SCALES = {"largest_side": ("match_rms_adamw", 5.0), "aspect": ("original", 1.0)}


class Config(Optimizer):
    """A matrix is a weight of two dimensions outside the modules that `spared` names."""

    learning_rate: float = Field(default=5e-4, gt=0, description="full rate of the matrices")
    momentum: float = Field(default=0.95, ge=0, lt=1, description="decay of the velocity")
    nesterov: bool = Field(default=True, description="look ahead along the velocity")
    weight_decay: float = Field(default=0.0, ge=0, description="times the rate, of the matrices")
    newton_schulz: int = Field(default=5, ge=1, le=20, description="steps of the iteration")
    scale: Literal["largest_side", "aspect"] = Field(
        default="largest_side",
        description="of an update: √max(rows, columns), or √max(1, rows / columns)",
    )
    spared: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=("embed", "head"), description="modules whose matrices AdamW trains all the same"
    )
    rest: AdamW = Field(
        default=AdamW(learning_rate=5e-3, betas=(0.9, 0.95), weight_decay=0.0),
        description="AdamW's settings for everything that is no such matrix",
    )

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> "Muon":
        """Returns the two as one optimizer."""
        named = list(parameters)
        matrices = [(name, weight) for name, weight in named if self._is_matrix(name, weight)]
        taken = {id(weight) for _, weight in matrices}
        rest = [(name, weight) for name, weight in named if id(weight) not in taken]
        parts: dict[str, optim.Optimizer] = {}
        if matrices:
            adjust, factor = _SCALES[self.scale]
            parts["muon"] = optim.Muon(
                [weight for _, weight in matrices],
                lr=self.learning_rate * factor,
                weight_decay=self.weight_decay / factor,
                momentum=self.momentum,
                nesterov=self.nesterov,
                ns_steps=self.newton_schulz,
                adjust_lr_fn=adjust,
            )
        if rest:
            parts["adamw"] = self.rest.build(rest)
        return Muon(parts)

    def _is_matrix(self, name: str, weight: Tensor) -> bool:
        owners = name.split(".")
        return weight.ndim == 2 and owners[-1] == "weight" and not set(self.spared) & set(owners)


class Muon(optim.Optimizer):
    """Several optimizers that step together; their groups are its groups."""

    def __init__(self, parts: dict[str, optim.Optimizer]) -> None:
        """Args: parts: by name, at least one; no parameter in two of them."""
        self._parts = parts
        super().__init__([group for part in parts.values() for group in part.param_groups], {})
        self._share_groups()

    def _share_groups(self) -> None:
        """Makes a rate that is set here count there."""
        self.param_groups = [group for part in self._parts.values() for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ANN401
        """Takes one step of each part; there is no closure."""
        assert closure is None
        for part in self._parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Returns the parts' states by name."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Takes states saved earlier."""
        for name, part in self._parts.items():
            part.load_state_dict(state_dict[name])
        self._share_groups()
