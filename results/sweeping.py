"""Deletes files that newer ones superseded, once no reader can still be at them.

Opens no file but the footers of compacted ones: names and times of writing decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from results.compacted import PREFIX, CompactedFile, companions, read_compacted
from results.errors import SchemaError
from results.listing import resolve_all
from results.schema import check_footer
from results.store import Store

__all__ = ["LEFTOVER_AGE_S", "SUPERSEDED_AGE_S", "sweep_segments"]

SUPERSEDED_AGE_S: Final = 60.0
"""How long a superseded file stays for readers that listed it before its successor appeared."""

LEFTOVER_AGE_S: Final = 3600.0
"""Age at which a half-written file must be that of a dead process."""


def sweep_segments(store: Store, *, now: float) -> list[str]:
    """Deletes superseded segments, finals and compacted files, and what dead processes left.

    A file goes only when the one that holds its rows was written `SUPERSEDED_AGE_S` ago and is
    whole. Lists all metrics: once per run of a sweep is often enough.

    Args:
        store: the run directory; the caller must be its writer, never a reader.
        now: seconds since 1970, on the clock that stamps the files.

    Returns:
        Names of the deleted files.
    """
    gone: list[str] = []
    ages: dict[str, float | None] = {}
    for name, holders, least in _superseded(store):
        for holder in holders:
            if holder not in ages:
                written = store.modified(holder)
                ages[holder] = None if written is None else now - written
        if all((ages[holder] or 0.0) >= least for holder in holders):
            store.delete(name)
            gone.append(name)
    # A listing opens every folder: 20 000 empty ones would cost 0.2 s.
    for folder in {name.rpartition("/")[0] for name in gone if name.count("/") == 2}:
        store.delete_empty(folder)
    store.tidy(before=now - LEFTOVER_AGE_S)
    return gone


def _superseded(store: Store) -> Iterator[tuple[str, set[str], float]]:
    """Names that nobody needs, the files that hold what they held, and how old those must be."""
    finals, metrics = store.list("finals/"), store.list("metrics/")
    compacted = store.list(PREFIX)
    try:
        files, _ = read_compacted(store, compacted)
    except FileNotFoundError:  # Another writer is deleting; the next call goes on.
        return
    whole = [name for name, file in files.items() if _is_whole(store, file)]
    resolved = resolve_all(store, metrics=metrics, finals=finals, compacted=whole)
    for segment, holder in resolved.segments.superseded.items():
        yield str(segment), {holder}, SUPERSEDED_AGE_S
    for summary, holder in resolved.replaced.items():
        yield str(summary), {holder}, SUPERSEDED_AGE_S
    needed = {name for file in files.values() for name in file.names()}
    for name in whole:
        if not resolved.segments.parts[name]:
            holders = set(resolved.segments.replaced[name].values())
            # The one that names the others first: what is left of them then means nothing.
            yield from ((part, holders, SUPERSEDED_AGE_S) for part in files[name].names())
    for part, owner in companions(compacted).items():
        if owner not in compacted and part not in needed:
            yield part, {part}, LEFTOVER_AGE_S  # Its owner may be on its way, however large.


def _is_whole(store: Store, file: CompactedFile) -> bool:
    """Whether all files of a compaction can be read, so that what they replaced may go."""
    try:
        for name, kind in ((file.rest_name, "metrics"), (file.finals_name, "finals")):
            if name:
                check_footer(store.open(name), kind=kind, where=store.where(name))
    except (SchemaError, FileNotFoundError):
        return False
    return True
