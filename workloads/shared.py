"""Lets many workloads that are read one after another share the parts that they have in common.

Must never know what a part means. Within `shared_parts` what was written twice is read once, so
the cells of a large sweep hold one copy of each part; outside of it nothing is remembered, and
what trains is never shared with another trial.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from math import isfinite
from typing import Any, Final, TypeVar

__all__ = ["copied", "form_of", "once", "shared_parts", "text_of"]

T = TypeVar("T")

MOST_PARTS: Final = 20_000
"""Parts that are remembered; an axis of more values than that is read value by value."""

_quoted: Final = json.encoder.encode_basestring_ascii
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class _Parts:
    """What was read so far. Everything that is found by its address is kept alive here."""

    def __init__(self) -> None:
        self.depth = 0
        self.read: dict[tuple[Hashable, bytes], Any] = {}
        self.addresses: set[int] = set()
        self.forms: dict[int, Any] = {}
        self.texts: dict[int, str] = {}

    def keep(self, key: tuple[Hashable, bytes], part: object) -> None:
        if len(self.read) >= MOST_PARTS:
            for remembered in (self.read, self.addresses, self.forms, self.texts):
                remembered.clear()
        self.read[key] = part
        self.addresses.add(id(part))


_parts: ContextVar[_Parts | None] = ContextVar("parts", default=None)


@contextmanager
def shared_parts() -> Iterator[None]:
    """Remembers parts while the block lasts; within another such block that one's are used."""
    if _parts.get() is not None:
        yield
        return
    token = _parts.set(_Parts())
    try:
        yield
    finally:
        _parts.reset(token)


def once(owner: Hashable, given: Any, read: Callable[[Any], T]) -> T:  # noqa: ANN401
    """Reads a part, or returns the one that was read from the same values before.

    The outermost part is a whole workload, which comes only once and is not remembered. What is
    refused is not remembered either.

    Args:
        owner: what reads it, or a name for that.
        given: what was written.
        read: turns it into a part that nobody changes; it is given a copy.
    """
    parts = _parts.get()
    if parts is None:
        return read(given)
    if parts.depth == 0:
        parts.depth = 1
        try:
            return read(given)
        finally:
            parts.depth = 0
    try:
        key = owner, marshal.dumps(given, 2)
    except ValueError:  # Something that no file can hold.
        return read(given)
    found = parts.read.get(key)
    if found is None:
        found = read(marshal.loads(key[1]))
        parts.keep(key, found)
    return found


def form_of(part: object, make: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """The canonical form of a part, the same object each time for one that is shared."""
    parts = _parts.get()
    if parts is None or id(part) not in parts.addresses:
        return make(part)
    form = parts.forms.get(id(part))
    if form is None:
        form = parts.forms[id(part)] = make(part)
        parts.texts[id(form)] = _ENCODER.encode(form)
    return form


def text_of(form: Mapping[str, Any]) -> str:
    """A canonical form as JSON with sorted keys, no blanks, in ASCII."""
    parts = _parts.get()
    if parts is None:
        return _ENCODER.encode(form)
    texts = parts.texts
    inside = ",".join(
        [
            f"{_quoted(key)}:{texts.get(id(value)) or _text(value)}"
            for key, value in sorted(form.items())
        ]
    )
    return f"{{{inside}}}"


def _text(value: object) -> str:
    # Ints and finite floats are most of what differs from cell to cell; the encoder takes 2 µs.
    if type(value) is int or (type(value) is float and isfinite(value)):
        return repr(value)
    return _ENCODER.encode(value)


def copied(values: T) -> T:
    """A copy that shares nothing which can change; of plain values ten times as fast as usual."""
    plain: Any = values
    try:
        same: T = marshal.loads(marshal.dumps(plain, 2))
    except ValueError:
        return deepcopy(values)
    return same
