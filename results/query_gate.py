"""Decides from a statement's syntax tree whether it may run: one SELECT over the known views.

Never runs a statement and never looks at its text: what DuckDB's own parser made of it decides.

The kind of a statement is not enough. `WITH x AS (COPY … TO 'segment') SELECT 1` is a SELECT to
DuckDB 2.0 and overwrites a file that may be read. So every node of the tree must be of a known
kind, every table a view or the statement's own CTE, every table function one of a short list.
What a later DuckDB adds is refused until it is listed here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, NoReturn

from results.errors import QueryError
from results.query_trials import AskedTrials, asked_trials

__all__ = ["TABLE_FUNCTIONS", "Statement", "check", "check_size", "nearest"]

TABLE_FUNCTIONS: Final = frozenset(
    {"generate_series", "json_each", "json_tree", "range", "regexp_split_to_table", "unnest"}
)
"""Table functions that make rows from their arguments alone."""

_REFUSED_FUNCTIONS: Final = frozenset(
    {
        *("current_query", "current_setting", "getvariable", "parse_duckdb_log_message"),
        *("currval", "nextval", "setval", "setseed", "write_log", "stats"),
        *("sleep_ms", "pg_sleep"),
        *("json_serialize_sql", "json_deserialize_sql", "json_serialize_plan"),
        *("json_execute_serialized_sql", "query", "query_table", "getenv"),
        *("combine", "finalize", "to_aggregate_state", "variant_bytes_to_variant"),
    }
)
"""Functions that reach beyond their arguments (settings, state, the log, other statements), or take
bytes for what DuckDB itself has in memory."""

_EXPRESSIONS: Final = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION"),
        *("CONSTANT", "DEFAULT", "FUNCTION", "LAMBDA", "LAMBDA_REF", "OPERATOR", "PARAMETER"),
        *("POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW"),
    }
)
_NODES: Final = frozenset(
    {
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"),
        *("BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SUBQUERY"),
        *("SHOW_REF", "TABLE_FUNCTION"),
        *("DISTINCT_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER"),
        *("ASCENDING", "DESCENDING", "ORDER_DEFAULT"),
    }
)

_ANSWERED_SHOWS: Final = frozenset({"DESCRIBE", "SUMMARY"})

_LONGEST: Final = 1_000_000
"""Characters of a statement; the parser takes a hundred times as much memory."""

Scope = frozenset[str]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement that may run asks for.

    Attributes:
        views: names of the views that it reads.
        columns: every name that it mentions as a column, in lower case.
        trials: those whose rows it can see; None for all.
    """

    views: frozenset[str]
    columns: frozenset[str]
    trials: AskedTrials | None


def check(serialized: str, *, views: Collection[str]) -> Statement:
    """Lets one SELECT over the known views pass.

    Args:
        serialized: what `json_serialize_sql` made of the user's text.
        views: names of the views, in lower case.

    Raises:
        QueryError: anything else, with what may be done instead.
    """
    try:
        tree = json.loads(serialized)
    except RecursionError:
        raise QueryError("sql: the statement nests too deep. Split it with WITH.") from None
    if tree.get("error"):
        _refuse_unparsed(tree)
    statements = tree["statements"]
    if len(statements) != 1:
        raise QueryError(
            f"sql: one statement at a time, got {len(statements)}. Write one SELECT, "
            "for instance: SELECT * FROM trials"
        )
    walk = _Walk(views)
    walk.over(statements[0]["node"])
    trials = asked_trials(statements[0])
    return Statement(frozenset(walk.views), frozenset(walk.columns), trials)


