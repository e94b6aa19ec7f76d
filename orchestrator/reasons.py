"""Says why a trial stands as it does, and where its seconds went.

Must never write, nor guess: what the store does not say is not said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.reading import find_sweep, find_trial, sql, status
from results.ledger import Event, Ledger, TrialRow
from results.store import Store

__all__ = ["Reason", "why"]

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
        seconds: attempt -> phase -> seconds: `queue` before it started, `start` until its first
            row, `work` until its last row, `end` until its end was recorded. A phase that is not
            over, or left no row, is missing.
    """

    trial_id: str
    status: str
    sentences: tuple[str, ...]
    seconds: dict[int, dict[str, float]]


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
    standing = max(events, key=_in_order).status if events else "planned"
    told = [_told(event) for event in sorted(events, key=_in_order)]
    last = _now(name, row, standing, events, storage=storage)
    return Reason(
        trial_id=trial_id,
        status=standing,
        sentences=(*told, *last),
        seconds=_seconds(name, row, events, storage=storage),
    )


def _in_order(event: Event) -> tuple[int, bool]:
    return event.attempt, event.status != "running"


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


def _now(
    name: str, row: TrialRow, standing: str, events: Sequence[Event], *, storage: str | None
) -> list[str]:
    """What holds at this moment, and the way out."""
    sweep = status(name, storage=storage)
    said = [] if row.wanted else ["the sweep file no longer asks for it, so nothing runs it"]
    if standing == "planned":
        ahead = sweep.counts.get("planned", 0) - 1
        behind = f"{len(sweep.running)} running and up to {ahead} planned trials"
        said.append(
            f"it waits behind {behind}"
            if sweep.driver
            else f"no driver is at work. Next: cliffsweep resume {name}"
        )
    elif standing == "running" and sweep.driver is None:
        said.append(
            f"its driver is gone. Next: cliffsweep resume {name} goes on from its last checkpoint"
        )
    elif standing in ("failed", "cancelled"):
        failure = max(events, key=_in_order).failure_class or ""
        way = _WAYS_OUT.get(failure, "")
        said.append(f"{way} Next: cliffsweep retry {name} --trial {row.trial_id}".strip())
    elif standing == "completed":
        ran = f"commit {row.commit[:10]}" if row.commit else "code outside of git"
        said.append(f"its result stands and no run trains it again; it ran with {ran}")
    return said


def _seconds(
    name: str, row: TrialRow, events: Sequence[Event], *, storage: str | None
) -> dict[int, dict[str, float]]:
    rows = sql(
        name,
        "SELECT attempt, min(ts) AS first, max(ts) AS last FROM metrics_all"
        " WHERE trial_id = $trial GROUP BY attempt",
        storage=storage,
        parameters={"trial": row.trial_id},
    ).to_pylist()
    spans: dict[int, dict[str, Any]] = {r["attempt"]: r for r in rows}
    found: dict[int, dict[str, float]] = {}
    free = row.created_at
    for attempt in sorted({event.attempt for event in events}):
        mine = [event for event in events if event.attempt == attempt]
        started = next((e.ts for e in mine if e.status == "running"), None)
        ended = next((e.ts for e in mine if e.status != "running"), None)
        span = spans.get(attempt, {})
        moments = [free, started, span.get("first"), span.get("last"), ended]
        phases = zip(("queue", "start", "work", "end"), moments, moments[1:], strict=False)
        found[attempt] = {
            phase: max(0.0, (_utc(b) - _utc(a)).total_seconds())
            for phase, a, b in phases
            if a is not None and b is not None
        }
        free = ended
    return found


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
