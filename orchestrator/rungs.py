"""Which values of an attempt a stopping rule hears of, while it runs.

Must never decide whether an attempt stops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workloads.config import Progress
    from workloads.state import State

__all__ = ["EPOCH", "Climb", "Ladder", "Rung"]

EPOCH: Final = "epoch"
"""The metric that a rung in epochs is stored with, where the program gives none of that name."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A value that a stopping rule hears of.

    Attributes:
        step: optimizer updates done.
        time: the same in the rule's unit, steps or epochs.
        value: of the rule's metric, finite.
        final: whether the attempt is done, so that nothing is left to stop.
    """

    step: int
    time: float
    value: float
    final: bool = False

    def __str__(self) -> str:
        return f"step {self.step} with {self.value:.6g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The times at which a rule wants to hear of an attempt.

    Attributes:
        metric: a whole-model metric.
        unit: `step` or `epoch`.
        first: the earliest time.
        factor: rungs stand at first·factor^k, k = 0, 1, …; None: every value counts.
        last: from this time on nothing is told; None: no such time.
    """

    metric: str
    unit: str
    first: float
    factor: float | None = None
    last: float | None = None

    def height(self, time: float) -> int:
        """How many rungs lie at or below a time."""
        if time < self.first:
            return 0
        if self.factor is None:
            return 1
        return int(math.log(time / self.first) / math.log(self.factor) + 1e-9) + 1

    def tells(self, time: float, *, before: float) -> bool:
        """Whether a value at a time is told, given the time of the one before."""
        if time < self.first or (self.last is not None and time >= self.last):
            return False
        return self.factor is None or self.height(time) > self.height(before)


class Climb:
    """How far one attempt has come on its ladder."""

    def __init__(self, ladder: Ladder | None, *, resumed_from: int | None) -> None:
        """Begins behind the steps that an earlier attempt took; those were told then."""
        self._ladder = ladder
        self._before = float(resumed_from or 0)

    def rung(self, progress: Progress, state: State) -> Rung | None:
        """What is to be told of a progress, if anything.

        Raises:
            ValueError: the ladder is in epochs, and the program has none.
        """
        ladder = self._ladder
        value = None if ladder is None else progress.metrics.get(ladder.metric)
        if ladder is None or value is None or not math.isfinite(value):
            return None
        a_unit = 1.0
        if ladder.unit == EPOCH:
            if state.steps_per_epoch is None:
                raise ValueError(
                    "early_stopping: epochs are known of this program, got none. Write unit: step."
                )
            a_unit = float(state.steps_per_epoch)
        time = progress.step / a_unit
        if not ladder.tells(time, before=self._before / a_unit):
            return None
        self._before = float(progress.step)
        final = state.steps is not None and progress.step >= state.steps
        return Rung(progress.step, time, value, final=final)

    def metrics(self, progress: Progress, rung: Rung | None) -> Mapping[str, float]:
        """The metrics of a progress as they are stored: a rung in epochs says its time itself."""
        if rung is None or self._ladder is None or self._ladder.unit != EPOCH:
            return progress.metrics
        return {EPOCH: rung.time, **progress.metrics}
