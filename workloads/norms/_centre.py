"""The centre of a norm that is a quantile: its estimate, and the gradient that flows through it.

Must never know how a norm measures the spread around it.

A quantile is taken per sample and channel (or token) and averaged over the batch. A norm depends on
x − c only, so the gradient of c is minus the sum of those of x at a fixed c; it goes, shared out
among the samples, to the entries that each quantile lies between.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from workloads.autograd import Context
from workloads.order_statistics import Quantile, add_gradient_, find_quantile

__all__ = ["CentreContext", "RunningCentre", "add_centre_gradient_", "find_centre"]


class RunningCentre(nn.Module):
    """A batch's centre in training, its running estimate in evaluation.

    After `freeze_after` updates, one a training pass, the estimate stands still and is the centre
    of training too, without gradient.
    """

    value: Tensor

    def __init__(
        self, size: int, *, freeze_after: int | None = None, momentum: float = 0.1
    ) -> None:
        """Builds an estimate of 0.

        Args:
            size: Number of centres.
            freeze_after: Updates until it stands still; None: never, and none is counted.
            momentum: Weight of the newest batch.
        """
        super().__init__()
        self.freeze_after = freeze_after
        self.momentum = momentum
        self.updates = 0  # a number of Python's, so that asking it never waits for a GPU
        self.register_buffer("value", torch.zeros(size))

    def stored(self) -> Tensor | None:
        """Returns the estimate (size,) where it is the centre to use; None: use the batch's."""
        frozen = self.freeze_after is not None and self.updates >= self.freeze_after
        return self.value if frozen or not self.training else None

    def update(self, batch_centre: Tensor) -> None:
        """Moves the estimate towards (size,), without gradient, once a training step."""
        self.value.lerp_(batch_centre, self.momentum)
        if self.freeze_after is not None:  # A module takes long to set a number.
            self.updates += 1

    def get_extra_state(self) -> Tensor:
        """Returns the number of updates, which is saved with the estimate."""
        return torch.tensor(self.updates)

    def set_extra_state(self, state: Tensor) -> None:
        """Takes the number of updates over."""
        self.updates = int(state)

    def extra_repr(self) -> str:
        """Shows momentum and freezing."""
        return f"momentum={self.momentum}, freeze_after={self.freeze_after}"


class CentreContext(Context, Protocol):
    """What a norm around a quantile carries to its backward.

    Attributes:
        eps: Added to the variance.
        weight: Of the quantile's upper entry; None: the centre was a stored one.
    """

    eps: float
    weight: float | None


def find_centre(
    ctx: CentreContext, x: Tensor, q: float, stored: Tensor | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Returns the centre to use, and what `add_centre_gradient_` wants to see again.

    Args:
        ctx: Of the norm's autograd function.
        x: (batch, channels or tokens, entries ...).
        q: Quantile over the entries, 0 to 1.
        stored: (channels or tokens,) to be used instead; None: the mean over the batch.
    """
    if stored is not None:
        ctx.weight = None
        return stored, ()
    found = find_quantile(x, q, start=2)
    ctx.weight = found.weight
    return found.value.mean(dim=0), (found.value, found.lower, found.upper)


def add_centre_gradient_(
    ctx: CentreContext, dx: Tensor, found: list[Tensor], dims: tuple[int, ...]
) -> None:
    """Adds the gradient that flows through the centre to that which flows past it.

    Args:
        ctx: As `find_centre` left it.
        dx: The gradient of x at a fixed centre; changed in place.
        found: What `find_centre` returned, saved in between.
        dims: Those of x that share a centre.
    """
    if ctx.weight is not None:
        share = dx.sum(dim=dims) / -len(dx)
        found_again = Quantile(found[0], found[1], found[2], ctx.weight)
        add_gradient_(dx, share.expand(dx.shape[:2]), found_again)
