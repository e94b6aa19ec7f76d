"""Holds parameters inside the bounds that their modules set, after each update.

Must never know any particular module, nor who updates.

A module with bounds has a method `constrain()` that puts its own parameters back in place.
"""

from typing import Protocol, runtime_checkable

from torch import nn
from torch.optim import Optimizer

__all__ = ["Constrained", "constrain"]


@runtime_checkable
class Constrained(Protocol):
    """A module whose parameters have bounds."""

    def constrain(self) -> None:
        """Puts the parameters back inside, in place and without gradient."""
        ...


def constrain(model: nn.Module, optimizer: Optimizer) -> None:
    """Makes each step of the optimizer end with every bound of the model held."""
    # Inner modules first: a bound may be given by a parameter that has one itself.
    bounded = [module for module in model.modules() if isinstance(module, Constrained)][::-1]

    def hold(*_: object) -> None:
        for module in bounded:
            module.constrain()

    if bounded:
        optimizer.register_step_post_hook(hold)
