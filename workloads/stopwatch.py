"""Splits the seconds of one attempt into phases whose sum is all of them.

Must never know what is done in a phase, nor where the seconds are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["PHASES", "Stopwatch"]

PHASES: Final = ("start", "data", "train", "evaluate", "checkpoint", "write", "other")
"""What an attempt does, in the order in which it is told."""


class Stopwatch:
    """Runs from its making on; at each moment exactly one phase is under way.

    Of one thread: work of other threads counts for the phase that this one is in meanwhile.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begins with the phase `start`.

        Args:
            clock: Seconds that never jump.
        """
        self._clock = clock
        self._spent = dict.fromkeys(PHASES, 0.0)
        self._phase = "start"
        self._begun = self._since = clock()

    @property
    def total(self) -> float:
        """Seconds since it was made."""
        return self._clock() - self._begun

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Counts the block for a phase, which takes the place of the one around it.

        Raises:
            ValueError: There is no such phase.
        """
        before = self.turn_to(phase)
        try:
            yield
        finally:
            self.turn_to(before)

    def turn_to(self, phase: str) -> str:
        """Counts what comes for a phase, until the next call, and returns the one before.

        Raises:
            ValueError: There is no such phase.
        """
        if phase not in self._spent:
            raise ValueError(f"phase: one of {', '.join(PHASES)}, got {phase!r}. Use `train`.")
        now = self._clock()
        self._spent[self._phase] += now - self._since
        before, self._phase, self._since = self._phase, phase, now
        return before

    def seconds(self) -> dict[str, float]:
        """Returns the seconds of each phase so far, those that took none left out."""
        self.turn_to(self._phase)
        return {phase: spent for phase, spent in self._spent.items() if spent > 0}
