"""Puts the parts of a report in order: what each is called, draws, lists, and rests on.

Knows nothing of HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from results.report_blocks import layer_panels, ranking_panels, time_panels
from results.report_curves import drift_panels, spike_panels
from results.report_figures import Document
from results.report_findings import FINDINGS
from results.report_scatters import cliff_panels, requested_panels
from results.report_scene import Scene
from results.report_words import finite, share

__all__ = ["Section", "Table", "sections"]

_LONGEST: Final = 400
"""Rows of a table on the page; the CSV beside it has all."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words under headings; `numbers` are the places of columns that hold numbers."""

    name: str
    columns: tuple[str, ...]
    rows: list[list[str]]
    numbers: frozenset[int]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page.

    Attributes:
        name: of its anchor, and of its picture.
        title: its heading.
        short: the same in the list of sections.
        finding: what it shows, in words.
        panels: its drawings.
        shown: tables that stand open.
        folded: tables of the rows that are drawn.
        queries: (name, SQL) that gave them.
    """

    name: str
    title: str
    short: str
    finding: str
    panels: Sequence[Scene]
    shown: Sequence[Table]
    folded: Sequence[Table]
    queries: Sequence[tuple[str, str]]


_DRAWN: Final[Sequence[tuple[str, str, Callable[[Document], list[Scene]], tuple[str, ...]]]] = (
    ("cliff", "Score against sparsity", cliff_panels, ("cells",)),
    ("requested", "Requested against achieved sparsity", requested_panels, ("requested",)),
    ("ranking", "Activations against the baseline", ranking_panels, ("ranking",)),
    ("layers", "Sparsity by layer", layer_panels, ("layers",)),
    ("drift", "Weight drift", drift_panels, ("drift",)),
    ("spikes", "Activation spikes", spike_panels, ("spikes",)),
    ("time", "Time budget", time_panels, ("time",)),
)
_LISTED: Final = (
    ("coverage", "Coverage", ("coverage", "totals")),
    ("failures", "Failures", ("failures",)),
    ("provenance", "Provenance", ("provenance", "settings")),
)
_SHORT: Final = {
    "cliff": "Score",
    "requested": "Requested sparsity",
    "ranking": "Activations",
    "layers": "Layers",
    "drift": "Drift",
    "spikes": "Spikes",
    "time": "Time",
}
_ORDER: Final = (
    *("cliff", "requested", "ranking", "layers", "drift", "spikes"),
    *("coverage", "failures", "time", "provenance"),
)


def sections(document: Document) -> list[Section]:
    """All parts of the page, in order."""
    figures = {figure["name"]: figure for figure in document["figures"]}
    found = {}
    for name, title, draw, sources in _DRAWN:
        found[name] = _section(
            document, name, title, draw(document), [], [figures[s] for s in sources]
        )
    for name, title, sources in _LISTED:
        shown, *folded = [figures[source] for source in sources]
        open_ = [table(shown)] if shown["rows"] else []
        found[name] = _section(document, name, title, [], open_, folded, also=shown)
    return [found[name] for name in _ORDER]


def _section(
    document: Document,
    name: str,
    title: str,
    panels: Sequence[Scene],
    shown: list[Table],
    folded: Sequence[Mapping[str, Any]],
    *,
    also: Mapping[str, Any] | None = None,
) -> Section:
    queries = [(f["name"], f["sql"]) for f in ([also] if also else []) + list(folded)]
    if name == "cliff":
        queries += [(query["name"], query["sql"]) for query in document["fit_queries"]]
        shown = [_fits(document)] if document["fits"] else []
    return Section(
        name=name,
        title=title,
        short=_SHORT.get(name, title),
        finding=FINDINGS[name](document),
        panels=panels,
        shown=shown,
        folded=[table(figure) for figure in folded if figure["rows"]],
        queries=queries,
    )


def table(figure: Mapping[str, Any]) -> Table:
    """The rows of a figure as words."""
    columns = tuple(figure["columns"])
    rows = figure["rows"]
    numbers = frozenset(
        place
        for place in range(len(columns))
        if any(finite(row[place]) is not None for row in rows)
    )
    words = [[_word(value) for value in row] for row in rows[:_LONGEST]]
    return Table(figure["name"], columns, words, numbers, len(rows))


def _word(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    return str(value)


def _fits(document: Document) -> Table:
    """One row a group: where it breaks, and what speaks for it."""
    columns = (
        *("group", "cells", "left out", "break", "95 % interval"),
        f"loss ≤ {document['delta']:g} up to",
        "evidence",
    )
    rows = [
        [
            fit["group"],
            str(fit["n"]),
            str(len(fit["left_out"])),
            "none" if fit["break"] is None else share(fit["break"]),
            _pair(fit["interval"]),
            share(fit["loss_at"]) + _bracketed(fit.get("loss_interval")),
            fit["reason"],
        ]
        for fit in document["fits"]
    ]
    return Table("fits", columns, rows, frozenset({1, 2, 3, 4, 5}), len(rows))


def _pair(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{share(interval[0])} to {share(interval[1])}"


def _bracketed(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f" ({_pair(interval)})"
