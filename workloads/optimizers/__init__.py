"""The optimizers, one file a kind. An optimizer never knows the model or the schedule."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from pydantic import Field
from torch import Tensor, nn, optim

from workloads.kinds import Kind

__all__ = ["Optimizer", "decayed", "fused"]


class Optimizer(Kind, ABC):
    """The configuration of an optimizer."""

    learning_rate: float = Field(gt=0, description="full rate, which the schedule multiplies")

    @abstractmethod
    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> optim.Optimizer:
        """Returns torch's optimizer.

        Args:
            parameters: What to train, by name, as `module.named_parameters()` gives it.
        """


def decayed(
    parameters: Iterable[tuple[str, nn.Parameter]], *, weight_decay: float
) -> list[dict[str, object]]:
    """Splits the parameters: matrices and filters decay; gains, biases and scalars do not.

    A bias is what is called so, of however many dimensions: a bias a token has two.
    """
    groups: dict[bool, list[Tensor]] = {True: [], False: []}
    for name, parameter in parameters:
        groups[parameter.ndim >= 2 and not name.endswith("bias")].append(parameter)
    return [
        {"params": members, "weight_decay": weight_decay if decays else 0.0}
        for decays, members in groups.items()
        if members
    ]


def fused(groups: list[dict[str, object]]) -> bool:
    """Returns whether torch has one kernel for the whole update on these parameters' device."""
    members = [member for group in groups for member in _tensors(group["params"])]
    return all(member.device.type in ("cpu", "cuda") for member in members)


def _tensors(members: object) -> list[Tensor]:
    assert isinstance(members, list)
    return members
