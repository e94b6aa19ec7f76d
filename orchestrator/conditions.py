"""Holds the conditions of one grid, `exclude` and `when`, and says which of them met no cell.

Knows names and values only. A condition that meets nothing is almost always a slip of the pen, and
without a word it would cost the trials that it was to leave out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from orchestrator.space import Assignment, Axis, matches

__all__ = ["Conditions"]

_SHOWN: Final = 6
"""Most names or values that a sentence lists."""


class Conditions:
    """`exclude` and `when` of one grid, and what they have met so far."""

    def __init__(
        self,
        *,
        exclude: Sequence[Mapping[str, Any]],
        when: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Takes partial cells to leave out, and axis -> condition under which it exists."""
        self._exclude = exclude
        self._when = when
        self._met: set[int | str] = set()

    def saw(self, used: Sequence[Assignment]) -> None:
        """Takes notice of a cell's axes."""
        if self._when:
            self._met.update(choice.name for choice in used)

    def leave_out(self, values: Mapping[str, Any]) -> bool:
        """Whether a cell, its seed among its values, is one of those to leave out."""
        out = False
        for number, partial in enumerate(self._exclude):
            # One that has met a cell need not be looked at again for what is out already.
            if not (out and number in self._met) and matches(values, partial):
                self._met.add(number)
                out = True
        return out

    def unmet(
        self, *, base: Mapping[str, Any], axes: Sequence[Axis]
    ) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yields (path in the grid, sentence) of each condition that met no cell.

        Args:
            base: the workload that the axes change, what the grid sets among it.
            axes: of the grid, and that of the seeds.
        """
        unmet = [n for n in range(len(self._exclude)) if n not in self._met]
        unused = [name for name in self._when if name not in self._met]
        known = _known(base, axes) if unmet or unused else {}
        for number in unmet:
            yield ("exclude", number), _sentence("leaves out", self._exclude[number], known)
        for name in unused:
            yield ("when", name), _sentence("holds for", self._when[name], known)


def _known(base: Mapping[str, Any], axes: Sequence[Axis]) -> dict[str, list[Any]]:
    """Dotted name -> the values that cells may have there, as the file writes them."""
    found: dict[str, dict[str, Any]] = {}
    _collect(found, "", base)
    for axis in axes:
        for value in axis.values:
            _collect(found, axis.name, value)
    return {name: list(values.values()) for name, values in found.items()}


def _collect(found: dict[str, dict[str, Any]], name: str, value: object) -> None:
    if name:
        found.setdefault(name, {}).setdefault(repr(value), value)
    if isinstance(value, str) and name and not name.endswith(".kind"):
        _collect(found, f"{name}.kind", value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _collect(found, f"{name}.{key}" if name else str(key), inner)


def _sentence(what: str, partial: Mapping[str, Any], known: Mapping[str, Sequence[Any]]) -> str:
    rule = f"it {what} at least one cell"
    for name, wanted in partial.items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Names there: {_some(known)}."
            return f"{rule}, got none, for no cell sets {name!r}. {hint}"
        if not _has(known[name], wanted):
            return f"{rule}, got none with {name} {wanted!r}. Values there: {_some(known[name])}."
    return f"{rule}, got none with all of {dict(partial)!r}. Remove it, or correct a value."


def _has(values: Sequence[Any], wanted: object) -> bool:
    """Whether one of the values is what is wanted."""
    return any(matches({"value": value}, {"value": wanted}) for value in values)


def _some(found: Mapping[str, Any] | Sequence[Any]) -> str:
    shown = [str(one) for one in list(found)[:_SHOWN]]
    return ", ".join(shown) + (", …" if len(found) > _SHOWN else "")
