"""What cells cost that ran: seconds a step, an evaluation and around them, from their events.

Must never guess: a cell whose worker could not say where its seconds went is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

from results.ledger import Event, Ledger
from workloads.config import Length, validate

__all__ = ["MOST", "Cost", "Seen", "length_of", "seen_in"]

MOST: Final = 300
"""Cells of a run directory that are looked at; more would not tell more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one cell cost.

    Attributes:
        config: its workload.
        length: how much it did; None where its program does not say beforehand.
        training_s: seconds of all steps; of an unknown length, of all that is not `around_s`.
        evaluating_s: seconds of all evaluations.
        around_s: seconds of start, data, checkpoints and rows.
        cold: whether its worker was new, so that `around_s` holds its imports.
    """

    config: Mapping[str, Any]
    length: Length | None
    training_s: float
    evaluating_s: float
    around_s: float
    cold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a run directory tells of costs.

    Attributes:
        costs: of cells that completed in one go.
        begun_s: seconds from the plan to the first worker at work, None where nothing ran.
    """

    costs: tuple[Cost, ...] = ()
    begun_s: float | None = None

    @property
    def warm_s(self) -> float:
        """Seconds around a cell in a worker that has run others."""
        warm = [cost.around_s for cost in self.costs if not cost.cold]
        return median(warm) if warm else min((cost.around_s for cost in self.costs), default=0.0)

    @property
    def cold_s(self) -> float:
        """Seconds that a new worker's first cell takes longer."""
        cold = [cost.around_s for cost in self.costs if cost.cold]
        return max(0.0, median(cold) - self.warm_s) if cold else 0.0

    def __add__(self, other: Seen) -> Seen:
        """Both together; what this one knows of its start stands."""
        begun = self.begun_s if self.begun_s is not None else other.begun_s
        return Seen(costs=self.costs + other.costs, begun_s=begun)


def length_of(config: Mapping[str, Any]) -> Length | None:
    """How much there is to do in a workload, as its program says."""
    return validate(config).length


def seen_in(ledger: Ledger, *, step_s: Mapping[str, float] | None = None) -> Seen:
    """Reads what the completed cells of a run directory cost, the newest `MOST` of them.

    Args:
        ledger: of the run directory.
        step_s: trial -> seconds of a step without what only the first steps take; where given, the
            rest of its training counts as around it.
    """
    rows, events = ledger.trials(), ledger.events()
    ends = [e for e in events if e.status == "completed" and e.seconds is not None]
    ends = sorted(ends, key=_started)[-MOST:]
    resumed = {e.trial_id for e in events if e.status == "running" and e.resumed_from is not None}
    pids = {(e.trial_id, e.attempt): (e.host, e.pid) for e in events if e.status == "running"}
    first = _first_of_each_worker(ends, pids)
    costs = []
    for end in ends:
        row = rows.get(end.trial_id)
        if row is None or end.trial_id in resumed:
            continue
        steady = None if step_s is None else step_s.get(end.trial_id)
        cold = end.trial_id in first
        costs.append(_cost(row.config, end.seconds or {}, cold=cold, steady=steady))
    planned = [row.created_at for row in rows.values() if row.created_at is not None]
    starts = [_started(end) for end in ends]
    begun = None
    if planned and starts:
        begun = max(0.0, min(starts) - min(_utc(moment).timestamp() for moment in planned))
    return Seen(costs=tuple(costs), begun_s=begun)


def _cost(
    config: Mapping[str, Any],
    seconds: Mapping[str, float],
    *,
    cold: bool,
    steady: float | None,
) -> Cost:
    length = length_of(config)
    training = seconds.get("train", 0.0)
    evaluating = seconds.get("evaluate", 0.0)
    around = sum(seconds.values()) - training - evaluating
    if steady is not None and length is not None:
        around += max(0.0, training - steady * length.steps)
        training = steady * length.steps
    return Cost(
        config=config,
        length=length,
        training_s=training,
        evaluating_s=evaluating,
        around_s=around,
        cold=cold,
    )


def _first_of_each_worker(
    ends: Sequence[Event], pids: Mapping[tuple[str, int], tuple[str | None, int | None]]
) -> set[str]:
    """The trial that each worker process ended first, of ends in order."""
    found: dict[object, str] = {}
    for end in ends:
        found.setdefault(pids.get((end.trial_id, end.attempt)), end.trial_id)
    return set(found.values())


def _started(end: Event) -> float:
    """When an attempt began, seconds since 1970: its end less all its seconds."""
    assert end.ts is not None, "an event that was read has its time"
    return _utc(end.ts).timestamp() - sum((end.seconds or {}).values())


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
