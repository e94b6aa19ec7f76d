"""The verbs run and resume as Python calls them: with progress where somebody looks.

Must never know how progress is drawn, nor how trials run.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import actions

if TYPE_CHECKING:
    from orchestrator.driver import Listener, Options, Summary
    from orchestrator.queue import TrialQueue

__all__ = ["resume", "run"]


def run(
    spec: str | Path | Mapping[str, Any],
    *,
    storage: str | None = None,
    kinds: Sequence[str] = (),
    overrides: Sequence[str] = (),
    runner: str = "ray_tune",
    address: str | None = None,
    options: Options | None = None,
    listener: Listener | None = None,
    quiet: bool = False,
) -> Summary:
    """Runs what a sweep asks for and the store does not hold yet.

    In a notebook or at a terminal progress is shown; an interrupt lets running trials save
    themselves and leave, a second one ends them at once.

    Args:
        spec: a sweep file, or its keys as a mapping; a relative path in them starts here.
        storage: where run directories stand, instead of the file's.
        kinds: more folders with the user's kinds.
        overrides: words such as `activation.share=0.5,0.9` that change the file's axes.
        runner: `ray_tune` or `inline`.
        address: of a Ray cluster; None starts one here.
        options: overrides of the file.
        listener: hears what happens, instead of the progress.
        quiet: show nothing but what fails.

    Raises:
        CliffsweepError: see `orchestrator.errors`.
        ResultsError: the store cannot be read or written.
    """
    with _heard(listener, quiet=quiet) as (hears, on_queue):
        return actions.run(
            spec,
            storage=storage,
            kinds=kinds,
            overrides=overrides,
            runner=runner,
            address=address,
            options=options,
            listener=hears,
            on_queue=on_queue,
        )


def resume(
    name: str,
    *,
    storage: str | None = None,
    runner: str = "ray_tune",
    address: str | None = None,
    options: Options | None = None,
    listener: Listener | None = None,
    quiet: bool = False,
) -> Summary:
    """Runs what is unfinished of a sweep, from its run directory alone; else as `run`.

    Raises:
        InputError: there is no such sweep.
        CliffsweepError: as `run`.
    """
    with _heard(listener, quiet=quiet) as (hears, on_queue):
        return actions.resume(
            name,
            storage=storage,
            runner=runner,
            address=address,
            options=options,
            listener=hears,
            on_queue=on_queue,
        )


@contextlib.contextmanager
def _heard(
    listener: Listener | None, *, quiet: bool
) -> Iterator[tuple[Listener, Callable[[TrialQueue], None]]]:
    """Who hears of the run, and what turns an interrupt into a gentle stop; both end with it."""
    from orchestrator.cli.notebook import in_notebook
    from orchestrator.cli.progress import progress
    from orchestrator.cli.running import stop_on_signals

    looking = in_notebook() or sys.stderr.isatty()
    with contextlib.ExitStack() as stack:
        heard = listener or stack.enter_context(progress(quiet=quiet or not looking))
        if threading.current_thread() is not threading.main_thread():
            yield heard, lambda queue: None  # Only the main thread may listen for signals.
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield heard, stop_on_signals
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
