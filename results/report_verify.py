"""Computes every number of a report again, as of the report's own time, and compares.

Runs no SQL but this version's own: a page whose SQL is another one differs, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from results.errors import ReportError
from results.place import Place
from results.query import Reader, open_stores
from results.report_figures import Document, answer, fit_queries, fits_of, query
from results.report_page import document_of, render
from results.store import Store

__all__ = ["Difference", "Verdict", "read_page", "verify"]

_EXACT: Final = 0.5e-9
"""Relative difference up to which two numbers agree to 9 significant digits."""

_NOTHING: Final = 1e-15
"""What sums that cancel leave over; two numbers this close to each other agree."""

_LINE: Final = 120
"""Characters of a page's line that a message quotes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the page says and the store does not.

    Attributes:
        figure: where: a figure's name, `fits` or `page`.
        place: which number, such as `row 3, score`.
        page: what the page says.
        store: what the store says.
    """

    figure: str
    place: str
    page: object
    store: object

    def __str__(self) -> str:
        return f"{self.figure}: {self.place}: the page says {self.page}, the store {self.store}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verifying a page found.

    Attributes:
        sweep: the sweep that the page tells of.
        as_of: the time that it tells of.
        figures: how many were computed again.
        numbers: how many numbers were compared.
        differences: none where the page holds.
        other_version: a sentence if another version than this one wrote the page; else None.
    """

    sweep: str
    as_of: datetime
    figures: int
    numbers: int
    differences: tuple[Difference, ...]
    other_version: str | None = None


def read_page(path: Path) -> tuple[str, Document, str]:
    """A page, the document in it, and its folder of figures.

    Raises:
        ReportError: it cannot be read, or is no report.
    """
    try:
        page = path.read_text(encoding="utf-8")
    except OSError as error:
        why = (error.strerror or "unreadable").lower()
        raise ReportError(f"{path}: the page of a report is needed, got none: {why}.") from None
    except UnicodeDecodeError:
        raise ReportError(f"{path}: the page of a report is needed, got other bytes.") from None
    document, folder = document_of(page, name=str(path))
    return page, document, folder


def verify(path: Path, *, root: Place) -> Verdict:
    """Compares a page with what its store says of the page's own time.

    Later attempts and trials are left out of the comparison, and it does not matter how the rows
    are filed by now. Compared are every value of every figure and of the fits, numbers to 9
    significant digits, the SQL, and the whole page with what its data would be shown as.

    Args:
        path: of the page.
        root: run directory of its sweep.

    Raises:
        ReportError: the file is no report of this version.
        StorageError: the store cannot be read.
    """
    page, document, folder = read_page(path)
    try:
        as_of = datetime.fromisoformat(document["as_of"])
        with open_stores([root], as_of=as_of) as reader:
            compared = _Comparison()
            compared.shown(page, document, folder)
            compared.figures(reader, document)
            compared.fits(reader, document)
            compared.sweep_file(root, document)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, StopIteration) as error:
        damaged = f"{path}: the data of a report are needed, got damaged ones ({error!r})."
        raise ReportError(_other_version(path, document) or damaged) from None
    return Verdict(
        sweep=document["sweep"],
        as_of=as_of,
        figures=len(document["figures"]),
        numbers=compared.numbers,
        differences=tuple(compared.differences),
        other_version=_other_version(path, document),
    )


def _other_version(path: Path, document: Document) -> str | None:
    """What to say of a page that other code than this wrote, whose SQL or words may be others."""
    packages = ("cliffsweep", "duckdb")
    theirs = " with ".join(f"{name} {_plainly(document.get(name))}" for name in packages)
    ours = " with ".join(f"{name} {metadata.version(name)}" for name in packages)
    if theirs == ours:
        return None
    return (
        f"{path}: is verified by the version that wrote it, {theirs}, got {ours}. "
        "Verify it with that one, or write it again."
    )


def _plainly(version: object) -> str:
    """A version as it may stand in a line, whatever the page has in its place."""
    return " ".join(str(version).split())[:40]


