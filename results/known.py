"""The events of a sweep that were read so far, kept small: a driver holds them while it lives.

Knows nothing of files. What a fold holds stays the table it came as, some hundred bytes a trial;
only loose events are Python objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from results.event_folds import Fold
from results.events import Event, EventKey, newest, to_table

__all__ = ["KnownEvents"]

_AT_A_TIME = 10_000


class KnownEvents:
    """Events by key; those of a fold win over loose ones of the same key."""

    def __init__(self) -> None:
        """Knows nothing yet."""
        self._loose: dict[EventKey, Event] = {}
        self._fold = Fold()
        self._newest: dict[str, Event] | None = None

    def __contains__(self, key: EventKey) -> bool:
        return key in self._loose or self.folded(key)

    def __setitem__(self, key: EventKey, event: Event) -> None:
        """Takes in a loose event."""
        self._loose[key] = event
        self._newest = None

    def folded(self, key: EventKey) -> bool:
        """Whether the fold holds it."""
        return self._fold.holds(key)

    @property
    def folded_events(self) -> int:
        """How many the fold holds."""
        return int(self._fold.table.num_rows)

    def tried(self, trial_id: str) -> bool:
        """Whether any event of a trial is known."""
        return trial_id in self._fold.sides or any(k.trial_id == trial_id for k in self._loose)

    def get(self, key: EventKey) -> Event | None:
        """The event of a key; None if it is not known."""
        if not self.folded(key):
            return self._loose.get(key)
        # Rare: one pass over the table.
        return next(event for event in self.values() if event.key == key)

    def values(self) -> Iterator[Event]:
        """All events, the folded ones first; each object is made when it is asked for."""
        for batch in self._fold.table.to_batches(max_chunksize=_AT_A_TIME):
            yield from Event.from_table(pa.Table.from_batches([batch]))
        yield from self._loose.values()

    def take_fold(self, fold: Fold) -> None:
        """Takes in a fold; it holds all that earlier ones held."""
        self._fold = fold
        self._loose = {key: event for key, event in self._loose.items() if not self.folded(key)}
        self._newest = None

    def newest(self) -> Mapping[str, Event]:
        """For each trial the event of its highest attempt; made anew where one was taken in."""
        if self._newest is None:
            self._newest = newest(self.values())
        return self._newest

    def table(self) -> pa.Table:
        """All events by trial and attempt, each attempt's start before its end."""
        import pyarrow.compute as pc  # Here, for a worker never folds.

        loose = to_table(list(self._loose.values()))
        both = pa.concat_tables([self._fold.table, loose]).combine_chunks()
        ended = pc.not_equal(both.column("status"), "running")
        order = [("trial_id", "ascending"), ("attempt", "ascending"), ("ended", "ascending")]
        return both.append_column("ended", ended).sort_by(order).drop_columns("ended")
