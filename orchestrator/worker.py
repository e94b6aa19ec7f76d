"""Runs one attempt in a process that does nothing else: what a runner's workers call.

Must never know which runner it is. What the attempt prints is kept, a request to end it is heard
in the middle of a step, and a step that never ends does not keep the process.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.attempt import Attempt, Outcome
from orchestrator.capture import captured
from orchestrator.control import Asked, killable
from orchestrator.overdue import ended_in_time
from orchestrator.provenance import host
from orchestrator.trial import Course, trial_in_rungs
from results.store import Store

__all__ = ["in_worker"]


def in_worker(attempt: Attempt) -> Course:
    """Runs an attempt as `trial_in_rungs` does; this process may be killed meanwhile.

    Go on with it in the thread that began it: only the main one hears signals.
    """
    unseen = _unseen(attempt)
    if unseen is not None:
        return unseen
    prints = captured(Store(attempt.root), trial_id=attempt.trial_id, attempt=attempt.number)
    with (
        prints,
        killable(attempt),
        _asked_to_leave(attempt) as look,
        ended_in_time(attempt, asked_to_leave=look),
    ):
        return (yield from trial_in_rungs(attempt, asked_to_leave=look))


def _unseen(attempt: Attempt) -> Outcome | None:
    """The end of an attempt on a machine that does not see the driver's run directory.

    Drivers ask every node at their start; this one may have come later. A folder of its own here
    would take claims and rows that nobody else ever reads.
    """
    store = Store(attempt.root)
    if not isinstance(store.root, Path) or store.holds("sweep"):
        return None
    detail = (
        f"{attempt.root}: every node sees the driver's run directory, got none on {host()}. Mount"
        " it there under this path, or choose s3://bucket/prefix with --storage."
    )
    return Outcome.of(attempt, "failed", "storage", detail, recorded=False)


@contextlib.contextmanager
def _asked_to_leave(attempt: Attempt) -> Iterator[Callable[[], bool]]:
    """Gives a look at whether the trial should leave: its driver's file, or a SIGTERM.

    Ray's own handler would raise SystemExit in the middle of a step; a machine that is taken away,
    or a driver that died, should cost no more than the steps since the last one.
    """
    asked = Asked(Store(attempt.root), attempt.leave) if attempt.leave else None
    terminated = threading.Event()

    def look() -> bool:
        return terminated.is_set() or (asked is not None and asked())

    if threading.current_thread() is not threading.main_thread():
        yield look
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: terminated.set())
    try:
        yield look
    finally:
        signal.signal(signal.SIGTERM, before)