class _Comparison:
    """Goes through a document and keeps count."""

    def __init__(self) -> None:
        self.numbers = 0
        self.differences: list[Difference] = []

    def shown(self, page: str, document: Document, folder: str) -> None:
        """The page against what its data would be shown as."""
        again = render(document, figures=folder)
        if again == page:
            return
        theirs, ours = page.splitlines(), again.splitlines()
        pairs = enumerate(zip(theirs, ours, strict=False), start=1)
        line, said, meant = next(
            ((number, a, b) for number, (a, b) in pairs if a != b),
            (min(len(theirs), len(ours)) + 1, f"{len(theirs)} lines", f"{len(ours)} lines"),
        )
        at = next((i for i, (a, b) in enumerate(zip(said, meant, strict=False)) if a != b), 0)
        begin = max(0, at - _LINE // 2)
        self._differ(
            "page",
            f"line {line} shows other words than its data",
            repr(said[begin : begin + _LINE]),
            repr(meant[begin : begin + _LINE]),
        )

    def figures(self, reader: Reader, document: Document) -> None:
        """Every figure's SQL, columns and rows."""
        for figure in document["figures"]:
            name = figure["name"]
            if figure["sql"] != query(name):
                self._differ(name, "its SQL", "another text", "that of this version")
                continue
            found = answer(reader, name)
            if figure["columns"] != found["columns"]:
                self._differ(name, "columns", figure["columns"], found["columns"])
                continue
            if len(figure["rows"]) != len(found["rows"]):
                self._differ(name, "number of rows", len(figure["rows"]), len(found["rows"]))
            for place, (theirs, ours) in enumerate(
                zip(figure["rows"], found["rows"], strict=False), start=1
            ):
                for column, said, meant in zip(found["columns"], theirs, ours, strict=True):
                    self._compare(name, f"row {place}, {column}", said, meant)

    def fits(self, reader: Reader, document: Document) -> None:
        """The fits, and the SQL behind them."""
        if document["fit_queries"] != fit_queries():
            self._differ("fits", "their SQL", "another text", "that of this version")
        found, without = fits_of(reader, document)
        self._compare("fits", "reason for none", document["without_fits"], without)
        groups = [fit["group"] for fit in document["fits"]]
        self._compare("fits", "groups", groups, [fit["group"] for fit in found])
        if groups == [fit["group"] for fit in found]:
            for theirs, ours in zip(document["fits"], found, strict=True):
                self._compare("fits", ours["group"], theirs, ours)

    def sweep_file(self, root: Place, document: Document) -> None:
        """The sweep file against the one in the run directory."""
        kept = document["sweep_file"]
        if kept is None:
            return
        store = Store(root)
        inside = kept["name"].startswith("sweep/") and ".." not in kept["name"]
        text = (
            store.read(kept["name"]).decode(errors="replace")
            if inside and store.exists(kept["name"])
            else None
        )
        if text != kept["text"]:
            self._differ("provenance", f"sweep file {kept['name']}", "another text", "its own")

    def _compare(self, figure: str, place: str, said: object, meant: object) -> None:
        for where, theirs, ours in _leaves(place, said, meant):
            if isinstance(ours, int | float) and not isinstance(ours, bool):
                self.numbers += 1
            if not _agree(theirs, ours):
                self._differ(figure, where, theirs, ours)

    def _differ(self, figure: str, place: str, said: object, meant: object) -> None:
        self.differences.append(Difference(figure, place, said, meant))


def _leaves(place: str, said: Any, meant: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401
    """Pairs of single values with where they stand; what is built otherwise is one pair."""
    if isinstance(said, dict) and isinstance(meant, dict) and said.keys() == meant.keys():
        for key in meant:
            yield from _leaves(f"{place}, {key}", said[key], meant[key])
    elif _list(said) and _list(meant) and len(said) == len(meant):
        for number, (theirs, ours) in enumerate(zip(said, meant, strict=True), start=1):
            yield from _leaves(f"{place} {number}", theirs, ours)
    else:
        yield place, said, meant


def _list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _agree(said: object, meant: object) -> bool:
    """Equal, or two numbers equal to 9 significant digits."""
    if isinstance(said, bool) or isinstance(meant, bool):
        return said is meant
    if isinstance(said, int | float) and isinstance(meant, int | float):
        return math.isclose(said, meant, rel_tol=_EXACT, abs_tol=_NOTHING)
    return type(said) is type(meant) and said == meant
