"""Constant, with a linear warm-up and a linear warm-down. Never knows the optimizer.

factor(u) = min(1, (u + 1) / up, (end - u) / down), 0 from `end` on; the default is 1 throughout.
With warmup 2000 and warmdown 2028 of 7168 updates it is what arXiv 2605.17659 states; its authors'
code ignores that and is warmdown 1450, end 5800.
"""

from pydantic import Field

from workloads.schedules import Schedule, Span, updates

__all__ = ["Config"]


class Config(Schedule):
    """A trapezoid."""

    warmup: Span = 0.0
    warmdown: Span = 0.0
    end: Span | None = Field(
        default=None,
        description="where the warm-down ends, as the spans count; null: with the last update",
        json_schema_extra={"since": 2},
    )

    def factor(self, update: int, *, steps: int) -> float:
        """Returns the factor, above 0 at every update before the end."""
        up = updates(self.warmup, steps=steps)
        down = updates(self.warmdown, steps=steps)
        left = (steps if self.end is None else updates(self.end, steps=steps)) - update
        return max(0.0, min(1.0, (update + 1) / max(up, 1), left / max(down, 1)))
