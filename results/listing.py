"""One look at what a store holds, by name: enough to answer a question without locks.

Opens no file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from results.events import EventFiles, sort_event_names
from results.store import FinalsName, Resolution, SegmentName, Store, resolve

__all__ = ["Listing", "take"]

_TRIALS = re.compile(r"trials/[0-9]{6,12}\.parquet")


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one run directory that count at one moment.

    Attributes:
        store: the run directory.
        trials: trial files, oldest first.
        events: event files.
        finals: finals of attempts that no later attempt with segments replaced.
        segments: which segments live and which rows count.
    """

    store: Store
    trials: tuple[str, ...]
    events: EventFiles
    finals: tuple[FinalsName, ...]
    segments: Resolution

    def path(self, name: object) -> str:
        """Where a stored name lies on disk."""
        return f"{self.store.root}/{name}"

    def fold(self) -> list[str]:
        """The fold of events, if there is one."""
        return [self.events.fold] if self.events.fold else []

    def unfinished(self) -> list[SegmentName]:
        """Counted segments of trials without finals, whole or cut."""
        finished = {finals.trial_id for finals in self.finals}
        return [
            segment
            for segment in (*self.segments.whole(), *self.segments.cut())
            if segment.trial_id not in finished
        ]

    def paths(self) -> dict[str, str]:
        """Every file that an answer may be read from -> the kind of table that it holds."""
        kinds: dict[str, Iterable[object]] = {
            "trials": self.trials,
            "events": [*self.fold(), *self.events.loose.values()],
            "finals": self.finals,
            "metrics": self.segments.live,
        }
        return {self.path(name): kind for kind, names in kinds.items() for name in names}


def take(store: Store, *, without: Collection[str] = ()) -> Listing:
    """Lists a store in the order that makes the answer consistent while others write.

    Args:
        store: the run directory.
        without: paths to pass over, because they cannot be read.

    Rows appear before the finals that sum them up, and those before the event that ends the
    attempt; so events are listed first and rows after them: what an event or a summary speaks of
    is then in the listing. Trials come before all three and are listed last.
    """

    def names(prefix: str) -> list[str]:
        listed = store.list(prefix)
        return [n for n in listed if f"{store.root}/{n}" not in without] if without else listed

    events = sort_event_names(names("events/"))
    finals = names("finals/")
    segments = resolve(names("metrics/"))
    trials = tuple(filter(_TRIALS.fullmatch, names("trials/")))
    return Listing(store, trials, events, _valid(finals, segments), segments)


def _valid(names: list[str], segments: Resolution) -> tuple[FinalsName, ...]:
    """For each trial the finals of its highest attempt, if it is also the highest with rows."""
    newest: dict[str, FinalsName] = {}
    for finals in filter(None, map(FinalsName.parse, names)):
        known = newest.get(finals.trial_id)
        if known is None or finals.attempt > known.attempt:
            newest[finals.trial_id] = finals
    return tuple(
        finals
        for finals in newest.values()
        if finals.attempt >= (segments.highest(finals.trial_id) or 0)
    )
