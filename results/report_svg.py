"""Writes a drawing as SVG for the page: colours by class, so that light and dark share it.

Knows nothing of what is drawn. What explains itself can be reached by pointer and by keyboard.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from results.report_scene import Area, Box, Item, Line, Mark, Point, Scene, Words, outline

__all__ = ["to_svg"]

_LARGEST: Final = 1.25
"""Times its size that a drawing may grow to on a wide page; larger, its words would shout."""


def to_svg(scene: Scene) -> str:
    """The drawing as one `<svg>` element.

    The first thing that explains itself takes the keyboard's focus; the page's script moves it on.
    """
    reachable = iter(["0"])
    parts = [_item(item, reachable_first=reachable) for item in scene.items]
    wide, high = _n(scene.width), _n(scene.height)
    return (
        f'<svg viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'style="max-width:{_n(_LARGEST * scene.width)}px" '
        f'role="group" aria-label="{escape(scene.title)}">{"".join(parts)}</svg>'
    )


def _item(item: Item, *, reachable_first: Iterator[str]) -> str:
    if isinstance(item, Line):
        dash = f' stroke-dasharray="{_n(item.dash)} {_n(item.dash)}"' if item.dash else ""
        return (
            f'<polyline class="l-{item.tone}" stroke-width="{_n(item.width)}"{dash} '
            f'points="{_points(item.points)}"/>'
        )
    if isinstance(item, Area):
        return (
            f'<polygon class="f-{item.tone}" fill-opacity="{_n(item.opacity)}" '
            f'points="{_points(item.points)}"/>'
        )
    if isinstance(item, Words):
        return _words(item)
    shape = _box(item) if isinstance(item, Box) else _mark(item)
    if not item.tip:
        return shape
    index = next(reachable_first, "-1")
    return (
        f'<g class="tip" role="img" tabindex="{index}">'
        f"<title>{escape(item.tip, quote=False)}</title>{shape}</g>"
    )


def _box(box: Box) -> str:
    faint = "" if box.opacity == 1 else f' fill-opacity="{_n(box.opacity)}"'
    return (
        f'<rect class="f-{box.tone}" x="{_n(box.x)}" y="{_n(box.y)}" '
        f'width="{_n(box.width)}" height="{_n(box.height)}"{faint}/>'
    )


def _mark(mark: Mark) -> str:
    look = f'class="{"h" if mark.hollow else "m"}-{mark.tone}"'
    corners = outline(mark)
    if corners:
        return f'<polygon {look} points="{_points(corners)}"/>'
    return f'<circle {look} cx="{_n(mark.x)}" cy="{_n(mark.y)}" r="{_n(mark.size)}"/>'


def _words(words: Words) -> str:
    bold = ' font-weight="600"' if words.bold else ""
    anchor = "" if words.anchor == "start" else f' text-anchor="{words.anchor}"'
    turn = (
        f' transform="rotate({_n(words.turn)} {_n(words.x)} {_n(words.y)})"' if words.turn else ""
    )
    return (
        f'<text class="f-{words.tone}" x="{_n(words.x)}" y="{_n(words.y)}" '
        f'font-size="{_n(words.size)}"{anchor}{bold}{turn}>{escape(words.text, quote=False)}</text>'
    )


def _points(points: tuple[Point, ...]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(number: float) -> str:
    """A tenth of a pixel is enough; opacities get two digits."""
    digits = 2 if abs(number) <= 1 else 1
    return f"{number:.{digits}f}".rstrip("0").rstrip(".") if number else "0"
