"""Ends an attempt that hangs: past its timeout, or past the grace it had to save itself and leave.

A trial looks whether its time is up after each step; a step that never ends never looks. Must never
be used in a process that does more than run this one attempt: it is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Final

from orchestrator.attempt import Attempt
from orchestrator.beside import looking
from orchestrator.provenance import host
from results.errors import ResultsError
from results.ledger import Event, Ledger
from results.store import Store

__all__ = ["Watch", "ended_in_time"]

_LOOK_EVERY_S: Final = 0.5


class Watch:
    """Knows from when on an attempt is overdue, and why."""

    def __init__(
        self,
        attempt: Attempt,
        *,
        asked_to_leave: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins now."""
        self._attempt = attempt
        self._asked_to_leave = asked_to_leave
        self._monotonic = monotonic
        self._begun = monotonic()
        self._asked: float | None = None

    def overdue(self) -> tuple[str, str] | None:
        """Failure class and sentence once the process should be killed; None until then."""
        now, grace, limit = self._monotonic(), self._attempt.grace_s, self._attempt.timeout_s
        if limit is not None and now - self._begun > limit + grace:
            return "timeout", (
                f"trial_timeout: a trial ends within {limit:g} s, got a step that did not end"
                f" {grace:g} s later (grace). Raise trial_timeout or make steps shorter."
            )
        if self._asked is None and self._asked_to_leave():
            self._asked = now
        if self._asked is not None and now - self._asked > grace:
            return "preempted", (
                f"asked to leave, and killed since its step did not end within {grace:g} s (grace);"
                " it goes on from its last checkpoint."
            )
        return None


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def ended_in_time(
    attempt: Attempt,
    *,
    asked_to_leave: Callable[[], bool],
    kill: Callable[[], None] = _kill_this_process,
) -> Iterator[None]:
    """Records the end of the attempt and kills this process once it is overdue.

    Args:
        attempt: what runs in the block.
        asked_to_leave: whether it should save itself and leave.
        kill: ends this process at once.
    """
    watch = Watch(attempt, asked_to_leave=asked_to_leave)

    def look() -> bool:
        found = watch.overdue()
        if found is not None:
            _record(attempt, *found)
            kill()
        return found is not None

    with looking(look, every_s=_LOOK_EVERY_S, name="overdue"):
        yield


def _record(attempt: Attempt, failure_class: str, detail: str) -> None:
    """Writes the end that the attempt cannot; the driver finds it when the process is gone."""
    with contextlib.suppress(ResultsError):
        Ledger(Store(attempt.root), sweep=attempt.sweep).record(
            Event(
                sweep=attempt.sweep,
                trial_id=attempt.trial_id,
                attempt=attempt.number,
                status="failed",
                host=host(),
                pid=os.getpid(),
                failure_class=failure_class,
                detail=detail,
            )
        )
