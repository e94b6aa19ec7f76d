"""Exponential decay after a linear warm-up. Never knows the optimizer.

factor(u) = (u + 1) / up in the warm-up, then last^t with t going from 0 to 1 over what remains: the
rate times one constant after each update. The authors' code of arXiv 2305.13686 multiplies it by
0.99 after each epoch; over 100 epochs that is `last: 0.366`.
"""

from pydantic import Field

from workloads.schedules import Schedule, Span, updates

__all__ = ["Config"]


class Config(Schedule):
    """A straight line of the rate's logarithm."""

    warmup: Span = 0.0
    last: float = Field(default=0.1, gt=0, le=1, description="factor that the decay ends at")

    def factor(self, update: int, *, steps: int) -> float:
        """Returns the factor."""
        up = updates(self.warmup, steps=steps)
        if update < up:
            return (update + 1) / up
        return float(self.last ** ((update - up) / max(steps - up - 1, 1)))
