"""Deletes segments that newer ones superseded, once no reader can still be at them.

Never opens a file: names and times of writing decide.
"""

from __future__ import annotations

from typing import Final

from results.segments import resolve
from results.store import Store

__all__ = ["LEFTOVER_AGE_S", "SUPERSEDED_AGE_S", "sweep_segments"]

SUPERSEDED_AGE_S: Final = 60.0
"""How long a superseded file stays for readers that listed it before its successor appeared."""

LEFTOVER_AGE_S: Final = 3600.0
"""Age at which a half-written file must be that of a dead process."""


def sweep_segments(store: Store, *, now: float) -> list[str]:
    """Deletes superseded segments, and what dead processes left half written.

    A segment goes only when the one that holds its rows was written `SUPERSEDED_AGE_S` ago.
    Lists all metrics: once per run of a sweep is often enough.

    Args:
        store: the run directory; the caller must be its writer, never a reader.
        now: seconds since 1970, on the clock that stamps the files.

    Returns:
        Names of the deleted segments.
    """
    gone: list[str] = []
    for segment, holder in resolve(store.list("metrics/")).superseded.items():
        written = store.modified(str(holder))
        if written is not None and now - written >= SUPERSEDED_AGE_S:
            store.delete(str(segment))
            gone.append(str(segment))
    store.tidy(before=now - LEFTOVER_AGE_S)
    return gone
