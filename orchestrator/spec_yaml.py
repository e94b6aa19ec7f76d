"""Reads YAML 1.2 into plain values, keeping the place of every key and value.

Must never know what the keys mean, and never builds anything but None, bool, int, float, str,
list and dict: tags that would are refused, as is what would exhaust memory or the stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from orchestrator.errors import Problem, SpecError
from orchestrator.spec_nodes import MAX_BYTES, MAX_DEPTH, parse_nodes, problem_at

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "Document", "Path", "read_yaml"]

Path = tuple[str | int, ...]

MAX_VALUES: Final = 100_000
"""Most values after anchors are expanded."""
MAX_DIGITS: Final = 300
"""Longest number, characters."""

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TEXT = {f"{_TAG}{name}" for name in ("timestamp", "value", "merge")}
"""What YAML has a type for and a sweep file has not: it stays the text that was written."""
_PLAIN = _TEXT | {f"{_TAG}{n}" for n in ("null", "bool", "int", "float", "str", "seq", "map")}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as values and places.

    Attributes:
        source: name of the file.
        values: the plain values; None for an empty file.
        places: path of a value -> (line, column), both from 1. A key's own place is at its path
            with `KEY` behind it.
        given: path of a value that came from elsewhere -> what to blame instead of a place.
    """

    source: str
    values: Any
    places: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    given: Mapping[Path, str] = field(default_factory=dict)

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """Blames the value (or key) at `path`, or the nearest one above it that is in the file."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.given:
                return Problem(source=self.given[path[:length]], message=message)
        line, column = self._place(path, at_key=at_key) or (None, None)
        return Problem(
            source=self.source, line=line, column=column, where=dotted(path), message=message
        )

    def _place(self, path: Path, *, at_key: bool) -> tuple[int, int] | None:
        if at_key and (*path, KEY) in self.places:
            return self.places[(*path, KEY)]
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None


KEY: Final = "\0key"


def dotted(path: Path) -> str:
    """Writes a path as a user would: `grids[0].parameters.activation`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_yaml(data: bytes, *, source: str, problems: list[Problem] | None = None) -> Document:
    """Parses one YAML document.

    Args:
        data: the file's bytes.
        source: its name, for messages.
        problems: takes in those that leave the rest of the file readable, so that they can be
            told together with others; without it they are raised.

    Raises:
        SpecError: with every problem that could be found; syntax errors end the search.
    """
    root = parse_nodes(data, source=source)
    if root is None:
        return Document(source, None)
    reader = _Reader(source)
    values = reader.read(root, ())
    if reader.problems and problems is None:
        raise SpecError(reader.problems)
    if problems is not None:
        problems += reader.problems
    return Document(source, values, reader.places)


