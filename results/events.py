"""What happened to the attempts of a sweep, as rows and as files that fold.

Knows nothing of why an attempt ended, nor of what is to be done about it.

    events/<trial_id>.a<attempt>.run.parquet   one row, written once with the attempt's claim
    events/<trial_id>.a<attempt>.end.parquet   one row, written once when it ended
    events/fold-<number>.parquet               every row known when it was written

A fold holds all rows of the fold before it, so the highest number supersedes all others by name,
and every loose file whose (trial, attempt, side) it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Self

import pyarrow as pa

from results.columns import from_rows, to_values
from results.schema import END_STATUSES, EVENTS

__all__ = ["Event", "EventFiles", "EventKey", "fold_name", "in_order", "newest", "sort_event_names"]

_ID = r"(?P<trial_id>[A-Za-z0-9][A-Za-z0-9_-]*)"
_LOOSE = re.compile(rf"events/{_ID}\.a(?P<attempt>0|[1-9][0-9]{{0,8}})\.(?P<side>run|end)\.parquet")
_FOLD = re.compile(r"events/fold-(?P<number>[0-9]{6,12})\.parquet")


class EventKey(NamedTuple):
    """An attempt has at most one event per side: `run` when it starts, `end` when it ended."""

    trial_id: str
    attempt: int
    side: Literal["run", "end"]

    def __str__(self) -> str:
        return f"events/{self.trial_id}.a{self.attempt}.{self.side}.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An attempt started (`running`) or ended (`completed stopped failed cancelled`).

    Attributes:
        sweep: name of the sweep.
        trial_id: the trial.
        attempt: which go at it, 0 or more.
        status: `running`, or how it ended.
        ts: when, UTC to the microsecond; None lets `Ledger.record` fill in its clock's time.
        host: machine of the worker.
        pid: process of the worker.
        device: what it trained on, such as `cpu` or `cuda:0`.
        resumed_from: last step taken over from an earlier attempt.
        failure_class: class of the failure, None unless it failed.
        detail: message and traceback's tail, None unless there is one.
        seconds: phase -> seconds that the attempt spent in it, by a clock that never jumps; None
            of a start, and of an end that others had to write.
    """

    sweep: str
    trial_id: str
    attempt: int
    status: str
    ts: datetime | None = None
    host: str | None = None
    pid: int | None = None
    device: str | None = None
    resumed_from: int | None = None
    failure_class: str | None = None
    detail: str | None = None
    seconds: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.status != "running" and self.status not in END_STATUSES:
            raise ValueError(
                f"event of {self.trial_id}: status must be running or one of "
                f"{', '.join(END_STATUSES)}, got {self.status!r}. "
                "A planned trial has no event."
            )

    @property
    def key(self) -> EventKey:
        """What this event is the only one of."""
        side: Literal["run", "end"] = "run" if self.status == "running" else "end"
        return EventKey(self.trial_id, self.attempt, side)

    @classmethod
    def from_table(cls, table: pa.Table) -> list[Self]:
        """One event a row."""
        names = [str(name) for name in table.schema.names]
        events = []
        for values in zip(*map(to_values, table.columns), strict=True):
            row = dict(zip(names, values, strict=True))
            if row["seconds"] is not None:
                row["seconds"] = json.loads(row["seconds"])
            events.append(cls(**row))
        return events


def to_table(events: Sequence[Event]) -> pa.Table:
    """Events as rows of the table `events`."""
    records = [asdict(event) for event in events]
    for record in records:
        if record["seconds"] is not None:
            rounded = {phase: round(spent, 6) for phase, spent in record["seconds"].items()}
            record["seconds"] = json.dumps(rounded)
    return from_rows(records, EVENTS)


class EventFiles(NamedTuple):
    """One listing of `events/`, sorted out by name.

    Attributes:
        fold: the fold to read, None if there is none.
        number: its number, 0 if there is none.
        older: folds that it supersedes.
        loose: files of single events; what the fold holds supersedes them.
    """

    fold: str | None
    number: int
    older: list[str]
    loose: dict[EventKey, str]


def sort_event_names(names: Iterable[str]) -> EventFiles:
    """Tells folds from loose events; names of neither form are passed over."""
    folds: dict[int, str] = {}
    loose: dict[EventKey, str] = {}
    for name in names:
        if match := _LOOSE.fullmatch(name):
            side: Literal["run", "end"] = "run" if match["side"] == "run" else "end"
            loose[EventKey(match["trial_id"], int(match["attempt"]), side)] = name
        elif match := _FOLD.fullmatch(name):
            folds[int(match["number"])] = name
    number = max(folds, default=0)
    older = [name for other, name in sorted(folds.items()) if other != number]
    return EventFiles(fold=folds.get(number), number=number, older=older, loose=loose)


def fold_name(number: int) -> str:
    """Name of a fold; a higher number supersedes every lower one."""
    return f"events/fold-{number:06d}.parquet"


def newest(events: Iterable[Event]) -> dict[str, Event]:
    """For each trial the event of its highest attempt: how it ended, else that it runs."""
    latest: dict[str, Event] = {}
    for event in events:
        known = latest.get(event.trial_id)
        if known is None or _order(event) > _order(known):
            latest[event.trial_id] = event
    return latest


def in_order(events: Iterable[Event]) -> list[Event]:
    """Events by trial and attempt, each attempt's start before its end."""
    return sorted(events, key=lambda event: (event.trial_id, *_order(event)))


def _order(event: Event) -> tuple[int, bool]:
    return event.attempt, event.status != "running"
