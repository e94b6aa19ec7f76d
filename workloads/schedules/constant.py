"""Constant, with a linear warm-up and a linear warm-down. Never knows the optimizer.

factor(u) = min(1, (u + 1) / up, (steps - u) / down); the default is 1 throughout.
"""

from workloads.schedules import Schedule, Span, updates

__all__ = ["Config"]


class Config(Schedule):
    """A trapezoid."""

    warmup: Span = 0.0
    warmdown: Span = 0.0

    def factor(self, update: int, *, steps: int) -> float:
        """Returns the factor, above 0 at every update."""
        up = updates(self.warmup, steps=steps)
        down = updates(self.warmdown, steps=steps)
        return min(1.0, (update + 1) / max(up, 1), (steps - update) / max(down, 1))
