"""Turns what DuckDB says about a failed statement into one line with the nearest name.

Knows nothing of stores; sees only the message and the names that would have been right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

import duckdb

from results.errors import MemoryLimitError, QueryError
from results.query_gate import nearest

__all__ = ["explain"]

_COLUMN = re.compile(
    r'Referenced column "(?P<a>[^"]+)" not found|does not have a column named "(?P<b>[^"]+)"'
)
_FIELD = re.compile(r'Could not find key "(?P<field>[^"]+)" in struct')
_ENTRIES = re.compile(r"Candidate Entries: (?P<entries>.+)")
_FUNCTION = re.compile(r"Function with name (?P<name>\S+) does not exist")
_SUGGESTION = re.compile(r'Did you mean "(?P<name>[^"]+)"')
_QUALIFIER = re.compile(r'Referenced table "(?P<name>[^"]+)" not found')
_TABLES = re.compile(r"Candidate tables: (?P<tables>.+)")
_MISSING = re.compile(r"Values were not provided for the following .*parameters: (?P<names>.+)")
_EXCESS = re.compile(r"identifiers of the excess parameters: (?P<names>.+)")
_KIND = re.compile(r"^[A-Z][A-Za-z ]* Error: ")


def explain(error: duckdb.Error, columns: Callable[[], Collection[str]]) -> QueryError:
    """The error in one line.

    Args:
        error: what DuckDB raised.
        columns: gives the columns of the views that the statement reads; asked only where they
            are to be named, since nothing can be asked where memory ran out.
    """
    if isinstance(error, duckdb.OutOfMemoryException):
        return MemoryLimitError(
            f"sql: the query needs more memory than it may use ({_first(str(error))}). Ask for "
            "less."
        )
    return QueryError(_sentence(str(error), columns))


def _sentence(message: str, columns: Callable[[], Collection[str]]) -> str:
    if match := _COLUMN.search(message):
        name = match["a"] or match["b"]
        return (
            f'sql: a column must belong to a view in FROM, got "{name}". {nearest(name, columns())}'
        )
    if match := _FIELD.search(message):
        entries = _ENTRIES.search(message)
        known = _quoted(entries["entries"]) if entries else []
        return f'sql: a struct has no field "{match["field"]}". {nearest(match["field"], known)}'
    if match := _QUALIFIER.search(message):
        tables = _TABLES.search(message)
        known = _quoted(tables["tables"]) if tables else []
        name = match["name"]
        return f'sql: a table must stand in FROM, got "{name}". {nearest(name, known)}'
    if match := _FUNCTION.search(message):
        near = _SUGGESTION.search(message)
        advice = f" Nearest: {near['name']}." if near else ""
        return f"sql: a function must be one of DuckDB's, got {match['name']}.{advice}"
    if match := _MISSING.search(message):
        return f"sql: each $name needs a value, got none for {match['names']}. Bind it by name."
    if match := _EXCESS.search(message):
        return f"sql: the statement has no ${match['names']}. Leave that value out."
    return f"sql: {_first(message)}"


def _first(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return _KIND.sub("", lines[0]) if lines else "failed without a reason. Try again."


def _quoted(text: str) -> list[str]:
    return re.findall(r'"([^"]+)"', text)
