"""The record of a sweep: which trials it asks for, who took which attempt, how each ended.

Knows nothing of how trials run, nor of metrics beyond their file names.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from results import trials as trial_rows
from results.compacted import rows_of
from results.errors import StorageError
from results.event_folds import Replaced, read_fold
from results.events import (
    Event,
    EventFiles,
    EventKey,
    fold_name,
    sort_event_names,
    to_table,
)
from results.known import KnownEvents
from results.schema import decode, encode
from results.store import Store, Sync, checkpoint_parts
from results.sweeping import SUPERSEDED_AGE_S, sweep_segments
from results.trials import TrialRow

__all__ = ["Event", "Ledger", "TrialRow"]

FOLD_AT: Final = 100
"""Loose events from which on `Ledger.fold` folds them."""
FOLD_SHARE: Final = 100
"""A fold grows by one part in so many at least: it is written anew as a whole."""
TRIALS_FOLD_AT: Final = 50
"""Files of trials from which on `Ledger.fold_trials` folds them."""


class Ledger:
    """Trials, claims and events of one run directory.

    Any number of workers may claim and record at once: each claim and each event exists once,
    whoever writes it. `add`, `fold` and `sweep_superseded` are the driver's. Events that were read
    once are remembered, because their files never change.
    """

    def __init__(self, store: Store, *, sweep: str, clock: Callable[[], float] = time.time) -> None:
        """Opens the record; nothing is read or written yet.

        Args:
            store: the run directory.
            sweep: its name.
            clock: seconds since 1970.
        """
        self._store = store
        self._sweep = sweep
        self._clock = clock
        self._known = KnownEvents()
        self._replaced = Replaced()
        self._fold_number = 0

    def add(self, rows: Sequence[TrialRow]) -> None:
        """Writes planned trials, a newer row of a trial replacing its older ones.

        Args:
            rows: any number of trials; none writes nothing.
        """
        if not rows:
            return
        now = self._now()
        stamped = [replace(row, created_at=row.created_at or now) for row in rows]
        data = encode(trial_rows.to_table(stamped), kind="trials")
        files = trial_rows.trial_files(self._store.list("trials/"))
        number = max((number for number, _ in files), default=0) + 1
        while not self._store.create(f"trials/{number:06d}.parquet", data):
            number += 1

    def trials(self) -> dict[str, TrialRow]:
        """The newest row of each trial, by id, in the order of first planning."""
        while True:
            found: dict[str, TrialRow] = {}
            try:
                names = [name for _, name in trial_rows.trial_files(self._store.list("trials/"))]
                for name, data in zip(names, self._store.read_all(names), strict=True):
                    table = decode(data, kind="trials", where=self._store.where(name))
                    found.update((row.trial_id, row) for row in TrialRow.from_table(table))
            except StorageError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    continue  # Folded and deleted since the listing: a later file holds its rows.
                raise
            return found

    def fold_trials(self, *, at: int = TRIALS_FOLD_AT) -> bool:
        """Writes the newest rows of all trials into one file and deletes those before it.

        A search plans trial by trial, a file each, and every reader opens them all. It is the
        driver's, before it plans anything.

        Args:
            at: number of files from which on they fold.

        Returns:
            Whether they were folded.
        """
        files = trial_rows.trial_files(self._store.list("trials/"))
        if len(files) < at:
            return False
        self.add(list(self.trials().values()))
        self._store.delete(*(name for _, name in files))
        return True

    def claim(self, trial_id: str, attempt: int) -> bool:
        """Takes an attempt for the caller alone.

        Returns:
            True for exactly one caller ever; who gets False must not run it.
        """
        who = {"host": socket.gethostname(), "pid": os.getpid(), "ts": self._now().isoformat()}
        # Not waiting for the disk: a power cut that loses the claim ends its holder too, and rows
        # that the holder made durable keep the number taken.
        return self._store.create(
            f"claims/{trial_id}.a{attempt}", json.dumps(who).encode(), sync="none"
        )

    def attempts(self, trial_id: str) -> int:
        """The next free attempt number, behind all with a claim, an event, rows or a checkpoint."""
        used = {attempt for _, attempt in self._checkpoints(trial_id)}
        # Compacted rows are those of trials that ended; to look for others would cost milliseconds.
        seen = used or self._known.tried(trial_id) or self._taken(trial_id, 0)
        if not seen and not self._store.list(f"metrics/{trial_id}/"):
            return 0
        used |= set(rows_of(self._store, trial_id).origins.get(trial_id, ()))
        attempt = max(used, default=-1) + 1
        while self._taken(trial_id, attempt):
            attempt += 1
        return attempt

    def record(self, event: Event) -> bool:
        """Writes the one event that an attempt has per side; an end is durable on return.

        Returns:
            False if that attempt already has an event of that side: the earlier one stands.
        """
        self._read_fold(sort_event_names(self._store.list("events/fold-")))
        if self._known.folded(event.key):
            return False
        data = encode(to_table([replace(event, ts=event.ts or self._now())]), kind="events")
        # A start that a power cut loses leaves a trial that never ran.
        sync: Sync = "content" if event.status == "running" else "all"
        return self._store.create(str(event.key), data, sync=sync)

    def events(self) -> list[Event]:
        """All events by (trial, attempt), each attempt's start before its end."""
        self._refresh()
        return sorted(
            self._known.values(), key=lambda e: (e.trial_id, e.attempt, e.key.side == "end")
        )

    def latest(self) -> Mapping[str, Event]:
        """For each trial with events that of its highest attempt: its end, else its start."""
        self._refresh()
        return self._known.newest()

    def end(self, trial_id: str, attempt: int) -> Event | None:
        """How an attempt ended a moment ago; None if nobody recorded that. Reads one file."""
        key = EventKey(trial_id, attempt, "end")
        if key not in self._known and self._store.exists(str(key)):
            self._known[key] = self._events(str(key), self._store.read(str(key)))[0]
        return self._known.get(key)

    def fold(self, *, at: int = FOLD_AT) -> bool:
        """Folds many loose events into one file, and deletes those that an earlier fold holds.

        The new fold appears first and supersedes by name at once; the files that it replaced go at
        a later call, when it is 60 s old.

        Args:
            at: number of loose events from which on they fold.

        Returns:
            Whether a fold was written.
        """
        files = self._refresh()
        self._delete_folded(files)
        fresh = [name for key, name in files.loose.items() if not self._known.folded(key)]
        if len(fresh) < max(at, self._known.folded_events // FOLD_SHARE):
            return False
        data = encode(self._known.table(), kind="events")
        name = fold_name(files.number + 1)
        # Create-only, so that of two folds at once one loses and repeats itself later.
        if not self._store.create(name, data):
            return False
        self._replaced.add([*fresh, *filter(None, [files.fold])], at=self._store.modified(name))
        return True

    def sweep_superseded(self) -> list[str]:
        """Deletes superseded segments, finals, compacted files, events, 60 s old; returns names.

        Call it at the start and at the end of a run; it lists the whole store.
        """
        gone = self._delete_folded(self._refresh())
        return [*gone, *sweep_segments(self._store, now=self._clock())]

    def usable_checkpoint(self, trial_id: str) -> str | None:
        """The furthest checkpoint that the trial's stored rows still count.

        Returns:
            A name such as `checkpoints/<trial_id>/a0-120`, None if there is none.
        """
        return next(iter(self.usable_checkpoints(trial_id)), None)

    def usable_checkpoints(self, trial_id: str) -> list[str]:
        """The checkpoints that the trial's stored rows still count, the furthest first."""
        checkpoints = self._checkpoints(trial_id)
        if not checkpoints:
            return []
        counts = rows_of(self._store, trial_id).counts
        usable = [(step, a) for step, a in checkpoints if counts(trial_id, a, step)]
        return [f"checkpoints/{trial_id}/a{a}-{step}" for step, a in sorted(usable, reverse=True)]

    def _checkpoints(self, trial_id: str) -> set[tuple[int, int]]:
        """(step, attempt) of the trial's finished checkpoints."""
        names = self._store.list(f"checkpoints/{trial_id}/")
        return {(parts[2], parts[1]) for parts in map(checkpoint_parts, names) if parts}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _taken(self, trial_id: str, attempt: int) -> bool:
        if self._store.exists(f"claims/{trial_id}.a{attempt}"):
            return True
        keys = (EventKey(trial_id, attempt, "run"), EventKey(trial_id, attempt, "end"))
        return any(key in self._known or self._store.exists(str(key)) for key in keys)

    def _refresh(self) -> EventFiles:
        """Reads the events that appeared since the last call."""
        while True:
            files = sort_event_names(self._store.list("events/"))
            try:
                self._read_fold(files)
                fresh = [key for key in files.loose if key not in self._known]
                contents = self._store.read_all([files.loose[key] for key in fresh])
                for key, data in zip(fresh, contents, strict=True):
                    self._known[key] = self._events(files.loose[key], data)[0]
            except StorageError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    continue  # Folded and deleted since the listing: the new one names its fold.
                raise
            return files

    def _read_fold(self, files: EventFiles) -> None:
        """Reads the newest fold once; its rows win over loose files of the same key."""
        if files.fold is None or files.number == self._fold_number:
            return
        self._known.take_fold(read_fold(self._store, files.fold))
        self._fold_number = files.number

    def _events(self, name: str, data: bytes) -> list[Event]:
        return Event.from_table(self._table(name, data))

    def _table(self, name: str, data: bytes) -> pa.Table:
        return decode(data, kind="events", where=self._store.where(name))

    def _delete_folded(self, files: EventFiles) -> list[str]:
        """Deletes what the newest fold holds, or until it is old enough what one before it did."""
        written = self._store.modified(files.fold) if files.fold else None
        if written is None:
            return []
        due = set(self._replaced.due(self._clock()))
        gone = [name for name in (*files.older, *files.loose.values()) if name in due]
        if self._clock() - written >= SUPERSEDED_AGE_S:
            held = (name for key, name in files.loose.items() if self._known.folded(key))
            gone = [*files.older, *held]
        for name in gone:
            self._store.delete(name)
        return gone
