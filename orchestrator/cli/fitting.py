"""The verb that locates the break: cliff.

Must never write into a store, except for pictures in its report folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import AsJson, Name, Storage
from orchestrator.cli.output import emit_json, note, print_table, say

if TYPE_CHECKING:
    from results.cliff import Fit

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(cliff)


def cliff(
    name: Name,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw a scatter per architecture.")
    ] = True,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Say at which measured sparsity the score breaks, or that it does not."""
    from orchestrator.actions import find_sweep, sweep_delta
    from results.cliff import cliff as find_cliff
    from results.query import open_stores

    root = find_sweep(name, storage=storage)
    delta = sweep_delta(name, storage=storage)
    with open_stores([root]) as reader:
        fits = find_cliff(reader, delta=delta)
        drawn = []
        if pictures and fits:
            from results.report import scatter

            drawn = scatter(reader, root / "report", fits=fits)
    if as_json:
        emit_json({"fits": [fit.document() for fit in fits]})
        return
    if not fits:
        say(f"{name}: no cell has a score yet, so there is nothing to fit")
        return
    _print_fits(fits)
    here = Path.cwd()
    for path in drawn:
        note(f"drew {path.relative_to(here) if path.is_relative_to(here) else path}")


def _print_fits(fits: list[Fit]) -> None:
    """The table of breaks, then why, then what no fit rests on."""
    rows = [_row(fit) for fit in fits]
    columns = ["group", "cells", "left out", "break", "95 % interval"]
    print_table(columns, rows, right=columns[1:])
    for fit in fits:
        say(f"{fit.group}: {fit.reason}")
    told = {left.trial_id: left.reason for fit in fits for left in fit.left_out}
    for trial_id, reason in told.items():
        say(f"left out: {trial_id}: {reason}")


def _row(fit: Fit) -> tuple[object, ...]:
    interval = "" if fit.interval is None else f"{fit.interval[0]:.2f}–{fit.interval[1]:.2f}"
    found = "no cliff" if fit.break_ is None else f"{fit.break_:.3f}"
    return fit.group, fit.n, len(fit.left_out), found, interval
