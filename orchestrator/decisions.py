"""What adaptive replicates have decided of each cell so far, read from the store.

Must never ask for a trial, nor decide by other rules than the sweep does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from orchestrator.errors import InputError
from orchestrator.reading import find_sweep, record
from results.store import Store

if TYPE_CHECKING:
    from orchestrator.replicating import Decision, Replicated
    from orchestrator.search import Answer

__all__ = ["Decided", "decisions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One cell with all its seeds.

    Attributes:
        grid: its grid.
        config: its workload, without the seed.
        trials: seed -> trial id, of each seed that was asked for.
        completed: how many of them have a score.
        mean: of their scores; None without one.
        interval: holds the mean at every look with the probability that the file asks for; None
            below two seeds.
        line: what the mean is compared with, `delta` below the baseline; None without a score.
        side: of that line: `above`, `below` or `open`.
        rank: among the cells that differ in their activation alone: `first`, `behind` or `open`.
    """

    grid: str
    config: Mapping[str, Any]
    trials: Mapping[int | None, str]
    completed: int
    mean: float | None
    interval: tuple[float, float] | None
    line: float | None
    side: str | None
    rank: str | None

    @property
    def open(self) -> bool:
        """Whether an interval still crosses a decision."""
        return "open" in (self.side, self.rank)


def decisions(name: str, *, storage: str | None = None) -> list[Decided]:
    """What is decided of each cell that was asked for, in the order of the file.

    The kinds that the sweep brought along are imported, as `resume` does.

    Args:
        name: of the sweep.
        storage: where run directories stand.

    Raises:
        InputError: there is no such sweep, it was never started, or its replicates are not
            adaptive.
    """
    from orchestrator.actions import cells_of
    from orchestrator.asking import asking
    from orchestrator.search._replicating import Replicating
    from orchestrator.spec_load import load_bytes
    from results.ledger import Ledger

    store = Store(find_sweep(name, storage=storage))
    kept = record(name, storage=storage)
    files = Path() if kept.files is None else store.folder(kept.files)
    loaded = load_bytes(kept.data, source=store.where(kept.name), folder=files)
    cells_of(loaded, [store.folder(kind) for kind in kept.kinds])
    found = asking(loaded, store)
    if found is None or not isinstance(found.search, Replicating):
        raise InputError(
            f"{name}: a sweep with adaptive replicates is needed, got one without."
            " Write replicates: {adaptive: {max: 8, until: 0.95}}."
        )
    ledger = Ledger(store, sweep=loaded.sweep.name)
    found.known(ledger.trials(), ledger.latest())
    answers = found.search.answers(found.history())
    cells = found.search.cells(answers)
    decided = found.search.decided(cells)
    return [
        _decided(cell, answers[cell.key], decided[cell.key]) for cell in cells if answers[cell.key]
    ]


def _decided(cell: Replicated, answers: Sequence[Answer], decision: Decision) -> Decided:
    first = answers[0]
    return Decided(
        grid=first.grid,
        config={name: value for name, value in first.config.items() if name != "seed"},
        trials={answer.seed: answer.trial_id for answer in answers},
        completed=len(cell.scores),
        mean=fmean(cell.scores.values()) if cell.scores else None,
        interval=decision.interval,
        line=cell.line,
        side=decision.side,
        rank=decision.rank,
    )
