"""Draws the cells and their fit as PNG, one picture an architecture and one of all cells.

Computes nothing itself: what is drawn is what `results.cliff` says.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.cliff import Cell, Fit, cells, cliff
from results.place import Place
from results.query import Reader
from results.store import Store

__all__ = ["draw", "scatter"]

# Okabe & Ito's colours, told apart by all common kinds of colour blindness; black is the fit's.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
_INK: Final = "#222222"
_PALE: Final = "#888888"
_LABELS: Final = {
    "accuracy_ratio": "score: {metric} / baseline's",
    "exp_loss": "score: exp(baseline's {metric} − {metric})",
    "difference": "score: {metric} − baseline's",
    None: "score: {metric}",
}


def scatter(reader: Reader, directory: Place, *, fits: Sequence[Fit] | None = None) -> list[Place]:
    """Writes `cliff-<group>.png` for each architecture and for all cells together.

    A cell left out of the fit is hollow; one far below all others stands at the lower edge with its
    score beside it.

    Args:
        reader: an open store.
        directory: where to write; created if missing.
        fits: what `cliff` returned for this reader, if at hand.

    Returns:
        The files, none where no completed trial has a score and a sparsity.

    Raises:
        StorageError: a file cannot be written.
    """
    members = cells(reader)
    store = Store(directory)
    written: list[Place] = []
    for fit in cliff(reader) if fits is None else fits:
        inside = [c for c in members if fit.architecture in (None, c.architecture)]
        if fit.mechanism is None and _drawable(inside):
            name = f"cliff-{fit.group}.png"
            store.put(name, _png(draw(fit, inside)))
            written.append(store.root / name)
    return written


def draw(fit: Fit, members: Sequence[Cell]) -> Figure:
    """The picture of one fit.

    Args:
        fit: of an architecture, or pooled.
        members: its cells, those left out among them.
    """
    figure = Figure(figsize=(8.0, 4.8), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    bottom, top = _limits(fit, members)
    _draw_fit(axes, fit)
    _draw_cells(axes, fit, members, edge=bottom + 0.03 * (top - bottom))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(bottom, top)
    axes.set_xlabel("measured sparsity (share of activations that are exactly 0)", color=_INK)
    axes.set_ylabel(_score_label(members), color=_INK)
    axes.set_title(_title(fit), loc="left", fontsize=12, color=_INK)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside right upper", fontsize=8, frameon=False, labelcolor=_INK)
    figure.supxlabel(_caption(fit, members), x=0.01, ha="left", fontsize=7.5, color="#555555")
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _drawable(members: Iterable[Cell]) -> list[tuple[float, float, Cell]]:
    return [
        (cell.sparsity, cell.score, cell)
        for cell in members
        if cell.sparsity is not None
        and cell.score is not None
        and math.isfinite(cell.sparsity)
        and math.isfinite(cell.score)
    ]


def _limits(fit: Fit, members: Sequence[Cell]) -> tuple[float, float]:
    """Scores shown: all that the fit rests on; what was left out only while it stays readable."""
    shown = _drawable(members)
    kept = [score for _, score, cell in shown if cell.left_out is None]
    scores = kept or [score for _, score, _ in shown] or [0.0, 1.0]
    low, high = min(scores), max(scores)
    span = max(high - low, 0.05)
    everything = [score for _, score, _ in shown] or [low]
    if min(everything) > low - span:
        low = min(low, *everything)
    if max(everything) < high + span:
        high = max(high, *everything)
    return low - 0.12 * span, high + 0.12 * span


def _draw_fit(axes: Axes, fit: Fit) -> None:
    curve = fit.curve
    places = _places(fit)
    heights = [curve.at(place) for place in places]
    if fit.interval is not None and fit.break_ is not None:
        low, high = fit.interval
        axes.axvspan(low, high, color="#bbbbbb", alpha=0.35, linewidth=0, label="95 % interval")
        axes.axvline(fit.break_, color=_INK, linewidth=1, linestyle=(0, (4, 3)), label="break")
    drawn = [(x, y) for x, y in zip(places, heights, strict=True) if y is not None]
    if len(drawn) > 1:
        kind = "straight line" if fit.break_ is None else "two-segment fit"
        axes.plot(*zip(*drawn, strict=True), color=_INK, linewidth=1.8, label=kind)


def _places(fit: Fit) -> list[float]:
    """Sparsities that draw the fit: a straight line needs its ends, a curved fall many."""
    curve = fit.curve
    if fit.break_ is None:
        return [curve.lowest, curve.highest]
    fall = [fit.break_ + (curve.highest - fit.break_) * step / 50 for step in range(51)]
    return [curve.lowest, *fall]


def _draw_cells(axes: Axes, fit: Fit, members: Sequence[Cell], *, edge: float) -> None:
    shown = _drawable(members)
    names = sorted({_series(fit, cell) for _, _, cell in shown})
    for place, name in enumerate(names):
        style: dict[str, Any] = {
            "marker": _MARKERS[place % len(_MARKERS)],
            "s": 34,
            "zorder": 3,
            "clip_on": False,
        }
        colour = _COLOURS[place % len(_COLOURS)]
        series = [(x, y, cell) for x, y, cell in shown if _series(fit, cell) == name]
        kept = [(x, y) for x, y, cell in series if cell.left_out is None]
        out = [(x, y, cell) for x, y, cell in series if cell.left_out is not None]
        if kept:
            style_kept = {**style, "color": colour, "edgecolors": "white", "linewidths": 0.6}
            axes.scatter(*zip(*kept, strict=True), label=name, **style_kept)
        for x, y, _ in out:
            height = max(y, edge)
            axes.scatter(
                [x], [height], facecolors="none", edgecolors=colour, linewidths=1.2, **style
            )
            if y < edge:
                _note(axes, x, height, f"{y:.2f} ↓")
    if any(cell.left_out for _, _, cell in shown):
        axes.scatter([], [], facecolors="none", edgecolors=_PALE, s=34, label="left out of the fit")


def _note(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        fontsize=7,
        color=_PALE,
    )


def _series(fit: Fit, cell: Cell) -> str:
    """What the colours tell apart: mechanisms within an architecture, else architectures."""
    if fit.architecture is None:
        return cell.architecture or cell.mechanism
    return cell.mechanism


def _score_label(members: Sequence[Cell]) -> str:
    kinds = {(cell.score_rule, cell.metric) for cell in members}
    if len(kinds) != 1:
        return "score relative to its baseline"
    ((rule, metric),) = kinds
    return _LABELS.get(rule, "score").format(metric=metric or "metric")


def _title(fit: Fit) -> str:
    group = "all architectures" if fit.architecture is None else fit.group
    if fit.break_ is None or fit.interval is None:
        return f"{group}: no cliff"
    low, high = fit.interval
    return f"{group}: breaks off at {fit.break_:.2f} (95 %: {low:.2f} to {high:.2f})"


def _caption(fit: Fit, members: Sequence[Cell]) -> str:
    """What the picture rests on, in words."""
    parts = [f"{fit.n} cells; {fit.reason}."]
    reasons: dict[str, int] = {}
    for _, reason in fit.left_out:
        reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        parts.append(f"Left out: {counts}.")
    if fit.curve_with_all is not None:
        with_all = fit.curve_with_all.break_
        found = "no cliff" if with_all is None else f"a break at {with_all:.2f}"
        parts.append(f"With them: {found}.")
    hidden = len(members) - len(_drawable(members))
    if hidden:
        parts.append(f"Not drawn: {hidden} without a finite score and sparsity.")
    return "\n".join(textwrap.wrap(" ".join(parts), 125))
