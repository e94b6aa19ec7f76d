"""Folds the files of many finished trials into one sorted file.

Never deletes: what a compaction replaces is ignored by name at once, and goes a minute later by
`Ledger.sweep_superseded`. Knows nothing of sweeps that run, but for what their events say.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from results.compact_inputs import (
    choose,
    covered_by,
    ended_trials,
    improves,
    inputs,
    of_trials,
    readable,
    summed_up,
)
from results.compacted import PREFIX, CompactedFile, compacted_name, number_of
from results.errors import StorageError
from results.listing import Listing
from results.schema import encode, encode_batches
from results.store import SegmentName, Store

__all__ = ["Compacted", "compact", "loose_trials"]

_MEMORY: Final = "192MB"
"""DuckDB's buffers. With the libraries, the file being written and one batch of rows: 400 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What a compaction did.

    Attributes:
        name: the file that stands for all; None where there was nothing to do.
        trials: trials whose loose files were folded.
        rows: that the new file and its rest hold.
        files_before: files that it replaces.
        files_after: files that it consists of.
        bytes_before: size of what it replaces.
        bytes_after: size of what it consists of.
        warnings: sentences about files that were left alone because they cannot be read.
    """

    name: str | None = None
    trials: int = 0
    rows: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    warnings: tuple[str, ...] = ()


def compact(
    store: Store,
    *,
    sweep: str,
    everything: bool = False,
    at: int = 1,
    clock: Callable[[], float] = time.time,
    memory: str = _MEMORY,
) -> Compacted:
    """Folds rows and finals of the trials that ended, so that questions open one file, not many.

    Writes its companions first and then the one file whose name and footer make them count, so a
    crash at any point leaves the store as it was. Two compactions at once, or one beside writers,
    cost no more than the work.

    Args:
        store: the run directory.
        sweep: its name.
        everything: fold all compacted files into one as well, however large.
        at: number of loose finished trials from which on it is worth it.
        clock: seconds since 1970.
        memory: limit of the sort's buffers; the rest is spilled beside the file.

    Raises:
        StorageError: the store cannot be read or written.
        SchemaError: events that cannot be read.
    """
    try:
        return _compact(store, sweep, everything=everything, at=at, clock=clock, memory=memory)
    except OSError as error:  # Also where another writer deletes what a third one replaced.
        place = Path(error.filename) if error.filename else store.root
        raise StorageError.from_os("read", place, error) from error


def _compact(
    store: Store,
    sweep: str,
    *,
    everything: bool,
    at: int,
    clock: Callable[[], float],
    memory: str,
) -> Compacted:
    # Events before rows: what an attempt that ended has written is then in the listing.
    ended = ended_trials(store, sweep=sweep, clock=clock)
    listing, warnings = readable(store, ended)
    chosen = choose(listing, ended, everything=everything)
    trials = {segment.trial_id for segment in chosen.segments.live}
    if len(trials) < at and not (everything and improves(chosen)):
        return Compacted(warnings=warnings)
    before = inputs(chosen)
    sizes = [store.stamp(name)[0] for name in before]
    file, rows = _write(store, listing, chosen, ended=ended, memory=memory)
    after = [store.stamp(name)[0] for name in file.names()]
    return Compacted(
        name=file.name,
        trials=len(trials),
        rows=rows,
        files_before=len(before),
        files_after=len(after),
        bytes_before=sum(sizes),
        bytes_after=sum(after),
        warnings=warnings,
    )


def loose_trials(store: Store) -> int:
    """Number of trials whose finals lie in a file of their own, by one listing."""
    return len({name.split("/")[1] for name in store.list("finals/")})


def _write(
    store: Store, listing: Listing, chosen: Listing, *, ended: Collection[str], memory: str
) -> tuple[CompactedFile, int]:
    """Writes the files of a compaction, the one that makes them count last.

    Returns:
        What they hold, and the number of rows.
    """
    # Late, because whoever runs trials has no use for a database until they end.
    from results.query_merge import PAGE_BYTES, Merge

    covered = covered_by(chosen)
    with _spill(store) as spill, Merge(chosen, memory=memory, spill=spill) as merge:
        counted, rest = merge.sizes()
        file = CompactedFile(
            _name(store, chosen, covered),
            covered,
            summed_up(listing, chosen, covered, ended),
            rested=rest > 0,
        )

        def fill(path: Path, rows: Iterator[pa.Table], expected: int) -> None:
            written = encode_batches(
                rows, path, kind="metrics", page_bytes=PAGE_BYTES, footer=file.footer()
            )
            _check_rows(path, written, expected)

        if file.rest_name:
            store.create_from(file.rest_name, lambda path: fill(path, merge.rest(rest), rest))
        if file.finals_name:
            with Merge(of_trials(listing, file), memory=memory, spill=spill) as other:
                finals = other.finals([(name.trial_id, name.attempt) for name in file.finals])
            store.create(file.finals_name, encode(finals, kind="finals"))

        def fill_last(path: Path) -> None:
            fill(path, merge.counted(counted), counted)
            _check_companions(store, file)

        store.create_from(file.name, fill_last)
    return file, counted + rest


def _check_rows(path: Path, written: int, expected: int) -> None:
    if written != expected:
        raise StorageError(
            f"{path}: must hold {expected} rows, got {written}. Nothing was replaced.", path=path
        )


def _check_companions(store: Store, file: CompactedFile) -> None:
    """Looks a last time before the name that makes all of them count is given."""
    for name in file.names()[1:]:
        if not store.exists(name):
            raise StorageError(
                f"{store.where(name)}: must stay until it is named, got removed. Nothing was"
                " replaced.",
                path=store.root / name,
            )


def _name(store: Store, chosen: Listing, covered: Collection[SegmentName]) -> str:
    """A name that tells whatever the content of the files depends on."""
    numbers = filter(None, map(number_of, store.list(PREFIX)))
    limits = chosen.segments.cutoffs()
    attempts = {(segment.trial_id, segment.attempt) for segment in covered}
    cut = [f"{key[0]} {key[1]} {limits[key]}" for key in attempts & limits.keys()]
    return compacted_name(max(numbers, default=0) + 1, [*inputs(chosen), *cut])


@contextmanager
def _spill(store: Store) -> Iterator[Path]:
    """A hidden folder for what the sort cannot keep in memory; a dead process's goes with time."""
    folder = store.path(PREFIX.rstrip("/")) / f".{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageError.from_os("write", folder, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
