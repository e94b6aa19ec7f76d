"""What one run of the driver tells: while it goes on, and at its end.

Knows nothing of how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from orchestrator.attempt import Attempt, Outcome
from orchestrator.difference import Difference
from orchestrator.expander import Cell
from orchestrator.planning import Plan, status_counts, work_left
from orchestrator.queue import Tally
from results.ledger import Event

__all__ = ["Judged", "Listener", "Summary", "summary_of"]


class Listener(Protocol):
    """Hears what happens while a sweep runs."""

    def changed(self, difference: Difference) -> None:
        """What is not as it was when the sweep was started last."""
        ...

    def planned(self, plan: Plan, left: int) -> None:
        """The plan stands; so many cells are left to run."""
        ...

    def started(self, tally: Tally, attempt: Attempt) -> None:
        """An attempt is about to start."""
        ...

    def ended(self, tally: Tally, outcome: Outcome, verdict: str) -> None:
        """An attempt ended, with the verdict of `TrialQueue`."""
        ...

    def warned(self, sentence: str) -> None:
        """Something beside the trials could not be done; may come from another thread."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A forecast beside what came.

    Attributes:
        wall_s: forecast seconds of the whole run.
        took_s: what it took; None where the run was not that of the forecast.
        cells: cells of the forecast that ran since.
        median_error: of a cell's seconds, a share of what it took.
        worst_error: nine of ten cells were forecast better.
    """

    wall_s: float
    took_s: float | None
    cells: int
    median_error: float
    worst_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one run of the driver did.

    Attributes:
        sweep: name of the sweep.
        total: wanted cells.
        counts: wanted cells per status, afterwards.
        trained: trials that this run completed or stopped early.
        retried: attempts that failed and were tried again.
        wall_s: how long it took, seconds.
        removed: cells that are no longer wanted.
        asked: cells that this run was asked for, all or those of `--only`.
        done: those of them that are completed or stopped by then.
        forecast: how right the forecast was, where there was one.
    """

    sweep: str
    total: int
    counts: Mapping[str, int]
    trained: int = 0
    retried: int = 0
    wall_s: float = 0.0
    removed: int = 0
    asked: int
    done: int
    forecast: Judged | None = None

    @property
    def exit_code(self) -> int:
        """0 when every cell that was asked for is done, else 1."""
        return 0 if self.done == self.asked else 1


def summary_of(
    plan: Plan,
    latest: Mapping[str, Event],
    tally: Tally,
    *,
    asked: Callable[[Cell], bool],
    wall_s: float,
) -> Summary:
    """Sums up one run of the driver.

    Args:
        plan: all cells.
        latest: the last event of each trial.
        tally: what this run did.
        asked: whether this run was asked for a cell.
        wall_s: how long it took, seconds.
    """
    wanted = sum(asked(planned.cell) for planned in plan.cells)
    return Summary(
        sweep=plan.sweep,
        total=plan.total,
        counts=dict(status_counts(plan, latest)),
        asked=wanted,
        done=wanted - sum(asked(cell) for cell in work_left(plan, latest)),
        trained=tally.completed + tally.stopped,
        retried=tally.retried,
        wall_s=wall_s,
        removed=len(plan.removed),
    )
