"""Chooses what a compaction folds: the files of trials that ended, and compacted ones worth it.

Opens nothing but footers, and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from results.compacted import CompactedFile
from results.errors import SchemaError
from results.ledger import Ledger
from results.listing import Listing, take
from results.schema import check_footer
from results.store import FinalsName, SegmentName, Store

__all__ = [
    "choose",
    "covered_by",
    "ended_trials",
    "improves",
    "inputs",
    "of_trials",
    "readable",
    "summed_up",
]

_CLAIM = re.compile(r"claims/(?P<trial_id>[A-Za-z0-9][A-Za-z0-9_-]*)\.a(?P<attempt>[0-9]{1,9})")
_GROWTH: Final = 2
"""A compacted file is folded again once what is new has half its size: each row is so rewritten
a number of times that grows with the logarithm of the sweep, and few files are left."""


def ended_trials(store: Store, *, sweep: str, clock: Callable[[], float]) -> dict[str, int]:
    """Trials whose highest attempt has ended, claims among what makes an attempt -> that one."""
    latest = Ledger(store, sweep=sweep, clock=clock).latest()
    claimed: dict[str, int] = {}
    for match in filter(None, map(_CLAIM.fullmatch, store.list("claims/"))):
        trial_id, attempt = match["trial_id"], int(match["attempt"])
        claimed[trial_id] = max(attempt, claimed.get(trial_id, 0))
    return {
        trial_id: event.attempt
        for trial_id, event in latest.items()
        if event.status != "running" and claimed.get(trial_id, 0) <= event.attempt
    }


def readable(store: Store, ended: Collection[str]) -> tuple[Listing, tuple[str, ...]]:
    """A listing without what cannot be read, and why."""
    warnings: dict[str, str] = {}
    while True:
        listing = take(store, without=warnings)
        listing.fetch(("metrics", "finals"))
        warnings.update(listing.problems)
        known = len(warnings)
        for path, kind in listing.paths().items():
            parts = path.removeprefix(f"{store.mirror}/").split("/")
            if kind in ("metrics", "finals") and (parts[0] == "compact" or parts[1] in ended):
                try:
                    check_footer(Path(path), kind=kind)
                except FileNotFoundError:
                    known = -1
                except SchemaError as problem:
                    warnings[path] = str(problem)
        if len(warnings) == known:
            return listing, tuple(warnings.values())


def choose(listing: Listing, ended: Mapping[str, int], *, everything: bool) -> Listing:
    """The part of a listing that is to be folded."""
    segments = listing.segments
    done = {
        trial_id
        for trial_id, attempt in ended.items()
        if (segments.highest(trial_id) or 0) <= attempt
    }
    live = tuple(segment for segment in segments.live if segment.trial_id in done)
    trials = {segment.trial_id for segment in live}
    finals = tuple(name for name in listing.finals if name.trial_id in trials)
    size = sum(_size(listing, name) for name in (*live, *finals))
    files: list[CompactedFile] = []
    for file in reversed([file for file in listing.compacted if not file.partial]):
        own = _size(listing, file.name)
        if not everything and own > _GROWTH * size:
            break
        files.insert(0, file)
        size += own
    return replace(
        listing, segments=replace(segments, live=live), finals=finals, compacted=tuple(files)
    )


def _size(listing: Listing, name: object) -> int:
    return listing.store.stamp(str(name))[0]


def improves(chosen: Listing) -> bool:
    """Whether folding compacted files alone leaves less than there is."""
    return bool(chosen.segments.live) or len(chosen.compacted) > 1


def inputs(chosen: Listing) -> list[str]:
    compacted = [name for file in chosen.compacted for name in file.names()]
    return [*map(str, chosen.segments.live), *map(str, chosen.finals), *compacted]


def covered_by(chosen: Listing) -> tuple[SegmentName, ...]:
    """The segments whose rows are folded."""
    parts = (part for file in chosen.compacted for part in chosen.segments.parts[file.name])
    return tuple(sorted((*chosen.segments.live, *parts), key=str))


def summed_up(
    listing: Listing, chosen: Listing, covered: Iterable[SegmentName], ended: Collection[str]
) -> tuple[FinalsName, ...]:
    """The finals to fold: of trials that ended, or whose finals were compacted and still count."""
    segments = listing.segments
    lasts: dict[str, int] = {}
    for segment in covered:
        if segment.attempt == segments.highest(segment.trial_id):
            lasts[segment.trial_id] = max(segment.last, lasts.get(segment.trial_id, -1))
    known = chosen.finished()
    found = []
    for trial_id, last in sorted(lasts.items()):
        attempt = segments.highest(trial_id) or 0
        if last == segments.lasts[trial_id, attempt] and (trial_id in known or trial_id in ended):
            origin = segments.origins[trial_id][attempt]
            resumed_from = None if origin < 0 else origin
            found.append(FinalsName(trial_id=trial_id, attempt=attempt, resumed_from=resumed_from))
    return tuple(found)


def of_trials(listing: Listing, file: CompactedFile) -> Listing:
    """All that the finals of a compaction's trials may rest on."""
    trials = {name.trial_id for name in file.finals}
    live = tuple(name for name in listing.segments.live if name.trial_id in trials)
    finals = tuple(name for name in listing.finals if name.trial_id in trials)
    return replace(listing, segments=replace(listing.segments, live=live), finals=finals)
