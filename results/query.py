"""Answers SQL over the stores of one or more sweeps, while they are written and after.

Never writes: a reader takes no lock, and no statement of a user reaches a file by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa

from results.errors import NewerSchemaError, QueryError, SchemaError
from results.listing import take
from results.place import Place
from results.query_errors import explain
from results.query_gate import Statement, check, check_size
from results.query_session import Session
from results.query_views import VIEWS
from results.schema import check_footer
from results.store import Store

__all__ = ["VIEWS", "Reader", "open_stores"]

_TRIES: Final = 4
"""Listings per statement: files may be folded away, and damaged ones found, in between."""

_REMEMBERED: Final = 64
"""Statements whose check is remembered."""

_REMARK = re.compile(r"--.*")
_WORD = re.compile(r"[a-z_]+")


def open_stores(
    roots: Sequence[Place], *, memory: str = "2GB", as_of: datetime | None = None
) -> Reader:
    """Opens run directories for reading.

    Args:
        roots: run directories `<storage>/<sweep>`, folders or URLs; missing or empty ones give
            empty answers.
        memory: limit of DuckDB's own buffers, such as `512MB`.
        as_of: shows the stores as they were then, in whichever time zone; None for now.

    Returns:
        A reader over one listing of each; leave it as a context manager.

    Raises:
        NewerSchemaError: a newer version wrote one of them.
        StorageError: a folder cannot be listed.
    """
    return Reader([Store(root) for root in roots], memory=memory, as_of=as_of)


class Reader:
    """One listing of some stores, and answers over it.

    Attributes:
        warnings: sentences about files that were passed over because they cannot be read.

    A file that vanished since the listing (a fold superseded it) leads to a new listing and the
    same answer; a damaged one is passed over and named in `warnings`.
    """

    def __init__(
        self, stores: Sequence[Store], *, memory: str, as_of: datetime | None = None
    ) -> None:
        """Lists the stores; see `open_stores`."""
        self.warnings: list[str] = []
        self._stores = stores
        self._memory = memory
        self._as_of = as_of
        self._unreadable: set[str] = set()
        self._passed: dict[str, Statement] = {}
        self._session = self._open()

    def sql(
        self,
        text: str,
        parameters: Mapping[str, object] | None = None,
        *,
        max_rows: int | None = None,
    ) -> pa.Table:
        """Answers one SELECT of a user over the views, see `VIEWS`.

        Args:
            text: the statement; `$name` stands for a parameter.
            parameters: its values by name.
            max_rows: rows that the answer may have; None for any number.

        Raises:
            LimitError: the answer has more rows, or needs more memory than DuckDB may use.
            QueryError: refused or failed, in one line.
        """
        statement = self._checked(text)
        trials = None if statement.trials is None else statement.trials.given(parameters)

        def answer(session: Session) -> pa.Table:
            session.need(statement.views, columns=statement.columns, trials=trials)
            session.lock()
            return session.answer(text, parameters, max_rows=max_rows)

        return self._answered(answer, views=statement.views)

    def trusted(
        self, text: str, parameters: Mapping[str, object] | None = None, *, computes: bool = False
    ) -> pa.Table:
        """Answers SQL of our own, as `Session.run`.

        Not for text that a user had a hand in: nothing is checked and nothing is locked.
        """
        views = set(VIEWS).intersection(_WORD.findall(_REMARK.sub("", text)))

        def answer(session: Session) -> pa.Table:
            session.need(views)
            return session.run(text, parameters, computes=computes)

        return self._answered(answer, views=views)

    def prepare(self, text: str | None) -> None:
        """Brings what a statement may read to this machine; None: what `schema` reads.

        Whoever may write no file any more asks for it before. Of the text only the words count.
        """
        words = VIEWS if text is None else _WORD.findall(text.lower())
        self._session.fetch(set(VIEWS).intersection(words))

    def schema(self) -> pa.Table:
        """Columns of all views: `view`, `column`, `type`, in order."""

        def answer(session: Session) -> pa.Table:
            session.need(VIEWS)
            return session.run(
                "SELECT table_name AS view, column_name AS column, data_type AS type "
                "FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal "
                "ORDER BY list_position($views, table_name), column_index",
                {"views": list(VIEWS)},
            )

        return self._answered(answer, views=VIEWS)

    def close(self) -> None:
        """Ends the connection; closing twice is fine."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _checked(self, text: str) -> Statement:
        """What the gate says to a text; it is asked once about each of the last few."""
        if text not in self._passed:
            check_size(text)
            statement = check(self._session.serialized(text), views=VIEWS)
            if len(self._passed) >= _REMEMBERED:
                self._passed.clear()
            self._passed[text] = statement
        return self._passed[text]

    def _open(self) -> Session:
        """A session over a fresh listing, without what cannot be read."""
        listings = [take(store, without=self._unreadable) for store in self._stores]
        for path, sentence in (problem for listing in listings for problem in listing.problems):
            self._unreadable.add(path)
            self.warnings.append(sentence)
        session = Session(listings, memory=self._memory, as_of=self._as_of)
        session.fetch(())
        if session.suspicious() and self._look_for_files(session):
            session.close()
            return self._open()
        return session

    def _answered(
        self, answer: Callable[[Session], pa.Table], *, views: Collection[str]
    ) -> pa.Table:
        """The answer, over a new listing where files explain why there was none."""
        for _ in range(_TRIES):
            self._session = self._session.ready(views)
            try:
                return answer(self._session)
            except duckdb.Error as error:
                retry = self._blames_files(error) and self._look_for_files(self._session)
                explained = explain(error, self._session.columns)
            if retry or self._session.building:  # Half-built views are no base for any answer.
                self._session.close()
                self._session = self._open()
            if not retry:
                raise explained
        raise QueryError("sql: the files change faster than they can be read. Try again.")

    def _blames_files(self, error: duckdb.Error) -> bool:
        """Whether a stored file, and not the statement, can be the reason."""
        file_errors = (
            duckdb.IOException
            | duckdb.InvalidInputException
            | duckdb.SerializationException
            # Once the lock holds, a file that is gone is taken for a folder and asked for leave.
            | duckdb.PermissionException
        )
        return self._session.building or isinstance(error, file_errors)

    def _told(self, sentence: str) -> str:
        """A sentence about a file, which it names as it is stored, not as its copy here."""
        for store in self._stores:
            sentence = sentence.replace(store.mirror, str(store.root))
        return sentence

    def _look_for_files(self, session: Session) -> bool:
        """Whether a file is gone or damaged, so that another listing helps.

        Raises:
            NewerSchemaError: a newer version wrote one of the files.
        """
        found = False
        for path, kind in session.paths().items():
            try:
                check_footer(Path(path), kind=kind)
            except FileNotFoundError:
                found = True
            except NewerSchemaError:
                raise
            except SchemaError as problem:
                self._unreadable.add(path)
                self.warnings.append(self._told(str(problem)))
                found = True
        return found
