"""Builds the views that a statement needs, over the exact files of one listing.

Knows nothing of what users may ask; `query_gate` decides that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

import duckdb

from results.events import EventKey
from results.listing import Listing
from results.query_as_of import RowsAsOf
from results.query_rows import Rows, literal, read_parquet
from results.query_trials import ROW_VIEWS

__all__ = ["TRIAL_COLUMNS", "VIEWS", "Views", "identifier", "literal"]

VIEWS: Final = ("trials", "metrics", "metrics_all", "layers", "finals", "events", "coverage")
"""What a statement may read."""

TRIAL_COLUMNS: Final = (
    *("sweep", "trial_id", "grid", "status", "wanted", "seed", "config"),
    *("baseline_id", "score_rule", "metric", "goal", "started_at", "ended_at", "duration_s"),
    *("attempts", "failure_class", "detail", "created_at", "commit", "dirty", "versions"),
    *("adaptive", "step", "score"),
)
"""Fixed columns of `trials`; a metric of such a name is only found in `metrics` and `finals`."""

_MOST_COLUMNS: Final = 1000
"""Metrics that become columns of `trials`, in alphabetical order."""

Structure: TypeAlias = "str | list[Structure] | dict[str, Structure]"
"""What `json_group_structure` answers: a type's name, [of the items] or {of the fields}."""

_FEW_SEGMENTS: Final = 16
"""Loose segments that a question about one trial may name for nothing."""

