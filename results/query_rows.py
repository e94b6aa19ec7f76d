"""Queries for the rows of some listings: loose segments and compacted files together.

Knows nothing of views, of finals, or of what is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from copy import copy

import duckdb

from results.compacted import CompactedFile
from results.listing import Listing
from results.schema import METRICS
from results.store import SegmentName

__all__ = ["Rows", "hide_progress", "literal", "read_parquet"]

_COLUMNS = ", ".join(METRICS.names)
_NONE = f"SELECT {_COLUMNS} FROM kept.metrics"


def hide_progress(connection: duckdb.DuckDBPyConnection) -> None:
    """Keeps DuckDB's progress bar off standard output, which is for results.

    Where there is none, as in a notebook without its widgets, the setting cannot even be set.
    """
    ((shown,),) = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
    if shown:
        connection.execute("SET enable_progress_bar = false")


def literal(text: str) -> str:
    """A text as a SQL string."""
    return "'" + text.replace("'", "''") + "'"


def read_parquet(paths: Iterable[str], *options: str) -> str:
    """A call of the table function over exact paths.

    Statistics in the files leave NaN out. DuckDB takes them at their word unless told otherwise:
    `WHERE isnan(value)` would find nothing, and `max(value)` would be the largest number.
    """
    listed = ", ".join(map(literal, paths))
    return f"read_parquet({', '.join([f'[{listed}]', 'can_have_nan=true', *options])})"


def _segments(paths: Iterable[str]) -> str:
    """The rows of some segments; their trial is that of their folder.

    What a name says DuckDB knows before it opens a file: asked for one trial, it opens that one's
    files and no others. Names decide whose rows count, and so whose they are. Of one trial alone
    the name is a constant, which spares DuckDB a fifth of a curve's time.
    """
    paths = list(paths)
    folders = {path.split("/")[-2] for path in paths}
    if len(folders) == 1:
        return f"(SELECT {_of_trial(literal(*folders))} FROM {read_parquet(paths)})"
    named = _of_trial("split_part(filename, '/', -2)")
    return f"(SELECT {named} FROM {read_parquet(paths, 'filename=true')})"


def _of_trial(trial: str) -> str:
    """The columns, with an expression in place of the stored trial."""
    return _COLUMNS.replace("trial_id", f"{trial} AS trial_id")


class Rows:
    """Rows of the listings, each read from the file that has it.

    Where every row of a file counts, the query reads the file plainly. Where not, a segment is
    joined with the step up to which its attempt counts (`kept.cutoffs`), and a compacted file
    loses the ranges of steps that stand elsewhere or were computed again (`kept.gone`).
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, listings: Sequence[Listing]) -> None:
        """Fills the small tables that the queries join."""
        self._connection = connection
        self._listings = listings
        self._replaced: set[str] = set()
        self._cut: set[str] = set()
        cutoffs: list[tuple[object, ...]] = []
        gone: list[tuple[object, ...]] = []
        for number, listing in enumerate(listings):
            limits = listing.segments.cutoffs()
            cutoffs += ((number, *key, limit) for key, limit in limits.items())
            for file in listing.compacted:
                gone += self._gone(listing, file, limits)
        self._insert("kept.cutoffs", cutoffs)
        self._insert("kept.gone", gone)

    def of(self, trials: Collection[str]) -> Rows:
        """The rows of some trials alone: files that hold none of theirs are not even named."""
        some = copy(self)
        some._listings = [listing.of(trials) for listing in self._listings]
        return some

    def counted(self) -> str:
        """A query for the rows that count, each (trial, step, layer, name) once."""
        return self._counted([[*s.whole(), *s.cut()] for s in (x.segments for x in self._listings)])

    def unfinished(self) -> str:
        """A query for the counted rows of trials without finals."""
        missing = []
        for listing in self._listings:
            finished = listing.finished() if listing.compacted else ()
            lacking = frozenset().union(*(file.trials for file in listing.compacted))
            missing.append(sorted(lacking.difference(finished)))
        return self._counted([listing.unfinished() for listing in self._listings], only=missing)

    def everything(self) -> str:
        """A query for all rows, `counted` telling which of them count."""
        selects = [f"SELECT {_COLUMNS}, true AS counted FROM kept.metrics"]
        for number, listing in enumerate(self._listings):
            whole = listing.segments.whole()
            rest = set(listing.segments.live).difference(whole)
            for segments, join, counted in (
                (whole, "", "true"),
                (sorted(rest, key=str), _cutoff_join(number), "step <= cutoff"),
            ):
                if segments:
                    source = _segments(map(listing.path, segments))
                    selects.append(f"SELECT {_COLUMNS}, {counted} AS counted FROM {source} {join}")
            for file in listing.compacted:
                for name in filter(None, (file.name, file.rest_name)):
                    selects.append(self._everything_of(listing, file, name))
        return " UNION ALL ".join(selects)

    def _everything_of(self, listing: Listing, file: CompactedFile, name: str) -> str:
        path = listing.path(file.name)
        source = f"{read_parquet([listing.path(name)])} AS m"
        if path in self._replaced:
            source += _anti_join(path, "g.replaced")
        counted = "true" if name == file.name else "false"
        if name == file.name and path in self._cut:
            recomputed = f"FROM kept.gone AS c WHERE NOT c.replaced AND {_within(path, 'c')}"
            counted = f"NOT EXISTS ({recomputed})"
        return f"SELECT {_COLUMNS}, {counted} AS counted FROM {source}"

    def _counted(
        self,
        segments: Sequence[Iterable[SegmentName]],
        *,
        only: Sequence[Collection[str]] | None = None,
    ) -> str:
        """A query for the counted rows of the given live segments of each store.

        Args:
            segments: of each listing.
            only: trials of each listing whose compacted rows are wanted; None for all.
        """
        whole: list[str] = []
        compacted: list[str] = []
        selects: list[str] = []
        for number, (listing, names) in enumerate(zip(self._listings, segments, strict=True)):
            cut: list[str] = []
            for name in names:
                inside = listing.segments.counts(name.trial_id, name.attempt, name.last)
                (whole if inside else cut).append(listing.path(name))
            if cut:
                selects.append(
                    f"SELECT {_COLUMNS} FROM {_segments(cut)} {_cutoff_join(number)} "
                    "WHERE step <= cutoff"
                )
            trials = None if only is None else only[number]
            for path in (listing.path(f.name) for f in listing.compacted if trials != []):
                if path in self._replaced | self._cut or trials is not None:
                    selects.append(self._compacted(path, trials))
                else:
                    compacted.append(path)
        if whole:
            selects.append(f"SELECT {_COLUMNS} FROM {_segments(whole)}")
        if compacted:
            selects.append(f"SELECT {_COLUMNS} FROM {read_parquet(compacted)}")
        return " UNION ALL ".join(selects or [_NONE])

    def _compacted(self, path: str, trials: Collection[str] | None) -> str:
        query = f"SELECT {_COLUMNS} FROM {read_parquet([path])} AS m"
        if path in self._replaced | self._cut:
            query += _anti_join(path, "true")
        if trials is not None:
            query += f" WHERE trial_id IN ({', '.join(map(literal, trials))})"
        return query

    def _gone(
        self, listing: Listing, file: CompactedFile, limits: dict[tuple[str, int], int]
    ) -> Iterable[tuple[object, ...]]:
        """Rows of `kept.gone`: what a compacted file holds and is not to say."""
        path = listing.path(file.name)
        for segment in listing.segments.replaced[file.name]:
            self._replaced.add(path)
            yield path, True, segment.trial_id, segment.attempt, segment.first, segment.last
        for key, limit in limits.items():
            last = file.lasts.get(key, -1)
            # What lies behind the limit that its own attempts set stands in its rest already.
            if limit < min(last, file.limits.get(key, last)):
                self._cut.add(path)
                yield path, False, *key, limit + 1, last

    def _insert(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            values = ", ".join(f"unnest(${place + 1})" for place in range(len(columns)))
            self._connection.execute(f"INSERT INTO {table} SELECT {values}", columns)


def _cutoff_join(store: int) -> str:
    return (
        f"JOIN (SELECT trial_id, attempt, cutoff FROM kept.cutoffs WHERE store = {store}) "
        "USING (trial_id, attempt)"
    )


def _within(path: str, table: str) -> str:
    return (
        f"{table}.file = {literal(path)} AND {table}.trial_id = m.trial_id "
        f"AND {table}.attempt = m.attempt AND m.step BETWEEN {table}.since AND {table}.until"
    )


def _anti_join(path: str, condition: str) -> str:
    return f" ANTI JOIN kept.gone AS g ON {_within(path, 'g')} AND {condition}"
