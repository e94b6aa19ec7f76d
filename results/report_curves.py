"""Draws what happens over steps: weight drift and the largest activations.

Computes nothing: medians and extremes are those of the document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from results.report_axes import Panel, Scale, Series, linear, logarithmic, panel, series
from results.report_figures import Document, rows
from results.report_scene import Anchor, Area, Line, Mark, Scene, Words
from results.report_words import count, finite, number

__all__ = ["drift_panels", "spike_panels"]

_HIGHEST: Final = 1e4
"""Times the largest median that the spike's scale reaches at most."""

Row = Mapping[str, Any]


def drift_panels(document: Document) -> list[Scene]:
    """Standardised shift of the weights over steps, one panel an architecture."""
    return _panels(document, "drift", "mean drift z of the weights", log=False)


def spike_panels(document: Document) -> list[Scene]:
    """Largest activation over steps on a logarithmic scale, one panel an architecture."""
    return _panels(document, "spikes", "largest activation (log scale)", log=True)


def _panels(document: Document, name: str, label: str, *, log: bool) -> list[Scene]:
    points = [row for row in rows(document, name) if finite(row["median"]) is not None]
    looks = series([row["mechanism"] for row in points])
    panels = []
    for architecture in sorted({row["architecture"] for row in points}):
        inside = [row for row in points if row["architecture"] == architecture]
        names = {row["mechanism"] for row in inside}
        framed = panel(
            architecture or "all cells",
            x=replace(
                linear([0.0, *(float(row["step"]) for row in inside)], least=1.0, room=0.02),
                whole=True,
            ),
            y=_scale(inside, log=log),
            x_label="step",
            y_label=label,
            legend=[look for key, look in looks.items() if key in names],
            size=(360.0, 240.0),
        )
        for mechanism in sorted(names):
            of_one = [row for row in inside if row["mechanism"] == mechanism]
            _curve(framed, of_one, looks[mechanism], log=log)
        panels.append(framed.scene)
    return panels


def _scale(points: Sequence[Row], *, log: bool) -> Scale:
    """Over all that is drawn; a spike of 10³⁸ must not flatten everything else."""
    if not log:
        return linear([0.0, *(row[key] for row in points for key in ("low", "high"))])
    top = _HIGHEST * max(row["median"] for row in points)
    return logarithmic([min(row[key], top) for row in points for key in ("low", "high")])


def _curve(framed: Panel, points: Sequence[Row], look: Series, *, log: bool) -> None:
    drawn = [row for row in points if not log or row["median"] > 0]
    if not drawn:
        return
    lows = [framed.point(row["step"], row["low"]) for row in drawn]
    highs = [framed.point(row["step"], row["high"]) for row in drawn]
    middle = tuple(framed.point(row["step"], row["median"]) for row in drawn)
    if len(drawn) > 1:
        framed.scene.add(
            Area(points=(*lows, *reversed(highs)), tone=look.tone, opacity=0.13),
            Line(points=middle, tone=look.tone, width=2),
        )
    size = 3.6 if len(drawn) <= 24 else 2.0
    for row, (x, y) in zip(drawn, middle, strict=True):
        tip = (
            f"{look.name}, step {row['step']:,}\nmedian {number(row['median'])} of "
            f"{count(row['cells'], 'cell')}\n{number(row['low'])} to {number(row['high'])}"
        )
        framed.scene.add(Mark(x=x, y=y, shape=look.shape, tone=look.tone, size=size, tip=tip))
    beyond = max(drawn, key=lambda row: row["high"])
    if beyond["high"] > framed.y.high:
        x, y = framed.point(beyond["step"], beyond["high"])
        anchor: Anchor = (
            "end" if x > framed.x.end - 60 else "start" if x < framed.x.start + 60 else "middle"
        )
        text = f"{look.name}: up to {number(beyond['high'])} ↑"
        framed.scene.add(Words(x=x, y=y + 12, text=text, size=11, tone="muted", anchor=anchor))
