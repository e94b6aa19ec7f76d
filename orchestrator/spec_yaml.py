"""Reads YAML 1.2 into plain values, keeping the place of every key and value.

Must never know what the keys mean, and never builds anything but None, bool, int, float, str,
list and dict: tags that would are refused, as is what would exhaust memory or the stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from orchestrator.errors import Problem, SpecError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "Document", "Path", "read_yaml"]

Path = tuple[str | int, ...]

MAX_BYTES: Final = 262_144
"""Largest file, bytes; the parser reads about 200 KB a second."""
MAX_DEPTH: Final = 40
"""Deepest nesting of brackets and indents."""
MAX_VALUES: Final = 100_000
"""Most values after anchors are expanded."""
MAX_DIGITS: Final = 300
"""Longest number, characters."""

_TAG = "tag:yaml.org,2002:"
_PLAIN = {"null", "bool", "int", "float", "str", "seq", "map"}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as values and places.

    Attributes:
        source: name of the file.
        values: the plain values; None for an empty file.
        places: path of a value -> (line, column), both from 1. A key's own place is at its path
            with `KEY` behind it.
    """

    source: str
    values: Any
    places: Mapping[Path, tuple[int, int]] = field(default_factory=dict)

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """Blames the value (or key) at `path`, or the nearest one above it that is in the file."""
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


def read_yaml(data: bytes, *, source: str) -> Document:
    """Parses one YAML document.

    Args:
        data: the file's bytes.
        source: its name, for messages.

    Raises:
        SpecError: with every problem that could be found; syntax errors end the search.
    """
    root = _compose(_decode(data, source=source), source=source)
    if root is None:
        return Document(source, None)
    reader = _Reader(source)
    values = reader.read(root, ())
    if reader.problems:
        raise SpecError(reader.problems)
    return Document(source, values, reader.places)


def _decode(data: bytes, *, source: str) -> str:
    if len(data) > MAX_BYTES:
        message = (
            f"a sweep file is at most {MAX_BYTES} bytes, got {len(data)}. "
            "Write long lists as ranges ({min, max, count})."
        )
        raise SpecError([Problem(source=source, message=message)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        message = (
            f"a sweep file is UTF-8 text, got byte 0x{data[error.start]:02x}. Save it as UTF-8."
        )
        column = error.start - before.rfind(b"\n")
        raise SpecError(
            [Problem(source=source, line=line, column=column, message=message)]
        ) from None


def _compose(text: str, *, source: str) -> Node | None:
    """Parses into nodes; depth is checked on the flat stream of events first."""
    try:
        depth = 0
        for event in YAML(typ="safe", pure=True).parse(text):
            name = type(event).__name__
            depth += name.endswith("StartEvent") - name.endswith("EndEvent")
            if depth > MAX_DEPTH:
                mark = event.start_mark
                message = f"nesting is at most {MAX_DEPTH} deep, got more. Flatten it."
                raise SpecError([_problem_at(mark, message, source=source)])
        return YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SpecError([_problem_at(mark, _syntax(error), source=source)]) from None
    except (YAMLError, ValueError) as error:
        reason = str(error).splitlines()[0]
        message = f"needs YAML text, got something else ({reason}). Check the file."
        raise SpecError([Problem(source=source, message=message)]) from None


def _syntax(error: MarkedYAMLError) -> str:
    problem = " ".join(str(error.problem or error.context).split())
    if "\\t" in problem or "'\t'" in str(error.problem):
        return "indent with spaces, got a tab. Replace the tabs."
    if "expected a single document" in str(error.context or ""):
        return "a sweep file is one document, got '---' twice. Split the file."
    return f"not valid YAML, {problem}. Check quotes, colons and indentation."


def _problem_at(mark: Any, message: str, *, source: str) -> Problem:  # noqa: ANN401
    if mark is None:
        return Problem(source=source, message=message)
    return Problem(source=source, line=mark.line + 1, column=mark.column + 1, message=message)


class _Reader:
    """Turns nodes into values, noting places and problems."""

    def __init__(self, source: str) -> None:
        self.problems: list[Problem] = []
        self.places: dict[Path, tuple[int, int]] = {}
        self._source = source
        self._count = 0

    def read(self, node: Node, path: Path) -> Any:  # noqa: ANN401
        """Returns the value of a node, of any plain type."""
        self._count += 1
        if self._count > MAX_VALUES or len(path) > MAX_DEPTH:
            message = (
                f"at most {MAX_VALUES} values and {MAX_DEPTH} levels after anchors are expanded, "
                "got more. Write long lists as ranges ({min, max, count})."
            )
            self._blame(node, path, message)
            raise SpecError(self.problems)
        mark = node.start_mark
        self.places.setdefault(path, (mark.line + 1, mark.column + 1))
        tag = str(node.tag)
        if tag.removeprefix(_TAG) in {"timestamp", "value", "merge"}:
            return str(node.value)
        if not tag.startswith(_TAG) or tag.removeprefix(_TAG) not in _PLAIN:
            shown = tag.replace(_TAG, "!!")
            self._blame(node, path, f"only plain values, got the tag {shown}. Remove the tag.")
            return None
        if isinstance(node, MappingNode):
            return dict(self._pairs(node, path))
        if isinstance(node, SequenceNode):
            return [self.read(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, tag.removeprefix(_TAG), path)

    def _pairs(self, node: MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        merged: list[tuple[Node, Node]] = []
        for key_node, value_node in node.value:
            if str(key_node.tag) == f"{_TAG}merge":
                merged += self._merged(value_node, path)
                continue
            if not isinstance(key_node, ScalarNode):
                self._blame(key_node, path, "a key is plain text, got a list or mapping.")
                continue
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in seen:
                message = (
                    f"a key stands once, got {key!r} again after line {seen[key]}. Remove one."
                )
                self._blame(key_node, (*path, key), message)
                continue
            seen[key] = line
            self.places[(*path, key, KEY)] = (line, key_node.start_mark.column + 1)
            yield key, self.read(value_node, (*path, key))
        for key_node, value_node in merged:
            if (key := str(key_node.value)) not in seen:
                seen[key] = 0
                yield key, self.read(value_node, (*path, key))

    def _merged(self, node: Node, path: Path) -> Sequence[tuple[Node, Node]]:
        """The pairs behind `<<`, which gives way to keys written out."""
        if isinstance(node, MappingNode):
            return list(node.value)
        self._blame(
            node, (*path, "<<"), "'<<' merges one mapping, got something else. Use '<<: *x'."
        )
        return []

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
        return text

    def _blame(self, node: Node, path: Path, message: str) -> None:
        place = _problem_at(node.start_mark, message, source=self._source)
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
    return int(plain, 0) if plain.lstrip("+-")[:2] in {"0x", "0o", "0b"} else int(plain)


def _number(text: str) -> float:
    plain = text.replace("_", "").lower()
    if plain.endswith((".inf", ".nan")):
        return float(plain.replace(".", ""))
    return float(plain)
