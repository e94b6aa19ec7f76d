"""The verbs that look at sweeps: ls, status, show.

Must never write.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import AsJson, Name, Storage
from orchestrator.cli.output import duration, emit_json, note, print_table, say

if TYPE_CHECKING:
    from orchestrator.actions import SweepStatus

__all__ = ["document", "register"]

_STATUSES = ("planned", "running", "completed", "stopped", "failed", "cancelled")
_SHOWN_FAILURES = 20


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command()(ls)
    app.command()(status)
    app.command()(show)


def ls(storage: Storage = None, as_json: AsJson = False) -> int:
    """List the sweeps of a storage folder.

    What cannot be read is named beside them.
    """
    from orchestrator.reading import look_round

    found, unread = look_round(storage=storage)
    for sentence in unread.values():
        note(sentence)
    if as_json:
        emit_json({"sweeps": [document(one) for one in found], "unread": unread})
    elif found or unread:
        rows = [
            (s.sweep, s.total, *(s.counts.get(n, 0) for n in _STATUSES), s.driver) for s in found
        ]
        blank = [None] * (len(_STATUSES) + 1)
        rows += [(name, *blank, "cannot be read") for name in unread]
        print_table(["sweep", "cells", *_STATUSES, "driver"], rows, right=("cells", *_STATUSES))
    else:
        note("no sweeps here. `cliffsweep run SWEEP.yaml` starts one.")
    return 2 if unread else 0


def status(
    name: Name,
    replicates: Annotated[
        bool, typer.Option("--replicates", help="What adaptive replicates decided of each cell.")
    ] = False,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Say how far a sweep is, per grid, and what failed."""
    from orchestrator import actions

    found = actions.status(name, storage=storage)
    if replicates:
        _print_decided(found, storage=storage, as_json=as_json)
        return
    if as_json:
        emit_json(document(found))
        return
    used = [n for n in _STATUSES if found.counts.get(n)]
    rows = [
        (grid, sum(counts.values()), *(counts.get(n, 0) for n in used))
        for grid, counts in found.grids.items()
    ]
    rows.append(("all", found.total, *(found.counts.get(n, 0) for n in used)))
    print_table(["grid", "cells", *used], rows, right=("cells", *used))
    _print_state(found)


def _print_state(found: SweepStatus) -> None:
    at_work = f"driver {found.driver}" if found.driver else "no driver at work"
    span = f", {duration(found.seconds)} from first start to last event" if found.seconds else ""
    note(f"{found.sweep}: {at_work}{span}")
    for trial_id, attempt, failure_class, reason in found.failures[:_SHOWN_FAILURES]:
        note(f"  {trial_id} attempt {attempt}: {failure_class}: {reason}")
    hidden = len(found.failures) - _SHOWN_FAILURES
    if hidden > 0:
        note(f"  and {hidden} more")
    done = found.counts.get("completed", 0) + found.counts.get("stopped", 0)
    if done < found.total and not found.driver:
        note(f"Next: cliffsweep resume {found.sweep}")


def _print_decided(found: SweepStatus, *, storage: str | None, as_json: bool) -> None:
    """Prints a line a cell: its seeds, mean and interval, its side of the line and its rank."""
    from orchestrator.cli.apart import Apart
    from orchestrator.decisions import decisions

    cells = decisions(found.sweep, storage=storage)
    if as_json:
        emit_json(document(found) | {"cells": [asdict(c) | {"open": c.open} for c in cells]})
        return
    apart = {
        grid: Apart([c.config for c in cells if c.grid == grid]) for grid in {c.grid for c in cells}
    }
    rows = [
        (
            cell.grid,
            apart[cell.grid].of(cell.config),
            f"{cell.completed} of {len(cell.trials)}",
            None if cell.mean is None else f"{cell.mean:.4f}",
            None if cell.interval is None else f"{cell.interval[0]:.4f} to {cell.interval[1]:.4f}",
            cell.side,
            cell.rank,
        )
        for cell in cells
    ]
    columns = ["grid", "cell", "seeds", "mean score", "interval", "side", "rank"]
    print_table(columns, rows, right=("seeds", "mean score"))
    settled = sum(not cell.open for cell in cells)
    lines = {cell.line for cell in cells if cell.line is not None}
    line = f"; the line is {lines.pop():g}" if len(lines) == 1 else ""
    note(f"{found.sweep}: {settled} of {len(cells)} cells are decided{line}")


def document(found: SweepStatus) -> dict[str, Any]:
    """The JSON document of a sweep's standing."""
    names = ("trial_id", "attempt", "failure_class", "reason")
    failures = [dict(zip(names, failure, strict=True)) for failure in found.failures]
    return asdict(found) | {"root": str(found.root), "failures": failures}


def show(
    name: Name,
    trial: Annotated[
        str | None,
        typer.Argument(
            metavar="TRIAL", help="The beginning of a trial's id; without it the sweep file."
        ),
    ] = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Show a sweep's file as it was started, or all of a trial.

    Of a trial: its configuration, its attempts, and its last values.
    """
    from orchestrator import actions

    if trial is None:
        record = actions.record(name, storage=storage)
        text = record.data.decode()
        if as_json:
            emit_json({"file": record.name, "text": text})
        else:
            say(text.rstrip("\n"))
        return
    found = actions.show(name, trial, storage=storage)
    if as_json:
        emit_json(found)
        return
    _print_trial(found)


def _print_trial(found: dict[str, Any]) -> None:
    import json

    say(f"trial {found['trial_id']} of {found['sweep']}, grid {found['grid']}")
    say(f"config {json.dumps(found['config'])}")
    for event in found["events"]:
        cause = f" {event['failure_class']}: {event['detail']}" if event["failure_class"] else ""
        origin = f" from step {event['resumed_from']}" if event["resumed_from"] is not None else ""
        say(f"attempt {event['attempt']} {event['status']}{origin} at {event['ts']}{cause}")
    print_table(
        ["metric", "last value"],
        [(row["name"], f"{row['value']:.6g}") for row in found["last"]],
        right=("last value",),
    )
