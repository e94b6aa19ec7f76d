"""Compares what a sweep asks for with what its store holds.

Must never start anything; writes only the plan itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.expand import Cell
from orchestrator.provenance import Code, package_versions
from orchestrator.spec import Sweep
from results.ledger import Event, Ledger, TrialRow

__all__ = ["Plan", "PlannedCell", "make_plan", "record_new", "record_plan", "work_left"]


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell and its standing: `new`, `kept` (the store knows it) or `removed`."""

    cell: Cell
    state: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep against its store.

    Attributes:
        sweep: name of the sweep.
        cells: wanted cells in running order.
        removed: rows of trials that the store knows and the sweep no longer wants.
        to_come: cells that a search may still ask for, at most.
        passed_over: sentences about points that a search drew and that are no valid workload.
    """

    sweep: str
    cells: tuple[PlannedCell, ...]
    removed: tuple[TrialRow, ...] = ()
    to_come: int = 0
    passed_over: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Number of wanted cells."""
        return len(self.cells)

    def grown(self, cells: Sequence[Cell]) -> Plan:
        """The plan with new cells at its end."""
        return replace(self, cells=(*self.cells, *(PlannedCell(cell, "new") for cell in cells)))

    def count(self, state: str) -> int:
        """Number of wanted cells in a state."""
        return sum(planned.state == state for planned in self.cells)


def make_plan(sweep: str, cells: Sequence[Cell], known: Mapping[str, TrialRow]) -> Plan:
    """Marks each cell new or kept, and finds those no longer asked for."""
    wanted = {cell.trial_id for cell in cells}
    planned = tuple(
        PlannedCell(cell, "kept" if cell.trial_id in known else "new") for cell in cells
    )
    removed = tuple(row for id_, row in known.items() if id_ not in wanted and row.wanted)
    return Plan(sweep, planned, removed)


def record_plan(plan: Plan, ledger: Ledger, *, code: Code, goal: str) -> int:
    """Writes what changed of the plan; returns the number of rows written.

    Finished cells keep the code that they ran with, and every kept cell the time of its first
    planning; a row is written again only where something about it changed.
    """
    known = ledger.trials()
    unfinished = {cell.trial_id for cell in work_left(plan, ledger.latest())}
    rows = [replace(row, wanted=False) for row in plan.removed]
    for planned in plan.cells:
        row = _row(plan.sweep, planned.cell, code=code, goal=goal)
        before = known.get(planned.cell.trial_id)
        if before is not None:
            row = replace(
                row,
                created_at=before.created_at,
                config=before.config,
                adaptive=before.adaptive,
            )
            if planned.cell.trial_id not in unfinished:
                row = replace(
                    row, commit=before.commit, dirty=before.dirty, versions=before.versions
                )
        if before != row:
            rows.append(row)
    ledger.add(rows)
    return len(rows)


def record_new(
    cells: Sequence[Cell], ledger: Ledger, *, sweep: Sweep, code: Code, adaptive: bool
) -> None:
    """Writes cells that the store does not know: what a search asks for while others run."""
    goal = sweep.metrics[0].goal
    rows = [_row(sweep.name, cell, code=code, goal=goal) for cell in cells]
    ledger.add([replace(row, adaptive=adaptive) for row in rows])


def _row(sweep: str, cell: Cell, *, code: Code, goal: str) -> TrialRow:
    return TrialRow(
        sweep=sweep,
        trial_id=cell.trial_id,
        grid=cell.grid,
        config=cell.config,
        seed=cell.seed,
        baseline_id=cell.baseline_id,
        score_rule=cell.score_rule,
        metric=cell.metric,
        goal="minimize" if cell.score_rule == "exp_loss" else goal,
        commit=code.commit,
        dirty=code.dirty,
        versions=package_versions(),
    )


def work_left(plan: Plan, latest: Mapping[str, Event]) -> list[Cell]:
    """The wanted cells that are not completed, in running order."""
    done = {id_ for id_, event in latest.items() if event.status in ("completed", "stopped")}
    return [planned.cell for planned in plan.cells if planned.cell.trial_id not in done]


def status_counts(plan: Plan, latest: Mapping[str, Event]) -> Counter[str]:
    """Number of wanted cells per status."""
    return Counter(
        latest[id_].status if (id_ := planned.cell.trial_id) in latest else "planned"
        for planned in plan.cells
    )
