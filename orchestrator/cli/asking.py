"""The verb that asks: sql.

Must never write into a store, nor run a statement in its own process.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli.options import AsJson, Storage
from orchestrator.cli.output import emit_json, note, print_table
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from results.query_child import Child
    from results.query_messages import Limits, Request
    from results.render import Table

__all__ = ["register"]

Format = Literal["table", "csv", "json", "parquet"]

_QUERY = Annotated[
    str | None,
    typer.Argument(
        metavar="QUERY",
        help="One SELECT; - reads it from standard input. Without any: a shell on a terminal, "
        "else the columns of the views.",
    ),
]
_NAMES = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Name of a sweep, or several: a,b. Left out with --all."),
]
_MEMORY = Annotated[str, typer.Option("--memory", metavar="SIZE", help="Most memory of a query.")]
_TIMEOUT = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="Most time of a query.")
]
_MAX_ROWS = Annotated[
    int, typer.Option("--max-rows", metavar="N", min=0, help="Most rows of an answer.")
]
_AS_OF = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="TIME", help="As it was then: ISO 8601 (UTC), or ago as -10m, -2h, -1d."
    ),
]
_PARAMETERS = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="NAME=VALUE",
        help="Value of $NAME; NAME:text=VALUE takes any word as text. May be repeated.",
    ),
]
_NAMED = Annotated[
    str | None,
    typer.Option("--query", "-q", metavar="QUESTION", help="A question by name, see --queries."),
]
_FILE = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="Read the SELECT from there.")
]
_ALL = Annotated[bool, typer.Option("--all", help="Every sweep of the storage.")]
_QUERIES = Annotated[bool, typer.Option("--queries", help="List the questions that have names.")]
_FORMAT = Annotated[Format, typer.Option("--format", "-f", help="table, csv, json or parquet.")]
_OUTPUT = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")
]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(sql)


def sql(
    name: _NAMES = None,
    query: _QUERY = None,
    every: _ALL = False,
    named: _NAMED = None,
    queries: _QUERIES = False,
    file: _FILE = None,
    parameters: _PARAMETERS = None,
    as_of: _AS_OF = None,
    output_format: _FORMAT = "table",
    output: _OUTPUT = None,
    memory: _MEMORY = "1GB",
    timeout: _TIMEOUT = 30.0,
    max_rows: _MAX_ROWS = 1_000_000,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Answer one SELECT over trials, metrics, layers, events and more.

    The views: trials, metrics, metrics_all, layers, finals, events, coverage.
    """
    if queries:
        _list_queries(as_json=as_json)
        return
    if every and name is not None and query is None:
        name, query = None, name
    from results.query_child import Child

    with Child() as child:  # First of all: it is busy importing while this process reads on.
        limits = _limits(memory, timeout, max_rows)
        request = _request(name, every=every, storage=storage, limits=limits)
        request = _with(request, parameters or [], as_of)
        text = _statement(query, file, named)
        if text is None and not as_json and output is None and _on_a_terminal():
            _shell(request, child)
            return
        import results.render  # noqa: F401  (slow, and the child is not ready either)

        found = _asked(child, request, text)
    _write(found, "json" if as_json else output_format, output)


def _limits(memory: str, timeout: float, max_rows: int) -> Limits:
    from results.query_messages import Limits

    if memory == "1GB":
        return Limits(timeout=timeout, max_rows=max_rows)
    from orchestrator.quantities import read_bytes

    try:
        return Limits(memory=read_bytes(memory), timeout=timeout, max_rows=max_rows)
    except ValueError as error:
        raise InputError(f"--memory: {error}") from None


def _request(names: str | None, *, every: bool, storage: str | None, limits: Limits) -> Request:
    from orchestrator.reading import find_sweeps
    from results.place import absolute
    from results.query_messages import Request

    if every and names is not None:
        raise InputError(f"--all: every sweep is asked, got the name {names!r} too. Leave one out.")
    roots = find_sweeps(names, every=every, storage=storage)
    return Request(roots=tuple(str(absolute(root)) for root in roots), text=None, limits=limits)


def _with(request: Request, parameters: Sequence[str], as_of: str | None) -> Request:
    from dataclasses import replace

    from orchestrator.questions import read_moment, read_parameters

    moment = None if as_of is None else read_moment(as_of, now=datetime.now(UTC))
    return replace(request, parameters=read_parameters(parameters), as_of=moment)


def _statement(query: str | None, file: Path | None, named: str | None) -> str | None:
    """The text to run, from wherever it was given; None if nobody gave one."""
    given = [
        what
        for what, value in (("QUERY", query), ("--file", file), ("--query", named))
        if value is not None
    ]
    if len(given) > 1:
        raise InputError(f"sql: one statement at a time, got {' and '.join(given)}. Leave one out.")
    if named is not None:
        from results.query_named import load

        return load(named).text
    if query == "-" or file == Path("-"):
        return _decoded(sys.stdin.buffer.read(), "standard input")
    if file is not None:
        try:
            return _decoded(file.read_bytes(), str(file))
        except OSError as error:
            raise InputError(f"--file {file}: cannot be read, got '{error.strerror}'.") from None
    return query if query is not None else _piped()


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{where}: must be UTF-8, got other bytes. Convert it.") from None


def _piped() -> str | None:
    """What a pipe or a file sends as standard input; None where there is neither, or nothing."""
    import os
    import stat

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # Closed, or not a file at all.
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        return None
    return _decoded(sys.stdin.buffer.read(), "standard input").strip() or None


def _on_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _asked(child: Child, request: Request, text: str | None) -> Table:
    from dataclasses import replace

    found = child.ask(replace(request, text=text))
    for warning in found.warnings:
        note(warning)
    return found.table


def _shell(request: Request, child: Child) -> None:
    from orchestrator.cli.shell import Shell

    Shell(request, first=child).run()


def _list_queries(*, as_json: bool) -> None:
    from results.query_named import load, names

    found = [load(name) for name in names()]
    if as_json:
        emit_json({"queries": [{"name": one.name, "title": one.title} for one in found]})
        return
    print_table(["name", "answers"], [(one.name, one.title) for one in found])


def _write(found: Table, output_format: Format, output: Path | None) -> None:
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
