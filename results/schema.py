"""Columns of the stored tables, and the version that stands in every file's footer.

Knows nothing of folders, of file names, or of what the values mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from results.errors import NewerSchemaError, SchemaError

__all__ = [
    "END_STATUSES",
    "EVENTS",
    "FINALS",
    "METRICS",
    "SCHEMA_VERSION",
    "STATUSES",
    "TABLES",
    "TRIALS",
    "check_footer",
    "decode",
    "encode",
    "encode_batches",
    "read_footer",
]

SCHEMA_VERSION = 1
"""Raised when a column changes its meaning, type or name; a new nullable one leaves it as it is."""

STATUSES = ("planned", "running", "completed", "stopped", "failed", "cancelled")
END_STATUSES = ("completed", "stopped", "failed", "cancelled")

_VERSION_KEY = b"cliffsweep.schema"
_TABLE_KEY = b"cliffsweep.table"
_WORTH_THREADS = 1_000_000  # Bytes; below, handing work to threads costs more than the work.
_GROUP_ROWS = 1_048_576
_INSTANT = pa.timestamp("us", tz="UTC")

TRIALS = pa.schema(
    [
        pa.field("sweep", pa.string(), nullable=False),
        pa.field("trial_id", pa.string(), nullable=False),
        pa.field("grid", pa.string(), nullable=False),
        pa.field("config", pa.string(), nullable=False),  # canonical workload as JSON
        pa.field("seed", pa.int64()),
        pa.field("baseline_id", pa.string()),
        pa.field("score_rule", pa.string()),  # accuracy_ratio | exp_loss | difference
        pa.field("metric", pa.string()),  # name of the metric that `score` reads
        pa.field("goal", pa.string()),  # maximize | minimize
        pa.field("wanted", pa.bool_(), nullable=False),
        pa.field("created_at", _INSTANT, nullable=False),
        pa.field("commit", pa.string()),
        pa.field("dirty", pa.bool_()),
        pa.field("versions", pa.string(), nullable=False),  # package -> version as JSON
        pa.field("adaptive", pa.bool_()),  # null, of older versions, is false
    ]
)

EVENTS = pa.schema(
    [
        pa.field("sweep", pa.string(), nullable=False),
        pa.field("trial_id", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("ts", _INSTANT, nullable=False),
        pa.field("host", pa.string()),
        pa.field("pid", pa.int64()),
        pa.field("device", pa.string()),
        pa.field("resumed_from", pa.int64()),
        pa.field("failure_class", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("seconds", pa.string()),  # phase -> seconds as JSON, of an attempt that could tell
    ]
)

METRICS = pa.schema(
    [
        pa.field("sweep", pa.string(), nullable=False),
        pa.field("trial_id", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("step", pa.int64(), nullable=False),  # optimizer updates done, 0 or more
        pa.field("layer", pa.string()),  # null for whole-model values
        pa.field("name", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),  # NaN and infinities as they are
        pa.field("ts", _INSTANT, nullable=False),
    ]
)

FINALS = pa.schema(
    [
        pa.field("sweep", pa.string(), nullable=False),
        pa.field("trial_id", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("layer", pa.string()),
        pa.field("name", pa.string(), nullable=False),
        pa.field("step", pa.int64(), nullable=False),  # of the last value
        pa.field("last", pa.float64(), nullable=False),  # may be NaN
        pa.field("minimum", pa.float64(), nullable=False),  # NaN is passed over; NaN if all are
        pa.field("maximum", pa.float64(), nullable=False),  # NaN is passed over; NaN if all are
        pa.field("count", pa.int64(), nullable=False),  # all rows, NaN among them
    ]
)

TABLES: Mapping[str, pa.Schema] = {
    "trials": TRIALS,
    "events": EVENTS,
    "metrics": METRICS,
    "finals": FINALS,
}


def encode(
    table: pa.Table, *, kind: str, footer: Mapping[bytes, bytes] = MappingProxyType({})
) -> bytes:
    """A table of one of our kinds as Parquet bytes, its kind and version in the footer.

    Args:
        table: columns as `TABLES[kind]`, in that order.
        kind: key of `TABLES`.
        footer: what stands there besides.
    """
    sink = pa.BufferOutputStream()
    encode_batches([table], sink, kind=kind, footer=footer)
    return bytes(sink.getvalue())


def encode_batches(
    batches: Iterable[pa.Table],
    sink: Path | pa.NativeFile,
    *,
    kind: str,
    page_bytes: int | None = None,
    footer: Mapping[bytes, bytes] = MappingProxyType({}),
) -> int:
    """As `encode`, for more rows than memory holds.

    Args:
        batches: columns as `TABLES[kind]`, in that order; each begins a new row group.
        sink: where the file goes.
        kind: key of `TABLES`.
        page_bytes: size of a page before it is compressed; None for what pyarrow takes.
        footer: what stands there besides kind and version.

    Returns:
        The number of rows.
    """
    stamp = {_VERSION_KEY: str(SCHEMA_VERSION).encode(), _TABLE_KEY: kind.encode()}
    schema = TABLES[kind].with_metadata({**stamp, **footer})
    coded = [name for name in schema.names if name != "value"]
    rows = 0
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=coded, data_page_size=page_bytes
    ) as writer:
        for batch in batches:
            writer.write_table(batch.cast(schema), row_group_size=_GROUP_ROWS)
            rows += batch.num_rows
    return rows


def decode(
    data: bytes, *, kind: str, where: str | Path, columns: Sequence[str] | None = None
) -> pa.Table:
    """Reads what `encode` wrote.

    Args:
        data: Parquet bytes.
        kind: the table they must hold.
        where: file named in errors.
        columns: those wanted, in that order; None for all.

    Raises:
        SchemaError: damaged or not one of our files.
        NewerSchemaError: written by a newer version.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(data), pre_buffer=False) as file:
            _check(file.schema_arrow.metadata or {}, kind=kind, where=where)
            rows = file.read(columns, use_threads=len(data) > _WORTH_THREADS)
            schema = TABLES[kind]
            wanted = schema if columns is None else pa.schema(map(schema.field, columns))
            return _conform(rows, wanted, where=where)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(where) from error


