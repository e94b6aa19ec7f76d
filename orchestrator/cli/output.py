"""Prints tables, sentences and JSON: results on standard output, everything else on standard error.

Knows nothing of what the verbs do.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from results.report_words import span as duration

__all__ = ["duration", "emit_json", "errors", "near", "note", "print_table", "say", "size"]


def errors() -> Console:
    """A console on standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Prints a line of results."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Prints a line for the person at the terminal, not for a pipe."""
    sys.stderr.write(f"{text}\n")


def near(place: object) -> str:
    """A path or URL as people read it: from the working directory on where it lies in there."""
    here = Path.cwd()
    if isinstance(place, Path) and place.is_relative_to(here):
        place = place.relative_to(here)
    return str(place)


def emit_json(document: Any) -> None:  # noqa: ANN401
    """Prints one JSON document, alone on standard output; NaN and infinities become null."""
    json.dump(_plain(document), sys.stdout, indent=2, default=str, allow_nan=False)
    sys.stdout.write("\n")


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> None:
    """Prints a table; without a terminal a plain one, columns two blanks apart.

    Args:
        columns: headings.
        rows: cells, turned into text; None is empty.
        right: headings of columns that hold numbers.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left")
        for row in cells:
            table.add_row(*row)
        Console().print(table)
        return
    widths = [max(len(c), *(len(row[i]) for row in cells), 0) for i, c in enumerate(columns)]
    for row in [list(columns), *cells]:
        padded = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        say("  ".join(padded).rstrip())


def size(count: int) -> str:
    """Writes a number of bytes as `812 B`, `4.2 MB` or `1.3 GB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.1f} {unit}" if unit != "B" else f"{count} B"
        amount /= 1000
    return f"{amount:.1f} TB"
