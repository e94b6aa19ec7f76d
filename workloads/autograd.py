"""Types what torch hands to both halves of an autograd function.

Must never know any particular function.
"""

from typing import Protocol

from torch import Tensor

__all__ = ["Context"]


class Context(Protocol):
    """Carries tensors from forward to backward; a function adds its own attributes."""

    needs_input_grad: tuple[bool, ...]

    @property
    def saved_tensors(self) -> tuple[Tensor, ...]:
        """What `save_for_backward` took, checked for changes in place."""
        ...

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keeps tensors for backward; called at most once."""
        ...

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Says that these outputs carry no gradient."""
        ...
