"""The verbs that follow a sweep and its trials: watch, logs, why.

Must never write.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from orchestrator.cli.looking import document
from orchestrator.cli.options import AsJson, Name, Storage
from orchestrator.cli.output import duration, emit_json, note, print_table, say

if TYPE_CHECKING:
    from orchestrator.actions import SweepStatus

__all__ = ["register"]

_Trial = Annotated[str, typer.Argument(metavar="TRIAL", help="The beginning of a trial's id.")]

_STATUSES = ("planned", "running", "completed", "stopped", "failed", "cancelled")


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command()(watch)
    app.command()(logs)
    app.command()(why)


def watch(name: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Show how a sweep stands, live, until its driver ends.

    Failures are told as they happen.
    """
    from orchestrator.watching import standings

    found = standings(name, storage=storage)
    if as_json:
        *_, last = found
        emit_json(document(last))
    elif sys.stdout.isatty():
        _live(found)
    else:
        _lines(found)


def _live(found: Iterator[SweepStatus]) -> None:
    from rich.live import Live

    told: set[tuple[str, int]] = set()
    with Live(auto_refresh=False) as live:
        for now in found:
            for line in _failures(now, told):
                live.console.print(line, markup=False, highlight=False)
            live.update(_table(now), refresh=True)
    note(f"{now.sweep}: no driver at work")


def _lines(found: Iterator[SweepStatus]) -> None:
    """A line whenever something changed, for logs and pipes."""
    told: set[tuple[str, int]] = set()
    before = ""
    for now in found:
        for failure in _failures(now, told):
            say(failure)
        counts = ", ".join(f"{now.counts[s]} {s}" for s in _STATUSES if now.counts.get(s))
        line = f"{now.sweep}: {counts or 'no cells'} of {now.total}"
        if line != before:
            say(line)
            before = line
        sys.stdout.flush()
    note(f"{now.sweep}: no driver at work")


def _failures(now: SweepStatus, told: set[tuple[str, int]]) -> Iterator[str]:
    for trial_id, attempt, failure_class, reason in now.failures:
        if (trial_id, attempt) not in told:
            told.add((trial_id, attempt))
            yield f"{trial_id} attempt {attempt} failed: {failure_class}: {reason}"


def _table(now: SweepStatus) -> Table:
    used = [s for s in _STATUSES if now.counts.get(s)]
    table = Table(title=f"{now.sweep}: {now.driver or 'no driver at work'}", title_justify="left")
    table.add_column("grid")
    for column in ("cells", *used):
        table.add_column(column, justify="right")
    rows = [(grid, counts) for grid, counts in now.grids.items()] + [("all", now.counts)]
    for grid, counts in rows:
        cells = [str(counts.get(s, 0)) for s in used]
        table.add_row(grid, str(sum(counts.values())), *cells)
    return table


def logs(
    name: Name,
    trial: _Trial,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the trial's attempt ends.")
    ] = False,
    attempt: Annotated[
        int | None,
        typer.Option("--attempt", metavar="N", min=0, help="Only this attempt; 0 is the first."),
    ] = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Print what a trial's workers printed, attempt by attempt."""
    from orchestrator.reading import find_trial
    from orchestrator.watching import output

    trial = find_trial(name, trial, storage=storage)
    found = output(name, trial, storage=storage, attempt=attempt, follow=follow)
    if as_json:
        texts: dict[int, bytes] = {}
        for number, data in found:
            texts[number] = texts.get(number, b"") + data
        decoded = {str(n): data.decode(errors="replace") for n, data in texts.items()}
        emit_json({"sweep": name, "trial": trial, "attempts": decoded})
        return
    last = None
    for number, data in found:
        if number != last:
            note(f"== attempt {number} ==")
            last = number
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    if last is None:
        note(f"{trial}: nothing was printed (trials run with --inline print to the terminal)")


def why(
    name: Name,
    trial: _Trial,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Say why a trial stands as it does, and where its seconds went."""
    from orchestrator.reasons import PHASES_TOLD
    from orchestrator.reasons import why as find_why

    found = find_why(name, trial, storage=storage)
    if as_json:
        emit_json(asdict(found))
        return
    say(f"trial {found.trial_id}: {found.status}")
    for sentence in found.sentences:
        say(f"  {sentence}")
    used = [p for p in PHASES_TOLD if any(p in spent for spent in found.seconds.values())]
    rows = [
        (
            attempt,
            *(duration(spent[p]) if p in spent else "" for p in used),
            duration(found.durations[attempt]),
        )
        for attempt, spent in found.seconds.items()
    ]
    if rows:
        columns = ["attempt", *used, "all"]
        print_table(columns, rows, right=columns)
