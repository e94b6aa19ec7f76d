"""Writes a sweep's tables into a folder that DuckDB, pandas and polars read without us.

Must never write into a run directory.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from results.errors import StorageError
from results.export_columns import TABLES, document, readme
from results.export_ranges import Range, Size, ranges
from results.export_text import csv_header, csv_lines, json_lines
from results.query import Reader

__all__ = ["Exported", "Format", "export"]

Format = Literal["parquet", "csv", "json"]

_ENDINGS: Final[Mapping[Format, str]] = {"parquet": "parquet", "csv": "csv", "json": "jsonl"}
_SQL = Path(__file__).with_name("sql")
_ROW_GROUP: Final = 250_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        folder: where.
        rows: table -> number of rows.
        seconds: how long it took.
        warnings: sentences about stored files that could not be read.
    """

    folder: Path
    rows: Mapping[str, int]
    seconds: float
    warnings: tuple[str, ...]


class _Sink(Protocol):
    """A file of one table that grows part by part."""

    def write(self, part: pa.Table) -> None: ...

    def close(self) -> None: ...


def export(
    reader: Reader, folder: Path, *, sweep: str, output_format: Format = "parquet"
) -> Exported:
    """Writes trials, metrics, finals, events and coverage, and what their columns mean.

    The history is read and written half a million rows at a time, however long it is. Of a sweep
    that runs meanwhile a table may be younger than another; each row of the history is there once.

    Args:
        reader: an open store.
        folder: missing or empty; it appears whole, or not at all.
        sweep: name of the sweep, for the description.
        output_format: `parquet`, `csv`, or `json` for one object a line.

    Raises:
        StorageError: the folder is not empty, is a file, or cannot be written.
    """
    begun = time.perf_counter()
    _check_target(folder)
    with _beside(folder) as half:
        schemas: dict[str, pa.Schema] = {}
        rows: dict[str, int] = {}
        for table in TABLES:
            path = half / _file(table, output_format)
            schemas[table], rows[table] = _write(path, _parts(reader, table), output_format)
        _describe(half, sweep=sweep, output_format=output_format, schemas=schemas, rows=rows)
    return Exported(
        folder=folder,
        rows=rows,
        seconds=time.perf_counter() - begun,
        warnings=tuple(reader.warnings),
    )


def _check_target(folder: Path) -> None:
    """Refuses what an export would mix with.

    Raises:
        StorageError: it is a file, or a folder with something in it.
    """
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise StorageError(
                f"{folder}: a new or empty folder is needed, got one that holds files. "
                "Choose another with -o, or empty it.",
                path=folder,
            )
        if folder.exists() and not folder.is_dir():
            raise StorageError(
                f"{folder}: a new or empty folder is needed, got a file. Choose another with -o.",
                path=folder,
            )
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> StorageError:
    why = error.strerror or type(error).__name__
    return StorageError(
        f"{folder}: a folder that can be written is needed, got '{why}'. Choose another with -o.",
        path=folder,
    )


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A hidden folder that becomes `folder` at the end, and is gone if there is none."""
    target = folder.absolute()
    half = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.half"
    try:
        half.mkdir(parents=True)
        yield half
        half.replace(target)  # An empty folder of that name gives way; any other does not.
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _file(table: str, output_format: Format) -> str:
    return f"{table}.{_ENDINGS[output_format]}"


def _parts(reader: Reader, table: str) -> Iterator[pa.Table]:
    """A table in its order, in parts that fit into memory; at least one part."""
    if table == "metrics":
        text = _text("export_metrics.sql")
        sizes = reader.trusted(_text("export_sizes.sql")).to_pylist()
        found = ranges(Size(**row) for row in sizes)
        for one in found or [Range.nothing()]:
            yield reader.trusted(text, one.parameters())
    elif table == "trials":
        yield reader.trusted(_text("export_trials.sql"))
    elif table == "finals":
        yield reader.trusted("SELECT * FROM finals ORDER BY name, trial_id, layer NULLS FIRST")
    else:
        yield reader.trusted(f"SELECT * FROM {table}")


def _text(file: str) -> str:
    return (_SQL / file).read_text(encoding="utf-8")


def _write(path: Path, parts: Iterator[pa.Table], output_format: Format) -> tuple[pa.Schema, int]:
    """Writes a table; durable on return. Returns its columns and how many rows it has."""
    first = _bare(next(parts))
    rows = first.num_rows
    with path.open("xb") as file:
        sink = _open(file, first.schema, output_format)
        sink.write(first)
        for part in parts:
            sink.write(_bare(part))
            rows += part.num_rows
        sink.close()
        file.flush()
        os.fsync(file.fileno())
    return first.schema, rows


def _bare(part: pa.Table) -> pa.Table:
    """Without metadata, which may differ between parts."""
    return part.replace_schema_metadata(None)


def _open(file: BinaryIO, schema: pa.Schema, output_format: Format) -> _Sink:
    if output_format == "parquet":
        return _Parquet(file, schema)
    return _Text(file, schema, output_format)


class _Parquet:
    """A Parquet file of zstd row groups."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        floats = {field.name for field in schema if pa.types.is_floating(field.type)}
        others = [name for name in schema.names if name not in floats]
        # No minimum and maximum of floats: they leave NaN out, and DuckDB would take them for all.
        self._writer = pq.ParquetWriter(
            file, schema, compression="zstd", use_dictionary=others, write_statistics=others
        )

    def write(self, part: pa.Table) -> None:
        self._writer.write_table(part, row_group_size=_ROW_GROUP)

    def close(self) -> None:
        self._writer.close()


class _Text:
    """A CSV file with a header, or one of JSON lines."""

    def __init__(self, file: BinaryIO, schema: pa.Schema, output_format: Format) -> None:
        self._file = file
        self._lines = csv_lines if output_format == "csv" else json_lines
        if output_format == "csv":
            file.write(csv_header(schema))

    def write(self, part: pa.Table) -> None:
        for lines in self._lines(part):
            self._file.write(lines)

    def close(self) -> None:
        """Nothing is left to write."""


def _describe(
    half: Path,
    *,
    sweep: str,
    output_format: Format,
    schemas: Mapping[str, pa.Schema],
    rows: Mapping[str, int],
) -> None:
    """Writes `schema.json` for programs and `README.txt` for people."""
    found = document(
        sweep=sweep,
        moment=datetime.now(UTC),
        output_format=output_format,
        files={table: _file(table, output_format) for table in schemas},
        rows=rows,
        columns={
            table: [(field.name, str(field.type)) for field in schema]
            for table, schema in schemas.items()
        },
    )
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    (half / "schema.json").write_text(text, encoding="utf-8")
    (half / "README.txt").write_text(readme(found), encoding="utf-8")
