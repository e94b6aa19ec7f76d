"""Who hears of a run, and what an interrupt does to it, where the caller did not say.

Must never know how progress is drawn, nor how trials run.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from orchestrator.driver import Listener
    from orchestrator.queue import TrialQueue

__all__ = ["Told", "heard"]


class Told(TypedDict):
    """What a driver is given to tell of its run: who hears of it, and who may stop it."""

    listener: Listener
    on_queue: Callable[[TrialQueue], None]


@contextlib.contextmanager
def heard(
    listener: Listener | None, on_queue: Callable[[TrialQueue], None] | None, *, quiet: bool
) -> Iterator[Told]:
    """Puts in who is missing; what this puts in ends with the block.

    Args:
        listener: hears of the run; None: progress, in a notebook or at a terminal.
        on_queue: is handed the queue of trials; None: the first interrupt lets running trials save
            themselves and leave, a second one ends them at once.
        quiet: the progress shows nothing but what fails.
    """
    with contextlib.ExitStack() as stack:
        yield Told(
            listener=listener or stack.enter_context(_progress(quiet=quiet)),
            on_queue=on_queue or stack.enter_context(_stopping()),
        )


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Listener]:
    from orchestrator.cli.notebook import in_notebook
    from orchestrator.cli.progress import progress

    looking = in_notebook() or sys.stderr.isatty()
    with progress(quiet=quiet or not looking) as listener:
        yield listener


@contextlib.contextmanager
def _stopping() -> Iterator[Callable[[TrialQueue], None]]:
    if threading.current_thread() is not threading.main_thread():
        yield lambda queue: None  # Only the main thread may listen for signals.
        return
    from orchestrator.cli.running import stop_on_signals

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop_on_signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
