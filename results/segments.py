"""Which rows count, by the names of their files alone.

Never opens a file: what it decides, it decides from one listing (`results.names`).

Two rules make a listing sufficient, whatever crashed and whenever:

* *Superseded by name.* A segment whose attempt and range contain another's holds all its rows, so
  the other is ignored. Files appear whole, so the containing one is complete when it is visible.
  A compacted file stands for the segments that its footer names: one of the same name is ignored,
  and of two compacted files the later one has it.
* *Exactly once.* A row of attempt *j* counts if its step is at most the smallest `from` among the
  later attempts that have segments (`new` counts as −1): whatever lies behind that point was
  computed again by a later attempt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from results.names import FinalsName, SegmentName

__all__ = ["Resolution", "resolve"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one listing says about a store's rows.

    Attributes:
        live: segments to read for *everything*, superseded ones left out.
        superseded: segments whose rows all stand in another file -> the name of that file.
        origins: trial_id -> attempt -> step after which its rows begin, for attempts with rows.
        lasts: (trial_id, attempt) -> the largest step that it has stored.
        parts: compacted file -> what it holds that no other file holds.
        replaced: compacted file -> what it holds besides -> the name of the file that counts.
    """

    live: tuple[SegmentName, ...] = ()
    superseded: Mapping[SegmentName, str] = field(default_factory=dict)
    origins: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    lasts: Mapping[tuple[str, int], int] = field(default_factory=dict)
    parts: Mapping[str, tuple[SegmentName, ...]] = field(default_factory=dict)
    replaced: Mapping[str, Mapping[SegmentName, str]] = field(default_factory=dict)

    def cutoff(self, trial_id: str, attempt: int) -> int | None:
        """Largest step of this attempt that still counts; None where no later one limits it."""
        attempts = self.origins.get(trial_id, {})
        return min((origin for later, origin in attempts.items() if later > attempt), default=None)

    def counts(self, trial_id: str, attempt: int, step: int) -> bool:
        """Whether a row of this attempt at this step is one of the trial's rows."""
        cutoff = self.cutoff(trial_id, attempt)
        return cutoff is None or step <= cutoff

    def cutoffs(self) -> dict[tuple[str, int], int]:
        """(trial_id, attempt) -> cutoff, for the attempts that have segments and a limit."""
        found: dict[tuple[str, int], int] = {}
        for trial_id, attempts in self.origins.items():
            for attempt in attempts if len(attempts) > 1 else ():
                if (cutoff := self.cutoff(trial_id, attempt)) is not None:
                    found[trial_id, attempt] = cutoff
        return found

    def highest(self, trial_id: str) -> int | None:
        """Highest attempt of the trial that has segments."""
        return max(self.origins.get(trial_id, {}), default=None)

    def before(self, finals: FinalsName) -> dict[int, int]:
        """Earlier attempts whose rows may count beside those of finals -> their last that counts.

        Those are the newest that began before what the attempt took over, the newest that began
        before what that one took over, and so on: all others begin where a later one began.
        """
        origins = self.origins.get(finals.trial_id, {})
        attempt, origin = finals.attempt, finals.origin
        found: dict[int, int] = {}
        while earlier := [a for a in origins if a < attempt and origins[a] < origin]:
            attempt = max(earlier)
            found[attempt] = min(origin, self.lasts[finals.trial_id, attempt])
            origin = origins[attempt]
        return found

    def sums_up(self, finals: FinalsName) -> bool:
        """Whether finals are known to sum up the rows that count, and no others.

        They no longer do where a later attempt has rows, or where an attempt that was taken for
        dead stored rows that hide some of those that the finals carried on from a checkpoint. Of
        an attempt that saved one and stored no row, names tell nothing.
        """
        highest = self.highest(finals.trial_id)
        if highest is not None and highest > finals.attempt:
            return False
        return finals.origin < 0 or (
            bool(finals.over) and self.before(finals).keys() == set(finals.over)
        )

    def whole(self) -> list[SegmentName]:
        """Live segments every row of which counts."""
        return [s for s in self.live if self.counts(s.trial_id, s.attempt, s.last)]

    def cut(self) -> list[SegmentName]:
        """Live segments of which only the rows up to the attempt's cutoff count."""
        return [
            s
            for s in self.live
            if self.counts(s.trial_id, s.attempt, s.first)
            and not self.counts(s.trial_id, s.attempt, s.last)
        ]


def resolve(
    names: Iterable[str], *, compacted: Mapping[str, Iterable[SegmentName]] = MappingProxyType({})
) -> Resolution:
    """Decides from one listing which segments live and up to which step each attempt counts.

    Args:
        names: names of the store in any order; what is not a segment's name is passed over.
        compacted: names of compacted files -> the segments that their footers name.
    """
    held: dict[tuple[str, int], list[_Held]] = defaultdict(list)
    for segment in filter(None, map(SegmentName.parse, names)):
        held[segment.trial_id, segment.attempt].append(_Held(segment, None))
    for name in sorted(compacted, reverse=True):
        for segment in compacted[name]:
            held[segment.trial_id, segment.attempt].append(_Held(segment, name))
    live: list[SegmentName] = []
    superseded: dict[SegmentName, str] = {}
    parts: dict[str, list[SegmentName]] = {file: [] for file in compacted}
    replaced: dict[str, dict[SegmentName, str]] = {file: {} for file in compacted}
    for several in held.values():
        kept, gone = _split(several)
        for segment, file in kept:
            (live if file is None else parts[file]).append(segment)
        for (segment, file), holder in gone:
            (superseded if file is None else replaced[file])[segment] = holder.name
    return Resolution(
        live=tuple(live),
        superseded=superseded,
        origins=_origins(held),
        lasts={key: max(one.segment.last for one in several) for key, several in held.items()},
        parts={file: tuple(segments) for file, segments in parts.items()},
        replaced=replaced,
    )


class _Held(NamedTuple):
    """A segment's rows, and the compacted file that holds them; None for a file of its own."""

    segment: SegmentName
    file: str | None

    @property
    def name(self) -> str:
        return self.file or str(self.segment)


def _split(several: list[_Held]) -> tuple[list[_Held], list[tuple[_Held, _Held]]]:
    """What lives of one attempt, by step, and what does not with that which supersedes it."""
    if len(several) == 1:
        return several, []
    # Wide ranges first at equal start: whatever ends within the newest live one is inside it.
    # At equal ranges what is compacted comes first, the latest file ahead of the others.
    several = sorted(several, key=lambda one: one.file or "", reverse=True)
    live: list[_Held] = []
    superseded: list[tuple[_Held, _Held]] = []
    for one in sorted(several, key=_by_range):
        if live and one.segment.last <= live[-1].segment.last:
            superseded.append((one, live[-1]))
        else:
            live.append(one)
    return live, superseded


def _by_range(one: _Held) -> tuple[int, int, int]:
    return one.segment.first, -one.segment.last, one.segment.origin


def _origins(held: Mapping[tuple[str, int], list[_Held]]) -> dict[str, dict[int, int]]:
    """For each trial the step after which each attempt's rows begin."""
    origins: dict[str, dict[int, int]] = defaultdict(dict)
    for (trial_id, attempt), several in held.items():
        origins[trial_id][attempt] = min(one.segment.origin for one in several)
    return dict(origins)
