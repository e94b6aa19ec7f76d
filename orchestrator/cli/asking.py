"""The verb that asks: sql.

Must never write into a store.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli.options import AsJson, Name, Storage
from orchestrator.cli.output import note, print_table
from orchestrator.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["register"]

Format = Literal["table", "csv", "json", "parquet"]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(sql)


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
