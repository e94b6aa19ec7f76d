"""One cycle: a cosine up to the full rate, a longer cosine down to almost none.

Never knows the optimizer. Source: Smith and Topin, arXiv 1708.07120, with cosine flanks:
from 1 / start to 1 over the warm-up, then from 1 to 1 / (start · end).
"""

import math

from pydantic import Field

from workloads.schedules import Schedule, Span, updates

__all__ = ["Config"]


class Config(Schedule):
    """One rise and one fall of the rate."""

    warmup: Span = 0.3
    start: float = Field(default=25.0, ge=1, description="the first rate is 1/start of the full")
    end: float = Field(default=1e4, ge=1, description="the last rate is 1/end of the first")

    def factor(self, update: int, *, steps: int) -> float:
        """Returns the factor."""
        up = updates(self.warmup, steps=steps)
        if update < up:
            return _cosine(1 / self.start, 1.0, update / up)
        share = (update - up) / max(steps - up - 1, 1)
        return _cosine(1.0, 1 / (self.start * self.end), share)


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
