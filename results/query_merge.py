"""Reads what a compaction folds together, sorted, in a little memory.

Knows nothing of what becomes of it, nor of which files are chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa

from results.errors import StorageError
from results.listing import Listing
from results.query_rows import hide_progress, literal
from results.query_views import Views
from results.schema import FINALS, METRICS

__all__ = ["PAGE_BYTES", "Merge"]

GROUP_ROWS: Final = 100_000
"""Rows of a row group, at least: small enough to skip to one curve, large enough to read quickly.

A name's rows share none with another name's, unless they are fewer: one curve is then in one group.
"""

FEWEST_GROUP_ROWS: Final = 20_000
GROUPS: Final = 16
"""A smaller file has about so many groups, of at least so many rows: at 800 000 rows a curve takes
a twelfth less than with groups of 100 000, and more groups would take longer to choose among."""

PAGE_BYTES: Final = 16_384
"""Bytes of a page before it is compressed: of those that hold no row of a curve none is decoded,
which takes a tenth off a question for one."""

_BATCH_ROWS: Final = 20_480

PIECE_ROWS: Final = 10_000_000
"""Rows sorted at once: a sort that spills still needs memory that grows with its rows."""

_ROWS = ", ".join(METRICS.names)
_ROW_ORDER = "name, trial_id, step, layer NULLS LAST, attempt"
_FINALS = ", ".join(name for name in FINALS.names if name != "attempt")


class Merge:
    """Rows and finals of one listing, sorted; what memory cannot hold is spilled to disk."""

    def __init__(self, listing: Listing, *, memory: str, spill: Path) -> None:
        """Connects; no file is opened yet.

        Args:
            listing: the files to fold, and no others.
            memory: limit of DuckDB's own buffers, such as `192MB`.
            spill: a folder of ours for what they cannot hold.
        """
        self._root = listing.store.root
        self._connection = duckdb.connect(":memory:")
        for setting in (
            "TimeZone = 'UTC'",
            "python_enable_replacements = false",
            "autoinstall_known_extensions = false",
            f"memory_limit = {literal(memory)}",
            f"temp_directory = {literal(str(spill))}",
            "threads = 2",
        ):
            self._connection.execute(f"SET {setting}")
        hide_progress(self._connection)
        self._views = Views(self._connection, [listing])

    def sizes(self) -> tuple[int, int]:
        """Number of rows that count, and of those that no longer do."""
        self._views.need(["metrics", "metrics_all"])
        ((counted, rest),) = self._connection.execute(
            "SELECT count(*) FILTER (counted), count(*) FILTER (NOT counted) FROM metrics_all"
        ).fetchall()
        return int(counted), int(rest)

    def counted(self, rows: int) -> Iterator[pa.Table]:
        """Rows that count, each once, by (name, trial_id, step, layer, attempt).

        One table a row group, at least `group_rows` rows in each but the last.

        Args:
            rows: how many there are, as `sizes` says.
        """
        self._views.need(["metrics"])
        return _joined(self._sorted("metrics", "true", of=rows), size=group_rows(rows))

    def rest(self, rows: int) -> Iterator[pa.Table]:
        """Rows that no longer count, in the same order."""
        self._views.need(["metrics_all"])
        return _joined(self._sorted("metrics_all", "NOT counted", of=rows), size=group_rows(rows))

    def finals(self, trials: Collection[tuple[str, int]]) -> pa.Table:
        """Finals by (name, trial_id, layer); those that no file holds are summed up from rows.

        Args:
            trials: (trial_id, highest attempt with rows) of those wanted.
        """
        self._views.need(["finals"])
        self._connection.execute("CREATE TABLE wanted (trial_id VARCHAR, attempt INTEGER)")
        self._connection.execute(
            "INSERT INTO wanted SELECT unnest($1), unnest($2)",
            [list(column) for column in zip(*trials, strict=True)],
        )
        found = self._connection.sql(
            f"SELECT {_FINALS}, attempt FROM finals JOIN wanted USING (trial_id) "
            "ORDER BY name, trial_id, layer NULLS FIRST"
        )
        return found.to_arrow_table().select(FINALS.names)

    def _sorted(self, view: str, condition: str, *, of: int) -> Iterator[pa.Table]:
        """Sorts piece by piece, each small enough, and gives their row groups in order."""
        for name, first, last, rows in self._pieces(view, condition):
            found = self._connection.sql(
                f"SELECT {_ROWS} FROM {view} WHERE {condition} AND name = $name "
                f"AND trial_id BETWEEN $first AND $last ORDER BY {_ROW_ORDER}",
                params={"name": name, "first": first, "last": last},
            )
            yield from _even(found.to_arrow_reader(_BATCH_ROWS), rows=rows, size=group_rows(of))

    def _pieces(self, view: str, condition: str) -> Iterator[tuple[str, str, str, int]]:
        """(name, first and last trial_id, rows) of runs in order, most of one size."""
        counts = self._connection.execute(
            f"SELECT name, trial_id, count(*) FROM {view} WHERE {condition} "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        piece: tuple[str, str, str, int] | None = None
        for name, trial_id, rows in counts:
            if piece is not None and piece[0] == name and piece[3] + rows <= PIECE_ROWS:
                piece = name, piece[1], trial_id, piece[3] + rows
                continue
            if piece is not None:
                yield piece
            piece = name, trial_id, trial_id, rows
        if piece is not None:
            yield piece

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()
        if isinstance(error, duckdb.Error):
            why = str(error).splitlines()[0]
            raise StorageError(
                f"{self._root}: its files cannot be folded, {why}. Nothing was replaced.",
                path=self._root,
            ) from error


def group_rows(rows: int) -> int:
    """Rows of a row group, at least, in a file of so many."""
    return min(GROUP_ROWS, max(FEWEST_GROUP_ROWS, rows // GROUPS))


def _even(batches: Iterable[pa.RecordBatch], *, rows: int, size: int) -> Iterator[pa.Table]:
    """Batches of `rows` rows in all, in tables of one size: `size` and few more, or all."""
    size = rows // max(1, rows // size)
    pending: list[pa.RecordBatch] = []
    held, left = 0, rows
    for batch in batches:
        pending.append(batch)
        held += batch.num_rows
        while held >= size and left >= 2 * size:  # The last one takes the few that remain.
            table = pa.Table.from_batches(pending)
            yield table.slice(0, size)
            pending = table.slice(size).to_batches()
            held, left = held - size, left - size
    if pending:
        yield pa.Table.from_batches(pending)


def _joined(tables: Iterable[pa.Table], *, size: int) -> Iterator[pa.Table]:
    """The same rows in tables of at least `size`, but for the last."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(one.num_rows for one in pending) >= size:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)
