"""What a sweep may spend, and what it has spent: after that no more trials start.

Must never end a trial: what runs finishes, so that what is finished is a prefix of the running
order and lies as evenly over the design as that does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from statistics import median

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.quantities import Seconds
from results.ledger import Event

__all__ = ["Budget", "Meter"]


class Budget(BaseModel):
    """What a sweep may spend in all its runs together; null: without end."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    wall: Seconds | None = Field(default=None, description="time in which trials run")
    trials: int | None = Field(default=None, ge=1, description="trials that are started")
    gpu_hours: float | None = Field(default=None, gt=0, description="devices times hours")

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return (self.wall, self.trials, self.gpu_hours) != (None, None, None)


class Meter:
    """Counts what a sweep spends, and says when the next trial would be too much.

    A trial is taken to last as long as the median of those that ended in this run, so that the
    last ones end about when the budget does. Attempts of earlier runs that died unheard are not
    counted, since nothing says how long they ran.
    """

    def __init__(
        self,
        budget: Budget,
        events: Sequence[Event],
        *,
        gpus: Callable[[str], float] = lambda trial_id: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes in what earlier runs spent.

        Args:
            budget: the limits.
            events: of the sweep, until now.
            gpus: trial -> devices that it holds.
            clock: seconds that never jump.
        """
        self._budget = budget
        self._gpus = gpus
        self._clock = clock
        self._begun = clock()
        self._tried = {event.trial_id for event in events}
        spans = [
            (end, end - sum(event.seconds.values()), event.trial_id)
            for event in events
            if event.seconds is not None and (end := _instant(event.ts)) is not None
        ]
        self._wall_s = _covered([(begun, end) for end, begun, _ in spans])
        self._gpu_s = sum((end - begun) * gpus(id_) for end, begun, id_ in spans)
        self._running: dict[str, float] = {}
        self._took: list[float] = []

    def admit(self, trial_id: str) -> str | None:
        """Counts a trial as started; or says why neither it nor any other is to start."""
        reason = self._refusal(trial_id)
        if reason is None:
            self._tried.add(trial_id)
            self._running[trial_id] = self._clock()
        return reason

    def started(self, trial_id: str) -> None:
        """Hears that a worker has begun with a trial, for which it may have waited."""
        self._running[trial_id] = self._clock()

    def ended(self, trial_id: str) -> None:
        """Hears that a trial's attempt is over."""
        begun = self._running.pop(trial_id, None)
        if begun is not None:
            took = self._clock() - begun
            self._took.append(took)
            self._gpu_s += took * self._gpus(trial_id)

    def _refusal(self, trial_id: str) -> str | None:
        budget, now = self._budget, self._clock()
        expected = median(self._took) if self._took else 0.0
        more = "Raise it in the sweep file, then run that again."
        new = trial_id not in self._tried
        if budget.trials is not None and new and len(self._tried) >= budget.trials:
            return f"budget.trials: at most {budget.trials} start, got as many. {more}"
        if budget.wall is not None:
            spent = self._wall_s + now - self._begun
            if spent + expected > budget.wall or spent >= budget.wall:
                return (
                    f"budget.wall: trials run for at most {budget.wall:g} s, got {spent:.0f} s and"
                    f" a next one of about {expected:.0f} s. {more}"
                )
        if budget.gpu_hours is not None and self._gpus(trial_id) > 0:
            running = sum(
                max(now - begun, expected) * self._gpus(id_) for id_, begun in self._running.items()
            )
            spent = (self._gpu_s + running) / 3600
            next_one = expected * self._gpus(trial_id) / 3600
            if spent + next_one > budget.gpu_hours or spent >= budget.gpu_hours:
                return (
                    f"budget.gpu_hours: at most {budget.gpu_hours:g}, got {spent:.3g} and a next"
                    f" trial of about {next_one:.3g}. {more}"
                )
        return None


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds in which at least one of the spans lies."""
    total, until = 0.0, float("-inf")
    for begun, end in sorted(spans):
        total += max(0.0, end - max(begun, until))
        until = max(until, end)
    return total


def _instant(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
