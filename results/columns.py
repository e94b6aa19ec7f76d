"""Moves values between Python and Arrow columns without pandas.

Knows nothing of what the columns mean. `pa.array` and `to_pylist` would do the same, but look for
pandas at the first list and at the first timestamp with a time zone, and so import it where it
happens to be installed: 0.4 s and 40 MB for every command and every worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["from_rows", "from_values", "numbers", "release_unused", "texts", "to_values"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def numbers(
    values: npt.NDArray[Any], kind: pa.DataType, *, null: npt.NDArray[np.bool_] | None = None
) -> pa.Array:
    """The memory of a numpy array as an Arrow array.

    Args:
        values: (rows,) of the same width as `kind`.
        kind: a number or a timestamp.
        null: (rows,) true where there is no value.
    """
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, values.size, [_valid(null), data])


def texts(words: Sequence[str | None]) -> pa.Array:
    """Strings; None is null."""
    encoded = [b"" if word is None else word.encode() for word in words]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(word) for word in encoded], out=offsets[1:])
    null = np.fromiter((word is None for word in words), dtype=bool, count=len(words))
    buffers = [_valid(null), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def from_values(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """A column of strings, numbers, booleans or UTC timestamps; None is null."""
    if pa.types.is_string(kind):
        return texts(values)
    null = np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    if pa.types.is_boolean(kind):
        bits = np.packbits(np.array([bool(v) for v in values], dtype=bool), bitorder="little")
        return pa.Array.from_buffers(kind, len(values), [_valid(null), pa.py_buffer(bits)])
    if pa.types.is_timestamp(kind):
        whole = [0 if v is None else (v - _EPOCH) // _MICROSECOND for v in values]
        return numbers(np.array(whole, dtype=np.int64), kind, null=null)
    filled = np.array([0 if v is None else v for v in values], dtype=kind.to_pandas_dtype())
    return numbers(filled, kind, null=null)


def from_rows(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """A table of these columns, one mapping a row."""
    columns = [from_values([row[field.name] for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def to_values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """A column as Python values; timestamps with a time zone are UTC."""
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        return list(column.to_pylist())
    # Without its zone a timestamp holds the same instant, written in UTC.
    naive = column.cast(pa.timestamp("us")).to_pylist()
    return [None if value is None else value.replace(tzinfo=UTC) for value in naive]


def _valid(null: npt.NDArray[np.bool_] | None) -> pa.Buffer | None:
    if null is None or not null.any():
        return None
    return pa.py_buffer(np.packbits(~null, bitorder="little"))


def release_unused() -> None:
    """Returns to the system what is kept of columns that are gone."""
    pa.default_memory_pool().release_unused()