def check_size(text: str) -> None:
    """Lets a text pass that the parser can take in.

    Raises:
        QueryError: it is too long, or no text that can be written down.
    """
    if len(text) > _LONGEST:
        raise QueryError(
            f"sql: a statement may have {_LONGEST} characters, got {len(text)}. Bind long values "
            "as parameters."
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            told = "sql: a statement must be UTF-8, got other bytes. Convert it."
            raise QueryError(told) from None


def nearest(word: str, known: Collection[str]) -> str:
    """'Nearest: x.' if a known name resembles the word, else 'Known: a, b, c.'."""
    close = get_close_matches(word.lower(), [name.lower() for name in known], n=1, cutoff=0.6)
    if close:
        return f"Nearest: {next(name for name in known if name.lower() == close[0])}."
    listed = sorted(known)
    shown = ", ".join(listed[:20]) + (", …" if len(listed) > 20 else "")
    return f"Known: {shown}." if listed else "None is known."


class _Walk:
    """One pass over a tree, with the CTE names that each part can see."""

    def __init__(self, known: Collection[str]) -> None:
        self.known = known
        self.views: set[str] = set()
        self.columns: set[str] = set()
        self._pending: list[tuple[Any, Scope]] = []

    def over(self, root: dict[str, Any]) -> None:
        # A list of what is left to see instead of recursion: depth comes from the user.
        self._pending.append((root, frozenset()))
        while self._pending:
            value, scope = self._pending.pop()
            if isinstance(value, dict):
                self._node(value, scope)
            elif isinstance(value, list):
                self._pending += ((item, scope) for item in value)

    def _node(self, node: dict[str, Any], scope: Scope) -> None:
        kind = node.get("type")
        if "class" in node:
            self._expression(node)
        elif isinstance(kind, str):
            if kind not in _NODES:
                _refuse_node(kind)
            if kind == "BASE_TABLE":
                self._table(node, scope)
            elif kind == "TABLE_FUNCTION":
                _check_table_function(node["function"])
            elif kind == "SHOW_REF":
                _check_show(node)
            elif kind == "RECURSIVE_CTE_NODE":
                scope |= {node["cte_name"].lower()}
        if "cte_map" in node:
            scope = self._ctes(node["cte_map"], scope)
        for key, value in node.items():
            if key != "cte_map" and isinstance(value, dict | list):
                self._pending.append((value, scope))

    def _ctes(self, cte_map: dict[str, Any], scope: Scope) -> Scope:
        """The names visible in a query: each CTE sees those before it, never itself."""
        for name, query in _entries(cte_map):
            self._pending.append((query, scope))
            scope |= {name.lower()}
        return scope

    def _expression(self, node: dict[str, Any]) -> None:
        kind = node["class"]
        if kind not in _EXPRESSIONS:
            _refuse_node(kind)
        if kind == "COLUMN_REF":
            self.columns |= {str(part).lower() for part in node["column_names"]}
        elif kind in ("FUNCTION", "WINDOW"):
            name = str(node.get("function_name", "")).lower()
            if name in _REFUSED_FUNCTIONS or name.startswith("__internal"):
                raise QueryError(
                    f"sql: a function must depend on its arguments alone, got {name}. Leave it out."
                )

    def _table(self, node: dict[str, Any], scope: Scope) -> None:
        path = [str(part) for part in node["qualified_name"]["path"]]
        name = path[-1].lower()
        if len(path) == 1 and name in scope:
            return
        if len(path) != 1 or name not in self.known:
            shown = ".".join(path)
            raise QueryError(
                f"sql: a table must be one of the views, got {shown!r}. "
                f"{nearest(path[-1], sorted({*self.known, *scope}))}"
            )
        self.views.add(name)


def _entries(cte_map: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for entry in cte_map["map"]:
        yield str(entry["key"]), entry["value"]


def _check_table_function(function: dict[str, Any]) -> None:
    path = [str(part) for part in function["qualified_name"]["path"]]
    name = str(function["function_name"]).lower()
    if len(path) != 1 or path[0].lower() != name or name not in TABLE_FUNCTIONS:
        raise QueryError(
            f"sql: a table function must be one of {', '.join(sorted(TABLE_FUNCTIONS))}, "
            f"got {'.'.join(path)}. The views hold all that is stored."
        )


def _check_show(node: dict[str, Any]) -> None:
    if node.get("show_type") not in _ANSWERED_SHOWS or not node.get("query"):
        raise QueryError(
            "sql: SHOW is not answered here. Use DESCRIBE trials for the columns of a view."
        )


def _refuse_node(kind: str) -> NoReturn:
    what = kind.removesuffix("_QUERY_NODE").removesuffix("_NODE").replace("_", " ")
    raise QueryError(f"sql: only reading is possible, got {what}. Write a SELECT without it.")


def _refuse_unparsed(tree: dict[str, Any]) -> NoReturn:
    message = str(tree.get("error_message", "")).splitlines()[0]
    if tree.get("error_type") == "not implemented" and "Only SELECT" in message:
        raise QueryError(
            "sql: must be one SELECT (WITH, VALUES, DESCRIBE and SUMMARIZE work too), got another "
            "statement. For PIVOT name the values: SELECT * FROM (PIVOT … ON x IN ('a', 'b') …)."
        )
    if "expression depth" in message:
        raise QueryError("sql: the statement nests too deep. Split it with WITH.")
    place = str(tree.get("position"))
    where = f" (character {int(place) + 1})" if place.isdigit() else ""
    raise QueryError(f"sql: {message}{where}. Check the statement there.")
