"""Draws the cells: score against sparsity with the fits, and requested against achieved sparsity.

Computes nothing: cells, curves and intervals are those of the document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from results.report_axes import Panel, Scale, Series, linear, panel, series
from results.report_figures import Document, rows
from results.report_scene import Area, Line, Mark, Scene, Words
from results.report_words import count, finite, number, share

__all__ = ["cliff_panels", "requested_panels", "score_label"]

_SPARSITY: Final = Scale(low=-0.02, high=1.02)
_LABELS: Final = {
    "accuracy_ratio": "score: {metric} / baseline’s",
    "exp_loss": "score: exp(baseline’s {metric} − {metric})",
    "difference": "score: {metric} − baseline’s",
}
Row = Mapping[str, Any]


def cliff_panels(document: Document) -> list[Scene]:
    """One panel an architecture, and one of all cells where there are several."""
    cells = [row for row in rows(document, "cells") if _both(row)]
    architectures = sorted({row["architecture"] for row in cells})
    fits = {fit["group"]: fit for fit in document["fits"]}
    mechanisms = series([row["mechanism"] for row in cells])
    panels = [
        _cliff(
            name or "all cells",
            [row for row in cells if row["architecture"] == name],
            fits.get(name or "pooled"),
            mechanisms,
            key="mechanism",
        )
        for name in architectures
    ]
    if len(architectures) > 1:
        looks = series(architectures)
        panels.append(
            _cliff("all architectures", cells, fits.get("pooled"), looks, key="architecture")
        )
    return panels


def _both(row: Row) -> bool:
    return finite(row["sparsity"]) is not None and finite(row["score"]) is not None


def _cliff(
    title: str, cells: Sequence[Row], fit: Row | None, looks: Mapping[str, Series], *, key: str
) -> Scene:
    left_out = {left["trial_id"]: left["reason"] for left in fit["left_out"]} if fit else {}
    y = _score_scale(cells, left_out, fit)
    framed = panel(
        title,
        x=_SPARSITY,
        y=y,
        x_label="measured sparsity",
        y_label=score_label(cells),
        subtitle=_finding(cells, fit),
        legend=[look for name, look in looks.items() if any(row[key] == name for row in cells)],
    )
    if fit is not None:
        _draw_fit(framed, fit)
    for row in cells:
        _draw_cell(framed, row, looks[row[key]], left_out.get(row["trial_id"]))
    return framed.scene


def _finding(cells: Sequence[Row], fit: Row | None) -> str:
    if fit is None:
        return f"{count(len(cells), 'cell')}, not fitted"
    many = count(fit["n"], "cell") + (", partial" if fit["partial"] else "")
    if fit["break"] is None:
        return f"no cliff ({many})"
    low, high = fit["interval"]
    return f"breaks off at {share(fit['break'])}, 95 % {share(low)} to {share(high)} ({many})"


def _score_scale(cells: Sequence[Row], left_out: Mapping[str, str], fit: Row | None) -> Scale:
    """All that the fit rests on; what was left out only while the rest stays readable."""
    kept = [row["score"] for row in cells if row["trial_id"] not in left_out]
    kept += [y for _, y in fit["curve"]] if fit else []
    kept = kept or [row["score"] for row in cells]
    low, high = min(kept, default=0.0), max(kept, default=1.0)
    room = max(high - low, 0.05)
    near = [row["score"] for row in cells if low - room < row["score"] < high + room]
    return linear([low, high, *near], least=0.05, room=0.08)


def _draw_fit(framed: Panel, fit: Row) -> None:
    top, bottom = framed.y.end, framed.y.start
    if fit["interval"] is not None:
        left, right = (framed.x.at(edge) for edge in fit["interval"])
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        place = framed.x.at(fit["break"])
        framed.scene.add(
            Area(points=corners, tone="band", opacity=0.22),
            Line(points=((place, top), (place, bottom)), tone="ink", dash=4),
        )
    curve = tuple(framed.point(x, y) for x, y in fit["curve"])
    if len(curve) > 1:
        framed.scene.add(Line(points=curve, tone="ink", width=2))


def _draw_cell(framed: Panel, row: Row, look: Series, reason: str | None) -> None:
    x, y = framed.point(row["sparsity"], row["score"])
    beyond = not framed.y.low <= row["score"] <= framed.y.high
    framed.scene.add(
        Mark(
            x=x,
            y=y,
            shape=look.shape,
            tone=look.tone,
            hollow=reason is not None,
            tip=_tip(row, reason),
        )
    )
    if beyond:
        above = row["score"] > framed.y.high
        text = f"{share(row['score'])} {'↑' if above else '↓'}"
        right = x < framed.x.end - 60
        framed.scene.add(
            Words(
                x=x + (9 if right else -9),
                y=y + (14 if above else -3),
                text=text,
                size=11,
                tone="muted",
                anchor="start" if right else "end",
            )
        )


def _tip(row: Row, reason: str | None) -> str:
    name = f"{row['label']} ({row['grid']})" if row["label"] else row["grid"]
    lines = [name, f"sparsity {number(row['sparsity'])}, score {number(row['score'])}"]
    if finite(row["value"]) is not None:
        lines.append(f"{row['metric']} {number(row['value'], 4)}")
    lines.append(f"trial {row['trial_id']}, seed {row['seed']}")
    if reason:
        lines.append(f"left out of the fit: {reason}")
    return "\n".join(lines)


def score_label(cells: Sequence[Row]) -> str:
    """What the score is, where it is the same for all cells."""
    kinds = {(row["score_rule"], row["metric"]) for row in cells}
    if len(kinds) != 1:
        return "score, relative to the baseline’s"
    ((rule, metric),) = kinds
    return _LABELS.get(rule, "score: {metric}").format(metric=metric or "metric")


def requested_panels(document: Document) -> list[Scene]:
    """One panel an architecture: what a cell asked for against what was measured."""
    cells = [row for row in rows(document, "requested") if finite(row["achieved"]) is not None]
    looks = series([row["lever"] or "" for row in cells])
    labels = {row["trial_id"]: row["label"] for row in rows(document, "cells")}
    return [
        _requested(
            name or "all cells", [r for r in cells if r["architecture"] == name], looks, labels
        )
        for name in sorted({row["architecture"] for row in cells})
    ]


def _requested(
    title: str, cells: Sequence[Row], looks: Mapping[str, Series], labels: Mapping[str, str]
) -> Scene:
    names = {row["lever"] or "" for row in cells}
    framed = panel(
        title,
        x=_SPARSITY,
        y=_SPARSITY,
        x_label="requested sparsity",
        y_label="measured sparsity",
        legend=[look for name, look in looks.items() if name in names],
        size=(360.0, 290.0),
    )
    diagonal = (framed.point(0, 0), framed.point(1, 1))
    framed.scene.add(Line(points=diagonal, tone="muted", dash=4))
    for row in cells:
        x, y = framed.point(row["requested"], row["achieved"])
        look = looks[row["lever"] or ""]
        tip = (
            f"{labels.get(row['trial_id']) or row['lever']}\n"
            f"requested {share(row['requested'])}, measured {number(row['achieved'])}\n"
            f"trial {row['trial_id']}"
        )
        framed.scene.add(Mark(x=x, y=y, shape=look.shape, tone=look.tone, tip=tip))
    return framed.scene
