"""Holds the claims of the papers against the sweeps that are there.

Knows nothing of how cells were trained; what is asked of each claim, and why, stands in
`sql/claims/*.sql`, written before the sweeps were run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from results.claims_verdict import VERDICTS, Claim, Part, Verdict, claim_of
from results.cliff import cliff
from results.paired import student_t
from results.place import Place
from results.query import Reader, open_stores

__all__ = ["VERDICTS", "Claim", "Claims", "Part", "Verdict", "claims", "names"]

_SQL = Path(__file__).with_name("sql")

_FREEDOM: Final = 200
"""Degrees of freedom up to which Student's distribution is tabulated; further on it is the last."""

_DRAWS: Final = 2000
"""Simulated lines and bootstrap draws of a group, as `cliffsweep cliff` takes them."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What was found.

    Attributes:
        claims: A1 to A7 and B, in this order, each whether or not there are data.
        warnings: sentences about files that could not be read.
    """

    claims: tuple[Claim, ...]
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """All of it, as a JSON document."""
        return {"claims": [claim.document() for claim in self.claims]}


def names() -> list[str]:
    """The claims in order, as their files are called."""
    return sorted(path.stem for path in (_SQL / "claims").glob("*.sql"))


def claims(roots: Sequence[Place], *, draws: int = _DRAWS) -> Claims:
    """Holds every claim against some sweeps; reads only.

    Args:
        roots: run directories; none at all, and every claim lacks data.
        draws: simulated lines and bootstrap draws where breaks are fitted.

    Raises:
        NewerSchemaError: a newer version wrote one of them.
        StorageError: a folder cannot be listed.
    """
    fits: list[dict[str, Any]] = []
    warnings: dict[str, None] = {}
    for root in roots:
        with open_stores([root]) as reader:
            fits += _fits(reader, root.name, draws=draws)
            warnings |= dict.fromkeys(reader.warnings)
    with open_stores(roots) as reader:
        _prepare(reader, fits)
        found = tuple(_claim(reader, name) for name in names())
        warnings |= dict.fromkeys(reader.warnings)
    return Claims(found, tuple(warnings))


def _fits(reader: Reader, sweep: str, *, draws: int) -> list[dict[str, Any]]:
    """The breaks of one sweep; none of a sweep without a grid that sets sparsity."""
    (counted,) = reader.trusted(
        "SELECT count(*) AS n FROM trials WHERE wanted AND status = 'completed'"
        " AND grid LIKE '%.topk'"
    ).to_pylist()
    if not counted["n"]:
        return []
    return [
        {
            **{"sweep": sweep, "place": fit.group, "trials": list(fit.cells), "break": fit.break_},
            "low": None if fit.interval is None else fit.interval[0],
            "high": None if fit.interval is None else fit.interval[1],
            "missing": len(fit.missing),
        }
        for fit in cliff(reader, draws=draws)
    ]


def _prepare(reader: Reader, fits: Sequence[dict[str, Any]]) -> None:
    """Fills the tables that every claim reads."""
    quantiles = [student_t(freedom) for freedom in range(1, _FREEDOM + 1)]
    reader.trusted(_text("claims_cells.sql"))
    reader.trusted(
        "CREATE OR REPLACE TABLE kept.quantiles AS SELECT unnest($t::DOUBLE[]) AS t,"
        " unnest(range(1, len($t::DOUBLE[]) + 1)) AS v",
        {"t": quantiles},
    )
    reader.trusted(
        "CREATE OR REPLACE TABLE kept.fits (sweep VARCHAR, place VARCHAR, trials VARCHAR[],"
        ' "break" DOUBLE, low DOUBLE, high DOUBLE, missing BIGINT)'
    )
    for fit in fits:
        reader.trusted(
            "INSERT INTO kept.fits VALUES ($sweep, $place, $trials, $break, $low, $high, $missing)",
            fit,
        )


def _claim(reader: Reader, name: str) -> Claim:
    text = _text(f"claims/{name}.sql")
    reader.trusted("DELETE FROM kept.rules; DELETE FROM kept.samples; DELETE FROM kept.found;")
    reader.trusted(text)
    return claim_of(name, text, reader.trusted(_text("claims_verdict.sql")).to_pylist())


def _text(name: str) -> str:
    return (_SQL / name).read_text(encoding="utf-8")
