"""Gathers what a report says: the rows of every figure, the SQL they came from, and the fits.

Draws nothing and words nothing. The document it makes is plain JSON, and all that the page shows is
computed from it, so that whoever holds the page can compute each number again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa

from results.cliff import cliff, missing
from results.columns import to_values
from results.errors import QueryError
from results.fits import Fit
from results.query import Reader
from results.schema import SCHEMA_VERSION

__all__ = ["FIGURES", "Document", "answer", "collect", "fit_queries", "fits_of", "query", "rows"]

Document: TypeAlias = dict[str, Any]
"""A report as plain JSON: `FORMAT` and what `collect` lists."""

FORMAT: Final = 1
"""Of the document; a page of another one cannot be verified."""

FIGURES: Final = (
    *("drift", "spikes", "totals", "coverage", "cells", "requested", "ranking", "layers"),
    *("failures", "time", "settings", "provenance"),
)
"""Names of `sql/figures/<name>.sql`; those that read `metrics` come first, for they need files."""

_FITS: Final = ("missing.sql", "cells.sql", "points.sql", "cliff.sql")
_SQL: Final = Path(__file__).with_name("sql")
_SAMPLES: Final = 80
"""Points at which a fitted curve is kept, besides its break."""


def query(name: str) -> str:
    """The SQL behind a figure."""
    return (_SQL / "figures" / f"{name}.sql").read_text(encoding="utf-8")


def fit_queries() -> list[dict[str, str]]:
    """The SQL behind the fits, file by file, in the order that `results.cliff` runs it."""
    return [{"name": name, "sql": (_SQL / name).read_text(encoding="utf-8")} for name in _FITS]


def collect(
    reader: Reader,
    *,
    sweep: str,
    as_of: datetime,
    delta: float,
    partial: bool,
    sweep_file: Mapping[str, str] | None,
) -> Document:
    """All that a report says.

    Args:
        reader: an open store, as of that time.
        sweep: its name.
        as_of: later attempts and trials are left out.
        delta: loss of score that still counts as none.
        partial: whether to fit although cells are missing.
        sweep_file: `name` in the run directory and `text` of the sweep file, if there is one.

    Returns:
        Plain JSON: numbers that are not finite are the strings NaN, Infinity and -Infinity.
    """
    figures = [{"name": name, "sql": query(name), **answer(reader, name)} for name in FIGURES]
    document: Document = {
        "format": FORMAT,
        "cliffsweep": metadata.version("cliffsweep"),
        "duckdb": metadata.version("duckdb"),
        "schema": SCHEMA_VERSION,
        "sweep": sweep,
        "as_of": as_of.isoformat(),
        "delta": delta,
        "partial": partial,
        "sweep_file": dict(sweep_file) if sweep_file else None,
        "warnings": list(reader.warnings),
        "figures": figures,
        "fit_queries": fit_queries(),
    }
    fits, without = fits_of(reader, document)
    return {**document, "fits": fits, "without_fits": without}


def answer(reader: Reader, name: str, *, text: str | None = None) -> dict[str, Any]:
    """`columns` and `rows` of a figure.

    Args:
        reader: an open store.
        name: of the figure.
        text: SQL to use instead of the figure's own; like that, it passes the gate for users.

    Raises:
        QueryError: the statement was refused or failed; the message names the figure.
    """
    try:
        table: pa.Table = reader.sql(query(name) if text is None else text)
    except QueryError as error:
        raise QueryError(f"{name}: {error}") from None
    columns = [to_values(column.combine_chunks()) for column in table.columns]
    found = [[_plain(value) for value in row] for row in zip(*columns, strict=True)]
    return {"columns": list(table.schema.names), "rows": found}


def rows(document: Document, name: str) -> list[dict[str, Any]]:
    """The rows of one figure, each by column."""
    figure = next(figure for figure in document["figures"] if figure["name"] == name)
    return [dict(zip(figure["columns"], row, strict=True)) for row in figure["rows"]]


def fits_of(reader: Reader, document: Document) -> tuple[list[dict[str, Any]], str]:
    """The fits with points of their curves, or none and the reason why.

    Args:
        reader: an open store.
        document: says `delta`, `partial`, and how many cells are missing.
    """
    totals = rows(document, "totals")[0]
    absent = len(missing(reader))
    if totals["expected"] == 0:
        return [], "The sweep has no cell yet."
    if totals["completed"] + totals["stopped"] == 0:
        return [], f"None of {totals['expected']} cells has completed yet."
    if absent and not document["partial"]:
        return [], (
            f"{absent} of {totals['expected']} cells are missing, and a fit without them could "
            "mislead; report --partial fits what there is."
        )
    found = cliff(reader, delta=document["delta"])
    if not any(fit.n for fit in found):
        return [], "No completed cell has both a finite score and a measured sparsity."
    return [_record(fit) for fit in found], ""


def _record(fit: Fit) -> dict[str, Any]:
    """A fit as plain JSON, with the points that draw it."""
    curve = fit.curve
    drawn = [(x, curve.at(x)) for x in _samples(curve.lowest, curve.highest, fit.break_)]
    plain: dict[str, Any] = _plain(
        {
            **fit.document(),
            "n": fit.n,
            "lowest": curve.lowest,
            "highest": curve.highest,
            "curve": [[x, y] for x, y in drawn if y is not None],
            "note": fit.partial_note,
        }
    )
    return plain


def _samples(low: float, high: float, corner: float | None) -> Iterable[float]:
    """Sparsities at which a curve is kept: a straight line needs its ends, a bent one more."""
    if corner is None:
        return [low, high]
    even: Sequence[float] = [low + (high - low) * i / _SAMPLES for i in range(_SAMPLES + 1)]
    return sorted({*even, corner})


def _plain(value: Any) -> Any:  # noqa: ANN401
    """A value that JSON can hold, the same again after it was written and read."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return json.loads(json.dumps(value, default=str))
