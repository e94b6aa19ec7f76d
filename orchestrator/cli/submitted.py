"""The driver of a submitted sweep: what a cluster runs as a job, in the folder of its parcel.

    python -P -m orchestrator.cli.submitted

Must never import what is slow before versions are compared. What the client waits for is one line
of standard output; the rest is for whoever reads the job's log.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestrator.parcel import Order, read_order, unpacked_kinds

if TYPE_CHECKING:
    from orchestrator.difference import Difference
    from orchestrator.driver import Summary
    from orchestrator.planning import Plan
    from orchestrator.queue import TrialQueue
    from results.store import Store

__all__ = ["main"]

ROOM_S: Final = 60.0
"""Seconds, beside those that its trials may take to save themselves, for a driver to make room."""
PATIENCE_S: Final = 5.0
"""Seconds that the client is kept waiting meanwhile."""
LOOK_EVERY_S: Final = 0.5


def main(folder: Path | None = None) -> int:
    """Does what the order in a folder asks for, and returns the exit code."""
    from orchestrator.errors import CliffsweepError
    from results.errors import ResultsError

    parcel = folder or Path.cwd()
    asked = read_order(parcel)
    here = version("cliffsweep")
    if asked["version"] != here:
        return _refuse(
            f"version: cliffsweep is the same here and on the cluster, got {asked['version']} here"
            f" and {here} there. Install one of them on both.",
            exit_code=2,
        )
    # What Ray itself was started with stands in the environment; nothing there means none.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    try:
        return _work(parcel, Order(**asked)).exit_code
    except CliffsweepError as error:
        return _refuse(str(error), exit_code=error.exit_code)
    except ResultsError as error:
        return _refuse(str(error), exit_code=2)


def _refuse(sentence: str, *, exit_code: int) -> int:
    from orchestrator.cli.output import note

    _answer(refused=sentence, exit_code=exit_code)
    note(sentence)
    return exit_code


def _answer(**said: Any) -> None:  # noqa: ANN401
    """Tells the client, who takes the first of these lines."""
    from orchestrator.submitting import ANSWER

    sys.stdout.write(f"{ANSWER}{json.dumps(said)}\n")
    sys.stdout.flush()


def _work(parcel: Path, order: Order) -> Summary:
    from orchestrator import actions
    from orchestrator.hearing import Told
    from orchestrator.options import Options
    from orchestrator.paths import run_directory, storage_root
    from orchestrator.spec_load import load_sweep
    from results.store import Store

    options = Options(
        cpu=order.cpu, gpu=order.gpu, data_dir=order.data_dir, only=order.only, steal=order.steal
    )
    root = run_directory(storage_root(order.storage), order.sweep)
    told = Told(listener=_listener(), on_queue=ending_when_asked(Store(root)))
    if order.file is None:
        return actions.resume(
            order.sweep, storage=order.storage, address="auto", options=options, **told
        )
    loaded = load_sweep(parcel / "sweep" / order.file)

    kinds = unpacked_kinds(parcel)
    drive = partial(actions.drive, loaded, kinds, root, "ray_tune", "auto", options=options)
    go = partial(drive, **told)
    if not order.take_over:
        return go()
    return in_place_of_another(go, Store(root), limit_s=loaded.sweep.grace + ROOM_S)


def in_place_of_another(
    go: Callable[[], Summary],
    store: Store,
    *,
    limit_s: float,
    monotonic: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Summary:
    """Asks the submitted driver at work to end, and follows it.

    Its running trials save themselves and go on here.

    Raises:
        LeaseError: it did not end in time.
    """
    from orchestrator.control import MAKE_ROOM
    from orchestrator.errors import LeaseError
    from orchestrator.lease import holder_of

    begun = monotonic()
    until, patient = begun + limit_s, True
    while True:
        holder = holder_of(store)
        if holder is not None and not holder.vanished() and monotonic() < until:
            store.put(MAKE_ROOM, b"")
            if patient and monotonic() - begun > PATIENCE_S:
                patient = False
                _answer(notes=["the driver at work makes room; its trials save themselves first"])
            wait(LOOK_EVERY_S)
            continue
        try:
            return go()
        except LeaseError:
            if monotonic() >= until:
                raise


def ending_when_asked(
    store: Store, *, wait: Callable[[float], None] = time.sleep
) -> Callable[[TrialQueue], None]:
    """What is done with the queue of a run: it stops at a signal, and to make room for another.

    Tune asks the queue for nothing while all its places are taken, so a thread looks.
    """
    from orchestrator.cli.running import stop_on_signals
    from orchestrator.control import MAKE_ROOM, Asked

    asked = Asked(store, MAKE_ROOM)

    def look(queue: TrialQueue) -> None:
        while not asked():
            wait(LOOK_EVERY_S)
        queue.stop()

    def on_queue(queue: TrialQueue) -> None:
        stop_on_signals(queue)
        threading.Thread(target=look, args=(queue,), name="make room", daemon=True).start()

    return on_queue


def _listener() -> Any:  # noqa: ANN401
    from orchestrator.cli.progress import RunProgress

    class Answering(RunProgress):
        """Shows a run in the job's log, and tells the client what was planned."""

        said: tuple[str, ...] = ()

        def changed(self, difference: Difference) -> None:
            """Keeps what changed for the answer."""
            super().changed(difference)
            self.said = tuple(difference.sentences)

        def planned(self, plan: Plan, left: int) -> None:
            """Answers: from here on the sweep is under way."""
            super().planned(plan, left)
            _answer(total=plan.total, left=left, notes=self.said)

    return Answering(bar=None, quiet=False)


if __name__ == "__main__":
    sys.exit(main())
