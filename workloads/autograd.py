"""What autograd functions share: the type of their context, and how they meet autocast.

Must never know any particular function.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["Context", "in_float32", "refuse_second_derivative", "without_autocast"]


def in_float32(x: Tensor) -> Tensor:
    """Returns x in float32 where autocast made it shorter, else x itself.

    Autocast knows torch's own norms and keeps them in float32; written-out ones ask for it here.
    """
    shorter = x.dtype in (torch.bfloat16, torch.float16)
    return x.float() if shorter and torch.is_autocast_enabled(x.device.type) else x


def without_autocast(x: Tensor) -> AbstractContextManager[Any]:
    """Returns a context in which nothing computed from x is made shorter."""
    # A compiled backward runs under its forward's autocast, which is not on while it is traced.
    if not torch.is_autocast_enabled(x.device.type) and not torch.compiler.is_compiling():
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def refuse_second_derivative(what: str) -> None:
    """Stands in a backward in place of torch's `once_differentiable`, in a tenth of its time.

    It refuses a gradient with a graph at once, that one only what is differentiated through it.

    Args:
        what: Has the gradient.

    Raises:
        RuntimeError: The gradient is asked for with `create_graph=True`.
    """
    if torch.is_grad_enabled():
        raise RuntimeError(
            f"{what}: its gradient has no gradient of its own, got create_graph=True. Leave it out."
        )


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
