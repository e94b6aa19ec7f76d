"""Cosine decay after a linear warm-up. Never knows the optimizer.

factor(u) = (u + 1) / up in the warm-up, then floor + (1 - floor) · (1 + cos(π t)) / 2 with t going
from 0 to 1 over what remains. Source: Loshchilov and Hutter, arXiv 1608.03983, without restarts.
"""

import math

from pydantic import Field

from workloads.schedules import Schedule, Span, updates

__all__ = ["Config"]


class Config(Schedule):
    """A cosine from 1 to `floor`."""

    warmup: Span = 0.0
    floor: float = Field(default=0.0, ge=0, le=1, description="factor that the decay ends at")

    def factor(self, update: int, *, steps: int) -> float:
        """Returns the factor."""
        up = updates(self.warmup, steps=steps)
        if update < up:
            return (update + 1) / up
        share = (update - up) / max(steps - up - 1, 1)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * share)) / 2
