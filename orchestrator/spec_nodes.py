"""Parses a sweep file's bytes into YAML nodes, refusing what would exhaust memory or the stack.

Must never know what the nodes mean, nor what plain values they stand for.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node

from orchestrator.errors import Problem, SpecError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_WRITTEN", "parse_nodes", "problem_at"]

MAX_BYTES: Final = 131_072
"""Largest file."""
MAX_WRITTEN: Final = 20_000
"""Most keys and values that stand in a file; the parser reads that many in a second or less."""
MAX_DEPTH: Final = 40
"""Deepest nesting of brackets and indents."""
_OTHER_VERSION = re.compile(r"^%YAML(?![ \t]+1\.2\b).{0,40}", re.MULTILINE)
"""A directive under which `yes`, `010` and `1:30` would mean what the user does not see."""


def parse_nodes(data: bytes, *, source: str) -> Node | None:
    """Parses one document into nodes, in which anchors are not expanded yet.

    Args:
        data: the file's bytes.
        source: its name, for messages.

    Returns:
        The root, None for an empty file.

    Raises:
        SpecError: the first thing that is not YAML 1.2.
    """
    return _compose(_decode(data, source=source), source=source)


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


class _TooMuch(MarkedYAMLError):
    """What would exhaust the stack or the user's patience."""


class _Composer(Composer):
    """Refuses depth and length while the file is still being read."""

    def __init__(self, loader: Any = None) -> None:  # noqa: ANN401
        super().__init__(loader)
        self.warn_double_anchors = False  # YAML 1.2 lets a later anchor take over a name.
        self._levels = 0
        self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401
        self._levels += 1
        self._count += 1
        if self._levels > MAX_DEPTH:
            self._refuse(f"nesting is at most {MAX_DEPTH} deep, got more. Flatten it.")
        if self._count > MAX_WRITTEN:
            rule = f"a sweep file has at most {MAX_WRITTEN} keys and values, got more."
            self._refuse(f"{rule} Write long lists as ranges ({{min, max, count}}).")
        node = super().compose_node(parent, index)
        self._levels -= 1
        return node

    def _refuse(self, rule: str) -> None:
        raise _TooMuch(problem=rule, problem_mark=self.parser.peek_event().start_mark)


def _compose(text: str, *, source: str) -> Node | None:
    other = _OTHER_VERSION.search(text)
    if other is not None:
        line = text.count("\n", 0, other.start()) + 1
        message = f"a sweep file is YAML 1.2, got {other[0]!r}. Remove that line."
        raise SpecError([Problem(source=source, line=line, column=1, message=message)])
    parser = YAML(typ="safe", pure=True)
    parser.Composer = _Composer
    try:
        root: Node | None = parser.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SpecError([problem_at(mark, _syntax(error), source=source)]) from None
    except (YAMLError, ValueError) as error:
        reason = str(error).splitlines()[0]
        message = f"needs YAML text, got something else ({reason}). Check the file."
        raise SpecError([Problem(source=source, message=message)]) from None
    return root


def _syntax(error: MarkedYAMLError) -> str:
    if isinstance(error, _TooMuch):
        return str(error.problem)
    problem = " ".join(str(error.problem or error.context).split())
    if "\\t" in problem or "'\t'" in str(error.problem):
        return "indent with spaces, got a tab. Replace the tabs."
    if "expected a single document" in str(error.context or ""):
        return "a sweep file is one document, got '---' twice. Split the file."
    return f"not valid YAML, {problem}. Check quotes, colons and indentation."


def problem_at(mark: Any, message: str, *, source: str) -> Problem:  # noqa: ANN401
    """Blames a place of the file, or the file as a whole where there is no mark."""
    if mark is None:
        return Problem(source=source, message=message)
    return Problem(source=source, line=mark.line + 1, column=mark.column + 1, message=message)
