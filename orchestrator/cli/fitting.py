"""The verb that locates the break: cliff.

Must never write into a store, except for pictures in its report folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import AsJson, Name, Storage
from orchestrator.cli.output import emit_json, near, note, print_table, say
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from results.cliff import Fit, Missing
    from results.place import Place

__all__ = ["register"]

Partial = Annotated[
    bool, typer.Option("--partial", help="Fit although cells are missing, and say so.")
]
Delta = Annotated[
    float | None,
    typer.Option(
        metavar="LOSS", min=0, help="Loss of score that counts as none; over the sweep file's."
    ),
]
Draws = Annotated[
    int, typer.Option(metavar="N", min=200, help="Simulated lines and bootstrap draws of a group.")
]
Pictures = Annotated[
    bool, typer.Option("--pictures/--no-pictures", help="Draw a scatter per architecture.")
]

_NAMED = 20
"""Missing cells that the refusal names."""


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(cliff)


def cliff(
    name: Name,
    partial: Partial = False,
    delta: Delta = None,
    draws: Draws = 2000,
    pictures: Pictures = True,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Say at which sparsity the score breaks, or that it does not.

    Sparsity is the measured one, not the one that was asked for.
    """
    from orchestrator.reading import find_sweep, sweep_delta
    from results.cliff import cliff as find_cliff
    from results.cliff import missing, to_json
    from results.query import open_stores

    root = find_sweep(name, storage=storage)
    delta = sweep_delta(name, storage=storage) if delta is None else delta
    drawn: list[Place] = []
    with open_stores([root]) as reader:
        absent = missing(reader)
        if absent and not partial:
            raise _incomplete(name, absent)
        fits = find_cliff(reader, delta=delta, draws=draws)
        if pictures and fits:
            from results.report_fit_png import scatter

            drawn = scatter(reader, root / "report", fits=fits)
        for warning in reader.warnings:
            note(warning)
    if as_json:
        emit_json(to_json(fits, missing=absent))
        return
    _print_missing(absent)
    if fits:
        _print_fits(fits)
    else:
        say(f"{name}: no cell has a score yet, so there is nothing to fit")
    for path in drawn:
        note(f"drew {near(path)}")


def _incomplete(name: str, absent: Sequence[Missing]) -> InputError:
    named = ", ".join(f"{c.grid} {c.trial_id} ({c.status})" for c in absent[:_NAMED])
    rest = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
    early = _stopped(absent)
    but = f" but the {early} that were stopped early" if early else ""
    return InputError(
        f"{name}: all cells are needed for a cliff, got {len(absent)} without a result:"
        f" {named}{rest}. `cliffsweep resume {name}` runs them{but},"
        f" `cliffsweep cliff {name} --partial` fits without them."
    )


def _stopped(absent: Sequence[Missing]) -> int:
    """How many were stopped early: the worse ones, so a fit without them is too good."""
    return sum(cell.status == "stopped" for cell in absent)


def _print_missing(absent: Sequence[Missing]) -> None:
    """Says first of all what a partial fit goes without."""
    if absent:
        early = _stopped(absent)
        of_them = f" ({early} stopped early, the worse ones)" if early else ""
        say(
            f"PARTIAL: {len(absent)} cells are missing{of_them}, and the fits below go without them"
        )
    for cell in absent:
        say(f"missing: {cell.trial_id}: {cell.grid}, {cell.status}")


def _print_fits(fits: Sequence[Fit]) -> None:
    """The table of breaks, then why, then what no fit rests on."""
    delta = f"loss ≤ {fits[0].delta:g}"
    columns = ["group", "cells", "left out", "break", "95 %", "shape", delta, "95 %"]
    print_table(columns, [_row(fit) for fit in fits], right=columns[1:])
    for fit in fits:
        say(f"{fit.group}: {fit.reason}{f'. {fit.partial_note}' if fit.partial else ''}")
    told = {left.trial_id: left.reason for fit in fits for left in fit.left_out}
    for trial_id, reason in told.items():
        say(f"left out: {trial_id}: {reason}")


def _row(fit: Fit) -> tuple[object, ...]:
    found = "no cliff" if fit.break_ is None else f"{fit.break_:.3f}"
    return (
        fit.group,
        f"{fit.n} of {fit.n + len(fit.left_out) + len(fit.missing)}" if fit.partial else fit.n,
        len(fit.left_out),
        found,
        _span(fit.interval),
        "" if fit.break_ is None else f"{fit.curve.shape:g}",
        _loss(fit),
        _span(fit.loss_interval),
    )


def _loss(fit: Fit) -> str:
    """The largest sparsity that costs at most `delta`; `>` where no sparser cell was tried."""
    if fit.loss_at is None:
        return ""
    return f"{'> ' if fit.loss_at >= fit.curve.highest else ''}{fit.loss_at:.2f}"


def _span(interval: tuple[float, float] | None) -> str:
    if interval is None or interval[0] == interval[1]:
        return ""
    return f"{interval[0]:.2f}–{interval[1]:.2f}"
