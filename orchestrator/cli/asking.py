"""The verbs that ask: sql, cliff.

Must never write into a store, except for pictures in its report folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli.options import AsJson, Name, Storage
from orchestrator.cli.output import emit_json, note, print_table, say
from orchestrator.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from results.cliff import Fit

__all__ = ["register"]

Format = Literal["table", "csv", "json", "parquet"]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command()(sql)
    app.command()(cliff)


def sql(
    name: Name,
    query: Annotated[
        str | None,
        typer.Argument(metavar="QUERY", help="One SELECT; without it the views are listed."),
    ] = None,
    output_format: Annotated[
        Format, typer.Option("--format", "-f", help="table, csv, json or parquet.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")
    ] = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Answer one SELECT over the views trials, metrics, metrics_all, layers, events, coverage."""
    from orchestrator.actions import find_sweep
    from results.query import open_stores

    with open_stores([find_sweep(name, storage=storage)]) as reader:
        found = reader.schema() if query is None else reader.sql(query)
    for warning in reader.warnings:
        note(warning)
    _write(found, "json" if as_json else output_format, output)


def _write(found: pa.Table, output_format: Format, output: Path | None) -> None:
    from results import render

    if output_format == "table" and output is None:
        columns, rows = render.to_rows(found)
        print_table(columns, rows, right=render.numeric(found))
        return
    if output_format == "parquet" and output is None and sys.stdout.isatty():
        raise InputError("--format parquet: a file is needed, got a terminal. Add -o FILE.")
    data = render.to_bytes(found, output_format)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise InputError(f"{output}: cannot be written, got '{error.strerror}'.") from None
    note(f"wrote {found.num_rows} rows to {output}")


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
