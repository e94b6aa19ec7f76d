"""How the trials of a sweep stand, read off a few columns of its trials and events.

Knows nothing of drivers, nor of rows; `Ledger` has the whole record of every trial and attempt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from results.columns import from_rows, to_values
from results.errors import StorageError
from results.events import EventFiles, EventKey, sort_event_names
from results.schema import EVENTS, decode
from results.store import Store
from results.trials import trial_files

__all__ = ["Standing", "planned", "standing"]

_COLUMNS: Final = ("trial_id", "attempt", "status", "ts", "failure_class", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the wanted trials of a sweep stand.

    Attributes:
        total: how many there are.
        counts: status -> trials.
        grids: grid -> status -> trials.
        running: ids of those under way, sorted.
        failures: (trial_id, attempt, failure class, first line) of failed ones, sorted.
        seconds: from the first start to the last event of any trial; None before the first.
    """

    total: int
    counts: dict[str, int]
    grids: dict[str, dict[str, int]]
    running: list[str]
    failures: list[tuple[str, int, str, str]]
    seconds: float | None


def standing(store: Store) -> Standing:
    """Counts the wanted trials of a run directory by what their highest attempts say.

    Raises:
        SchemaError: a file of trials or events is damaged or foreign.
        NewerSchemaError: a newer version wrote one.
        StorageError: one cannot be read.
    """
    trials = planned(store)
    events = _events(store)
    statuses = to_values(events.column("status"))
    newest = _newest(events, statuses)
    counts: Counter[str] = Counter()
    grids: dict[str, Counter[str]] = {}
    ends: dict[str, list[tuple[str, int]]] = {"running": [], "failed": []}
    for trial_id, (grid, wanted) in trials.items():
        if wanted:
            row = newest.get(trial_id)
            status = "planned" if row is None else statuses[row]
            counts[status] += 1
            grids.setdefault(grid, Counter())[status] += 1
            if row is not None and status in ends:
                ends[status].append((trial_id, row))
    return Standing(
        total=counts.total(),
        counts=dict(counts),
        grids={grid: dict(counter) for grid, counter in grids.items()},
        running=sorted(trial_id for trial_id, _ in ends["running"]),
        failures=list(_failures(events, [row for _, row in sorted(ends["failed"])])),
        seconds=_seconds(events.column("ts")),
    )


def planned(store: Store) -> dict[str, tuple[str, bool]]:
    """Trial id -> its grid, and whether the sweep still asks for it; in the order of planning.

    Raises:
        SchemaError: a file is damaged or foreign.
        NewerSchemaError: a newer version wrote one.
        StorageError: one cannot be read.
    """
    while True:
        found: dict[str, tuple[str, bool]] = {}
        try:
            names = [name for _, name in trial_files(store.list("trials/"))]
            for table in _read(store, names, kind="trials", columns=("trial_id", "grid", "wanted")):
                ids, grids, wanted = map(to_values, table.columns)
                found.update(zip(ids, zip(grids, wanted, strict=True), strict=True))
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                continue  # Folded and deleted since the listing: a later file holds its rows.
            raise
        return found


def _events(store: Store) -> pa.Table:
    """All events, each once."""
    while True:
        files = sort_event_names(store.list("events/"))
        try:
            return pa.concat_tables(_tables(store, files))
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                continue  # Folded and deleted since the listing: the new one names its fold.
            raise


def _tables(store: Store, files: EventFiles) -> list[pa.Table]:
    """The fold's events, and those of the loose files that it does not hold."""
    tables = [from_rows([], EVENTS).select(_COLUMNS)]
    folded: set[EventKey] = set()
    if files.fold is not None:
        tables += _read(store, [files.fold], kind="events", columns=_COLUMNS)
        if among := {key.trial_id for key in files.loose}:
            folded.update(_keys(tables[-1], among=among))
    loose = [name for key, name in files.loose.items() if key not in folded]
    found = _read(store, loose, kind="events", columns=_COLUMNS)
    return [*tables, *(table.slice(0, 1) for table in found)]


def _keys(events: pa.Table, *, among: Container[str]) -> Iterator[EventKey]:
    columns = (to_values(events.column(name)) for name in ("trial_id", "attempt", "status"))
    for trial_id, attempt, status in zip(*columns, strict=True):
        if trial_id in among:
            yield EventKey(trial_id, attempt, "run" if status == "running" else "end")


def _newest(events: pa.Table, statuses: Sequence[str]) -> dict[str, int]:
    """Trial id -> row of the event of its highest attempt: how it ended, else that it runs."""
    ids, attempts = (to_values(events.column(name)) for name in ("trial_id", "attempt"))
    rows: dict[str, int] = {}
    orders: dict[str, int] = {}
    for row, (trial_id, attempt, status) in enumerate(zip(ids, attempts, statuses, strict=True)):
        order = 2 * attempt + (status != "running")
        if order > orders.get(trial_id, -1):
            orders[trial_id], rows[trial_id] = order, row
    return rows


def _failures(events: pa.Table, rows: Iterable[int]) -> Iterator[tuple[str, int, str, str]]:
    """(trial_id, attempt, failure class, first line) of some events."""
    names = ("trial_id", "attempt", "failure_class", "detail")
    columns = [events.column(name) for name in names]
    for row in rows:
        trial_id, attempt, failure_class, detail = (column[row].as_py() for column in columns)
        yield trial_id, attempt, failure_class or "", (detail or "").partition("\n")[0]


def _seconds(instants: pa.ChunkedArray) -> float | None:
    """From the first of some moments to the last; None if there is none."""
    # By their memory: as Python's own times they would cost more than everything else here, and
    # `to_numpy` looks for pandas.
    stamps = [
        np.frombuffer(chunk.buffers()[1], dtype=np.int64)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in instants.chunks
        if len(chunk)
    ]
    if not stamps:
        return None
    return float(max(map(np.max, stamps)) - min(map(np.min, stamps))) / 1e6


def _read(
    store: Store, names: Sequence[str], *, kind: str, columns: Sequence[str]
) -> Iterator[pa.Table]:
    for name, data in zip(names, store.read_all(names), strict=True):
        yield decode(data, kind=kind, where=store.where(name), columns=columns)
