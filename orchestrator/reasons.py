"""Says why a trial stands as it does, and where its seconds went.

Must never write, nor guess: what the store does not say is not said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from orchestrator.failures import retries
from orchestrator.reading import SweepStatus, find_sweep, find_trial, record, sql, status
from orchestrator.spec_load import load_bytes
from results.ledger import Event, Ledger, TrialRow
from results.store import Store
from workloads.stopwatch import PHASES

__all__ = ["PHASES_TOLD", "Reason", "why"]

PHASES_TOLD: Final = ("queue", *PHASES, "work", "end")
"""All phases of an attempt, in order; `work` and `end` only of one that could not tell itself."""

_WAYS_OUT = {
    "user_error": "Mend the program or its data, then retry.",
    "diverged": "Lower the learning rate or clip the gradient.",
    "cuda_oom": "Make the batch smaller or give the trial more of a device.",
    "host_oom": "Make the batch smaller or run fewer trials at a time.",
    "timeout": "Raise trial_timeout or train less.",
    "storage": "Look at the storage folder: space, owner, mode.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a trial stands as it does.

    Attributes:
        trial_id: the trial.
        status: how it stands.
        sentences: the reason, in order of time.
        seconds: attempt -> phase -> seconds. `queue` is the time from when it could have begun (it
            was planned, or the attempt before it ended) until a worker took it. Of an attempt that
            ended by itself the others are those of `workloads.stopwatch`, measured by its worker.
            Of one that died, or runs, the store knows `start` until its first row, `work` until
            its last row, and `end` until its end was recorded.
        durations: attempt -> the sum of its phases.
    """

    trial_id: str
    status: str
    sentences: tuple[str, ...]
    seconds: dict[int, dict[str, float]]
    durations: dict[int, float]


def why(name: str, trial: str, *, storage: str | None = None) -> Reason:
    """Looks up the story of one trial.

    Args:
        name: of the sweep.
        trial: the beginning of the trial's id.
        storage: where run directories stand.

    Raises:
        InputError: no such sweep, or the beginning fits no trial or several.
    """
    root = find_sweep(name, storage=storage)
    trial_id = find_trial(name, trial, storage=storage)
    ledger = Ledger(Store(root), sweep=root.name)
    row = ledger.trials()[trial_id]
    events = [event for event in ledger.events() if event.trial_id == trial_id]
    seconds = _seconds(name, row, events, storage=storage)
    return Reason(
        trial_id=trial_id,
        status=events[-1].status if events else "planned",
        sentences=(*_story(events), *_now(name, row, events, storage=storage)),
        seconds=seconds,
        durations={attempt: sum(spent.values()) for attempt, spent in seconds.items()},
    )


def _story(events: Sequence[Event]) -> list[str]:
    """What happened, as sentences; each attempt's start is followed by what it did without."""
    told: list[str] = []
    before: Event | None = None
    for event in events:
        again = ""
        if event.status == "running" and before is not None:
            again = f", again because attempt {before.attempt} {before.status}"
            again += f" ({before.failure_class})" if before.failure_class else ""
        told.append(_told(event) + again)
        if event.status == "running":
            warnings = (event.detail or "").splitlines()
            told += [f"attempt {event.attempt} {sentence}" for sentence in warnings]
        elif event.failure_class and event.seconds is None:
            told.append(
                f"attempt {event.attempt} could not say where its seconds went;"
                " its rows and the driver tell of its start, its last row and its end"
            )
        before = event
    return told


def _told(event: Event) -> str:
    """One event as a sentence."""
    when = event.ts.isoformat(timespec="seconds") if event.ts else "at an unknown time"
    head = f"attempt {event.attempt}"
    if event.status == "running":
        origin = (
            "from the beginning"
            if event.resumed_from is None
            else f"from the checkpoint of step {event.resumed_from}"
        )
        return f"{head} started {when} on {event.host} ({event.device}), {origin}"
    if event.failure_class is None:
        return f"{head} {event.status} {when}"
    reason = (event.detail or "").partition("\n")[0]
    return f"{head} {event.status} {when}: {event.failure_class}: {reason}"


