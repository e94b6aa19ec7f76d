"""Folds of events: read once in a process, and what each of them replaced goes when it is old.

Knows nothing of trials, nor of loose events beyond their names.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa

from results.columns import to_values
from results.errors import StorageError
from results.events import EventKey
from results.schema import EVENTS, decode
from results.store import Store
from results.sweeping import SUPERSEDED_AGE_S

__all__ = ["Fold", "Replaced", "read_fold"]


@dataclass(frozen=True, eq=False, slots=True)
class Fold:
    """The events that one file holds, some hundred bytes a trial.

    Attributes:
        table: of the schema `EVENTS`.
        sides: trial id -> what is held of it, two numbers an attempt.
    """

    table: pa.Table = field(default_factory=lambda: pa.Table.from_batches([], schema=EVENTS))
    sides: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: pa.Table) -> Fold:
        """Takes in a table of the schema `EVENTS`."""
        sides: defaultdict[str, list[int]] = defaultdict(list)
        columns = (to_values(table.column(name)) for name in ("trial_id", "attempt", "status"))
        for trial_id, attempt, status in zip(*columns, strict=True):
            sides[trial_id].append(_side(attempt, ended=status != "running"))
        same: dict[tuple[int, ...], tuple[int, ...]] = {}  # Nearly all trials have but one attempt.
        return cls(
            table, {id_: same.setdefault(found := tuple(n), found) for id_, n in sides.items()}
        )

    def holds(self, key: EventKey) -> bool:
        """Whether it holds the event of a key."""
        return _side(key.attempt, ended=key.side == "end") in self.sides.get(key.trial_id, ())


def _side(attempt: int, *, ended: bool) -> int:
    """One number for an attempt's start, the next one for its end."""
    return 2 * attempt + ended


def read_fold(store: Store, name: str) -> Fold:
    """Reads a fold; a worker, which opens the record anew for every attempt, reads it once.

    Raises:
        SchemaError: it is damaged, or a newer version wrote it.
        StorageError: it cannot be read; the cause is a FileNotFoundError where it is gone.
    """
    try:
        stamp = store.stamp(name)
    except OSError as error:
        raise StorageError.from_os("read", store.path(name), error) from error
    return _read(store, name, stamp)


@lru_cache(maxsize=1)
def _read(store: Store, name: str, _stamp: tuple[int, Hashable]) -> Fold:
    return Fold.of(decode(store.read(name), kind="events", where=store.where(name)))


class Replaced:
    """What the folds of one driver replaced, until each fold is old enough for readers to know it.

    A sweep of short trials folds more often than that, so that its newest fold is always young.
    """

    def __init__(self) -> None:
        """Holds nothing yet."""
        self._lots: deque[tuple[float, list[str]]] = deque()

    def add(self, names: Collection[str], *, at: float | None) -> None:
        """Takes in what a fold replaced that appeared at a time, in seconds; None: it is gone."""
        if at is not None:
            self._lots.append((at, list(names)))

    def due(self, now: float) -> list[str]:
        """Gives away the names whose fold is 60 s old, in seconds of the same clock."""
        found: list[str] = []
        while self._lots and now - self._lots[0][0] >= SUPERSEDED_AGE_S:
            found += self._lots.popleft()[1]
        return found
