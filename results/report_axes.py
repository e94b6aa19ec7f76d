"""Scales, ticks, legends and the frame that a panel of the report is drawn in.

Knows nothing of sweeps: numbers and names come in, items of a drawing come out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from results.report_scene import SHAPES, Item, Line, Mark, Point, Scene, Words

__all__ = [
    "Panel",
    "Scale",
    "Series",
    "cut",
    "digits",
    "linear",
    "logarithmic",
    "panel",
    "series",
    "text_width",
]

_LEFT: Final = 48.0
_RIGHT: Final = 10.0
_BELOW: Final = 38.0
_CHARACTER: Final = 0.58
"""Width of a letter, as a share of the size of its face: that of wide faces such as DejaVu."""

_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_WHOLE: Final = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Takes values to pixels.

    Attributes:
        low: value at `start`.
        high: value at `end`, above `low`.
        start: pixel of `low`.
        end: pixel of `high`.
        log: whether equal factors, not equal differences, are equally long.
        whole: whether only whole numbers are ticks.
    """

    low: float
    high: float
    start: float = 0.0
    end: float = 1.0
    log: bool = False
    whole: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value; what lies outside the scale stays at its edge."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def placed(self, start: float, end: float) -> Scale:
        """The same scale over other pixels."""
        return replace(self, start=start, end=end)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """At most about `most` round values with their labels."""
        return self._decades(most) if self.log else self._round(most)

    def _round(self, most: int) -> list[tuple[float, str]]:
        least = (self.high - self.low) / most
        step = _round_step(max(1.0, least), _WHOLE) if self.whole else _round_step(least, _STEPS)
        places = digits(step)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [number * step for number in range(first, last + 1)]
        return [(value, _signed(value, places)) for value in values]

    def _decades(self, most: int) -> list[tuple[float, str]]:
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        step = max(1, math.ceil((last - first) / most))
        return [(10.0**power, _decade(power)) for power in range(first, last + 1, step)]


def linear(values: Sequence[float], *, least: float = 1e-9, room: float = 0.06) -> Scale:
    """A scale over all values with some room around, at least `least` wide."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low < least:
        low, high = low - least / 2, high + least / 2
    margin = room * (high - low)
    return Scale(low=low - margin, high=high + margin)


def logarithmic(values: Sequence[float]) -> Scale:
    """A scale over all positive values, from decade to decade."""
    positive = [value for value in values if value > 0] or [1.0]
    low = math.floor(math.log10(min(positive)) + 1e-9)
    high = math.ceil(math.log10(max(positive)) - 1e-9)
    return Scale(low=10.0**low, high=10.0 ** max(high, low + 1), log=True)


def digits(step: float) -> int:
    """Digits behind the point that tell multiples of a step apart."""
    for places in range(12):
        if abs(round(step, places) - step) < 1e-9 * abs(step):
            return places
    return 12


def _round_step(least: float, steps: Sequence[float]) -> float:
    size = 10.0 ** math.floor(math.log10(least))
    return next(size * step for step in steps if size * step >= least * (1 - 1e-9))


def _signed(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    if float(text) == 0:
        return text.lstrip("-")
    return text.replace("-", "−")


def _decade(power: int) -> str:
    if -3 < power < 5:
        return f"{10.0**power:,.{max(0, -power)}f}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


@dataclass(frozen=True, slots=True)
class Series:
    """How one series looks."""

    name: str
    tone: str
    shape: str


def series(names: Sequence[str]) -> dict[str, Series]:
    """A tone and a shape for each name, the same for the same names in every panel."""
    ordered = sorted(set(names))
    return {
        name: Series(name, f"s{place % 7}", SHAPES[place % len(SHAPES)])
        for place, name in enumerate(ordered)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A framed drawing with its scales in pixels."""

    scene: Scene
    x: Scale
    y: Scale

    def point(self, x: float, y: float) -> Point:
        """The pixel of a pair of values."""
        return self.x.at(x), self.y.at(y)


def panel(
    title: str,
    *,
    x: Scale,
    y: Scale,
    x_label: str,
    y_label: str,
    subtitle: str = "",
    legend: Sequence[Series] = (),
    size: tuple[float, float] = (430.0, 300.0),
) -> Panel:
    """A frame with title, legend, grid and labels, ready to be drawn in.

    Args:
        title: above everything, to the left.
        x: scale of the horizontal axis.
        y: scale of the vertical axis.
        x_label: what the horizontal axis measures.
        y_label: what the vertical axis measures.
        subtitle: what the panel shows, in words.
        legend: the series.
        size: width of the drawing and height of the frame's inside with its axis, in pixels.
    """
    width, height = size
    entries, top = _legend(legend, width, top=40.0 if subtitle else 22.0)
    top += 20
    scene = Scene(width=width, height=top + height, title=f"{title}. {subtitle}".strip())
    scene.add(Words(x=0, y=14, text=cut(title, width, 13.5), size=13.5, bold=True))
    if subtitle:
        scene.add(Words(x=0, y=31, text=cut(subtitle, width, 12), tone="muted"))
    scene.add(*entries, Words(x=0, y=top - 8, text=y_label, size=11, tone="muted"))
    framed = Panel(
        scene=scene,
        x=x.placed(_LEFT, width - _RIGHT),
        y=y.placed(scene.height - _BELOW, top + 4),
    )
    _axes(framed, x_label)
    return framed


def _axes(framed: Panel, x_label: str) -> None:
    scene, x, y = framed.scene, framed.x, framed.y
    for value, label in y.ticks(5):
        height = y.at(value)
        scene.add(
            Line(points=((x.start, height), (x.end, height)), tone="grid"),
            Words(x=x.start - 6, y=height + 4, text=label, size=11, tone="muted", anchor="end"),
        )
    for value, label in x.ticks(5):
        place = x.at(value)
        scene.add(
            Line(points=((place, y.start), (place, y.start + 4)), tone="muted"),
            Words(x=place, y=y.start + 17, text=label, size=11, tone="muted", anchor="middle"),
        )
    scene.add(
        Line(points=((x.start, y.start), (x.end, y.start)), tone="muted"),
        Words(x=x.end, y=y.start + 33, text=x_label, size=11, tone="muted", anchor="end"),
    )


def _legend(entries: Sequence[Series], width: float, *, top: float) -> tuple[list[Item], float]:
    """The legend's items and where they end; as many lines as the names need."""
    items: list[Item] = []
    right, down = 0.0, top + 8
    for entry in entries:
        name = cut(entry.name, width - 30, 12)
        length = 16 + text_width(name, 12) + 14
        if right and right + length > width:
            right, down = 0.0, down + 18
        items.append(Mark(x=right + 6, y=down - 4, shape=entry.shape, tone=entry.tone))
        items.append(Words(x=right + 16, y=down, text=name))
        right += length
    return items, (down + 6 if entries else top)


def text_width(text: str, size: float) -> float:
    """Roughly how long a text is, in pixels."""
    return _CHARACTER * size * len(text)


def cut(text: str, width: float, size: float) -> str:
    """A text that fits, shortened by an ellipsis in its last third where it is too long.

    Names of a kind differ at their ends: `quantile_layernorm 0.25` and `quantile_layernorm 0.5`.
    """
    room = max(3, int(width / (_CHARACTER * size)))
    if len(text) <= room:
        return text
    tail = room // 3
    return f"{text[: room - 1 - tail].rstrip()}…{text[len(text) - tail :].lstrip()}"
