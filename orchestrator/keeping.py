"""Keeps a store quick to read: folds what finished, for the verb and beside a sweep that runs.

Must never fail a sweep: what goes wrong is said, and the loose files answer as before.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from orchestrator.reading import find_sweep
from results.errors import ResultsError
from results.ledger import Ledger
from results.store import Store

if TYPE_CHECKING:
    from results.compact import Compacted

__all__ = ["LOOSE", "Keeper", "compact"]

LOOSE: Final = 500
"""Finished trials with files of their own from which on a running sweep folds them."""


def compact(name: str, *, storage: str | None = None) -> Compacted:
    """Folds the finished trials of a sweep into one sorted file, beside whoever writes.

    What it replaces no longer counts at once; those files go a minute later, by the next writer.

    Raises:
        InputError: there is no such sweep.
        StorageError: the store cannot be read or written; it is as it was.
    """
    from results.compact import compact as fold

    root = find_sweep(name, storage=storage)
    store = Store(root)
    done = fold(store, sweep=root.name, everything=True)
    Ledger(store, sweep=root.name).sweep_superseded()
    return done


class Keeper:
    """Folds the finished trials of one sweep while its driver works, and once at the end.

    Call it from one thread. It needs no lease: a compaction is harmless beside any other.
    """

    def __init__(
        self,
        store: Store,
        *,
        sweep: str,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        loose: int = LOOSE,
    ) -> None:
        """Counts what lies loose by now.

        Args:
            store: the run directory.
            sweep: its name.
            warn: hears what could not be done, in one sentence; in whichever thread.
            clock: seconds since 1970.
            loose: number of loose finished trials from which on they are folded.
        """
        from results.compact import loose_trials

        self._store = store
        self._sweep = sweep
        self._warn = warn
        self._clock = clock
        self._most = loose
        self._loose = loose_trials(store)
        self._thread: threading.Thread | None = None
        self._closing = False

    def begin(self) -> None:
        """Deletes in the background what an earlier run left superseded: it may take seconds."""
        self._thread = threading.Thread(target=self._sweep_up, daemon=True)
        self._thread.start()

    def ended(self, *, last: bool = False) -> None:
        """Counts an attempt that ended; folds in the background where many lie loose.

        Args:
            last: whether nothing else runs or waits; what is left folds while the runner closes.
        """
        self._loose += 1
        idle = self._thread is None or not self._thread.is_alive()
        if idle and (last or self._loose > self._most):
            self._loose = 0
            self._closing = last
            fold = self._fold if last else self._fold_apart
            self._thread = threading.Thread(target=fold, name=f"compact {self._sweep}")
            self._thread.start()

    def finish(self) -> None:
        """Waits for a fold that may be under way, and folds what it cannot have seen."""
        if self._thread is not None:
            self._thread.join()
        if self._loose or not self._closing:
            self._fold()

    def _fold(self) -> None:
        """Folds here, at the end: another process would take longer to start than to fold."""
        from results.compact import compact as fold

        with self._saying():
            for sentence in fold(self._store, sweep=self._sweep, clock=self._clock).warnings:
                self._warn(sentence)
            Ledger(self._store, sweep=self._sweep, clock=self._clock).sweep_superseded()

    def _fold_apart(self) -> None:
        """Folds while trials run, so that the driver's memory does not grow with them."""
        from results.compact_child import compact_apart

        with self._saying():
            for sentence in compact_apart(self._store, sweep=self._sweep):
                self._warn(sentence)

    def _sweep_up(self) -> None:
        with self._saying():
            Ledger(self._store, sweep=self._sweep, clock=self._clock).sweep_superseded()

    @contextlib.contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except (ResultsError, MemoryError, OSError) as error:
            self._warn(f"{self._sweep}: not compacted, {str(error) or 'memory ran out'}")
