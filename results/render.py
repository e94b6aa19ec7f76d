"""Writes an answer as text, CSV, JSON or Parquet.

Knows nothing of where the answer came from, nor of terminals: what wraps and colours is the command
line's business.

How values are written, the same in every text format:

* Timestamps are ISO 8601 in UTC with their offset, `2026-05-01T12:00:00.250000+00:00`.
* JSON has no NaN and no infinities: they become `null`. CSV and text write `NaN`, `Infinity` and
  `-Infinity`, so that they stay apart from missing values, which are empty.
* Structs, lists and maps are JSON, inside CSV and text as well.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from results.columns import to_values

__all__ = [
    "Format",
    "Table",
    "numeric",
    "to_bytes",
    "to_csv",
    "to_json",
    "to_parquet",
    "to_rows",
    "to_table",
]

Format = Literal["table", "csv", "json", "parquet"]

Table: TypeAlias = pa.Table
"""An answer: what the readers of a store return, for whoever passes it on to this module."""


def to_bytes(table: pa.Table, kind: Format) -> bytes:
    """An answer in one of the formats; text is UTF-8."""
    if kind == "parquet":
        return to_parquet(table)
    return {"table": to_table, "csv": to_csv, "json": to_json}[kind](table).encode()


def to_rows(table: pa.Table) -> tuple[list[str], list[list[str]]]:
    """Column names and one list of words a row, for whoever lays out the table."""
    return _names(table), [[_word(value) for value in row] for row in _rows(table)]


def numeric(table: pa.Table) -> list[str]:
    """Names of the columns that hold numbers."""
    kinds = zip(_names(table), table.schema.types, strict=True)
    return [n for n, t in kinds if pa.types.is_floating(t) or pa.types.is_integer(t)]


def to_table(table: pa.Table) -> str:
    """Plain text: a header, a rule, one line a row; numbers to the right with 6 digits."""
    names, rows = to_rows(table)
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    numbers = set(numeric(table))

    def line(words: list[str]) -> str:
        cells = zip(words, widths, names, strict=True)
        padded = (w.rjust(size) if n in numbers else w.ljust(size) for w, size, n in cells)
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(names), rule, *map(line, rows)]) + "\n"


def to_csv(table: pa.Table) -> str:
    """RFC 4180 with a header line and `\\n` at the end of each line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_names(table))
    writer.writerows([_field(value) for value in row] for row in _rows(table))
    return buffer.getvalue()


def to_json(table: pa.Table) -> str:
    """A list with one object a row, a line each."""
    names = _names(table)
    rows = [
        json.dumps(
            dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=False, allow_nan=False
        )
        for row in _rows(table)
    ]
    return "[" + ",\n ".join(rows) + "]\n"


def to_parquet(table: pa.Table) -> bytes:
    """A Parquet file, compressed with zstd."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.rename_columns(_names(table)), sink, compression="zstd")
    return bytes(sink.getvalue())


def _names(table: pa.Table) -> list[str]:
    """Column names, the second of the same name as `name_1`, so that no format loses one."""
    names: list[str] = []
    for name in table.schema.names:
        candidate, number = name, 0
        while candidate in names:
            number += 1
            candidate = f"{name}_{number}"
        names.append(candidate)
    return names


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in table.to_batches():
        yield from zip(*map(to_values, batch.columns), strict=True)


def _plain(value: object) -> object:
    """A value that JSON can hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _field(value: object) -> str:
    """A value in CSV: floats to the last digit, missing values empty."""
    if value is None:
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def _word(value: object) -> str:
    """A value in a line of text: floats to 6 digits, line breaks escaped."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    return _field(value).replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")
