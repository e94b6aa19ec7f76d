"""The verbs that set sweeps side by side and hand them out: compare, export.

Must never change what a store says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from orchestrator.cli.options import AsJson, Name, Storage
from orchestrator.cli.output import emit_json, note, print_table, say

if TYPE_CHECKING:
    from orchestrator.comparing import Compared
    from results.compare import CellPair, Difference
    from results.matching import Matching

__all__ = ["register"]

_SHOWN: Final = 4
"""Values, cells and such that a line names before it counts the rest."""


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command()(compare)
    app.command()(export)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Name or folder of a sweep.")],
    b: Annotated[
        str, typer.Argument(metavar="B", help="Another; a path with a slash is its folder.")
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="Compare this alone; may be repeated."),
    ] = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Set two sweeps side by side.

    Cells in common, paired differences, and what differs in configuration and provenance.
    """
    from orchestrator.comparing import compare as compare_sweeps

    found = compare_sweeps(a, b, storage=storage, metrics=metric or ())
    for warning in found.warnings:
        note(warning)
    if as_json:
        emit_json(found.document())
        return
    _print_sides(found)
    if min(found.cells) > 0:
        _print_matching(found.found.matching)
        _print_differences(found)
        _print_origins(found)


def _print_sides(found: Compared) -> None:
    for label, root, cells, ended in zip("AB", found.roots, found.cells, found.ended, strict=True):
        say(f"{label}: {root.name}, {_count(cells, 'cell')}, {ended} ended, in {root}")
    for label, cells in zip("AB", found.cells, strict=True):
        if cells == 0:
            say(f"{label} asks for no cell yet, so there is nothing to compare.")


def _print_matching(found: Matching) -> None:
    by = _few(found.by)
    say(f"{_count(len(found.same), 'cell')} in common.")
    if found.changed:
        say(f"{_count(len(found.changed), 'pair')} of cells differ in {by} alone.")
    if found.ambiguous_a:
        say(
            f"{len(found.ambiguous_a)} of A and {len(found.ambiguous_b)} of B would fit several "
            f"of the other side without {by}, so they are not paired: {_few(found.ambiguous_a)}"
        )
    for label, alone in (("A", found.only_a), ("B", found.only_b)):
        if alone:
            say(f"{_count(len(alone), 'cell')} only in {label}: {_few(alone)}")
    if not found.same and not found.changed:
        say("No cell of A has a partner in B, so there is no difference to estimate.")


def _print_differences(found: Compared) -> None:
    differences = found.found.differences
    overall = [one for one in differences if one.grid is None]
    if not overall:
        return
    right = ("pairs", "mean A", "mean B", "B - A", "95 % interval")
    say("")
    print_table(["metric", "cells", *right], map(_row, overall), right=right)
    per_grid = [one for one in differences if one.grid is not None]
    first = overall[0].metric
    if len({one.grid for one in per_grid}) > 1:
        say("")
        print_table([f"{first}, by grid", "cells", *right], map(_row, per_grid), right=right)
    _print_largest(first, found.found.pairs)
    left_out = Counter[str]()
    for one in overall:
        left_out["has no value on a side"] += one.estimate.missing
        left_out["is NaN or infinite on a side"] += one.estimate.not_finite
    if left_out.total():
        reasons = [f"{count} times it {why}" for why, count in left_out.items() if count]
        say(f"Left out, where a pair's value is none to subtract: {', '.join(reasons)}.")


def _print_largest(metric: str, pairs: Sequence[CellPair]) -> None:
    """The cells that differ most in one metric."""
    known = [
        (pair, first, second)
        for pair in pairs
        for first, second in [pair.values[metric]]
        if first is not None and second is not None and math.isfinite(second - first)
    ]
    ranked = sorted(known, key=lambda one: -abs(one[2] - one[1]))
    rows = [
        (p.a if p.a == p.b else f"{p.a} {p.b}", p.grid, _number(x), _number(y), _number(y - x))
        for p, x, y in ranked[:_SHOWN]
        if y != x
    ]
    if not rows:
        return
    say("")
    right = ("A", "B", "B - A")
    print_table([f"largest in {metric}", "grid", *right], rows, right=right)


def _row(one: Difference) -> tuple[object, ...]:
    found = one.estimate
    cells = "equal" if one.cells == "same" else "changed"
    numbers = (found.mean_a, found.mean_b, found.difference)
    interval = "" if found.interval is None else " … ".join(map(_number, found.interval))
    return one.grid or one.metric, cells, found.n, *map(_number, numbers), interval


def _print_origins(found: Compared) -> None:
    settings, facts = found.found.settings, found.found.facts
    say("")
    if settings:
        rows = [(s.path, _few(s.only_a), _few(s.only_b)) for s in settings]
        print_table(["configuration", "only in A", "only in B"], rows)
    else:
        say("Configuration: the same values of every key.")
    say("")
    if facts:
        rows = [(fact.what, _cells(fact.a), _cells(fact.b)) for fact in facts]
        print_table(["provenance", "A", "B"], rows)
    else:
        say("Provenance: the same commit, versions, hosts and devices.")


def _cells(values: Mapping[str, int]) -> str:
    """Values; with the number of cells of each where there are several."""
    if len(values) == 1:
        return next(iter(values))
    return _few(f"{value} ({_count(cells, 'cell')})" for value, cells in values.items())


def _few(words: Iterable[str]) -> str:
    every = list(words)
    rest = len(every) - _SHOWN
    return ", ".join(every[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def export(
    name: Name,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="A new or empty folder.")
    ],
    output_format: Annotated[
        Literal["parquet", "csv", "json"],
        typer.Option("--format", "-f", help="parquet, csv or json (one object a line)."),
    ] = "parquet",
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Write a sweep's tables as Parquet, CSV or JSON into a folder.

    DuckDB, pandas and polars read them without us.
    """
    from orchestrator.comparing import export as export_sweep

    done = export_sweep(name, output, output_format=output_format, storage=storage)
    for warning in done.warnings:
        note(warning)
    if as_json:
        emit_json({"folder": str(done.folder), "rows": done.rows, "seconds": done.seconds})
        return
    for table, rows in done.rows.items():
        say(f"{table}: {_count(rows, 'row')}")
    note(f"wrote {done.folder}; README.txt there says what each column means")