_SQL = Path(__file__).with_name("sql")


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Views:
    """Small tables copied into memory, views over exact paths; each built when first needed."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        listings: Sequence[Listing],
        *,
        as_of: datetime | None = None,
    ) -> None:
        """Prepares empty tables; no stored file is opened yet.

        Args:
            connection: where the views are built.
            listings: what they show.
            as_of: shows it as it was then; None for now.
        """
        self._connection = connection
        self._listings = listings
        self._built: set[str] = set()
        self._columns: frozenset[str] = frozenset()
        self._measured = False
        self._narrowed: frozenset[str] | None = None
        self._shown: dict[str, frozenset[str] | None] = {}
        self._run("tables.sql")
        self._past = None if as_of is None else RowsAsOf(connection, listings, as_of=as_of)
        self._rows = self._past or Rows(connection, listings)

    def need(self, views: Collection[str], *, columns: Collection[str] = ()) -> None:
        """Builds what is missing of these views.

        Args:
            views: names out of `VIEWS`.
            columns: names that a statement mentions. As long as no metric is stored nobody knows
                which of them are metrics; `trials` then has them as empty columns.
        """
        self.fetch(views)
        for view in views:
            if view in ROW_VIEWS:
                self._show_rows(view)
            elif view == "trials":
                self._trials(columns)
            elif view in ("events", "coverage"):
                self._once("status", self._status)
            else:
                self._once("finals", self._finals)

    def narrow(self, trials: frozenset[str] | None) -> None:
        """Lets the views of rows show some trials alone from the next `need` on; None for all.

        Nothing is narrowed where few files lie loose, nor for an earlier moment.
        """
        loose = sum(len(listing.segments.live) for listing in self._listings)
        spares = self._past is None and loose > _FEW_SEGMENTS
        self._narrowed = trials if spares else None

    def fetch(self, views: Collection[str]) -> None:
        """Brings what `need` reads to this machine; nothing to do where it lies here."""
        kinds = ["trials", "events"]
        if not {"trials", "layers", "finals"}.isdisjoint(views):
            kinds += ["finals", "unfinished"]
        if self._past is not None or not ROW_VIEWS.isdisjoint(views):
            kinds.append("metrics")
        for listing in self._listings:
            listing.fetch(kinds)

    def loose_events(self, listing: Listing) -> list[str]:
        """Names of the event files that the listing's fold does not hold."""
        loose = dict(listing.events.loose)
        if loose and listing.events.fold:
            source = read_parquet([listing.path(listing.events.fold)])
            rows = self._connection.execute(
                "SELECT trial_id, attempt, if(status = 'running', 'run', 'end') " + f"FROM {source}"
            ).fetchall()
            for row in rows:
                loose.pop(EventKey(*row), None)
        return list(loose.values())

    def _once(self, part: str, build: Callable[[], None]) -> None:
        if part not in self._built:
            build()
            self._built.add(part)

    def _run(self, file: str, **parts: str) -> None:
        text = (_SQL / file).read_text(encoding="utf-8")
        for part, value in parts.items():
            text = text.replace("{" + part + "}", value)
        self._connection.execute(text)

    def _status(self) -> None:
        for number, listing in enumerate(self._listings):
            self._insert_trials(number, listing)
            self._insert_events(listing)
        if self._past is not None:
            self._past.forget_later()
        self._run("status.sql")

    def _insert_trials(self, number: int, listing: Listing) -> None:
        if listing.trials:
            options = ("filename=true", "file_row_number=true", "union_by_name=true")
            self._connection.execute(
                f"INSERT INTO kept.trial_rows BY NAME SELECT {number} AS store, filename AS file, "
                "file_row_number AS place, * EXCLUDE (filename, file_row_number) "
                f"FROM {read_parquet(map(listing.path, listing.trials), *options)}"
            )

    def _insert_events(self, listing: Listing) -> None:
        folded = listing.fold()
        for source, names in ((True, folded), (False, self.loose_events(listing))):
            if names:
                self._connection.execute(
                    f"INSERT INTO kept.event_rows BY NAME SELECT {source} AS folded, * "
                    f"FROM {read_parquet(map(listing.path, names), 'union_by_name=true')}"
                )

    def _finals(self) -> None:
        if self._past is not None:  # Which attempts had ended by then, events say.
            self._once("status", self._status)
        self._loose_finals()
        self._compacted_finals()
        self._connection.execute(f"CREATE VIEW kept.unfinished AS {self._rows.unfinished()}")
        self._run("finals.sql")

    def _loose_finals(self) -> None:
        paths = [listing.path(name) for listing in self._listings for name in listing.finals]
        if paths:
            self._connection.execute(
                # Questions ask by name; and keeping the files' order would take twice as long.
                "INSERT INTO kept.finals BY NAME SELECT * EXCLUDE (attempt) "
                f"FROM {read_parquet(paths)}{self._ended()} ORDER BY name"
            )

    def _compacted_finals(self) -> None:
        for listing in self._listings:
            for file in listing.compacted:
                if file.finals_name:
                    stale = sorted(listing.stale.get(file.name, ()))
                    self._connection.execute(
                        "INSERT INTO kept.finals BY NAME SELECT * EXCLUDE (attempt) "
                        f"FROM {read_parquet([listing.path(file.finals_name)])}{self._ended()} "
                        "WHERE NOT list_contains($1::VARCHAR[], trial_id)",
                        [stale],
                    )

    def _ended(self) -> str:
        """What leaves out finals that nobody had written yet."""
        return "" if self._past is None else f" {self._past.ended()}"

    def _show_rows(self, view: str) -> None:
        trials = self._narrowed
        if self._shown.get(view, "") != trials:
            rows = self._rows if trials is None else self._rows.of(trials)
            query = rows.counted() if view == "metrics" else rows.everything()
            self._connection.execute(f"CREATE OR REPLACE VIEW {view} AS {query}")
            self._shown[view] = trials

    def _trials(self, columns: Collection[str]) -> None:
        # What is stored was copied once and for all, so the table never needs to be made again
        # unless a statement mentions further columns while no metric is stored.
        if "trials" in self._built and (self._measured or self._columns.issuperset(columns)):
            return
        self._once("status", self._status)
        self._once("finals", self._finals)
        known = self._strings("SELECT DISTINCT name FROM kept.finals WHERE layer IS NULL")
        self._measured = bool(known)
        self._columns |= set() if known else set(columns)
        scored = self._strings("SELECT DISTINCT metric FROM kept.planned WHERE metric IS NOT NULL")
        self._run(
            "trials.sql",
            metrics=_wide(_column_names([*known, *scored, *self._columns])),
            config=self._config(),
        )
        self._built.add("trials")

    def _strings(self, query: str) -> list[str]:
        return [str(row[0]) for row in self._connection.execute(query).fetchall()]

    def _config(self) -> str:
        """The expression that reads `config` as a struct over the fields of all trials."""
        ((structure, huge),) = self._connection.execute(
            "SELECT json_group_structure(config::JSON), "
            "bool_or(regexp_matches(config, '[0-9]{19}')) FROM kept.planned"
        ).fetchall()
        if structure is None:
            return "config::JSON"
        fields = _plain(json.loads(structure), integers="HUGEINT" if huge else "BIGINT")
        return f"from_json(config::JSON, {literal(json.dumps(fields))})"


def _column_names(names: Iterable[str]) -> list[str]:
    """Metrics that can stand beside the fixed columns; identifiers do not tell case apart."""
    taken = {column.lower() for column in TRIAL_COLUMNS}
    columns: list[str] = []
    for name in sorted(set(names)):
        if name and "\0" not in name and name.lower() not in taken:
            taken.add(name.lower())
            columns.append(name)
    return columns[:_MOST_COLUMNS]


def _wide(names: Iterable[str]) -> str:
    """One column a metric: its last value."""
    return "".join(
        f", any_value(last) FILTER (name = {literal(name)}) AS {identifier(name)}" for name in names
    )


def _plain(structure: Structure, *, integers: str) -> Structure:
    """A JSON structure whose types are those that users calculate with.

    Unsigned integers would overflow in `seed - 1`. Objects whose keys differ only in case, or with
    an empty key, cannot be structs; they stay JSON.
    """
    if isinstance(structure, dict):
        if len({key.lower() for key in structure} - {""}) < len(structure):
            return "JSON"
        return {key: _plain(value, integers=integers) for key, value in structure.items()}
    if isinstance(structure, list):
        return [_plain(item, integers=integers) for item in structure]
    if structure in ("UBIGINT", "BIGINT", "HUGEINT"):
        return integers
    return "VARCHAR" if structure == "NULL" else structure
