"""The runners: where attempts run. Each file is a kind holding one class `Runner`.

A runner takes attempts from a `Source` until that is finished and tells it how each one ended.
"""

from __future__ import annotations

from typing import Protocol

from orchestrator.attempt import Attempt, Outcome
from orchestrator.rungs import Rung

__all__ = ["Runner", "Source"]


class Source(Protocol):
    """Where a runner gets its work from; asked from one thread only."""

    @property
    def finished(self) -> bool:
        """Whether no attempt is left and none is under way."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether nothing more starts, and what runs should leave."""
        ...

    @property
    def learns(self) -> bool:
        """Whether what comes next hangs on how others end, so that nothing is taken ahead."""
        ...

    def take(self) -> Attempt | None:
        """Returns the next attempt, None if there is none just now."""
        ...

    def started(self, attempt: Attempt) -> None:
        """Hears that an attempt that was taken runs from now on."""
        ...

    def reported(self, attempt: Attempt, rung: Rung) -> bool:
        """Hears what a stopping rule wants to know, and says whether the attempt should stop."""
        ...

    def done(self, outcome: Outcome) -> None:
        """Hears how an attempt ended."""
        ...

    def warn(self, sentence: str) -> None:
        """Hears what the user should know of the place while attempts run."""
        ...


class Runner(Protocol):
    """A place where attempts run."""

    def run(self, source: Source) -> None:
        """Runs attempts until the source is finished or stopping.

        Raises:
            RunnerError: the place is not there or went away.
        """
        ...
