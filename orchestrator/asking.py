"""Asks a search for the next cells, from what the store holds of the ones before.

Must never know where trials run, nor how a search chooses: it keeps the history and the plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from orchestrator.expand import sought
from orchestrator.expander import Cell
from orchestrator.search import Answer, Question
from orchestrator.seeking import Sought
from orchestrator.spec import Resources
from orchestrator.spec_load import LoadedSweep
from results.lasts import Lasts, lasts
from results.ledger import Event, Ledger, TrialRow
from results.store import Store

__all__ = ["Asking", "asking", "planned"]

_DONE: Final = ("completed", "stopped")


def _ignore(sentence: str) -> None:
    """Tells nobody."""


def asking(
    loaded: LoadedSweep, store: Store, *, warn: Callable[[str], None] = _ignore
) -> Asking | None:
    """The dialogue of a sweep whose method learns; None where all cells are known beforehand.

    Args:
        loaded: the sweep.
        store: its run directory.
        warn: hears of points that the search drew and that are no valid workload.

    Raises:
        SpecError: what is wrong with the sweep file.
    """
    found = sought(loaded)
    return None if found is None or found.method.foreseen else Asking(found, store, warn=warn)


def planned(loaded: LoadedSweep, store: Store) -> tuple[list[Cell], int]:
    """What a sweep whose method learns has asked for so far, and how many more it may ask for.

    Raises:
        SpecError: what is wrong with the sweep file.
    """
    found = asking(loaded, store)
    if found is None:
        return [], 0
    ledger = Ledger(store, sweep=loaded.sweep.name)
    cells = found.known(ledger.trials(), ledger.latest())
    return cells, found.most - len(cells)


def samples(loaded: LoadedSweep) -> list[Cell]:
    """Cells such as a sweep whose method learns may ask for; none where all are known beforehand.

    Raises:
        SpecError: what is wrong with the sweep file.
    """
    found = sought(loaded)
    return [] if found is None or found.method.foreseen else found.samples()


class Asking:
    """The dialogue between a search and a store, in one run of the driver.

    Attributes:
        search: what is asked.
    """

    def __init__(
        self, sought: Sought, store: Store, *, warn: Callable[[str], None] = _ignore
    ) -> None:
        """Asks nothing yet; see `asking`.

        Raises:
            SpecError: what is wrong with the sweep file.
        """
        self._sought = sought
        self._store = store
        self._warn = warn
        self.search = sought.search()
        self._history: dict[str, Answer] = {}
        self._cells: dict[str, Cell] = {}
        self._reached: dict[str, Lasts] = {}
        self._completed: set[str] = set()
        self._open: set[str] = set()
        self._over = False
        self._news = True
        self._refused = False

    @property
    def adaptive(self) -> bool:
        """Whether it looks at the break so far, see `TrialRow.adaptive`."""
        return self._sought.method.reads_cliff

    @property
    def demands(self) -> list[Resources]:
        """What its trials may ask of a machine."""
        return self._sought.demands

    @property
    def most(self) -> int:
        """Trials that there may be at the end, those already planned among them."""
        to_come = 0 if self._over else self._sought.method.trials - len(self._history)
        return len(self._cells) + max(0, to_come)

    def known(self, rows: Mapping[str, TrialRow], latest: Mapping[str, Event]) -> list[Cell]:
        """Takes up what the store holds, in the order of planning.

        Args:
            rows: every trial of the store by id, in that order.
            latest: the last event of each trial that has one.

        Returns:
            The cells among them that the sweep still asks for: points of its space, and their
            baselines.
        """
        for row in rows.values():
            question = self._sought.question(row.trial_id, row.config)
            if question is None:
                continue
            for cell in self._sought.cells(question):
                if cell.trial_id in rows:
                    self._cells.setdefault(cell.trial_id, cell)
            event = latest.get(row.trial_id)
            status = event.status if event is not None and event.status in _DONE else "planned"
            self._history[row.trial_id] = Answer(
                trial_id=row.trial_id,
                grid=question.grid,
                values=question.values,
                seed=row.seed,
                status=status,
                config=row.config,
            )
        for trial_id in self._cells:
            status = latest[trial_id].status if trial_id in latest else "planned"
            self._note(trial_id, status)
        self._learn([trial_id for trial_id in self._cells if trial_id not in self._open])
        order = {trial_id: place for place, trial_id in enumerate(rows)}
        return sorted(self._cells.values(), key=lambda cell: order[cell.trial_id])

    def more(self) -> list[Cell] | None:
        """The cells that come next, none of them known before; None: no more will come."""
        if self._over or not self._news:
            return None if self._over else []
        questions = self.search.ask(self.history())
        new = [cell for question in questions or () for cell in self._take(question)]
        self._news = bool(new)
        # A search that waits for nothing would wait for ever.
        self._over = questions is None or not (new or self._open)
        self._tell()
        return None if self._over else new

    def _tell(self) -> None:
        """Tells of points that are no valid workload, and of a search that finds no others."""
        for sentence in self._sought.passed_over():
            self._refused = True
            self._warn(sentence)
        left = self._sought.method.trials - len(self._history)
        if self._refused and self._over and left > 0 and not self._sought.method.reads_cliff:
            self._warn(f"The search ends {left} trials early: it finds no further valid point.")

    def heard(self, trial_id: str, status: str, failure_class: str | None) -> None:
        """Takes in how a trial ended for good: no retry follows."""
        if trial_id in self._history:
            self._history[trial_id] = replace(
                self._history[trial_id], status=status, failure_class=failure_class
            )
        if trial_id in self._cells:
            self._note(trial_id, status)
            self._open.discard(trial_id)
            self._learn([trial_id] if status in _DONE else [])
        self._news = True

    def _take(self, question: Question) -> list[Cell]:
        """The cells of a question that are not known yet."""
        cells = self._sought.cells(question)
        new = [cell for cell in cells if cell.trial_id not in self._cells]
        for cell in new:
            self._cells[cell.trial_id] = cell
            self._open.add(cell.trial_id)
        cell = cells[-1]
        if cell.trial_id not in self._history:
            self._history[cell.trial_id] = Answer(
                trial_id=cell.trial_id,
                grid=question.grid,
                values=question.values,
                seed=cell.seed,
                status="planned",
                config=cell.config,
            )
        return new

    def _note(self, trial_id: str, status: str) -> None:
        if status not in _DONE:
            self._open.add(trial_id)
        elif status == "completed":
            self._completed.add(trial_id)

    def _learn(self, trial_ids: Sequence[str]) -> None:
        self._reached |= lasts(self._store, trial_ids)

    def history(self) -> list[Answer]:
        """Every trial of the space with what it reached, in the order of planning."""
        left_out = self._left_out() if self._sought.method.reads_cliff else {}
        return [
            self._with_values(answer, left_out.get(trial_id))
            for trial_id, answer in self._history.items()
        ]

    def _with_values(self, answer: Answer, left_out: str | None) -> Answer:
        reached = self._reached.get(answer.trial_id)
        if reached is None or answer.status not in _DONE:
            return replace(answer, left_out=left_out)
        return replace(
            answer,
            step=reached.step,
            metrics=reached.metrics,
            score=self._score(self._cells[answer.trial_id]),
            score_rule=self._cells[answer.trial_id].score_rule,
            left_out=left_out,
        )

    def _score(self, cell: Cell) -> float | None:
        """A trial against its baseline, by the rules of the view `trials`."""
        own = self._value(cell.trial_id, cell.metric)
        lowers = not self._sought.space.goals[0].maximize
        if cell.baseline_id is None:
            return None if own is None else -own if lowers else own
        of_baseline = self._value(cell.baseline_id, cell.metric)
        if own is None or of_baseline is None or cell.baseline_id not in self._completed:
            return None
        if cell.score_rule == "accuracy_ratio":
            return own / of_baseline if of_baseline else None
        if cell.score_rule == "exp_loss":
            return math.exp(of_baseline - own)
        return of_baseline - own if lowers else own - of_baseline

    def _value(self, trial_id: str, metric: str) -> float | None:
        reached = self._reached.get(trial_id)
        return None if reached is None else reached.metrics.get(metric)

    def _left_out(self) -> dict[str, str]:
        """Why no cliff can rest on some trials."""
        from results.cliff import cells
        from results.query import open_stores

        with open_stores([self._store.root]) as reader:
            return {cell.trial_id: cell.left_out for cell in cells(reader) if cell.left_out}
