"""A drawing as plain values: lines, areas, marks, boxes and words, in pixels from the upper left.

Knows nothing of what is drawn, nor of SVG and PNG; `report_svg` and `report_png` draw it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

__all__ = [
    "SHAPES",
    "TONES",
    "Anchor",
    "Area",
    "Box",
    "Item",
    "Line",
    "Mark",
    "Point",
    "Scene",
    "Words",
    "outline",
    "shifted",
    "side_by_side",
]

Point: TypeAlias = tuple[float, float]
Anchor: TypeAlias = Literal["start", "middle", "end"]

TONES: Final = {
    "ink": "#1a1a1a",
    "muted": "#595959",
    "grid": "#e2e2e2",
    "band": "#8a8a8a",
    "heat": "#00518a",
    "surface": "#ffffff",
    "s0": "#0072b2",
    "s1": "#c04f00",
    "s2": "#00795a",
    "s3": "#a8427e",
    "s4": "#8a6100",
    "s5": "#1f6f8b",
    "s6": "#5b5b5b",
}
"""Tone -> its colour on white paper: Okabe & Ito's, darkened to 4.5:1 where they were paler."""

SHAPES: Final = ("circle", "square", "triangle", "diamond", "down", "plus", "cross")
"""Marks that stay apart without colour, one a series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line through points; `dash` is the length of dashes and gaps, 0 for none."""

    points: tuple[Point, ...]
    tone: str
    width: float = 1.0
    dash: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A filled polygon, `opacity` 0 to 1."""

    points: tuple[Point, ...]
    tone: str
    opacity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A filled rectangle that may explain itself."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    opacity: float = 1.0
    tip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point of a series that may explain itself; a hollow one counts less."""

    x: float
    y: float
    shape: str
    tone: str
    size: float = 4.2
    hollow: bool = False
    tip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A line of text whose baseline's start, middle or end is at (x, y); `turn` in degrees."""

    x: float
    y: float
    text: str
    size: float = 12.0
    tone: str = "ink"
    anchor: Anchor = "start"
    bold: bool = False
    turn: float = 0.0


Item: TypeAlias = Line | Area | Box | Mark | Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A drawing.

    Attributes:
        width: in pixels.
        height: in pixels.
        title: what it shows, for whoever does not see it.
        items: from the back to the front.
    """

    width: float
    height: float
    title: str
    items: list[Item] = field(default_factory=list)

    def add(self, *items: Item) -> None:
        """Draws items in front of what is there."""
        self.items.extend(items)


_CORNERS: Final[dict[str, tuple[Point, ...]]] = {
    "square": ((-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)),
    "triangle": ((0, -1.15), (1.05, 0.75), (-1.05, 0.75)),
    "down": ((0, 1.15), (1.05, -0.75), (-1.05, -0.75)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "plus": tuple(
        (x * 1.15, y * 1.15)
        for x, y in (
            *((-0.36, -1), (0.36, -1), (0.36, -0.36), (1, -0.36), (1, 0.36), (0.36, 0.36)),
            *((0.36, 1), (-0.36, 1), (-0.36, 0.36), (-1, 0.36), (-1, -0.36), (-0.36, -0.36)),
        )
    ),
}
_TURN: Final = math.sqrt(0.5)


def outline(mark: Mark) -> tuple[Point, ...]:
    """Corners of a mark; none for a circle."""
    name = "plus" if mark.shape == "cross" else mark.shape
    corners = _CORNERS.get(name, ())
    if mark.shape == "cross":
        corners = tuple(((x - y) * _TURN, (x + y) * _TURN) for x, y in corners)
    return tuple((mark.x + x * mark.size, mark.y + y * mark.size) for x, y in corners)


def shifted(items: Iterable[Item], *, right: float, down: float) -> list[Item]:
    """The same items elsewhere."""
    moved: list[Item] = []
    for item in items:
        if isinstance(item, Line | Area):
            moved.append(replace(item, points=tuple((x + right, y + down) for x, y in item.points)))
        else:
            moved.append(replace(item, x=item.x + right, y=item.y + down))
    return moved


def side_by_side(scenes: Sequence[Scene], *, columns: int, gap: float = 24.0) -> Scene:
    """One drawing of several, row by row."""
    rows = [scenes[start : start + columns] for start in range(0, len(scenes), columns)]
    width = max(sum(s.width for s in row) + gap * (len(row) - 1) for row in rows)
    height = sum(max(s.height for s in row) for row in rows) + gap * (len(rows) - 1)
    whole = Scene(width=width, height=height, title="; ".join(s.title for s in scenes))
    down = 0.0
    for row in rows:
        right = 0.0
        for scene in row:
            whole.items.extend(shifted(scene.items, right=right, down=down))
            right += scene.width + gap
        down += max(s.height for s in row) + gap
    return whole
