"""Draws a drawing as PNG, for slides and papers, in the colours of white paper.

Knows nothing of what is drawn; never touches matplotlib's global state.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle

from results.report_scene import TONES, Area, Box, Line, Mark, Scene, Words, outline

__all__ = ["to_png"]

_PIXELS_AN_INCH: Final = 96
_SHARPNESS: Final = 2
"""PNG pixels a pixel of the drawing."""

_MARGIN: Final = 12


def to_png(scene: Scene) -> bytes:
    """The drawing as a PNG file at twice its size."""
    width, height = scene.width + 2 * _MARGIN, scene.height + 2 * _MARGIN
    figure = Figure(
        figsize=(width / _PIXELS_AN_INCH, height / _PIXELS_AN_INCH), facecolor=TONES["surface"]
    )
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-_MARGIN, scene.width + _MARGIN)
    axes.set_ylim(scene.height + _MARGIN, -_MARGIN)
    for depth, item in enumerate(scene.items):
        if isinstance(item, Words):
            _write(axes, item, depth)
        else:
            _draw(axes, item, depth)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # A script that the font lacks: boxes do.
        figure.savefig(buffer, format="png", dpi=_PIXELS_AN_INCH * _SHARPNESS)
    return buffer.getvalue()


def _draw(axes: Axes, item: Line | Area | Box | Mark, depth: int) -> None:
    colour = TONES[item.tone]
    if isinstance(item, Line):
        dash: Any = (0, (item.dash, item.dash)) if item.dash else "-"
        xs, ys = zip(*item.points, strict=True)
        points = 0.75 * item.width
        axes.plot(xs, ys, color=colour, linewidth=points, linestyle=dash, zorder=depth)
    elif isinstance(item, Area):
        axes.add_patch(
            Polygon(item.points, color=colour, alpha=item.opacity, linewidth=0, zorder=depth)
        )
    elif isinstance(item, Box):
        corner = (item.x, item.y)
        style: dict[str, Any] = {"alpha": item.opacity, "linewidth": 0, "zorder": depth}
        axes.add_patch(Rectangle(corner, item.width, item.height, color=colour, **style))
    else:
        _mark(axes, item, depth)


def _mark(axes: Axes, mark: Mark, depth: int) -> None:
    style: dict[str, Any] = {
        "facecolor": "none" if mark.hollow else TONES[mark.tone],
        "edgecolor": TONES[mark.tone] if mark.hollow else TONES["surface"],
        "linewidth": 1.0 if mark.hollow else 0.5,
        "zorder": depth,
    }
    corners = outline(mark)
    if corners:
        axes.add_patch(Polygon(corners, **style))
    else:
        axes.add_patch(Circle((mark.x, mark.y), mark.size, **style))


def _write(axes: Axes, words: Words, depth: int) -> None:
    anchors: dict[str, Any] = {"start": "left", "middle": "center", "end": "right"}
    axes.text(
        words.x,
        words.y,
        words.text,
        parse_math=False,  # A dollar sign in a user's name begins no formula.
        fontsize=0.75 * words.size * 0.94,  # Matplotlib's face is wider than those of systems.
        color=TONES[words.tone],
        ha=anchors[words.anchor],
        va="baseline",
        fontweight="bold" if words.bold else "normal",
        rotation=-words.turn,
        rotation_mode="anchor",
        zorder=depth,
    )