class _Reader:
    """Turns nodes into values, noting places and problems."""

    def __init__(self, source: str) -> None:
        self.problems: list[Problem] = []
        self.places: dict[Path, tuple[int, int]] = {}
        self._source = source
        self._count = 0

    def read(self, node: Node, path: Path) -> Any:  # noqa: ANN401
        """Returns the value of a node, of any plain type."""
        self._count_one(node, path)
        mark = node.start_mark
        self.places.setdefault(path, (mark.line + 1, mark.column + 1))
        tag = str(node.tag)
        if tag not in _PLAIN:
            shown = tag.replace(_TAG, "!!")
            self._blame(node, path, f"only plain values, got the tag {shown}. Remove the tag.")
            return None
        if isinstance(node, MappingNode):
            return dict(self._pairs(node, path))
        if isinstance(node, SequenceNode):
            return [self.read(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, "str" if tag in _TEXT else tag.removeprefix(_TAG), path)

    def _count_one(self, node: Node, path: Path) -> None:
        """Refuses what only grows when anchors are expanded."""
        self._count += 1
        if self._count > MAX_VALUES or len(path) > MAX_DEPTH:
            message = (
                f"at most {MAX_VALUES} values and {MAX_DEPTH} levels after anchors are expanded, "
                "got more. Write long lists as ranges ({min, max, count})."
            )
            self._blame(node, path, message)
            raise SpecError(self.problems)

    def _pairs(self, node: MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        """Keys and values, those written out before those that `<<` merges in."""
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path, seen)
            if key is None or str(key_node.tag) == _MERGE:
                continue
            mark = key_node.start_mark
            self.places[(*path, key, KEY)] = place = (mark.line + 1, mark.column + 1)
            if value_node.start_mark.index == value_node.end_mark.index:
                self.places[(*path, key)] = place  # Nothing stands there to point at.
            yield key, self.read(value_node, (*path, key))
        for key_node, value_node in self._merged(node, path):
            if (key := str(key_node.value)) not in seen:
                seen[key] = 0
                yield key, self.read(value_node, (*path, key))

    def _key(self, node: Node, path: Path, seen: dict[str, int]) -> str | None:
        """Returns a key unless it is none, or stands twice."""
        if not isinstance(node, ScalarNode) or str(node.tag) not in _PLAIN:
            self._blame(node, path, "a key is plain text, got something else. Write a name.")
            return None
        key = str(node.value)
        line = node.start_mark.line + 1
        if key in seen:
            message = f"a key stands once, got {key!r} again after line {seen[key]}. Remove one."
            self._blame(node, (*path, key), message)
            return None
        seen[key] = line
        self._check_text(node, path)
        return key

    def _merged(self, node: MappingNode, path: Path) -> Iterator[tuple[Node, Node]]:
        """The pairs behind `<<`, and behind the `<<` of what it names, the nearest first."""
        for key_node, behind in node.value:
            if str(key_node.tag) != _MERGE:
                continue
            below = (*path, "<<")
            self._count_one(behind, below)
            if not isinstance(behind, MappingNode):
                message = "'<<' merges one mapping, got something else. Use '<<: *x'."
                self._blame(behind, below, message)
                return
            yield from (pair for pair in behind.value if str(pair[0].tag) != _MERGE)
            yield from self._merged(behind, below)
            return  # A second one was blamed where its key stands.

    def _scalar(self, node: Node, kind: str, path: Path) -> Any:  # noqa: ANN401
        text = str(node.value)
        try:
            if kind == "null":
                return None
            if kind == "bool":
                return text.lower() == "true"
            if kind == "int":
                return _integer(text)
            if kind == "float":
                return _number(text)
        except ValueError as error:
            self._blame(node, path, str(error))
            return None
        self._check_text(node, path)
        return text

    def _check_text(self, node: Node, path: Path) -> None:
        """Refuses what neither a file name nor a stored text can hold."""
        text = str(node.value)
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            self._blame(node, path, f"text is Unicode, got half a character in {text!r}. Mend it.")
        if "\0" in text:
            self._blame(node, path, f"text has no NUL character, got {text!r}. Remove it.")

    def _blame(self, node: Node, path: Path, message: str) -> None:
        place = problem_at(node.start_mark, message, source=self._source)
        self.problems.append(
            Problem(
                source=self._source,
                line=place.line,
                column=place.column,
                where=dotted(path),
                message=message,
            )
        )


def _integer(text: str) -> int:
    plain = text.replace("_", "")
    if len(plain) > MAX_DIGITS:
        raise ValueError(f"a number has at most {MAX_DIGITS} digits, got {len(plain)}. Shorten it.")
    try:
        return int(plain, 0) if plain.lstrip("+-")[:2] in {"0x", "0o", "0b"} else int(plain)
    except ValueError:
        message = f"a whole number, got {text!r}. Put text in quotes."
        raise ValueError(message) from None


def _number(text: str) -> float:
    plain = text.replace("_", "").lower()
    if plain.endswith((".inf", ".nan")):
        return float(plain.replace(".", ""))
    try:
        return float(plain)
    except ValueError:
        raise ValueError(f"a number, got {text!r}. Put text in quotes.") from None
