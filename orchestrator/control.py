"""What users ask of running trials: files in `control/` of the run directory that workers look for.

    control/stop                  the driver starts nothing more and ends
    control/make-room             a submitted driver ends, for another that goes on in its place
    control/cancel-<trial>.a<k>   attempt k saves itself and ends; with content `now` it is killed
    control/rung-<trial>.a<k>     attempt k stops at the rung where it halts: its driver says so

Must never know how a trial leaves. A file bound to one attempt means nothing to the next, so a
request that nobody heard does no harm later.
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
from results.errors import ResultsError
from results.store import Store

__all__ = [
    "MAKE_ROOM",
    "STOP",
    "Asked",
    "asked_to_cancel",
    "cancel",
    "cancelled",
    "heeded",
    "killable",
    "stale",
    "stop_at_rung",
    "stops_at_rung",
]

STOP: Final = "control/stop"
MAKE_ROOM: Final = "control/make-room"
_NOW: Final = b"now"
_LOOK_EVERY_S: Final = 0.5
"""Between two looks; one is a request where the store is far away."""


class Asked:
    """Whether a file of the store is there, looked at every half second at most.

    Once seen it stays seen. A store that cannot be read asks for nothing.
    """

    def __init__(
        self, store: Store, name: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Names the file; the first look is the first call."""
        self._store = store
        self._name = name
        self._monotonic = monotonic
        self._next = -float("inf")
        self._seen = False

    def __call__(self) -> bool:
        """Looks, if it is time to."""
        if not self._seen and self._monotonic() >= self._next:
            self._next = self._monotonic() + _LOOK_EVERY_S
            with contextlib.suppress(ResultsError):
                self._seen = self._store.exists(self._name)
        return self._seen


def cancel(store: Store, trial_id: str, attempt: int, *, now: bool = False) -> None:
    """Asks one attempt, begun or not, to end.

    Args:
        store: the run directory.
        trial_id: the trial.
        attempt: its number.
        now: kill its process instead of letting it save itself.

    Raises:
        StorageError: the run directory cannot be written.
    """
    store.put(_name(trial_id, attempt), _NOW if now else b"")


def cancelled(attempt: Attempt) -> bool:
    """Whether somebody asked this attempt to end."""
    with contextlib.suppress(ResultsError):
        return Store(attempt.root).exists(_name(attempt.trial_id, attempt.number))
    return False


def stop_at_rung(attempt: Attempt) -> None:
    """Tells an attempt that halts at a rung to stop there.

    Raises:
        StorageError: the run directory cannot be written.
    """
    Store(attempt.root).put(_rung(attempt), b"")


def stops_at_rung(attempt: Attempt) -> bool:
    """Whether an attempt that halted at a rung was told to stop; the driver has looked by now."""
    with contextlib.suppress(ResultsError):
        return Store(attempt.root).exists(_rung(attempt))
    return False


def asked_to_cancel(attempt: Attempt) -> Asked:
    """The look for a request to cancel this attempt."""
    return Asked(Store(attempt.root), _name(attempt.trial_id, attempt.number))


@contextlib.contextmanager
def heeded(asked: Asked, act: Callable[[], None]) -> Iterator[None]:
    """Acts once what is looked for was asked for, as long as the block lasts.

    A thread looks, since a driver whose trials all run, or are about to, does nothing else for
    hours.
    """

    def look() -> bool:
        if asked():
            act()
            return True
        return False

    with looking(look, every_s=_LOOK_EVERY_S, name="heeded"):
        yield


def stale(store: Store) -> list[str]:
    """Names of the requests that stand in `control/`: a driver that begins deletes them."""
    return [name for name in store.list("control/") if name != STOP] + [STOP]


@contextlib.contextmanager
def killable(attempt: Attempt) -> Iterator[None]:
    """Kills this process when somebody asks for that, even in the middle of a step.

    For a process that does nothing but run this attempt.
    """
    store, name = Store(attempt.root), _name(attempt.trial_id, attempt.number)

    def look() -> bool:
        with contextlib.suppress(ResultsError):
            if store.exists(name) and store.read(name) == _NOW:
                os.kill(os.getpid(), signal.SIGKILL)
        return False

    with looking(look, every_s=2 * _LOOK_EVERY_S, name="killable"):
        yield


def _rung(attempt: Attempt) -> str:
    return f"control/rung-{attempt.trial_id}.a{attempt.number}"


def _name(trial_id: str, attempt: int) -> str:
    return f"control/cancel-{trial_id}.a{attempt}"