def check_footer(path: Path | BinaryIO, *, kind: str, where: str | Path | None = None) -> None:
    """Checks that a file is whole, of our kind and not of a newer version, by its footer alone.

    Args:
        path: the file, or one that is open.
        kind: the table that it must hold.
        where: file named in errors; needed where it is open.

    Raises:
        SchemaError: it is not.
        FileNotFoundError: it is gone.
    """
    read_footer(path, kind=kind, where=where)


def read_footer(
    path: Path | BinaryIO, *, kind: str, where: str | Path | None = None
) -> Mapping[bytes, bytes]:
    """What a file's footer says, after the checks of `check_footer`.

    Raises:
        SchemaError: damaged, or not of our kind.
        NewerSchemaError: written by a newer version.
        FileNotFoundError: it is gone.
    """
    place = where or str(path)
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            footer = file.schema_arrow.metadata or {}
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise _damaged(place) from error
    _check(footer, kind=kind, where=place)
    return footer


def _check(footer: Mapping[bytes, bytes], *, kind: str, where: str | Path) -> None:
    found = footer.get(_TABLE_KEY, b"").decode(errors="replace")
    version = footer.get(_VERSION_KEY, b"").decode(errors="replace")
    if not version.isdigit() or found not in TABLES:
        raise SchemaError(
            f"{where}: must be a {kind} file of cliffsweep, got a foreign one. Move it away."
        )
    if int(version) > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"{where}: schema version must be at most {SCHEMA_VERSION}, got {version}. "
            "Update cliffsweep: a newer version wrote this sweep."
        )
    if found != kind:
        raise SchemaError(f"{where}: must hold {kind}, got {found}. Move it away.")


def _conform(table: pa.Table, schema: pa.Schema, *, where: str | Path) -> pa.Table:
    """These columns, in order: unknown ones dropped, missing optional ones null."""
    columns = []
    for field in schema:
        if field.name in table.schema.names:
            column = table.column(field.name)
            columns.append(column if column.type == field.type else column.cast(field.type))
        elif field.nullable:
            columns.append(pa.chunked_array([pa.nulls(table.num_rows, field.type)]))
        else:
            raise SchemaError(f"{where}: must have the column {field.name}. Move it away.")
    return pa.Table.from_arrays(columns, schema=schema)


def _damaged(where: str | Path) -> SchemaError:
    return SchemaError(
        f"{where}: must be a whole Parquet file, got a damaged one. "
        "Move it away; what it held is computed again on resume."
    )
