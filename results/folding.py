"""The files of one attempt: adds segments, folds them into one, writes the finals.

Knows nothing of buffers, threads or steps to come; called from one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pyarrow as pa

from results.schema import METRICS, decode, encode
from results.store import FinalsName, SegmentName, Store
from results.sweeping import SUPERSEDED_AGE_S

__all__ = ["AttemptFiles"]

_MOST_NAMED: Final = 32
"""Attempts in the name of finals: a file's name has 255 characters at most."""


class AttemptFiles:
    """Segments of one attempt on disk.

    Attributes:
        constants: sweep, trial_id and attempt, the same in every row.

    A fold is written first and supersedes by its name at once; the files it replaced are deleted
    at a later call, when they are 60 s old. What is younger at the end stays for
    `Ledger.sweep_superseded`; readers pass it over in any case.
    """

    def __init__(
        self,
        store: Store,
        *,
        sweep: str,
        trial_id: str,
        attempt: int,
        resumed_from: int | None,
        clock: Callable[[], float],
    ) -> None:
        """Names the attempt; nothing is written yet."""
        self.constants: dict[str, str | int] = {
            "sweep": sweep,
            "trial_id": trial_id,
            "attempt": attempt,
        }
        self._store = store
        self._trial_id = trial_id
        self._attempt = attempt
        self._resumed_from = resumed_from
        self._clock = clock
        self._loose: list[SegmentName] = []
        self._folded: list[SegmentName] = []
        self._superseded: list[tuple[float, SegmentName]] = []

    @property
    def loose(self) -> int:
        """Number of segments that no fold holds yet."""
        return len(self._loose)

    @property
    def any(self) -> bool:
        """Whether the attempt has stored a row."""
        return bool(self._folded or self._loose)

    def add(self, rows: pa.Table, *, first: int, last: int) -> None:
        """Stores rows of the steps `first` to `last` as a new segment; durable on return."""
        self._drop_old()
        name = self._name(first, last)
        self._store.put(str(name), encode(rows, kind="metrics"))
        self._loose.append(name)

    def fold_loose(self) -> None:
        """Folds the segments that no fold holds yet into one."""
        self._fold(self._loose, kept=self._folded)

    def fold_all(self, rows: pa.Table | None = None, *, last: int | None = None) -> None:
        """Folds everything, and rows that were never stored before, into one segment.

        Args:
            rows: further rows behind all stored ones.
            last: step of the last of them.
        """
        if rows is not None or len(self._folded) + len(self._loose) > 1:
            self._fold([*self._folded, *self._loose], kept=[], rows=rows, last=last)

    def put_finals(self, data: bytes, *, over: tuple[int, ...]) -> None:
        """Writes the attempt's finals.

        They are not waited for: a reader who finds none sums up the segments.

        Args:
            data: a file of the table `finals`.
            over: earlier attempts whose rows they sum up too; of many it does not name any.
        """
        name = FinalsName(
            trial_id=self._trial_id,
            attempt=self._attempt,
            resumed_from=self._resumed_from,
            over=over if len(over) <= _MOST_NAMED else (),
        )
        self._store.put(str(name), data, sync="content")

    def _fold(
        self,
        segments: list[SegmentName],
        *,
        kept: list[SegmentName],
        rows: pa.Table | None = None,
        last: int | None = None,
    ) -> None:
        self._drop_old()
        names = [str(segment) for segment in segments]
        contents = zip(names, self._store.read_all(names), strict=True)
        tables = [
            decode(data, kind="metrics", where=self._store.where(name)) for name, data in contents
        ]
        if rows is not None:
            tables.append(rows.cast(METRICS))
        name = self._name(segments[0].first, segments[-1].last if last is None else last)
        self._store.put(str(name), encode(_sorted(tables), kind="metrics"))
        now = self._clock()
        self._superseded += [(now, segment) for segment in segments if segment != name]
        self._folded, self._loose = [*kept, name], []

    def _drop_old(self) -> None:
        now = self._clock()
        while self._superseded and now - self._superseded[0][0] >= SUPERSEDED_AGE_S:
            self._store.delete(str(self._superseded[0][1]))
            self._superseded.pop(0)

    def _name(self, first: int, last: int) -> SegmentName:
        return SegmentName(
            trial_id=self._trial_id,
            attempt=self._attempt,
            resumed_from=self._resumed_from,
            first=first,
            last=last,
        )


def _sorted(tables: Iterable[pa.Table]) -> pa.Table:
    """All rows by (name, step, layer), as every segment holds them."""
    keys = [("name", "ascending"), ("step", "ascending"), ("layer", "ascending")]
    return pa.concat_tables(tables).sort_by(keys)
