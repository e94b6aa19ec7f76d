"""Puts what trials reach before their grid's stopping rule, and what earlier runs reached first.

Must never know how a trial is stopped, nor where it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from orchestrator.expander import Cell
from orchestrator.rungs import EPOCH, Ladder, Rung
from orchestrator.spec import Sweep
from orchestrator.stopping import Judge, Rule
from results.ledger import Ledger
from results.names import checkpoint_parts
from results.store import Store

__all__ = ["Judging"]

_DONE: Final = ("completed", "stopped")


class Judging:
    """The stopping rules of one sweep, one judge a grid."""

    def __init__(self, sweep: Sweep) -> None:
        """Has heard of nothing yet."""
        self._metric = sweep.metrics[0]
        own = {grid.name: grid.early_stopping for grid in sweep.grids or ()}
        self._rules = {name: rule or sweep.early_stopping for name, rule in own.items()}
        self._otherwise = None if own else sweep.early_stopping
        self._judges: dict[str, Judge] = {}
        self._told: dict[str, float] = {}
        self._stopped: dict[str, float] = {}

    def ladder(self, cell: Cell) -> Ladder | None:
        """When a cell is heard of; None where nothing stops it, as a baseline."""
        rule = self._rule(cell)
        return None if rule is None else rule.ladder(self._metric.name)

    def stops(self, cell: Cell, rung: Rung) -> bool:
        """Hears of a cell, and says whether it should stop; told again it says the same."""
        if cell.trial_id in self._stopped:
            return True
        if rung.time <= self._told.get(cell.trial_id, -1.0):
            return False
        found = self._hear(cell, rung) and not rung.final
        if found:
            self._stopped[cell.trial_id] = rung.time
        return found

    def stopped(self, cell: Cell) -> bool:
        """Whether a cell was to stop and has not heard of it: its process died at that moment."""
        return cell.trial_id in self._stopped

    def replay(self, cells: Sequence[Cell], *, store: Store, ledger: Ledger) -> None:
        """Hears again of what the store holds: first of trials that ended, then of the others.

        Of one that goes on from a checkpoint only what lies before that counts, since the rest is
        trained again; if it was to stop there, it still is.

        Args:
            cells: all that are planned.
            store: the run directory.
            ledger: its record.
        """
        climbing = [cell for cell in cells if self._rule(cell) is not None]
        latest = ledger.latest()
        begun = [cell for cell in climbing if cell.trial_id in latest]
        if not begun:
            return
        rows = _rows(store, {ladder.metric for cell in begun if (ladder := self.ladder(cell))})
        done = [cell for cell in begun if latest[cell.trial_id].status in _DONE]
        for cell in done:
            for rung in self._rungs(cell, rows):
                self._hear(cell, rung)
        for cell in begun:
            if latest[cell.trial_id].status not in _DONE:
                name = ledger.usable_checkpoint(cell.trial_id)
                parts = None if name is None else checkpoint_parts(f"{name}/x")
                reached = -1 if parts is None else parts[2]
                for rung in self._rungs(cell, rows):
                    if rung.step <= reached:
                        self.stops(cell, rung)

    def _rule(self, cell: Cell) -> Rule | None:
        if cell.trial_id == cell.baseline_id:
            return None  # Every score rests on it.
        return self._rules.get(cell.grid, self._otherwise)

    def _hear(self, cell: Cell, rung: Rung) -> bool:
        rule = self._rule(cell)
        assert rule is not None
        if cell.grid not in self._judges:
            goal = rule.goal or (self._metric.goal if rule.metric is None else "maximize")
            self._judges[cell.grid] = rule.build(maximize=goal == "maximize")
        self._told[cell.trial_id] = rung.time
        return self._judges[cell.grid].stops(cell.trial_id, rung.time, rung.value)

    def _rungs(
        self, cell: Cell, rows: Mapping[str, Sequence[tuple[int, str, float]]]
    ) -> Iterable[Rung]:
        """What a trial told, as its rows say."""
        ladder = self.ladder(cell)
        assert ladder is not None
        found = rows.get(cell.trial_id, ())
        epochs = {step: value for step, name, value in found if name == EPOCH}
        before = 0.0
        for step, name, value in found:
            time = epochs.get(step) if ladder.unit == EPOCH else float(step)
            if name == ladder.metric and time is not None and ladder.tells(time, before=before):
                before = time
                yield Rung(step, time, value)


def _rows(store: Store, metrics: Iterable[str]) -> dict[str, list[tuple[int, str, float]]]:
    """(step, name, value) of some metrics and of the epochs, by trial, in the order of steps."""
    from results.query import open_stores

    statement = (
        "SELECT trial_id, step, name, value FROM metrics"
        " WHERE layer IS NULL AND list_contains($names, name) AND isfinite(value)"
        " ORDER BY trial_id, step"
    )
    with open_stores([store.root]) as reader:
        rows = reader.trusted(statement, {"names": [*metrics, EPOCH]}).to_pylist()
    found: dict[str, list[tuple[int, str, float]]] = {}
    for row in rows:
        found.setdefault(row["trial_id"], []).append((row["step"], row["name"], row["value"]))
    return found
