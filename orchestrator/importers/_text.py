"""Writes a draft as a sweep file that a person can read: keys in order, notes as comments.

Must never know any format that is imported.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from orchestrator.importers._draft import Draft

__all__ = ["text_of"]

_WIDTH: Final = 98


def text_of(draft: Draft, *, source: str, format_name: str) -> str:
    """The sweep file.

    Args:
        draft: what the importer understood.
        source: name of the file that was imported.
        format_name: of its format.
    """
    keys = draft.sweep()
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 10_000  # A line that is cut reads no better, and means something else in lists.
    written = io.StringIO()
    writer.dump(_shaped(keys), written)
    head = [f"# {line}" if line else "#" for line in _comment(draft, source, format_name)]
    return "\n".join([*head, written.getvalue()])


def _comment(draft: Draft, source: str, format_name: str) -> Iterator[str]:
    for sentence in draft.about:
        yield from _lines(sentence)
    yield from _lines(f"Made of {source} by `cliffsweep import {format_name}`.")
    beside = f"Put {', '.join(draft.files)} beside this file. " if draft.files else ""
    yield from _lines(f"{beside}To run it: cliffsweep run {draft.name}.yaml")
    yield from _lines(
        'The script prints its progress as lines such as {"step": 10, "'
        + str(draft.keys.get("metric", {}).get("name", "val_loss"))
        + '": 0.3}.'
    )
    if draft.left:
        yield ""
        yield "Without an equivalent here, or not quite the same:"
    for sentence in draft.left:
        yield from _lines(f"- {sentence}")


def _lines(sentence: str) -> Iterator[str]:
    """One sentence as lines of a comment: nothing in it may end the comment."""
    plain = "".join(letter if letter.isprintable() else " " for letter in sentence)[:1000]
    yield from textwrap.wrap(plain, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _shaped(value: Any, *, depth: int = 0) -> Any:  # noqa: ANN401
    """The same values; lists, and mappings deep down, stand on one line."""
    if isinstance(value, dict):
        shaped = CommentedMap(
            (_shaped(key), _shaped(one, depth=depth + 1)) for key, one in value.items()
        )
        small = depth > 0 and not any(isinstance(v, dict | list) for v in value.values())
        if small and len(value) <= 4:
            shaped.fa.set_flow_style()
        return shaped
    if isinstance(value, list):
        items = CommentedSeq(_shaped(item, depth=depth + 1) for item in value)
        if not any(isinstance(item, dict) and "parameters" in item for item in value):
            items.fa.set_flow_style()
        return items
    if isinstance(value, str) and not value.isprintable():
        return DoubleQuotedScalarString(value)  # Else a line break of Unicode's would stand bare.
    return value
