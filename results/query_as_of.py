"""Rows, trials and events as they were at an earlier moment.

Knows nothing of views. What a store held then follows from the times in its rows alone: a row was
there from its `ts` on, a trial from its `created_at`, an attempt from its first row. What has been
folded or compacted since changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import duckdb

from results.listing import Listing
from results.query_rows import Rows, literal, read_parquet

__all__ = ["RowsAsOf"]


class RowsAsOf(Rows):
    """As `Rows`, without what was stored after a moment."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        listings: Sequence[Listing],
        *,
        as_of: datetime,
    ) -> None:
        """Fills the small tables that the queries join."""
        super().__init__(connection, listings)
        utc = as_of.astimezone(UTC) if as_of.tzinfo else as_of.replace(tzinfo=UTC)
        self._moment = f"TIMESTAMPTZ {literal(utc.isoformat())}"
        connection.execute(
            "CREATE TABLE kept.limits "
            "(sweep VARCHAR, trial_id VARCHAR, attempt INTEGER, cutoff BIGINT)"
        )
        self._limited = False

    def forget_later(self) -> None:
        """Takes what came later out of the copied trials and events."""
        self._connection.execute(f"DELETE FROM kept.trial_rows WHERE created_at > {self._moment}")
        self._connection.execute(f"DELETE FROM kept.event_rows WHERE ts > {self._moment}")

    def ended(self) -> str:
        """Joins that keep the finals of attempts that had ended by then, and of no later rows.

        An attempt writes its finals before the event that ends it, unless it was taken for dead and
        wrote on; a compaction sums up what it finds. The copied events must be there.
        """
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS kept.later AS SELECT DISTINCT sweep, trial_id "
            f"FROM ({super().everything()}) WHERE ts > {self._moment}"
        )
        return (
            "SEMI JOIN (SELECT sweep, trial_id, attempt FROM kept.event_rows "
            "WHERE status <> 'running') USING (sweep, trial_id, attempt) "
            "ANTI JOIN kept.later USING (sweep, trial_id)"
        )

    def counted(self) -> str:
        """A query for the rows that counted then, each (trial, step, layer, name) once."""
        return f"SELECT * EXCLUDE (counted) FROM ({self.everything()}) WHERE counted"

    def unfinished(self) -> str:
        """A query for the rows that counted then, of trials without finals."""
        finished = "(SELECT DISTINCT sweep, trial_id FROM kept.finals)"
        return f"SELECT * FROM ({self.counted()}) ANTI JOIN {finished} USING (sweep, trial_id)"

    def everything(self) -> str:
        """A query for all rows stored by then, `counted` telling which of them counted."""
        if not self._limited:
            self._limited = True
            rows = [row for listing in self._listings for row in self._limits(listing)]
            self._insert("kept.limits", rows)
        return (
            "SELECT * EXCLUDE (counted, cutoff), coalesce(step <= cutoff, true) AS counted "
            f"FROM ({super().everything()}) "
            "LEFT JOIN kept.limits USING (sweep, trial_id, attempt) "
            f"WHERE ts <= {self._moment}"
        )

    def _limits(self, listing: Listing) -> Iterator[tuple[object, ...]]:
        """(sweep, trial_id, attempt, cutoff) of attempts that another one limited by then.

        An attempt without rows at that moment took nothing over from the earlier ones yet.
        """
        origins = listing.segments.origins
        several = {trial_id for trial_id, attempts in origins.items() if len(attempts) > 1}
        begun: dict[tuple[str, str], list[int]] = defaultdict(list)
        for sweep, trial_id, attempt in self._begun(listing, several):
            begun[sweep, trial_id].append(attempt)
        for (sweep, trial_id), attempts in begun.items():
            for attempt in attempts:
                later = [origins[trial_id][other] for other in attempts if other > attempt]
                if later:
                    yield sweep, trial_id, attempt, min(later)

    def _begun(self, listing: Listing, trials: set[str]) -> list[tuple[str, str, int]]:
        """(sweep, trial_id, attempt) of the attempts of these trials that had rows by then."""
        names = [str(segment) for segment in listing.segments.live if segment.trial_id in trials]
        for file in listing.compacted:
            if trials.intersection(trial_id for trial_id, _ in file.lasts):
                names += filter(None, (file.name, file.rest_name))
        if not names:
            return []
        source = read_parquet(map(listing.path, names))
        return self._connection.execute(
            f"SELECT DISTINCT sweep, trial_id, attempt FROM {source} "
            f"WHERE ts <= {self._moment} AND list_contains($1::VARCHAR[], trial_id)",
            [sorted(trials)],
        ).fetchall()
