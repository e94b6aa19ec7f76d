"""Sets two sweeps side by side: cells in common, paired differences, configuration, provenance.

Never writes, and says nothing of why two sweeps differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from results.matching import Configured, Matching, Setting, flat, match, settings
from results.paired import Estimate, estimate
from results.query import Reader

__all__ = ["SCORE", "CellPair", "Comparison", "Difference", "Fact", "Side", "compare", "load"]

SCORE: Final = "score"
"""Name under which the score is compared, beside those of the metrics."""

_SQL = Path(__file__).with_name("sql")
_ENDED: Final = ("completed", "stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one sweep brings to a comparison, of the cells that it asks for.

    Attributes:
        cells: all of them.
        grids: trial_id -> grid.
        ended: how many are completed or stopped.
        values: metric, or `SCORE` -> trial_id -> last value of a cell that ended.
        facts: (what, value) of the provenance -> cells that it holds for.
    """

    cells: tuple[Configured, ...]
    grids: Mapping[str, str]
    ended: int
    values: Mapping[str, Mapping[str, float]]
    facts: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPair:
    """One cell of each sweep, and their values of the metrics asked for; None where there is none.

    Attributes:
        a: trial id in the first sweep.
        b: trial id in the second; the same where the cells are.
        grid: of the second sweep.
        values: metric -> (first, second).
    """

    a: str
    b: str
    grid: str
    values: Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Second − first of one metric over some pairs.

    Attributes:
        metric: its name, or `SCORE`.
        cells: `same` for equal cells, `changed` for cells that differ in `Matching.by`.
        grid: the grid whose pairs these are, None for those of all grids.
        estimate: the mean difference.
    """

    metric: str
    cells: str
    grid: str | None
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something about where the cells come from that differs.

    Attributes:
        what: `commit`, `uncommitted changes`, `host`, `device` or `version of <package>`.
        a: value -> cells of the first sweep.
        b: value -> cells of the second.
    """

    what: str
    a: Mapping[str, int]
    b: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two sweeps side by side.

    Attributes:
        matching: which cell belongs to which.
        differences: per metric over all grids, and of the first metric per grid.
        pairs: all pairs, equal cells first.
        settings: key paths whose values differ.
        facts: provenance that differs.
    """

    matching: Matching
    differences: tuple[Difference, ...]
    pairs: tuple[CellPair, ...]
    settings: tuple[Setting, ...]
    facts: tuple[Fact, ...]

    def document(self) -> dict[str, Any]:
        """All of it, as a JSON document."""
        return asdict(self)


def load(reader: Reader) -> Side:
    """Reads what a comparison needs of one sweep.

    Each sweep is read by itself: two may have the same name in two storages.
    """
    rows = _rows(reader, "compare_cells.sql")
    values: dict[str, dict[str, float]] = {SCORE: {}}
    for row in rows:
        if row["score"] is not None:
            values[SCORE][row["trial_id"]] = row["score"]
    for row in _rows(reader, "compare_values.sql"):
        # A metric called like the score would be taken for it.
        name = row["name"] if row["name"] != SCORE else f"metric {SCORE}"
        values.setdefault(name, {})[row["trial_id"]] = row["value"]
    facts = _rows(reader, "compare_provenance.sql")
    return Side(
        cells=tuple(Configured(r["trial_id"], flat(json.loads(r["config"]))) for r in rows),
        grids={row["trial_id"]: row["grid"] for row in rows},
        ended=sum(row["status"] in _ENDED for row in rows),
        values=values,
        facts={(row["what"], row["value"]): row["cells"] for row in facts},
    )


def compare(a: Side, b: Side, *, metrics: Sequence[str] = ()) -> Comparison:
    """Pairs the cells of two sweeps and estimates how their last values differ.

    Args:
        a: the first sweep.
        b: the second; differences are second − first.
        metrics: which, `SCORE` among them; none means the score and every metric both have.
    """
    chosen = list(metrics) or [SCORE, *sorted((a.values.keys() & b.values.keys()) - {SCORE})]
    matching = match(a.cells, b.cells)
    partners = {
        "same": [(id_, id_) for id_ in matching.same],
        "changed": list(matching.changed),
    }
    pairs = {
        kind: [_pair(a, b, *ids, metrics=chosen) for ids in found]
        for kind, found in partners.items()
        if found
    }
    differences = [_difference(m, kind, members) for m in chosen for kind, members in pairs.items()]
    for kind, members in pairs.items():
        for grid in sorted({pair.grid for pair in members}):
            inside = [pair for pair in members if pair.grid == grid]
            differences.append(_difference(chosen[0], kind, inside, grid=grid))
    return Comparison(
        matching=matching,
        differences=tuple(differences),
        pairs=tuple(pair for members in pairs.values() for pair in members),
        settings=tuple(settings(a.cells, b.cells)),
        facts=tuple(_facts(a.facts, b.facts)),
    )


def _rows(reader: Reader, file: str) -> list[dict[str, Any]]:
    return list(reader.trusted((_SQL / file).read_text(encoding="utf-8")).to_pylist())


def _pair(a: Side, b: Side, of_a: str, of_b: str, *, metrics: Sequence[str]) -> CellPair:
    nothing: Mapping[str, float] = {}
    values = {
        metric: (
            a.values.get(metric, nothing).get(of_a),
            b.values.get(metric, nothing).get(of_b),
        )
        for metric in metrics
    }
    return CellPair(a=of_a, b=of_b, grid=b.grids[of_b], values=values)


def _difference(
    metric: str, cells: str, members: Sequence[CellPair], *, grid: str | None = None
) -> Difference:
    found = estimate([pair.values[metric] for pair in members])
    return Difference(metric=metric, cells=cells, grid=grid, estimate=found)


def _facts(a: Mapping[tuple[str, str], int], b: Mapping[tuple[str, str], int]) -> list[Fact]:
    """What both sweeps do not say alike, by name."""
    found = []
    for what in sorted({what for what, _ in (*a, *b)}):
        of_a = {value: cells for (name, value), cells in a.items() if name == what}
        of_b = {value: cells for (name, value), cells in b.items() if name == what}
        if of_a.keys() != of_b.keys():
            found.append(Fact(what=what, a=of_a, b=of_b))
    return found
