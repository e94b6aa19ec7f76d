"""Reads values as Hydra's users type them: `0.5,0.9`, `choice(relu, gelu)`, `range(1, 10, 2)`.

Knows nothing of what the values are for.

    values    one element; elements with commas between; choice(…); range(start, stop, step);
              interval(low, high); tag(log, …), shuffle(…) or sort(…) around one of them
    element   null, true, false, a number, 'text' in either quotes, [list], {key: value}, bare text

It is the part of Hydra's override grammar (hydra.cc, "Extended Override syntax") that says which
values there are; what asks the configuration itself, `glob` and interpolations, is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

__all__ = ["Values", "read_values"]

_INT: Final = re.compile(r"[+-]?\d[\d_]*")
_FLOAT: Final = re.compile(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.IGNORECASE)
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_BARE: Final = re.compile(r"(?:\\.|[^\\,()\[\]{}:'\"=])+(?:[:=](?:\\.|[^\\,()\[\]{}'\"])*)?")
_ESCAPED: Final = re.compile(r"\\([\\,()\[\]{}:= \t])")
_QUOTES: Final = {quote: re.compile(rf"(\\*){quote}") for quote in "'\""}
_CALL: Final = re.compile(r"\s*([a-z_]+)\s*\(")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_./@+-]+)\s*:")
_BLANKS: Final = re.compile(r"\s*")
MAX_VALUES: Final = 10_000
"""Most values of one range."""
MAX_DEPTH: Final = 20
"""Deepest nesting of brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What one word asks for.

    Attributes:
        values: at least one, but for an interval, which has none.
        swept: whether it was written as a sweep, also where that has one value alone.
        interval: (low, high), anything between.
        steps: (start, stop, step) of a range.
        tags: what `tag(…)` says, `log` and `int` among it.
        shuffled: whether the order was to be random.
    """

    values: tuple[Any, ...] = ()
    swept: bool = False
    interval: tuple[float | int, float | int] | None = None
    steps: tuple[float | int, ...] = ()
    tags: frozenset[str] = frozenset()
    shuffled: bool = False


def read_values(text: str) -> Values:
    """Reads the values behind a `NAME=`.

    Raises:
        ValueError: they are not of that grammar; the sentence says what was read and what to do.
    """
    reader = _Reader(text)
    found = reader.sweep()
    reader.end()
    return found


class _Reader:
    """Walks over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def sweep(self) -> Values:
        """A function, or elements with commas between."""
        called = _CALL.match(self._text, self._at)
        if called is not None:
            self._at = called.end()
            return self._called(called[1])
        values = self._elements("")
        return Values(values=tuple(values), swept=len(values) > 1)

    def end(self) -> None:
        """Refuses what is left over."""
        self._blanks()
        if self._at < len(self._text):
            raise self._wrong()

    def _called(self, name: str) -> Values:
        functions: dict[str, Callable[[], Values]] = {
            "choice": self._choice,
            "range": self._range,
            "interval": self._interval,
            "tag": self._tag,
            "shuffle": self._shuffle,
            "sort": self._sort,
        }
        if name not in functions:
            known = ", ".join(functions)
            raise ValueError(
                f"a function that gives values, got {name!r} in {self._text!r}. Known: {known}."
            )
        self._deeper()
        found = functions[name]()
        self._depth -= 1
        self._take(")")
        return found

    def _choice(self) -> Values:
        return Values(values=tuple(self._elements(")")), swept=True)

    def _range(self) -> Values:
        given = self._arguments("start", "stop", "step")
        stop = given.pop("stop", None)
        if stop is None:  # One number alone is where it stops.
            stop = given.pop("start", None)
        numbers = [given.get("start", 0), stop, given.get("step", 1)]
        if not all(_is_number(number) for number in numbers) or numbers[2] == 0:
            raise ValueError(f"a range has numbers and a step, got {self._text!r}. Mend it.")
        start, end, step = (Decimal(repr(number)) for number in numbers)
        whole = all(isinstance(number, int) for number in numbers)
        count = max(0, math.ceil((end - start) / step))
        if not 1 <= count <= MAX_VALUES:
            raise ValueError(
                f"a range has 1 to {MAX_VALUES} values, got {count} in {self._text!r}. It ends"
                " before its stop."
            )
        found = [start + i * step for i in range(count)]
        values = tuple(int(n) if whole else float(n) for n in found)
        return Values(values=values, swept=True, steps=tuple(numbers))

    def _interval(self) -> Values:
        given = self._arguments("start", "end")
        low, high = given.get("start"), given.get("end")
        if not (_is_number(low) and _is_number(high) and low < high):  # type: ignore[operator]
            raise ValueError(
                f"an interval is two numbers, the lower first, got {self._text!r}. Mend it."
            )
        return Values(interval=(low, high), swept=True)  # type: ignore[arg-type]

    def _tag(self) -> Values:
        tags = set()
        while _CALL.match(self._text, self._at) is None:
            tags.add(str(self._element()))
            self._take(",")
        found = self.sweep()
        return replace(found, tags=found.tags | tags)

    def _shuffle(self) -> Values:
        return replace(self._inner(), swept=True, shuffled=True)

    def _sort(self) -> Values:
        found = self._inner()
        try:
            return replace(found, values=tuple(sorted(found.values)), swept=True)
        except TypeError:
            raise ValueError(f"values of one type are sorted, got {self._text!r}.") from None

    def _inner(self) -> Values:
        if _CALL.match(self._text, self._at) is not None:
            return self.sweep()
        return Values(values=tuple(self._elements(")")), swept=True)

    def _arguments(self, *names: str) -> dict[str, Any]:
        """Arguments of a function, by position or by name."""
        given: dict[str, Any] = {}
        for name in names:
            self._blanks()
            if self._peek() == ")":
                break
            if given:
                self._take(",")
            named = re.compile(rf"\s*({'|'.join(names)})\s*=").match(self._text, self._at)
            self._at = named.end() if named else self._at
            given[named[1] if named else name] = self._element()
        return given

    def _elements(self, closing: str) -> list[Any]:
        """Elements with commas between, up to what closes them, which stays."""
        found: list[Any] = []
        self._blanks()
        if closing in ("]", "}") and self._peek() == closing:
            return found
        while True:
            found.append(self._element())
            self._blanks()
            if self._peek() != ",":
                return found
            self._at += 1

    def _element(self) -> Any:  # noqa: ANN401
        self._blanks()
        letter = self._peek()
        if letter in ("'", '"'):
            return self._quoted(letter)
        if letter == "[":
            self._at += 1
            self._deeper()
            items = self._elements("]")
            self._depth -= 1
            self._take("]")
            return items
        if letter == "{":
            return self._mapping()
        bare = _BARE.match(self._text, self._at)
        if bare is None or "${" in bare[0] or bare[0].endswith("$"):
            raise self._wrong()
        self._at = bare.end()
        return _plain(_ESCAPED.sub(r"\1", bare[0].strip()))

    def _mapping(self) -> dict[str, Any]:
        self._at += 1
        self._deeper()
        found: dict[str, Any] = {}
        self._blanks()
        while self._peek() != "}":
            key = _KEY.match(self._text, self._at)
            if key is None:
                raise self._wrong()
            self._at = key.end()
            found[key[1]] = self._element()
            self._blanks()
            if self._peek() != ",":
                break
            self._at += 1
        self._depth -= 1
        self._take("}")
        return found

    def _quoted(self, quote: str) -> str:
        """Text in quotes; backslashes have a meaning only before a quote, where two are one."""
        text, at = "", self._at + 1
        for found in _QUOTES[quote].finditer(self._text, at):
            slashes = found[1]
            text += self._text[at : found.start()] + slashes[: len(slashes) // 2]
            at = found.end()
            if len(slashes) % 2 == 0:
                self._at = at
                return text
            text += quote
        raise ValueError(f"quotes are closed, got {self._text!r}. Add a {quote}.")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(
                f"nesting is at most {MAX_DEPTH} deep, got {self._text!r}. Flatten it."
            )

    def _blanks(self) -> None:
        found = _BLANKS.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, letter: str) -> None:
        self._blanks()
        if self._peek() != letter:
            raise self._wrong(expected=letter)
        self._at += 1

    def _wrong(self, *, expected: str = "a value") -> ValueError:
        place = self._text[self._at : self._at + 20] or "the end"
        return ValueError(
            f"{expected} is needed, got {place!r} in {self._text!r}."
            " Write 0.5,0.9 or choice(relu, gelu), and text with signs in quotes."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(word: str) -> Any:  # noqa: ANN401
    """What a bare word means."""
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    if _INT.fullmatch(word):
        return int(word)
    if _FLOAT.fullmatch(word):
        return float(word)
    return word
