"""Shows in a notebook how far a run is: one output that is written anew.

Must never know how trials run, and imports IPython only where it already runs.
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from rich.progress import TaskID

from orchestrator.cli.output import note

__all__ = ["NotebookBar", "in_notebook"]

_EVERY_S: Final = 0.2
"""Least time between two writings: each is a message to the browser."""
_WIDTH: Final = 40


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class NotebookBar:
    """What `rich.progress.Progress` is to a terminal, as far as a run needs it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Shows nothing yet.

        Args:
            clock: seconds that never jump.
        """
        self._clock = clock
        self._shown: Any = None
        self._last = 0.0
        self._name = ""
        self._total = 0.0

    @property
    def console(self) -> NotebookBar:
        """Where lines go that stay."""
        return self

    def print(self, *objects: Any, markup: bool | None = None) -> None:  # noqa: ANN401
        """Prints a line that stays, below the bar."""
        note(" ".join(map(str, objects)))

    def add_task(self, description: str, *, total: float | None, **fields: Any) -> TaskID:  # noqa: ANN401
        """Begins to show a run."""
        self._name, self._total = description, float(total or 0)
        display = import_module("IPython.display").display
        bundle = self._bundle(0.0, str(fields.get("counts", "")))
        self._shown = display(bundle, raw=True, display_id=True)
        return TaskID(0)

    def update(self, task_id: TaskID, *, completed: float | None = None, **fields: Any) -> None:  # noqa: ANN401
        """Writes anew, at most a few times a second, and always at the end."""
        done = completed or 0.0
        now = self._clock()
        if self._shown is not None and (now - self._last >= _EVERY_S or done >= self._total):
            self._last = now
            self._shown.update(self._bundle(done, str(fields.get("counts", ""))), raw=True)

    def _bundle(self, done: float, counts: str) -> dict[str, str]:
        text = f"{self._name}  {done:.0f}/{self._total:.0f}  {counts}"
        share = done / self._total if self._total else 1.0
        bar = "█" * round(share * _WIDTH)
        page = (
            f"<pre>{html.escape(self._name)}  {bar:·<{_WIDTH}}"
            f"  {done:.0f}/{self._total:.0f}  {html.escape(counts)}</pre>"
        )
        return {"text/plain": text, "text/html": page}
