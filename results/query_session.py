"""One DuckDB connection over one listing: settings, versions, the lock.

Knows nothing of retries, nor of what a statement may say.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import duckdb
import pyarrow as pa

from results.errors import LimitError, QueryError
from results.listing import Listing
from results.query_messages import Limits
from results.query_rows import hide_progress
from results.query_settings import SETTINGS, SMALL, suited_to
from results.query_trials import ROW_VIEWS
from results.query_views import VIEWS, Views, literal
from results.schema import SCHEMA_VERSION

__all__ = ["Session"]

_BOUND: Final = 64
"""Statements that stay bound."""

_BATCH_ROWS: Final = 50_000
"""Rows that are taken from a result at a time while they are counted."""


class Session:
    """A connection whose views show one moment of the stores.

    Attributes:
        building: whether views are being built, so that an error is a file's, not a statement's.
    """

    def __init__(
        self, listings: Sequence[Listing], *, memory: str, as_of: datetime | None = None
    ) -> None:
        """Connects; files are opened when a statement needs them."""
        self.building = False
        self._listings = listings
        self._memory = memory
        self._as_of = as_of
        self._connection = duckdb.connect(":memory:")
        for setting in SETTINGS:
            self._connection.execute(setting)
        hide_progress(self._connection)
        self._connection.execute(f"SET memory_limit = {literal(memory)}")
        self._views = Views(self._connection, listings, as_of=as_of)
        self._needed: set[str] = set()
        self._met: tuple[object, ...] = ()
        self._locked = False
        self._set: Mapping[str, str] = {}
        self._bound: dict[str, duckdb.DuckDBPyRelation] = {}

    def serialized(self, text: str) -> str:
        """The syntax tree of a text as JSON; the text is parsed, never run."""
        try:
            row = self._row("SELECT json_serialize_sql($1::VARCHAR)", [text])
        except duckdb.Error as error:
            raise QueryError(f"sql: cannot be parsed, {str(error).splitlines()[0]}") from None
        return str(row[0])

    def ready(self, views: Collection[str]) -> Session:
        """This session, or one over the same listing if the lock bars files that it needs now."""
        if not self._locked or self._needed.issuperset(views):
            return self
        self.close()
        fresh = Session(self._listings, memory=self._memory, as_of=self._as_of)
        fresh._needed = self._needed
        return fresh

    def need(
        self,
        views: Collection[str],
        *,
        columns: Collection[str] = (),
        trials: frozenset[str] | None = None,
    ) -> None:
        """Builds the views that a statement reads, see `Views.need`.

        Args:
            views: their names.
            columns: names that the statement mentions.
            trials: those of which it can see rows; None for all.
        """
        request = frozenset(views), frozenset(columns), trials
        if request == self._met:
            return
        self.building = True
        more = not self._needed.issuperset(views)
        self._needed |= set(views)
        if not ROW_VIEWS.isdisjoint(views):
            self._views.narrow(trials)
        # In one order, whatever was asked for first.
        asked = self._needed.difference(ROW_VIEWS).union(views)
        self._views.need([view for view in VIEWS if view in asked], columns=columns)
        if (more or not views) and not self._locked:
            self._suit()
        self._met = request

    def _suit(self) -> None:
        """Sets what makes answers from the built views quickest."""
        suited = SMALL
        if self._reads_rows():
            suited = suited_to([p for p, kind in self.paths().items() if kind == "metrics"])
        for name in {*suited, *self._set}:
            if suited.get(name) != self._set.get(name):
                change = f"SET {name} = {suited[name]}" if name in suited else f"RESET {name}"
                self._connection.execute(change)
        self._set = suited

    def _reads_rows(self) -> bool:
        return not ROW_VIEWS.isdisjoint(self._needed)

    def fetch(self, views: Collection[str]) -> None:
        """Brings the files behind some views to this machine, so that `need` writes none."""
        self._views.fetch(views)

    def suspicious(self) -> bool:
        """Whether a small table is damaged, foreign or of another version.

        Trials and events alone are looked at. Whoever writes rows has written an event before, in
        the same version, so a store that a newer version touched shows it there.
        """
        try:
            return not all(
                self._readable([listing.path(name) for name in names])
                for listing in self._listings
                for names in (listing.trials, listing.fold(), self._views.loose_events(listing))
            )
        except duckdb.Error:
            return True

    def _readable(self, paths: Sequence[str]) -> bool:
        """Whether the footers of all these files name a version that we know."""
        if not paths:
            return True
        row = self._row(
            "SELECT count(*) FROM parquet_kv_metadata($1) "
            "WHERE key = 'cliffsweep.schema' AND try_cast(decode(value) AS INTEGER) <= $2",
            [paths, SCHEMA_VERSION],
        )
        return row == (len(paths),)

    def lock(self) -> None:
        """Leaves only the files of the built views readable, and no setting changeable, for good.

        Trials, events and finals are copied into memory by then, so without `metrics` among the
        views no file at all stays readable.
        """
        if self._locked:
            return
        read_later = self._reads_rows()
        kept = (path for path, kind in self.paths().items() if read_later and kind == "metrics")
        self._connection.execute(f"SET allowed_paths = [{', '.join(map(literal, kept))}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        self._locked = True

    def run(
        self, text: str, parameters: Mapping[str, object] | None = None, *, computes: bool = False
    ) -> pa.Table:
        """Runs SQL of our own: one statement, or several of which the last one answers.

        Args:
            text: the statements.
            parameters: values by name.
            computes: whether it computes far more than it reads: all threads are worth it.
        """
        self.building = False
        if alone := computes and "threads" in self._set and not self._locked:
            self._connection.execute("RESET threads")
        try:
            relation = self._connection.sql(text, params=dict(parameters) if parameters else None)
            return pa.table({}) if relation is None else relation.to_arrow_table()
        finally:
            if alone:
                self._connection.execute(f"SET threads = {SMALL['threads']}")

    def answer(
        self,
        text: str,
        parameters: Mapping[str, object] | None,
        *,
        max_rows: int | None = None,
    ) -> pa.Table:
        """Runs one SELECT that was checked before.

        Raises:
            LimitError: the answer has more than `max_rows` rows.
        """
        self.building = False
        relation = self._select(text, parameters)
        if max_rows is None:
            return relation.to_arrow_table()
        try:
            return _taken(relation.to_arrow_reader(_BATCH_ROWS), max_rows=max_rows)
        except MemoryError:
            raise
        except (OSError, pa.ArrowException) as error:
            raise _named(str(error)) from None

    def _select(
        self, text: str, parameters: Mapping[str, object] | None
    ) -> duckdb.DuckDBPyRelation:
        """What a SELECT means; it runs when its rows are taken, each time anew.

        Without parameters it is bound once and not for every answer.
        """
        if parameters:
            return self._connection.sql(text, params=dict(parameters))
        if text not in self._bound:
            if len(self._bound) >= _BOUND:
                self._bound.clear()
            self._bound[text] = self._connection.sql(text)
        return self._bound[text]

    def paths(self) -> dict[str, str]:
        """Every listed file -> the kind of table that it holds."""
        return {path: kind for listing in self._listings for path, kind in listing.paths().items()}

    def columns(self) -> list[str]:
        """Names that statements could have meant: columns of the views built so far."""
        rows = self._connection.execute(
            "SELECT DISTINCT column_name FROM duckdb_columns() "
            "WHERE schema_name = 'main' AND NOT internal AND list_contains($1, table_name)",
            [sorted(self._needed) or list(VIEWS)],
        ).fetchall()
        return [str(row[0]) for row in rows]

    def _row(self, text: str, values: list[object]) -> tuple[object, ...]:
        # Fetched to the end: a result that is left open refuses the connection's next statement.
        rows = self._connection.execute(text, values).fetchall()
        return tuple(rows[0])

    def close(self) -> None:
        """Ends the connection."""
        self._bound.clear()
        self._connection.close()


def _taken(reader: pa.RecordBatchReader, *, max_rows: int) -> pa.Table:
    """All rows, read no further than to the first one too many."""
    batches, rows = [], 0
    for batch in reader:
        rows += batch.num_rows
        if rows > max_rows:
            raise LimitError(Limits(max_rows=max_rows).over_rows())
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=reader.schema)


def _named(message: str) -> duckdb.Error:
    """DuckDB's own error again, of which a reader of batches has kept the text alone."""
    kinds = {
        "IO Error": duckdb.IOException,
        "Invalid Input Error": duckdb.InvalidInputException,
        "Out of Memory Error": duckdb.OutOfMemoryException,
        "Permission Error": duckdb.PermissionException,
        "Serialization Error": duckdb.SerializationException,
    }
    kind: type[duckdb.Error] = kinds.get(message.partition(":")[0], duckdb.Error)
    return kind(message)
