"""Puts numbers, spans and findings of a report into words.

Knows nothing of HTML; every number it writes comes out of the document that it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["brief", "count", "finite", "headline", "listed", "number", "share", "signed", "span"]


def finite(value: object) -> float | None:
    """A number of the document that can be drawn, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: object, places: int = 3) -> str:
    """A number with some digits behind the point; `–` for none, four digits where it is huge."""
    known = finite(value)
    if known is None:
        return str(value) if isinstance(value, str) else "–"
    if known and not 1e-3 <= abs(known) < 1e5:
        mantissa, _, exponent = f"{known:.1e}".partition("e")
        power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{mantissa} · 10{power}".replace("-", "−")
    return f"{known:.{places}f}".replace("-", "−")


def brief(label: str) -> str:
    """A cell's label for where room is short: after a kind, values go without their names.

    `quantile_layernorm, quantile 0.25` is `quantile_layernorm 0.25`; `share 0.1` stays.
    """
    first, *others = label.split(", ")
    return " ".join([first, *(part.rpartition(" ")[2] for part in others)])


def share(value: object) -> str:
    """A sparsity, with two digits behind the point."""
    known = finite(value)
    return "–" if known is None else f"{known:.2f}"


def signed(value: object, places: int = 3) -> str:
    """A difference with its sign."""
    known = finite(value)
    if known is None:
        return "–"
    text = f"{known:+.{places}f}".replace("-", "−")
    return text.lstrip("+−") if float(f"{known:.{places}f}") == 0 else text


def count(many: int, one: str, several: str | None = None) -> str:
    """`1 cell`, `1,234 cells`."""
    return f"{many:,} {one if many == 1 else several or one + 's'}"


def span(seconds: object) -> str:
    """A time span as `4.2 s`, `3 min 20 s` or `2 h 05 min`."""
    known = finite(seconds)
    if known is None:
        return "–"
    if known < 59.95:
        return f"{known:.1f} s"
    minutes, rest = divmod(round(known), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def listed(words: Iterable[str], *, most: int = 6) -> str:
    """`a, b and c`; `a, b and 5 more` where there are too many."""
    found = list(words)
    if len(found) > most:
        found = [*found[: most - 1], f"{len(found) - most + 1} more"]
    return f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else "".join(found)


def headline(document: Mapping[str, Any]) -> tuple[str, str]:
    """What the sweep says about a cliff: one sentence, and what stands behind it."""
    fits: Sequence[Mapping[str, Any]] = document["fits"]
    if not fits:
        return "No fit", document["without_fits"]
    pooled = next(fit for fit in fits if fit["architecture"] is None)
    wholes = [fit for fit in fits if fit["architecture"] and not fit["mechanism"]]
    parts = [fit for fit in fits if fit["mechanism"] and fit["break"] is not None]
    broken = [fit for fit in wholes if fit["break"] is not None]
    by_mechanism = [f"By mechanism: {listed(map(_where, parts))}."] if parts else []
    if pooled["break"] is not None:
        title = f"The score breaks off at a sparsity of {share(pooled['break'])}"
        pieces = _of_all(pooled, wholes)
    elif broken:
        title = f"A cliff for {listed(fit['group'] for fit in broken)}"
        pieces = [_of_some(broken, wholes)]
    else:
        title = "No cliff"
        pieces = [_of_none(pooled, wholes)]
    return title, " ".join([*pieces, *by_mechanism])


def _of_all(pooled: Mapping[str, Any], wholes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What stands behind a break of all cells together."""
    low, high = pooled["interval"]
    pieces = [f"All architectures together, 95 % interval {share(low)} to {share(high)}."]
    if len(wholes) > 1:
        pieces.append(f"By architecture: {'; '.join(map(_standing, wholes))}.")
    return pieces


def _of_some(broken: Sequence[Mapping[str, Any]], wholes: Sequence[Mapping[str, Any]]) -> str:
    """What stands behind breaks of some architectures."""
    steady = [fit["group"] for fit in wholes if fit["break"] is None]
    places = [_where(fit, word="breaks off at", interval="95 % interval") for fit in broken]
    together = ", nor for all cells together" if len(wholes) > 1 else ""
    rest = f" No cliff for {listed(steady)}{together}." if steady else ""
    return f"{'; '.join(places)}.{rest}"


def _of_none(pooled: Mapping[str, Any], wholes: Sequence[Mapping[str, Any]]) -> str:
    """What stands behind no break anywhere."""
    cells = count(pooled["n"], "cell")
    if len(wholes) < 2:
        return f"Over {cells}: {pooled['reason']}."
    names = listed(fit["group"] for fit in wholes)
    return (
        f"Neither with all {cells} together nor for {names} alone does the score break off as"
        " sparsity grows."
    )


def _where(fit: Mapping[str, Any], *, word: str = "at", interval: str = "") -> str:
    low, high = fit["interval"]
    reach = f"{interval} {share(low)} to {share(high)}".strip()
    return f"{fit['group']} {word} {share(fit['break'])} ({reach})"


def _standing(fit: Mapping[str, Any]) -> str:
    return _where(fit) if fit["break"] is not None else f"{fit['group']} none"
