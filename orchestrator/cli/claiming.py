"""The verb that holds the papers' claims against the sweeps that are there: claims.

Must never write into a store.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Final

import typer

from orchestrator.cli.options import AsJson, Storage
from orchestrator.cli.output import emit_json, note, print_table, say

if TYPE_CHECKING:
    from results.claims import Claim, Part

__all__ = ["register"]

_NAMES = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME", help="Name of a sweep, or several: a,b. Without any, all that there are."
    ),
]
_ALL = Annotated[bool, typer.Option("--all", help="Every sweep of the storage.")]
_PARTS = Annotated[bool, typer.Option("--parts", help="Also every part of each claim.")]

_WIDTH: Final = 100
_SHOWN: Final = 3
"""Scales that a line names before it counts the rest."""


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(claims)


def claims(
    names: _NAMES = None,
    every: _ALL = False,
    parts: _PARTS = False,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Hold the papers' claims A1 to A7 and B against the sweeps.

    Each is supported, not supported, or not enough data. What it has to show stands in
    results/sql/claims, with its reasons, written before the sweeps were run.
    """
    from orchestrator.claiming import claims as hold

    found = hold(names, every=every, storage=storage)
    for warning in found.warnings:
        note(warning)
    if as_json:
        emit_json(found.document())
        return
    columns = ["claim", "verdict", "parts", "supported", "cells", "seeds"]
    print_table(columns, [_row(claim) for claim in found.claims], right=columns[2:])
    for claim in found.claims:
        _print_claim(claim)
        if parts:
            _print_parts(claim.parts)


def _row(claim: Claim) -> tuple[object, ...]:
    supported = sum(part.verdict == "supported" for part in claim.counted)
    return claim.id, claim.verdict, len(claim.counted), supported, claim.cells, claim.seeds


def _print_claim(claim: Claim) -> None:
    say("")
    say(f"{claim.id}: {claim.verdict}")
    _print_line("claimed", claim.claim)
    _print_line("measured", claim.measured)
    if claim.scales:
        rest = len(claim.scales) - _SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        _print_line("scale", "; ".join(claim.scales[:_SHOWN]) + more)
    if any(part.verdict == "not enough data" for part in claim.counted):
        _print_line("to run", _run(claim))


def _print_line(word: str, text: str) -> None:
    say(fill(text, _WIDTH, initial_indent=f"  {word:<10}", subsequent_indent=" " * 12))


def _run(claim: Claim) -> str:
    """What would give the parts that lack data."""
    lacking = [part for part in claim.counted if part.verdict == "not enough data"]
    why = [
        f"{len(chosen)} {word}"
        for word, chosen in (
            ("without data", [part for part in lacking if not part.seeds]),
            ("with too few seeds", [p for p in lacking if p.seeds and p.too_few]),
            ("with too few cells or too wide an interval", [p for p in lacking if not p.too_few]),
        )
        if chosen
    ]
    files = ", ".join(f"`cliffsweep run sweeps/{sweep}.yaml`" for sweep in claim.sweeps)
    return f"{files} ({'; '.join(why)})"


def _print_parts(parts: Sequence[Part]) -> None:
    columns = ["part", "measure", "value", "95 %", "asked", "seeds", "cells", "verdict"]
    print_table(columns, [_part(part) for part in parts], right=["value", "seeds", "cells"])


def _part(part: Part) -> tuple[object, ...]:
    span = "" if part.interval is None else "{:.3g} … {:.3g}".format(*part.interval)
    verdict = part.verdict if part.counts else f"({part.verdict})"
    value = "" if part.value is None else f"{part.value:.3g}"
    measured = (part.part, part.measure, value, span, part.bar)
    return (*measured, part.seeds, len(part.trials), verdict)
