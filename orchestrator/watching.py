"""Follows a sweep while it runs: its standing, and what its trials print.

Must never write, and never print: it yields what is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from orchestrator.capture import pieces
from orchestrator.errors import InputError
from orchestrator.reading import SweepStatus, find_sweep, find_trial, status
from results.ledger import Ledger
from results.store import Store

__all__ = ["output", "standings"]

LOOK_EVERY_S = 1.0


def output(
    name: str,
    trial: str,
    *,
    storage: str | None = None,
    attempt: int | None = None,
    follow: bool = False,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[int, bytes]]:
    """What a trial's attempts printed, as (attempt, bytes), in order.

    Args:
        name: of the sweep.
        trial: the beginning of the trial's id.
        storage: where run directories stand.
        attempt: only this one.
        follow: go on until the trial's attempt has ended.
        wait: passes a number of seconds.

    Raises:
        InputError: no such sweep, trial or attempt.
    """
    store = Store(find_sweep(name, storage=storage))
    trial_id = find_trial(name, trial, storage=storage)
    ledger = Ledger(store, sweep=name)
    _refuse_unknown(attempt, name=name, trial_id=trial_id, count=ledger.attempts(trial_id))
    given: set[str] = set()
    while True:
        event = ledger.latest().get(trial_id)
        over = not follow or event is None or event.status != "running"
        for piece in pieces(store, trial_id):
            if piece.name not in given and attempt in (None, piece.attempt):
                given.add(piece.name)
                yield piece.attempt, store.read(piece.name)
        if over:
            return
        wait(LOOK_EVERY_S)


def _refuse_unknown(attempt: int | None, *, name: str, trial_id: str, count: int) -> None:
    if attempt is not None and attempt >= count:
        raise InputError(
            f"--attempt: an attempt from 0 to {count - 1} is needed, got {attempt}."
            f" `cliffsweep show {name} {trial_id}` lists them."
        )


def standings(
    name: str, *, storage: str | None = None, wait: Callable[[float], None] = time.sleep
) -> Iterator[SweepStatus]:
    """How a sweep stands, again and again, until no driver works on it.

    Raises:
        InputError: there is no such sweep.
    """
    while True:
        found = status(name, storage=storage)
        yield found
        if found.driver is None:
            return
        wait(LOOK_EVERY_S)