def _now(name: str, row: TrialRow, events: Sequence[Event], *, storage: str | None) -> list[str]:
    """What holds at this moment, and the way out."""
    sweep = status(name, storage=storage)
    last = events[-1] if events else None
    standing = last.status if last else "planned"
    said = [] if row.wanted else ["the sweep file no longer asks for it, so nothing runs it"]
    if last is None:
        said.append(_waits(sweep, name))
    elif standing == "running" and sweep.driver is None:
        said.append(
            f"its driver is gone. Next: cliffsweep resume {name} goes on from its last checkpoint"
        )
    elif standing in ("failed", "cancelled"):
        said += _failed(sweep, name, row, last, storage=storage)
    elif standing == "completed":
        ran = f"commit {row.commit[:10]}" if row.commit else "code outside of git"
        when = last.ts.isoformat(timespec="seconds") if last.ts else "an unknown time"
        said.append(
            f"the run of then satisfies it (attempt {last.attempt}, ended {when}, {ran}):"
            " its result stands and no run trains it again"
        )
    return said


def _waits(sweep: SweepStatus, name: str) -> str:
    if sweep.driver is None:
        return f"no driver is at work. Next: cliffsweep resume {name}"
    ahead = max(0, sweep.counts.get("planned", 0) - 1)
    some = ", ".join(sweep.running[:5]) + (", …" if len(sweep.running) > 5 else "")
    running = f"{len(sweep.running)} running" + (f" ({some})" if some else "")
    return f"it waits behind {running} and up to {ahead} planned trials"


def _failed(
    sweep: SweepStatus, name: str, row: TrialRow, last: Event, *, storage: str | None
) -> list[str]:
    failure = last.failure_class or ""
    if sweep.driver is not None and row.wanted:
        kept = record(name, storage=storage)
        loaded = load_bytes(kept.data, source=kept.name, folder=Path())
        budget = retries(failure, loaded.sweep.retry)
        if budget > 0:
            often = "without end" if budget == float("inf") else f"{budget:g} times in one run"
            return [f"a driver is at work, which tries {failure} again {often}"]
    way = _WAYS_OUT.get(failure, "")
    return [f"{way} Next: cliffsweep retry {name} --trial {row.trial_id}".strip()]


def _seconds(
    name: str, row: TrialRow, events: Sequence[Event], *, storage: str | None
) -> dict[int, dict[str, float]]:
    told = {event.attempt for event in events if event.seconds is not None}
    silent = {event.attempt for event in events} - told
    spans = _spans(name, row.trial_id, storage=storage) if silent else {}
    found: dict[int, dict[str, float]] = {}
    free = row.created_at
    for attempt in sorted({event.attempt for event in events}):
        mine = [event for event in events if event.attempt == attempt]
        started = next((e.ts for e in mine if e.status == "running"), None)
        end = next((e for e in mine if e.status != "running"), None)
        if end is not None and end.seconds is not None:
            found[attempt] = _measured(free, end.ts, end.seconds)
        else:
            span = spans.get(attempt, {})
            ended = end.ts if end is not None else None
            found[attempt] = _between(free, started, span.get("first"), span.get("last"), ended)
        free = end.ts if end is not None else None
    return found


def _spans(name: str, trial_id: str, *, storage: str | None) -> dict[int, dict[str, Any]]:
    """Attempt -> when its first and its last row were written."""
    rows = sql(
        name,
        "SELECT attempt, min(ts) AS first, max(ts) AS last FROM metrics_all"
        " WHERE trial_id = $trial GROUP BY attempt",
        storage=storage,
        parameters={"trial": trial_id},
    ).to_pylist()
    return {row["attempt"]: row for row in rows}


def _measured(
    free: datetime | None, ended: datetime | None, seconds: Mapping[str, float]
) -> dict[str, float]:
    """What the worker measured; what is left since the trial could have begun is its queue."""
    queue = {}
    if free is not None and ended is not None:
        whole = (_utc(ended) - _utc(free)).total_seconds()
        queue = {"queue": max(0.0, whole - sum(seconds.values()))}
    return queue | dict(seconds)


def _between(*moments: datetime | None) -> dict[str, float]:
    """Seconds between when it could begin, its start, its first and its last row, and its end."""
    known = [
        (phase, moment)
        for phase, moment in zip(("", "queue", "start", "work", "end"), moments, strict=True)
        if moment is not None
    ]
    return {
        phase: max(0.0, (_utc(moment) - _utc(before)).total_seconds())
        for (_, before), (phase, moment) in pairwise(known)
    }


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
