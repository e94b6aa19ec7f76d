"""Writes Arrow tables as CSV and as JSON lines, a whole column at a time.

Knows nothing of what the columns mean. `results.render` does the same for small answers; value by
value in Python a hundred million rows would take twenty minutes.

* CSV is RFC 4180 with a header and `\\r\\n`; missing values are empty, texts that are empty `""`.
* JSON lines is one object a row with `\\n`; missing and non-finite values are null.
* Numbers are as short as gives back the same float; in CSV NaN is `NaN`, infinities `inf`, `-inf`.
* Timestamps are ISO 8601 in UTC, `2026-05-01T12:00:00.250000Z`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from results.columns import texts

__all__ = ["csv_header", "csv_lines", "json_lines"]

_QUOTED: Final = re.compile(r'[",\r\n]')
_INSTANT: Final = "%Y-%m-%dT%H:%M:%SZ"  # %S has six decimals for microseconds.
_CHUNK: Final = 200_000
"""Rows turned into text at once: a column of an Arrow array holds 2 GB at most."""


def csv_header(schema: pa.Schema) -> bytes:
    """The line of column names."""
    return (",".join(map(_csv_word, schema.names)) + "\r\n").encode()


def csv_lines(table: pa.Table) -> Iterator[bytes]:
    """One line a row, in pieces."""
    return map(_csv, table.to_batches(max_chunksize=_CHUNK))


def json_lines(table: pa.Table) -> Iterator[bytes]:
    """One object a row, keys in the order of the columns; in pieces."""
    return map(_json, table.to_batches(max_chunksize=_CHUNK))


def _csv(batch: pa.RecordBatch) -> bytes:
    columns = [_words(column, text=_csv_word, strict=False) for column in batch.columns]
    parts = [part for column in columns for part in (column, ",")][:-1]
    return _joined([*parts, "\r\n"], missing="")


def _json(batch: pa.RecordBatch) -> bytes:
    parts: list[pa.Array | str] = []
    for place, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
        parts.append(("{" if place == 0 else ",") + json.dumps(name, ensure_ascii=False) + ":")
        parts.append(_words(column, text=_json_word, strict=True))
    return _joined([*parts, "}\n"], missing="null")


def _joined(parts: list[pa.Array | str], *, missing: str) -> bytes:
    """All rows behind each other; each row is its parts in order."""
    scalars = [pa.scalar(part) if isinstance(part, str) else part for part in parts]
    lines = pc.binary_join_element_wise(
        *scalars, "", null_handling="replace", null_replacement=missing
    )
    if isinstance(lines, pa.ChunkedArray):
        lines = lines.combine_chunks()
    _, offsets, data = lines.buffers()
    ends = memoryview(offsets).cast("i")
    first, last = ends[lines.offset], ends[lines.offset + len(lines)]
    return bytes(memoryview(data)[first:last])


def _words(column: pa.Array, *, text: Callable[[str], str], strict: bool) -> pa.Array:
    """A column as texts, missing values as null.

    Args:
        column: of strings, numbers, booleans or UTC timestamps.
        text: how a string is written.
        strict: whether numbers that are not finite are missing.
    """
    kind = column.type
    if pa.types.is_floating(kind):
        return _numbers(column, strict=strict)
    if pa.types.is_timestamp(kind):
        # Without its zone a timestamp holds the same instant, written in UTC.
        form = f'"{_INSTANT}"' if strict else _INSTANT
        return pc.strftime(column.cast(pa.timestamp("us")), format=form)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        coded = column.cast(pa.string()).dictionary_encode()
        return texts([text(word) for word in coded.dictionary.to_pylist()]).take(coded.indices)
    return column.cast(pa.string())


def _numbers(column: pa.Array, *, strict: bool) -> pa.Array:
    """Floats as texts; whole ones keep a decimal, or readers would guess integers."""
    if strict:
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    words = column.cast(pa.string())
    whole = pc.match_substring_regex(words, r"^-?[0-9]+$")
    words = pc.if_else(whole, pc.binary_join_element_wise(words, ".0", ""), words)
    return words if strict else pc.if_else(pc.is_nan(column), "NaN", words)


def _csv_word(word: str) -> str:
    if word and not _QUOTED.search(word):
        return word
    return '"' + word.replace('"', '""') + '"'


def _json_word(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)
