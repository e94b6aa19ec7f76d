"""Finds out of a statement's syntax tree which trials its rows can be of.

Knows nothing of views or files, and never guesses: where it is not plain, every trial is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

__all__ = ["ROW_VIEWS", "AskedTrials", "asked_trials"]

ROW_VIEWS: Final = frozenset({"metrics", "metrics_all"})
"""Views of which some trials' rows can be left out before anything is read."""

_COLUMN: Final = "trial_id"

Tree: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AskedTrials:
    """The trials whose rows a statement can see.

    Attributes:
        named: their ids, as far as the text has them.
        parameters: names of parameters that hold the others.
    """

    named: frozenset[str]
    parameters: frozenset[str]

    def given(self, values: Mapping[str, object] | None) -> frozenset[str] | None:
        """All their ids, once the parameters are known; None for every trial."""
        bound = [(values or {}).get(name) for name in self.parameters]
        ids = [value for value in bound if isinstance(value, str)]
        return self.named.union(ids) if len(ids) == len(bound) else None


def asked_trials(tree: Tree) -> AskedTrials | None:
    """The trials that a statement names wherever it reads rows; None for every trial.

    Each view of rows must stand alone in the FROM of a SELECT whose WHERE asks for `trial_id = 'x'`
    or `trial_id IN ('x', 'y')`, alone or beside other conditions that must hold as well.

    Args:
        tree: one statement as `json_serialize_sql` gives it.
    """
    read, restricted = 0, 0
    named: set[str] = set()
    parameters: set[str] = set()
    for node in _nodes(tree):
        read += _reads_rows(node)
        trials = _trials_of(node) if node.get("type") == "SELECT_NODE" else None
        if trials is not None:
            restricted += 1
            named |= trials.named
            parameters |= trials.parameters
    if not read or restricted < read:
        return None
    return AskedTrials(frozenset(named), frozenset(parameters))


def _nodes(root: Tree) -> Iterator[Tree]:
    # A list of what is left to see instead of recursion: depth comes from the user.
    pending: list[Any] = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield value
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def _reads_rows(node: Tree) -> bool:
    if node.get("type") != "BASE_TABLE":
        return False
    return str(node["qualified_name"]["path"][-1]).lower() in ROW_VIEWS


def _trials_of(select: Tree) -> AskedTrials | None:
    """What the WHERE of one SELECT asks for; None where it is not plainly some trials."""
    table = select.get("from_table") or {}
    # A sample is drawn of all rows, before WHERE; and columns may have been named anew.
    changed = table.get("sample") or select.get("sample") or table.get("column_name_alias")
    if not _reads_rows(table) or changed:
        return None
    name = str(table.get("alias") or table["qualified_name"]["path"][-1]).lower()
    pending = [select.get("where_clause") or {}]
    while pending:
        condition = pending.pop()
        if condition.get("type") == "CONJUNCTION_AND":
            pending += condition["children"]
            continue
        trials = _trials_in(condition, name)
        if trials is not None:
            return trials
    return None


def _trials_in(condition: Tree, table: str) -> AskedTrials | None:
    if condition.get("type") == "COMPARE_EQUAL":
        left, right = condition["left"], condition["right"]
        column, values = (left, [right]) if _is_column(left, table) else (right, [left])
    elif condition.get("type") == "COMPARE_IN":
        column, *values = condition["children"]
    else:
        return None
    if not _is_column(column, table):
        return None
    named: set[str] = set()
    parameters: set[str] = set()
    for value in values:
        if value.get("class") == "PARAMETER":
            parameters.add(str(value["identifier"]))
        elif value.get("class") == "CONSTANT" and value.get("literal", {}).get("kind") == "STRING":
            named.add(str(value["literal"]["text"]))
        else:
            return None
    return AskedTrials(frozenset(named), frozenset(parameters))


def _is_column(expression: Tree, table: str) -> bool:
    if expression.get("class") != "COLUMN_REF":
        return False
    names = [str(name).lower() for name in expression["column_names"]]
    return names in ([_COLUMN], [table, _COLUMN])
