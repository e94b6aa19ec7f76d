"""The verb that writes a page: report.

Must never change what a store says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import AsJson, Storage
from orchestrator.cli.output import emit_json, near, note, say
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from results.report import Verdict

__all__ = ["register"]

_SHOWN = 20
"""Differences that are printed; `--json` has all."""

_NAME = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Name of a sweep; with --verify it may be left out."),
]
_OUTPUT = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="The page; else report/index.html in the sweep's run directory.",
    ),
]
_PARTIAL = Annotated[
    bool, typer.Option("--partial", help="Fit although cells are missing, and say so.")
]
_VERIFY = Annotated[
    Path | None,
    typer.Option(
        "--verify",
        metavar="FILE",
        help="Compute each number of a page again, as of its own time; exit 1 if one differs.",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(report)


def report(
    name: _NAME = None,
    output: _OUTPUT = None,
    partial: _PARTIAL = False,
    verify: _VERIFY = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page of a sweep, pictures and tables beside it."""
    from orchestrator.reporting import report as write_report
    from orchestrator.reporting import verify_report

    if verify is not None:
        if output is not None or partial:
            raise InputError("--verify: it writes no page, got --output or --partial beside it.")
        verdict, _ = verify_report(verify, name=name, storage=storage)
        _print_verdict(verdict, verify, as_json=as_json)
        return
    if name is None:
        raise InputError("report: the name of a sweep is needed, got none. `cliffsweep ls` lists.")
    written = write_report(name, storage=storage, output=output, partial=partial)
    if as_json:
        emit_json(
            {
                "page": str(written.page),
                "bytes": written.size,
                "figures": [str(path) for path in written.figures],
                "as_of": written.document["as_of"],
                "partial": written.document["partial"],
                "headline": written.headline,
                "finding": written.finding,
                "notes": list(written.notes),
            }
        )
        return
    say(f"{written.headline}. {written.finding}")
    for sentence in written.notes:
        say(sentence)
    note(f"wrote {near(written.page)}")


def _print_verdict(verdict: Verdict, path: Path, *, as_json: bool) -> None:
    """Says what was compared; leaves with exit code 1 where something differs."""
    different = verdict.differences
    if as_json:
        emit_json(
            {
                "page": str(path),
                "sweep": verdict.sweep,
                "as_of": verdict.as_of.isoformat(),
                "figures": verdict.figures,
                "numbers": verdict.numbers,
                "differences": [
                    {"figure": d.figure, "place": d.place, "page": d.page, "store": d.store}
                    for d in different
                ],
                "other_version": verdict.other_version,
            }
        )
    elif different:
        for difference in different[:_SHOWN]:
            say(str(difference))
        more = len(different) - _SHOWN
        many = f"{len(different)} difference" + "s" * (len(different) > 1)
        say(f"{path}: {many}" + f", {more} not shown" * (more > 0))
        if verdict.other_version:
            say(verdict.other_version)
    else:
        say(
            f"{path}: holds. {verdict.numbers:,} numbers of {verdict.figures} figures and the fits,"
            f" as of {verdict.as_of:%Y-%m-%d %H:%M:%S} UTC."
        )
    if different:
        raise typer.Exit(1)
