"""What a process that asks and the process that answers say to each other: one line of JSON there,
one line of JSON and an Arrow stream back.

Never pickles, and knows nothing of how either side comes by its part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from results import errors
from results.errors import QueryError, ResultsError, SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["OVER_MEMORY", "Limits", "Reply", "Request"]

OVER_MEMORY: Final = 86
"""Exit code of a process that ran out of the memory it may use while it wrote its answer."""

_TIME: Final = "$time"
_ERRORS: Final = ("LimitError", "NewerSchemaError", "QueryError", "SchemaError", "StorageError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a statement may go.

    Attributes:
        memory: bytes above what the process needs before it reads the statement.
        timeout: seconds from question to answer, above 0.
        max_rows: rows of the answer, 0 or more.
    """

    memory: int = 10**9
    timeout: float = 30.0
    max_rows: int = 1_000_000

    def over_memory(self) -> str:
        """The sentence for whoever needs more memory."""
        return (
            f"sql: a query may use {_size(self.memory)} of memory, got more. Ask for less, or "
            "allow more with --memory."
        )

    def over_time(self) -> str:
        """The sentence for whoever needs more time."""
        return (
            f"sql: a query may take {self.timeout:g} s, got more. Ask for less, or allow more with "
            "--timeout."
        )

    def over_rows(self) -> str:
        """The sentence for whoever asks for more rows."""
        return (
            f"sql: an answer may have {self.max_rows} rows, got more. Aggregate or add LIMIT, or "
            "allow more with --max-rows."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question.

    Attributes:
        roots: run directories.
        text: the statement; None asks for the columns of all views.
        parameters: values by name: numbers, texts, truth values, times, None, lists of these.
        limits: how far it may go.
        as_of: the moment whose state is asked for; None for now.
    """

    roots: tuple[str, ...]
    text: str | None
    parameters: Mapping[str, object] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    as_of: datetime | None = None

    def to_line(self) -> bytes:
        """One line of JSON.

        Raises:
            QueryError: a parameter is of a kind that no column has.
        """
        document = {
            "roots": self.roots,
            "text": self.text,
            "parameters": {name: _tagged(name, v) for name, v in self.parameters.items()},
            "memory": self.limits.memory,
            "timeout": self.limits.timeout,
            "max_rows": self.limits.max_rows,
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
        }
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Request:
        """What `to_line` wrote."""
        found = json.loads(line)
        return cls(
            roots=tuple(found["roots"]),
            text=found["text"],
            parameters={name: _untagged(value) for name, value in found["parameters"].items()},
            limits=Limits(
                memory=found["memory"], timeout=found["timeout"], max_rows=found["max_rows"]
            ),
            as_of=None if found["as_of"] is None else datetime.fromisoformat(found["as_of"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer: a table, or the error instead of one.

    Attributes:
        table: None where there is an error.
        error: None where there is a table.
        warnings: sentences about files that were passed over.
    """

    table: pa.Table | None = None
    error: ResultsError | None = None
    warnings: tuple[str, ...] = ()

    def write(self, pipe: BinaryIO) -> None:
        """Writes one line of JSON, then the table as an Arrow stream."""
        told = None
        if self.error is not None:
            names = (kind.__name__ for kind in type(self.error).__mro__)
            told = [next((name for name in names if name in _ERRORS), "QueryError")]
            told.append(str(self.error))
        head = json.dumps({"error": told, "warnings": self.warnings}).encode()
        # Arrow reads without copying what begins at a multiple of 64 bytes.
        pipe.write(head + b" " * (-(len(head) + 1) % 64) + b"\n")
        if self.table is not None:
            import pyarrow as pa

            with pa.ipc.new_stream(pipe, self.table.schema) as stream:
                stream.write_table(self.table)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray) -> Reply:
        """What `write` wrote.

        Raises:
            SchemaError: it is cut short, or was written by something else.
        """
        import pyarrow as pa

        end = data.find(b"\n") + 1
        try:
            head = json.loads(data[:end])
            warnings = tuple(head["warnings"])
            if head["error"] is not None:
                kind, message = head["error"]
                error = getattr(errors, kind)(message) if kind in _ERRORS else QueryError(message)
                return cls(error=error, warnings=warnings)
            with pa.ipc.open_stream(pa.py_buffer(memoryview(data)[end:])) as stream:
                return cls(table=stream.read_all(), warnings=warnings)
        except (ValueError, KeyError, TypeError, OSError, pa.ArrowException) as error:
            raise SchemaError(f"sql: the answer arrived damaged, {error}. Ask again.") from None


def _tagged(name: str, value: object) -> Any:  # noqa: ANN401
    if isinstance(value, datetime):
        return {_TIME: value.isoformat()}
    if isinstance(value, list | tuple):
        return [_tagged(name, item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise QueryError(
        f"sql: ${name} must be a number, text, truth value, time, None or a list of these, got "
        f"{type(value).__name__}. Convert it."
    )


def _untagged(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return datetime.fromisoformat(value[_TIME])
    return [_untagged(item) for item in value] if isinstance(value, list) else value


def _size(count: int) -> str:
    """Bytes as people write them: `1 GB`, `512 MiB`."""
    units = {"TB": 10**12, "GB": 10**9, "GiB": 2**30, "MB": 10**6, "MiB": 2**20}
    for unit, size in units.items():
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count / 10**6:.1f} MB"
