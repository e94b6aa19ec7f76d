"""Runs attempts in this process, one after another: for debugging and most tests.

Knows nothing of why an attempt comes when it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from orchestrator.runners import Source
from orchestrator.trial import run_trial

__all__ = ["Runner"]


class Runner:
    """One attempt at a time, in the calling thread."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
        on_error: Callable[[BaseException], object] | None = None,
    ) -> None:
        """Names the surroundings.

        Args:
            clock: seconds since 1970, as trials see it.
            wait: passes time before a retry is due.
            on_error: is handed what a trial raised, once its end is recorded.
        """
        self._clock = clock
        self._wait = wait
        self._on_error = on_error

    def run(self, source: Source) -> None:
        """Runs attempts until the source is finished or stopping."""
        while not (source.finished or source.stopping):
            attempt = source.take()
            if attempt is None:
                self._wait(0.05)
                continue
            source.started(attempt)
            source.done(
                run_trial(
                    attempt,
                    at_rung=partial(source.reported, attempt),
                    clock=self._clock,
                    asked_to_leave=lambda: source.stopping,
                    on_error=self._on_error,
                )
            )
