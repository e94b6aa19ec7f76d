"""Compacted files: their names, and what their footers say they hold.

Knows nothing of how they are made, nor of their rows.

    compact/<number>-<hash>.parquet          rows that counted, by (name, trial_id, step, layer)
    compact/<number>-<hash>.rest.parquet     rows that no longer did; missing where there were none
    compact/<number>-<hash>.finals.parquet   finals, by (name, trial_id, layer)

The first one's footer names the segments and the finals that the three stand for, so it is written
last: without it the others mean nothing. A higher number, and at equal numbers a higher hash, is
the later file. The hash is one of the names that went in, so of two compactions of the same files
one finds its work done.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from results.errors import NewerSchemaError, SchemaError, StorageError
from results.schema import read_footer
from results.store import FinalsName, Resolution, SegmentName, Store, resolve

__all__ = [
    "PREFIX",
    "CompactedFile",
    "compacted_name",
    "companions",
    "number_of",
    "read_compacted",
    "rows_of",
]

PREFIX: Final = "compact/"
_NAME = re.compile(r"compact/(?P<number>[0-9]{6,12})-[0-9a-f]{16}\.parquet")
_COMPANION = re.compile(r"(?P<stem>compact/[0-9]{6,12}-[0-9a-f]{16})\.(?:rest|finals)\.parquet")
_SEGMENTS_KEY: Final = b"cliffsweep.segments"
_FINALS_KEY: Final = b"cliffsweep.finals"
_REST_KEY: Final = b"cliffsweep.rest"


@dataclass(frozen=True, slots=True)
class CompactedFile:
    """What one compaction stands for.

    Attributes:
        name: of the file with the rows that counted.
        segments: whose rows it and its rest hold.
        finals: those that its finals file holds, at most one a trial.
        rested: whether there is a file with rows that no longer counted.
        partial: whether one of its files is missing or cannot be read.
        trials: whose rows those are.
        lasts: (trial_id, attempt) -> the largest step that it holds.
        limits: (trial_id, attempt) -> step up to which at most its rows counted, where another
            attempt that it holds sets a limit; what lies behind stands in the rest.
    """

    name: str
    segments: tuple[SegmentName, ...]
    finals: tuple[FinalsName, ...]
    rested: bool
    partial: bool = False
    trials: frozenset[str] = field(init=False)
    lasts: dict[tuple[str, int], int] = field(init=False)
    limits: dict[tuple[str, int], int] = field(init=False)

    def __post_init__(self) -> None:
        lasts: dict[tuple[str, int], int] = {}
        for segment in self.segments:
            key = segment.trial_id, segment.attempt
            lasts[key] = max(segment.last, lasts.get(key, -1))
        object.__setattr__(self, "trials", frozenset(key[0] for key in lasts))
        object.__setattr__(self, "lasts", lasts)
        own = resolve((), compacted={self.name: self.segments})
        object.__setattr__(self, "limits", own.cutoffs())

    @property
    def rest_name(self) -> str | None:
        """Name of the file with rows that no longer counted, None if there were none."""
        return self.name.replace(".parquet", ".rest.parquet") if self.rested else None

    @property
    def finals_name(self) -> str | None:
        """Name of the file with its finals, None if there are none."""
        return self.name.replace(".parquet", ".finals.parquet") if self.finals else None

    def names(self) -> list[str]:
        """The files it consists of, the one that names the others first."""
        return [name for name in (self.name, self.rest_name, self.finals_name) if name]

    def footer(self) -> dict[bytes, bytes]:
        """What the footer says."""
        return {
            _SEGMENTS_KEY: "\n".join(map(str, self.segments)).encode(),
            _FINALS_KEY: "\n".join(map(str, self.finals)).encode(),
            _REST_KEY: b"1" if self.rested else b"0",
        }


def compacted_name(number: int, inputs: Iterable[str]) -> str:
    """Name of the file that compacts these files.

    Args:
        number: higher than that of every one among them.
        inputs: names of segments, finals and compacted files.
    """
    digest = hashlib.sha256("\n".join(sorted(inputs)).encode()).hexdigest()[:16]
    return f"{PREFIX}{number:06d}-{digest}.parquet"


def number_of(name: str) -> int | None:
    """The number in a compacted file's name; None for other names, companions among them."""
    match = _NAME.fullmatch(name)
    return None if match is None else int(match["number"])


def companions(names: Iterable[str]) -> dict[str, str]:
    """Rest and finals files among some names -> the file whose footer would name them."""
    matches = map(_COMPANION.fullmatch, names)
    return {match[0]: f"{match['stem']}.parquet" for match in matches if match}


def read_compacted(
    store: Store, names: Iterable[str]
) -> tuple[dict[str, CompactedFile], dict[str, str]]:
    """Reads the footers of the compacted files among some names.

    Returns:
        Name -> what it holds; and name -> why it cannot be read, for those that are damaged or
        foreign.

    Raises:
        NewerSchemaError: a newer version wrote one.
        FileNotFoundError: one is gone by now, because a later one holds what it held.
    """
    files: dict[str, CompactedFile] = {}
    problems: dict[str, str] = {}
    for name in names:
        if number_of(name) is not None:
            try:
                files[name] = _read(store, name, _stamp(store, name))
            except NewerSchemaError:
                raise
            except SchemaError as problem:
                problems[name] = str(problem)
    return files, problems


def rows_of(store: Store, trial_id: str) -> Resolution:
    """Which rows of one trial count, compacted ones among them."""
    names = store.list(f"metrics/{trial_id}/")
    while True:
        try:
            files, _ = read_compacted(store, store.list(PREFIX))
        except FileNotFoundError:
            continue  # A later one that the next listing names holds what it held.
        held = {
            name: [s for s in file.segments if s.trial_id == trial_id]
            for name, file in files.items()
            if trial_id in file.trials
        }
        return resolve(names, compacted=held)


def _stamp(store: Store, name: str) -> tuple[int, Hashable]:
    try:
        return store.stamp(name)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError.from_os("read", store.path(name), error) from error


@lru_cache(maxsize=256)
def _read(store: Store, name: str, _stamp: tuple[int, Hashable]) -> CompactedFile:
    """Reads a footer once, as long as the file is the same."""
    where = store.where(name)
    footer = read_footer(store.open(name), kind="metrics", where=where)
    segments = _lines(footer.get(_SEGMENTS_KEY))
    finals = _lines(footer.get(_FINALS_KEY))
    file = CompactedFile(
        name,
        tuple(filter(None, map(SegmentName.parse, segments))),
        tuple(filter(None, map(FinalsName.parse, finals))),
        footer.get(_REST_KEY) == b"1",
    )
    if len(file.segments) != len(segments) or not segments or len(file.finals) != len(finals):
        raise SchemaError(f"{where}: must name what it holds, got a foreign file. Move it away.")
    return file


def _lines(text: bytes | None) -> Sequence[str]:
    return text.decode(errors="replace").split("\n") if text else ()
