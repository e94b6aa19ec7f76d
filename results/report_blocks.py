"""Draws rows of names with something beside each: layers as a heat map, rankings, time.

Computes nothing: what is drawn stands in the document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from results.report_axes import Scale, cut, linear, text_width
from results.report_figures import Document, rows
from results.report_scene import Area, Box, Line, Mark, Scene, Words
from results.report_words import brief, count, finite, number, share, signed, span

__all__ = ["layer_panels", "ranking_panels", "time_panels"]

_WIDTH: Final = 360.0
_NAMES: Final = 176.0
_SHORT: Final = 142.0
Row = Mapping[str, Any]


def layer_panels(document: Document) -> list[Scene]:
    """One heat map an architecture: cells by whole-model sparsity, layers in their order."""
    found = [row for row in rows(document, "layers") if finite(row["sparsity"]) is not None]
    several = rows(document, "totals")[0]["seeds"] > 1
    labels = {
        row["trial_id"]: brief(row["label"] or row["grid"])
        + (f", seed {row['seed']}" if several else "")
        for row in rows(document, "cells")
    }
    return [
        _heat(name or "all cells", [r for r in found if r["architecture"] == name], labels)
        for name in sorted({row["architecture"] for row in found})
    ]


def _heat(title: str, found: Sequence[Row], labels: Mapping[str, str]) -> Scene:
    trials = list(dict.fromkeys(row["trial_id"] for row in found))
    layers = sorted({row["layer"] for row in found}, key=_natural)
    names = [layer.removeprefix("blocks.") for layer in layers]
    wide = (_WIDTH - _NAMES) / len(layers)
    turned = any(text_width(name, 11) > wide - 4 for name in names)
    top = 30 + (min(max(text_width(name, 11) for name in names), 90) if turned else 14)
    scene = Scene(
        width=_WIDTH, height=top + 16 * len(trials) + 44, title=f"{title}. Sparsity by layer"
    )
    scene.add(Words(x=0, y=14, text=title, size=13.5, bold=True))
    for place, name in enumerate(names):
        x = _NAMES + (place + 0.5) * wide
        text, turn = cut(name, 90 if turned else wide, 11), -90.0 if turned else 0.0
        across = 4 if turned else 0
        scene.add(
            Words(
                x=x + across,
                y=top - 6,
                text=text,
                size=11,
                tone="muted",
                anchor="start" if turned else "middle",
                turn=turn,
            )
        )
    for place, trial in enumerate(trials):
        label = labels.get(trial, trial)
        down = top + 16 * place
        text = cut(label, _NAMES - 8, 11)
        scene.add(Words(x=_NAMES - 6, y=down + 12, text=text, size=11, anchor="end"))
    for row in found:
        place, layer = trials.index(row["trial_id"]), layers.index(row["layer"])
        name = labels.get(row["trial_id"], row["trial_id"])
        tip = f"{name}\n{row['layer']}: sparsity {number(row['sparsity'])}\ntrial {row['trial_id']}"
        scene.add(_shade(_NAMES + layer * wide, top + 16 * place, wide, row["sparsity"], tip))
    _key(scene)
    return scene


def _shade(x: float, y: float, wide: float, value: float, tip: str) -> Box:
    strength = 0.05 + 0.95 * min(max(value, 0.0), 1.0)
    return Box(x=x, y=y, width=wide - 1, height=15, tone="heat", opacity=strength, tip=tip)


def _key(scene: Scene) -> None:
    """The scale of shades below a heat map."""
    top = scene.height - 32
    for place in range(5):
        value = place / 4
        x = _NAMES + place * 36
        scene.add(
            _shade(x, top, 36, value, ""),
            Words(
                x=x + 17.5, y=top + 28, text=share(value), size=11, tone="muted", anchor="middle"
            ),
        )
    scene.add(Words(x=_NAMES - 6, y=top + 12, text="sparsity", size=11, tone="muted", anchor="end"))


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Order of layers: `blocks.2` before `blocks.10`, and what comes before them first."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts if part]


def ranking_panels(document: Document) -> list[Scene]:
    """One panel an architecture: activations by their gain over the baseline cell."""
    found = [row for row in rows(document, "ranking") if finite(row["gain"]) is not None]
    return [
        _ranked(name or "all cells", [row for row in found if row["architecture"] == name])
        for name in sorted({row["architecture"] for row in found})
    ]


def _ranked(title: str, found: Sequence[Row]) -> Scene:
    edges = [finite(row[key]) for row in found for key in ("gain", "low", "high")]
    x = linear([0.0, *(edge for edge in edges if edge is not None)], least=1e-6)
    x = x.placed(_SHORT, _WIDTH - 58)
    top, step = 44.0, 20.0
    bottom = top + step * len(found)
    metric = found[0]["metric"] or "metric"
    better = "lower" if found[0]["goal"] == "minimize" else "higher"
    finding = f"gain in {metric} ({better} is better), paired"
    scene = Scene(width=_WIDTH, height=bottom + 26, title=f"{title}. {finding}")
    scene.add(
        Words(x=0, y=14, text=title, size=13.5, bold=True),
        Words(x=0, y=31, text=finding, tone="muted"),
    )
    for value, label in x.ticks(4):
        place = x.at(value)
        scene.add(
            Line(points=((place, top), (place, bottom)), tone="grid"),
            Words(x=place, y=bottom + 17, text=label, size=11, tone="muted", anchor="middle"),
        )
    zero = x.at(0)
    scene.add(Line(points=((zero, top), (zero, bottom)), tone="muted"))
    for place, row in enumerate(found):
        _rank(scene, row, x, top + step * (place + 0.5))
    return scene


def _rank(scene: Scene, row: Row, x: Scale, y: float) -> None:
    name = row["activation"]
    low, high = finite(row["low"]), finite(row["high"])
    if low is not None and high is not None:
        scene.add(Line(points=((x.at(low), y), (x.at(high), y)), tone="s0", width=2))
    difference = "baseline" if row["is_baseline"] else signed(row["gain"], 4)
    tip = "\n".join(
        [
            name,
            f"{row['metric']} {number(row['value'], 4)}, difference {signed(row['gain'], 4)}",
            *([f"95 % {signed(low, 4)} to {signed(high, 4)}"] if low is not None else []),
            f"{count(row['seeds'], 'seed')}, sparsity {share(row['sparsity'])}",
        ]
    )
    scene.add(
        Words(
            x=_SHORT - 12, y=y + 4, text=cut(brief(name), _SHORT - 14, 11), size=11, anchor="end"
        ),
        Mark(
            x=x.at(row["gain"]),
            y=y,
            shape="diamond" if row["is_baseline"] else "circle",
            tone="ink" if row["is_baseline"] else "s0",
            hollow=row["is_baseline"],
            tip=tip,
        ),
        Words(x=_WIDTH, y=y + 4, text=difference, size=11, tone="muted", anchor="end"),
    )


def time_panels(document: Document) -> list[Scene]:
    """One panel: the time that the attempts of each grid took."""
    found = [row for row in rows(document, "time") if finite(row["busy_s"])][:60]
    if not found:
        return []
    longest = max(row["busy_s"] for row in found)
    top, step = 26.0, 24.0
    scene = Scene(
        width=_WIDTH, height=top + step * len(found) + 4, title="Time of attempts by grid"
    )
    scene.add(Words(x=0, y=14, text="time of attempts by grid", size=13.5, bold=True))
    room = _WIDTH - _SHORT - 80
    for place, row in enumerate(found):
        y = top + step * place
        wide, lost = (room * (finite(row[key]) or 0) / longest for key in ("busy_s", "failed_s"))
        tip = (
            f"{row['grid']}\n{span(row['busy_s'])} for {count(row['cells'], 'cell')}\n"
            f"median {span(row['median_s'])}, longest {span(row['longest_s'])}"
        )
        name = cut(row["grid"], _SHORT - 12, 11)
        scene.add(
            Words(x=_SHORT - 8, y=y + 14, text=name, size=11, anchor="end"),
            Box(x=_SHORT, y=y + 2, width=max(wide, 1), height=16, tone="s0", tip=tip),
        )
        if lost:
            corners = ((0, 2), (lost, 2), (lost, 18), (0, 18))
            points = tuple((_SHORT + x, y + down) for x, down in corners)
            scene.add(Area(points=points, tone="s1", opacity=1))
        text = span(row["busy_s"])
        scene.add(Words(x=_SHORT + wide + 6, y=y + 14, text=text, size=11, tone="muted"))
    return [scene]
