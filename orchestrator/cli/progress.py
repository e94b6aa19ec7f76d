"""Shows how far a run is: a bar on a terminal, a line now and then without one.

Knows nothing of how trials run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from orchestrator.cli.notebook import NotebookBar, in_notebook
from orchestrator.cli.output import duration, errors, note
from orchestrator.difference import Difference
from orchestrator.planning import Plan
from orchestrator.queue import Tally
from orchestrator.trial import Attempt, Outcome

__all__ = ["RunProgress", "progress"]

_LINE_EVERY_S = 10.0
_WORDS = {
    "retry": "will be tried again",
    "failed": "failed",
    "left": "saved itself and left",
    "foreign": "skipped",
    "cancelled": "ended",
}


class _Lines(Protocol):
    """Where lines go that stay."""

    def print(self, *objects: Any, markup: bool | None = None) -> None:  # noqa: ANN401
        """Prints one."""


class _Bar(Protocol):
    """What a run is shown on: rich's bar on a terminal, an output of a notebook."""

    @property
    def console(self) -> _Lines:
        """Where lines go that stay."""

    def add_task(self, description: str, *, total: float | None, **fields: Any) -> TaskID:  # noqa: ANN401
        """Begins to show a run."""

    def update(self, task_id: TaskID, *, completed: float | None = None, **fields: Any) -> None:  # noqa: ANN401
        """Says how far it is."""


class RunProgress:
    """Listens to a run and shows it."""

    def __init__(
        self,
        *,
        bar: _Bar | None,
        quiet: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes where to show it; failures are shown even when quiet."""
        self._bar = bar
        self._quiet = quiet
        self._clock = clock
        self._task: TaskID | None = None
        self._tally = Tally()
        self._left = 0
        self._begun = clock()
        self._last_line = clock()

    def changed(self, difference: Difference) -> None:
        """Says what changed since the last start; a warning is shown even when quiet."""
        for sentence in difference.sentences:
            note(sentence)

    def planned(self, plan: Plan, left: int) -> None:
        """Says what is asked for and what of it is left."""
        self._left = left
        self._begun = self._last_line = self._clock()
        if self._quiet:
            return
        total = plan.total + plan.to_come
        removed = f", {len(plan.removed)} no longer wanted" if plan.removed else ""
        note(f"{plan.sweep}: {total} cells, {total - left} done, {left} to run{removed}")
        if self._bar is not None and left:
            self._task = self._bar.add_task(plan.sweep, total=left, counts=self._counts())

    def started(self, tally: Tally, attempt: Attempt) -> None:
        """Counts a start."""
        self._show(tally)

    def ended(self, tally: Tally, outcome: Outcome, verdict: str) -> None:
        """Counts an end, and says at once what failed."""
        if verdict not in ("completed", "stopped"):
            reason = (outcome.detail or "another process took it").partition("\n")[0]
            what = _WORDS[verdict]
            cause = outcome.failure_class or verdict
            self._print(f"{outcome.trial_id} attempt {outcome.number} {what}: {cause}: {reason}")
        self._show(tally)

    def warned(self, sentence: str) -> None:
        """Says what could not be done; even when quiet."""
        self._print(sentence)

    def _show(self, tally: Tally) -> None:
        self._tally = replace(tally)
        if self._quiet:
            return
        done = tally.completed + tally.stopped + tally.failed + tally.foreign + tally.cancelled
        if self._bar is not None:
            if self._task is not None:
                self._bar.update(self._task, completed=done, counts=self._counts())
        elif self._clock() - self._last_line >= _LINE_EVERY_S or done == self._left:
            self._last_line = self._clock()
            note(f"  {done}/{self._left}  {self._counts()}")

    def _counts(self) -> str:
        tally = self._tally
        parts = [f"{tally.completed} completed", f"{tally.running} under way"]
        parts += [f"{tally.stopped} stopped early"] if tally.stopped else []
        parts += [f"{tally.failed} failed"] if tally.failed else []
        parts += [f"{tally.cancelled} cancelled"] if tally.cancelled else []
        parts += [f"{tally.retried} retried"] if tally.retried else []
        elapsed = self._clock() - self._begun
        ended = tally.completed + tally.stopped
        if ended and elapsed > 0:
            each = elapsed / ended
            rest = self._left - ended - tally.failed - tally.cancelled
            parts.append(f"{60 / each:.1f} a minute")
            parts.append(f"{duration(each * rest)} left" if rest else duration(elapsed))
        return ", ".join(parts)

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False)
        else:
            note(text)


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[RunProgress]:
    """Shows a bar for as long as the block lasts, on a terminal or in a notebook."""
    console = errors()
    if not quiet and in_notebook():
        yield RunProgress(bar=NotebookBar(), quiet=False)
        return
    if quiet or not console.is_terminal:
        yield RunProgress(bar=None, quiet=quiet)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}  {task.fields[counts]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        yield RunProgress(bar=bar, quiet=quiet)
