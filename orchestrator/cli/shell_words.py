"""What the SQL shell can complete, and where a statement ends.

Draws nothing, and runs no statement in its own process.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from results.errors import ResultsError
from results.query_child import Child
from results.query_messages import Request
from results.query_named import names

__all__ = ["COMMANDS", "MODES", "Known", "Words", "complete", "is_complete"]

COMMANDS: Final = (".help", ".mode", ".queries", ".quit", ".run", ".schema")
MODES: Final = ("table", "line", "csv", "json")

_KEYWORDS: Final = (
    *("SELECT", "FROM", "WHERE", "GROUP", "ORDER", "BY", "HAVING", "QUALIFY"),
    *("LIMIT", "OFFSET", "WITH", "RECURSIVE", "AS", "ON", "USING", "JOIN"),
    *("LEFT", "INNER", "ANTI", "SEMI", "LATERAL", "DISTINCT", "ALL", "AND"),
    *("OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "BETWEEN"),
    *("EXISTS", "CASE", "WHEN", "THEN", "ELSE", "END", "FILTER", "OVER"),
    *("PARTITION", "ASC", "DESC", "NULLS", "FIRST", "LAST", "UNION", "EXCEPT"),
    *("INTERSECT", "VALUES", "DESCRIBE", "SUMMARIZE", "EXCLUDE", "REPLACE", "COLUMNS", "PIVOT"),
    *("TRUE", "FALSE"),
)
_FUNCTIONS: Final = (
    *("abs", "any_value", "arg_max", "arg_min", "avg", "coalesce", "corr"),
    *("count", "exp", "greatest", "isfinite", "isnan", "lag", "lead"),
    *("least", "list", "ln", "max", "median", "min", "quantile_cont"),
    *("rank", "regexp_matches", "round", "row_number", "sqrt", "stddev", "sum"),
    "unnest",
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_PATH = re.compile(r"((?:[A-Za-z_][A-Za-z0-9_]*\.)+)([A-Za-z0-9_]*)$")
_AFTER_FROM = re.compile(r"\b(from|join)\s+[A-Za-z_]*$", re.IGNORECASE)
_CLOSED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*(?=\n|$)|/\*.*?\*/|\$\$.*?\$\$", re.DOTALL
)
_NAMES: Final = "SELECT DISTINCT name FROM finals ORDER BY name LIMIT 5000"


@dataclass(frozen=True, slots=True)
class Known:
    """What a store holds to speak of.

    Attributes:
        columns: (view, column, type) of every column.
        metrics: names of metrics.
    """

    columns: tuple[tuple[str, str, str], ...] = ()
    metrics: tuple[str, ...] = ()


class Words(Completer):
    """Completions over what is known of the sweeps so far; asks for it beside the conversation."""

    def __init__(self, request: Request) -> None:
        """Knows nothing yet; `request` says which sweeps, and which limits questions have."""
        self.known = Known()
        self._request = request
        self._child: Child | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._learn, daemon=True)

    def learn(self) -> None:
        """Begins to ask."""
        self._thread.start()

    def wait(self) -> None:
        """Returns when all is known, or nothing will be."""
        self._thread.join()

    def close(self) -> None:
        """Stops asking."""
        self._closed = True
        if self._child is not None:
            self._child.stop()
        if self._thread.is_alive():
            self._thread.join()

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        """Completions of the word before the cursor, for prompt_toolkit."""
        typed, found = complete(document.text_before_cursor, self.known)
        for word in found:
            yield Completion(word, start_position=-len(typed))

    def _learn(self) -> None:
        columns = self._rows(None)
        self.known = Known(columns=tuple((str(a), str(b), str(c)) for a, b, c in columns))
        metrics = self._rows(_NAMES)
        self.known = replace(self.known, metrics=tuple(str(name) for (name,) in metrics))

    def _rows(self, text: str | None) -> list[tuple[object, ...]]:
        """Rows of an answer; none where there is no answer: completing is a courtesy."""
        with Child() as self._child:
            if self._closed:
                return []
            try:
                table = self._child.ask(replace(self._request, text=text, parameters={})).table
            except ResultsError:
                return []
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def complete(before: str, known: Known) -> tuple[str, list[str]]:
    """What can stand at the cursor.

    Args:
        before: the text before it.
        known: what there is to speak of.

    Returns:
        The beginning that is to be replaced, and what can take its place, likeliest first.
    """
    views = list(dict.fromkeys(view for view, _, _ in known.columns))
    if before.lstrip().startswith("."):
        word, space, rest = before.lstrip().partition(" ")
        told = {".run": names(), ".schema": views, ".mode": MODES}
        return (rest, _begin(rest, told.get(word, ()))) if space else (word, _begin(word, COMMANDS))
    open_text = _CLOSED.sub(" ", before)
    if "'" in open_text:
        typed = open_text.rpartition("'")[2]
        return typed, _begin(typed, [name.replace("'", "''") for name in known.metrics])
    if path := _PATH.search(before):
        return path[2], _begin(path[2], _after_point(path[1].rstrip(".").split("."), known))
    found = _WORD.search(before)
    typed = found[0] if found else ""
    if _AFTER_FROM.search(before):
        return typed, _begin(typed, views)
    if not typed:
        return "", []
    keywords = [word.lower() for word in _KEYWORDS] if typed.islower() else list(_KEYWORDS)
    columns = [_quoted(column) for _, column, _ in known.columns]
    return typed, _begin(typed, [*columns, *views, *keywords, *_FUNCTIONS])


def is_complete(text: str) -> bool:
    """Whether Enter ends the input: a command, nothing, or a statement up to its semicolon."""
    text = text.strip()
    if not text or text.startswith("."):
        return True
    rest = _CLOSED.sub(" ", text)
    return rest.rstrip().endswith(";") and not re.search(r"['\"]|/\*|\$\$", rest)


def _begin(typed: str, words: Iterable[str]) -> list[str]:
    """Words that begin so, whatever their case, each once."""
    start = typed.lower()
    return list(dict.fromkeys(word for word in words if word.lower().startswith(start)))


def _after_point(path: list[str], known: Known) -> list[str]:
    """Fields of a struct, or columns of a view or of whatever an alias stands for."""
    kinds = {column.lower(): kind for _, column, kind in known.columns if kind[:6] == "STRUCT"}
    for start in (0, 1):  # `config.model`, or `t.config.model` with an alias before it.
        if len(path) > start and path[start].lower() in kinds:
            kind = kinds[path[start].lower()]
            for part in path[start + 1 :]:
                kind = _fields(kind).get(part, "")
            return list(_fields(kind))
    own = [column for view, column, _ in known.columns if view == path[-1].lower()]
    return [_quoted(name) for name in own or [column for _, column, _ in known.columns]]


def _fields(kind: str) -> dict[str, str]:
    """Field -> type of `STRUCT(a INTEGER, b STRUCT(c VARCHAR))`; nothing for other types."""
    if not kind.startswith("STRUCT(") or not kind.endswith(")"):
        return {}
    fields, depth, start = {}, 0, 0
    inside = kind[len("STRUCT(") : -1] + ","
    for place, letter in enumerate(inside):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            name, _, rest = inside[start:place].strip().partition(" ")
            fields[name.strip('"')] = rest
            start = place + 1
    return fields


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
