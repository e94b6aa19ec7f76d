"""Reads what people type around a SQL statement: values of parameters, moments.

Knows nothing of SQL, nor of how a statement runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.errors import InputError

__all__ = ["read_moment", "read_parameters"]

_PARAMETER = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:(?P<kind>[a-z]+))?=(?P<value>.*)", re.S)
_INT = re.compile(r"[+-]?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]{1,3})?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_KINDS = ("bool", "float", "int", "null", "text")


def read_parameters(words: Sequence[str]) -> dict[str, object]:
    """Values by name from words such as `delta=0.01`, `grid=resnet.topk`, `trial:text=123456`.

    Without a kind a word is what it looks like: an integer, a number with a point or exponent,
    true, false, null, else text.

    Raises:
        InputError: a word is not of that form, or a value not of its kind.
    """
    values: dict[str, object] = {}
    for word in words:
        found = _PARAMETER.fullmatch(word)
        kind = found["kind"] if found else None
        if found is None or kind not in (None, *_KINDS):
            raise InputError(
                f"--param {word}: must read NAME=VALUE or NAME:KIND=VALUE with a kind of"
                f" {', '.join(_KINDS)}, got {word!r}. For instance: -p delta=0.01"
            )
        try:
            values[found["name"]] = _value(found["value"], kind)
        except (ValueError, KeyError):
            raise InputError(
                f"--param {found['name']}: must be of the kind {kind}, got {found['value']!r}."
                " Write :text for any word."
            ) from None
    return values


def _value(word: str, kind: str | None) -> object:
    if kind == "text":
        return word
    if kind == "int" or (kind is None and _INT.fullmatch(word)):
        return int(word)
    if kind == "float" or (kind is None and _FLOAT.fullmatch(word)):
        return float(word)
    if kind in ("bool", "null"):
        value = _WORDS[word.lower()]
        if (value is None) != (kind == "null"):
            raise ValueError(word)
        return value
    return _WORDS.get(word.lower(), word)


def read_moment(word: str, *, now: datetime) -> datetime:
    """A moment: ISO 8601 (UTC where no zone is said), or before now, such as `-10m`, `-2h`, `-1d`.

    Raises:
        InputError: it is neither.
    """
    from orchestrator.quantities import read_seconds

    try:
        if word.startswith("-"):
            return now - timedelta(seconds=read_seconds(word.removeprefix("-")))
        moment = datetime.fromisoformat(word)
    except (ValueError, OverflowError):
        raise InputError(
            f"--as-of: a time is needed, as ISO 8601 or as long ago, got {word!r}."
            " Write 2026-11-22T14:30, 2026-11-22T14:30+01:00 or -10m."
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
