"""Designs: searches that know all their questions before the first answer.

Must never look at how a trial ended.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import optuna

from orchestrator.search import Answer, Question, Space
from orchestrator.search._draws import MISSES, Drawing, drawn, key_of, per_seed, unasked

__all__ = ["Design"]


class Design:
    """The first points of a sequence; one that comes again, or may not be, is passed over."""

    def __init__(
        self,
        settings: Drawing,
        space: Space,
        draw: Callable[[int], optuna.Trial],
        *,
        length: int | None = None,
    ) -> None:
        """Takes what draws.

        Args:
            settings: of the method.
            space: where its points lie.
            draw: the trial of point 0, 1, 2 … of the sequence, asked for in this order.
            length: points of the sequence that are looked at; None: until there are enough.
        """
        self._settings = settings
        self._space = space
        self._draw = draw
        self._length = length
        self._found: list[Question] | None = None

    def ask(self, history: Sequence[Answer]) -> Sequence[Question] | None:
        """All points that the history does not hold, in the order of the sequence."""
        if self._found is None:
            self._found = self._points()
        return unasked(self._found, history, self._space) or None

    def _points(self) -> list[Question]:
        points = {
            key_of(grid, values): (grid, values)
            for grid, values in self._settings.begun(self._space)
        }
        most = max(1, self._settings.trials // len(self._space.seeds))
        misses = 0
        for number in itertools.count() if self._length is None else range(self._length):
            if self._length is None and (len(points) >= most or misses >= MISSES):
                break
            grid, values = drawn(self._draw(number), self._space)
            key = key_of(grid, values)
            known = key in points or not self._space.allows(grid, values)
            misses = misses + 1 if known else 0
            if not known:
                points[key] = grid, values
        return [q for grid, values in points.values() for q in per_seed(grid, values, self._space)]
