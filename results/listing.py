"""One look at what a store holds: enough to answer a question without locks.

Opens no file but the footers of compacted ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from results.compacted import PREFIX, CompactedFile, read_compacted
from results.events import EventFiles, sort_event_names
from results.store import FinalsName, Resolution, SegmentName, Store, resolve
from results.trials import trial_files

__all__ = ["Listing", "Resolved", "resolve_all", "take"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the names of rows and finals and the footers of compacted files say together.

    Attributes:
        segments: which segments live and which rows count.
        finals: files with the finals of an attempt that no later attempt with rows replaced.
        compacted: files of which at least one row is of use, the oldest first.
        stale: compacted file -> trials whose finals in it are not to be used.
        replaced: files with finals that are not to be used -> the file that counts.
        problems: compacted file -> why it cannot be read.
    """

    segments: Resolution
    finals: tuple[FinalsName, ...]
    compacted: tuple[CompactedFile, ...]
    stale: Mapping[str, frozenset[str]]
    replaced: Mapping[FinalsName, str]
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one run directory that count at one moment.

    Attributes:
        store: the run directory.
        trials: trial files, oldest first.
        events: event files.
        finals: finals of attempts that no later attempt with segments replaced.
        segments: which segments live and which rows count.
        compacted: what stands for segments and finals that were folded together.
        stale: compacted file -> trials whose finals in it are not to be used.
        problems: (path, sentence) of compacted files that cannot be read.
    """

    store: Store
    trials: tuple[str, ...]
    events: EventFiles
    finals: tuple[FinalsName, ...]
    segments: Resolution
    compacted: tuple[CompactedFile, ...] = ()
    stale: Mapping[str, frozenset[str]] = field(default_factory=dict)
    problems: tuple[tuple[str, str], ...] = ()

    def path(self, name: object) -> str:
        """Where a stored name lies on this machine, see `fetch`."""
        return f"{self.store.mirror}/{name}"

    def of(self, trials: Collection[str]) -> Listing:
        """The same with the rows of some trials alone, in the files that hold any of them."""
        live = tuple(segment for segment in self.segments.live if segment.trial_id in trials)
        return replace(
            self,
            segments=replace(self.segments, live=live),
            compacted=tuple(f for f in self.compacted if not f.trials.isdisjoint(trials)),
        )

    def fold(self) -> list[str]:
        """The fold of events, if there is one."""
        return [self.events.fold] if self.events.fold else []

    def finished(self) -> set[str]:
        """Trials whose last values stand in finals."""
        loose = {finals.trial_id for finals in self.finals}
        for file in self.compacted:
            stale = self.stale.get(file.name, frozenset())
            loose.update(finals.trial_id for finals in file.finals if finals.trial_id not in stale)
        return loose

    def unfinished(self) -> list[SegmentName]:
        """Counted segments of trials without finals, whole or cut; compacted ones left out."""
        finished = self.finished()
        return [
            segment
            for segment in (*self.segments.whole(), *self.segments.cut())
            if segment.trial_id not in finished
        ]

    def paths(self) -> dict[str, str]:
        """Every file that an answer may be read from -> the kind of table that it holds."""
        kinds = ("trials", "events", "finals", "metrics")
        return {self.path(name): kind for kind in kinds for name in self._of(kind)}

    def fetch(self, kinds: Collection[str]) -> None:
        """Brings the files of some kinds of table to this machine, where `path` says."""
        self.store.fetch(str(name) for kind in kinds for name in self._of(kind))

    def _of(self, kind: str) -> Iterator[object]:
        if kind == "trials":
            yield from self.trials
        elif kind == "events":
            yield from (*self.fold(), *self.events.loose.values())
        elif kind == "finals":
            yield from (*self.finals, *(f.finals_name for f in self.compacted if f.finals))
        elif kind == "metrics":
            yield from self.segments.live
            yield from (n for f in self.compacted for n in (f.name, f.rest_name) if n)
        else:  # Rows of trials that no finals sum up.
            yield from self.unfinished()
            if frozenset().union(*(file.trials for file in self.compacted)) - self.finished():
                yield from (file.name for file in self.compacted)


def take(store: Store, *, without: Collection[str] = ()) -> Listing:
    """Lists a store in the order that makes the answer consistent while others write.

    Args:
        store: the run directory.
        without: paths to pass over, because they cannot be read.

    Rows appear before the finals that sum them up, and those before the event that ends the
    attempt; so events are listed first and rows after them: what an event or a summary speaks of
    is then in the listing. Compacted files follow: what they replaced stays for a minute, and is
    in the listing of rows unless they are in this one. Trials come before all and are listed last.

    Raises:
        NewerSchemaError: a newer version wrote one of the compacted files.
    """

    def names(prefix: str) -> list[str]:
        listed = store.list(prefix)
        return [n for n in listed if f"{store.mirror}/{n}" not in without] if without else listed

    events = sort_event_names(names("events/"))
    finals, metrics = names("finals/"), names("metrics/")
    while True:
        try:
            resolved = resolve_all(store, metrics=metrics, finals=finals, compacted=names(PREFIX))
            problems = dict(resolved.problems)
            files = [_without(file, store, without, problems) for file in resolved.compacted]
            break
        except FileNotFoundError:
            continue  # Replaced and deleted since the listing: the new one has what replaced it.
    trials = tuple(name for _, name in trial_files(names("trials/")))
    problems |= _strays(store, metrics, resolved.segments)
    return Listing(
        store,
        trials,
        events,
        resolved.finals,
        resolved.segments,
        tuple(files),
        resolved.stale,
        tuple((f"{store.mirror}/{name}", said) for name, said in problems.items()),
    )


def _strays(store: Store, metrics: Sequence[str], segments: Resolution) -> dict[str, str]:
    """Parquet files among the segments that are named like none -> that they are passed over."""
    if len(segments.live) + len(segments.superseded) == len(metrics):
        return {}
    return {
        name: f"{store.where(name)}: must be named like a segment, got another. Move it away."
        for name in metrics
        if name.endswith(".parquet") and SegmentName.parse(name) is None
    }


def resolve_all(
    store: Store, *, metrics: Iterable[str], finals: Iterable[str], compacted: Iterable[str]
) -> Resolved:
    """Decides which rows and which finals count, compacted ones among them.

    Args:
        store: where the footers of compacted files are read.
        metrics: names below `metrics/`.
        finals: names below `finals/`.
        compacted: names below `compact/`.

    Raises:
        NewerSchemaError: a newer version wrote a compacted file.
        FileNotFoundError: a compacted file is gone by now.
    """
    files, problems = read_compacted(store, compacted)
    segments = resolve(metrics, compacted={name: f.segments for name, f in files.items()})
    loose = list(filter(None, map(FinalsName.parse, finals)))
    used, stale, replaced = _choose(loose, files, segments)
    useful = tuple(files[name] for name in sorted(files) if segments.parts[name])
    return Resolved(segments, used, useful, stale, replaced, problems)


def _choose(
    loose: Sequence[FinalsName], files: Mapping[str, CompactedFile], segments: Resolution
) -> tuple[tuple[FinalsName, ...], dict[str, frozenset[str]], dict[FinalsName, str]]:
    """For each trial the finals of its highest attempt, if they sum up the rows that count.

    A compacted summary counts only as long as its file and earlier ones hold all rows that count,
    which it was made from; it goes ahead of a loose one then, and that of the latest file ahead of
    others.

    Returns:
        Loose finals to use, compacted file -> trials not to use, unused loose finals -> what is
        used instead.
    """
    best: dict[str, tuple[int, str, FinalsName]] = {}
    offered = [("", finals) for finals in loose if segments.sums_up(finals)]
    reached: dict[tuple[str, int], int] = {}
    for name in sorted(files):
        for key, last in files[name].lasts.items():
            reached[key] = max(last, reached.get(key, -1))
        for finals in files[name].finals if segments.parts[name] else ():
            if _all_compacted(finals, segments, reached):
                offered.append((name, finals))
    for file_name, finals in offered:
        known = best.get(finals.trial_id)
        if known is None or (finals.attempt, file_name) > known[:2]:
            best[finals.trial_id] = finals.attempt, file_name, finals
    used = tuple(finals for _, name, finals in best.values() if not name)
    stale: dict[str, set[str]] = defaultdict(set)
    for name, file in files.items():
        for finals in file.finals:
            if best.get(finals.trial_id, (0, ""))[1] != name:
                stale[name].add(finals.trial_id)
    replaced = {
        finals: best[finals.trial_id][1]
        for finals in loose
        if finals.trial_id in best and best[finals.trial_id][1]
    }
    return used, {name: frozenset(trials) for name, trials in stale.items()}, replaced


def _all_compacted(
    finals: FinalsName, segments: Resolution, reached: Mapping[tuple[str, int], int]
) -> bool:
    """Whether some compacted files, up to the one with the finals, hold all rows that count."""
    trial_id, attempt = finals.trial_id, finals.attempt
    if (segments.highest(trial_id) or 0) > attempt:
        return False
    counted = segments.before(finals) | {attempt: segments.lasts.get((trial_id, attempt), -1)}
    return all(reached.get((trial_id, one), -1) >= last for one, last in counted.items())


def _without(
    file: CompactedFile, store: Store, without: Collection[str], problems: dict[str, str]
) -> CompactedFile:
    """What a compaction still stands for if parts of it are missing or cannot be read.

    Raises:
        FileNotFoundError: all of it is gone.
    """
    rest, finals = file.rest_name, file.finals_name
    if rest and _lacks(rest, file, store, without, problems):
        file = replace(file, rested=False, partial=True)
    if finals and _lacks(finals, file, store, without, problems):
        file = replace(file, finals=(), partial=True)
    return file


def _lacks(
    name: str,
    file: CompactedFile,
    store: Store,
    without: Collection[str],
    problems: dict[str, str],
) -> bool:
    if str(store.path(name)) in without:
        return True
    if store.exists(name):
        return False
    if not store.exists(file.name):  # Of a file that was replaced this one goes first.
        raise FileNotFoundError(store.where(file.name))
    beside = Path(file.name).name
    problems[name] = f"{store.where(name)}: must stand beside {beside}, got removed. Put it back."
    return True
