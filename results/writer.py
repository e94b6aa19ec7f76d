"""Streams one attempt's progress to durable Parquet segments while it trains.

Knows nothing of training, of events or of other trials; it never decides what a row means.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import Final, Self

from results.buffer import Batch, RowBuffer
from results.errors import ResultsError
from results.finals import Finals
from results.folding import AttemptFiles
from results.store import Store

__all__ = ["Writer"]

_NOTHING: Mapping[str, float] = MappingProxyType({})
_NO_LAYERS: Mapping[str, Mapping[str, float]] = MappingProxyType({})
_FULL: Final = 250_000
"""Rows in memory (5 MB) from which on `write` flushes by itself, and waits where that is slow."""


class Writer:
    """Rows of one attempt, from `write` to one folded segment and its finals.

    What each call promises:

    * `write` only appends; a background thread flushes at least every `every_s` seconds.
    * When `flush` returns, everything written before is durable.
    * Rows of a flush that failed are kept, and the next flush tries them again.
    * What goes wrong in the background is raised by the next call, before it does anything.
    * `close` leaves one segment, and the finals beside it. An attempt without rows leaves no file.

    Finals are the last value (at the largest step), minimum, maximum and count per (layer, name)
    over the trial's counted rows; `results.finals` says what becomes of NaN. They are written only
    where they can be complete: a resumed attempt needs what `carried` gave its checkpoint.

    Args:
        store: the run directory.
        sweep: its name, a column of every row.
        trial_id: the trial, a folder's name.
        attempt: claimed number of this go, 0 or more.
        resumed_from: last step taken over from a checkpoint; None for a fresh start.
        carried: what `carried` returned when that checkpoint was made.
        every_s: longest time in seconds that a row waits for its flush.
        fold_at: number of loose segments that fold into one.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        *,
        sweep: str,
        trial_id: str,
        attempt: int,
        resumed_from: int | None = None,
        carried: bytes | None = None,
        every_s: float = 1.0,
        fold_at: int = 64,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Starts an attempt; nothing is written before the first row.

        Raises:
            SchemaError: `carried` is damaged or of a newer version.
        """
        names = {"sweep": sweep, "trial_id": trial_id}
        self._files = AttemptFiles(
            store, **names, attempt=attempt, resumed_from=resumed_from, clock=clock
        )
        self._place = f"{trial_id} attempt {attempt}"
        self._every_s, self._fold_at, self._clock = every_s, fold_at, clock
        self._finals = Finals() if carried is None else Finals.from_bytes(carried)
        self._complete = resumed_from is None or carried is not None
        self._last = -1 if resumed_from is None else resumed_from
        self._buffer = RowBuffer()
        self._unsaved: Batch | None = None
        self._failure: BaseException | None = None
        self._closed = threading.Event()
        self._file_lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def write(
        self,
        step: int,
        metrics: Mapping[str, float] = _NOTHING,
        layers: Mapping[str, Mapping[str, float]] = _NO_LAYERS,
    ) -> None:
        """Takes in everything known at one step.

        Args:
            step: optimizer updates done, greater than in every earlier call and than
                `resumed_from`.
            metrics: name -> whole-model value.
            layers: layer -> name -> value.

        Raises:
            ValueError: the step does not increase, or the writer is closed.
            TypeError: a value is not a number.
            StorageError: an earlier step could not be flushed; this one was not taken in.
        """
        self._raise_failure()
        if self._pending() >= _FULL:
            self.flush()
        if self._closed.is_set():
            raise ValueError(f"{self._place}: a closed writer takes no rows, got step {step}.")
        if not step > self._last:
            raise ValueError(
                f"{self._place}: steps must increase, got {step} after {self._last}. "
                "Yield each step once, and go on behind the resumed one."
            )
        instant = int(self._clock() * 1e6)
        self._buffer.append(step, instant, metrics=metrics, layers=layers)
        self._last = step
        if self._thread is None and len(self._buffer):
            self._start()

    def flush(self) -> None:
        """Makes every row written so far durable and visible.

        Raises:
            StorageError: the rows could not be written; they are kept for the next flush.
        """
        with self._file_lock:
            self._failure = None  # What failed in the background is tried again right here.
            if (batch := self._take()) is not None:
                rows = batch.table([*self._buffer.keys], constants=self._files.constants)
                self._files.add(rows, first=batch.first, last=batch.last)
                self._saved(batch)
            if self._files.loose >= self._fold_at:
                self._files.fold_loose()

    def carried(self) -> bytes:
        """The accumulators for a checkpoint at the last written step, after a flush.

        Raises:
            StorageError: see `flush`; no checkpoint may outlive the rows it rests on.
        """
        with self._file_lock:
            self.flush()
            return self._finals_bytes()

    def close(self) -> None:
        """Flushes, folds the attempt's segments into one and writes its finals.

        Raises:
            StorageError: something could not be written; what was flushed stays as it is, and
                `close` may be called again.
        """
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._file_lock:
            self._failure = None
            if not self._files.any:
                self.flush()
            elif (batch := self._take()) is not None:
                # One write instead of a flush and a fold; these rows were promised to nobody yet.
                rows = batch.table([*self._buffer.keys], constants=self._files.constants)
                self._files.fold_all(rows, last=batch.last)
                self._saved(batch)
            else:
                self._files.fold_all()
            if self._complete and self._files.any:
                # Last: finals without their rows would speak of steps nobody can look up.
                self._files.put_finals(self._finals_bytes(), over=self._finals.over)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes; an error of its own never hides the one that ended the block."""
        try:
            self.close()
        except ResultsError as own:
            if error is None:
                raise
            error.add_note(f"Besides, not all rows could be stored. {own}")

    def _pending(self) -> int:
        """Rows in memory, those among them that a flush has under way or could not store."""
        unsaved = self._unsaved
        return len(self._buffer) + (0 if unsaved is None else len(unsaved))

    def _take(self) -> Batch | None:
        """Rows to store now: what an earlier flush failed to, and what came since."""
        fresh = self._buffer.take()
        if fresh is not None:
            self._unsaved = fresh if self._unsaved is None else self._unsaved.followed_by(fresh)
        return self._unsaved

    def _saved(self, batch: Batch) -> None:
        self._unsaved = None
        self._finals.add(self._buffer.keys, batch.codes, batch.steps, batch.values)

    def _finals_bytes(self) -> bytes:
        return self._finals.to_bytes(constants=self._files.constants)

    def _start(self) -> None:
        name = f"flush {self._place}"
        self._thread = threading.Thread(target=self._flush_often, name=name, daemon=True)
        self._thread.start()

    def _flush_often(self) -> None:
        while not self._closed.wait(self._every_s):
            if self._failure is None:
                try:
                    self.flush()
                except BaseException as error:  # Raised by the next call, in the caller's thread.
                    self._failure = error

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
