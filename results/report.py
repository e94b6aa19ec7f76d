"""Writes the report of a sweep: one page that needs nothing else, its pictures and its tables.

Must never change what a store says: it writes into the report's folder alone.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results.errors import StorageError
from results.place import Place, Url
from results.query import open_stores
from results.report_figures import Document, collect
from results.report_findings import standing
from results.report_fit_png import draw, scatter
from results.report_page import render
from results.report_png import to_png
from results.report_scene import side_by_side
from results.report_sections import sections
from results.report_verify import Difference, Verdict, verify
from results.report_words import headline
from results.store import Store

__all__ = ["Difference", "Verdict", "Written", "draw", "scatter", "verify", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A report that was written.

    Attributes:
        page: the HTML file.
        size: of the page, in bytes.
        figures: pictures and tables beside it.
        headline: what the sweep says about a cliff, in a few words.
        finding: what stands behind that.
        notes: what a reader must know before: still running, partial, unreadable files.
        document: all of it, as the page holds it.
    """

    page: Place
    size: int
    figures: tuple[Place, ...]
    headline: str
    finding: str
    notes: tuple[str, ...]
    document: Document


def write(
    root: Place,
    *,
    delta: float = 0.01,
    as_of: datetime | None = None,
    output: Path | None = None,
    partial: bool = False,
    sweep_file: Mapping[str, str] | None = None,
    pictures: bool = True,
) -> Written:
    """Writes the page, and beside it a CSV of every figure and a PNG of every drawn one.

    Args:
        root: run directory `<storage>/<sweep>`.
        delta: loss of score that still counts as none.
        as_of: shows the store as it was then, with a time zone; None for now.
        output: the page; None for `<root>/report/index.html`, its figures in `figures/` there.
            The figures of another page lie in a folder named after it.
        partial: whether to fit although cells are missing; else such a page goes without fits.
        sweep_file: `name` in the run directory and `text` of the sweep file, if there is one.
        pictures: whether to draw the PNG files.

    Raises:
        NewerSchemaError: a newer version wrote the store.
        StorageError: a file cannot be read or written.
    """
    when = datetime.now(UTC) if as_of is None else as_of.astimezone(UTC)
    asked: dict[str, Any] = {"delta": delta, "partial": partial, "sweep_file": sweep_file}
    with open_stores([root], as_of=when) as reader:
        document = collect(reader, sweep=root.name, as_of=when, **asked)
    page = root / "report" / "index.html" if output is None else output
    return _put_down(document, page, _tables(document) | (_pictures(document) if pictures else {}))


def _put_down(document: Document, page: Place, files: Mapping[str, bytes]) -> Written:
    """Writes the files beside the page, and then the page."""
    folder = "figures" if page.name == "index.html" else f"{Path(page.name).stem}-figures"
    for name, data in files.items():
        _put(page.parent / folder / name, data)
    data = render(document, figures=folder).encode()
    _put(page, data)  # Last, so that what it links to is there.
    title, finding = headline(document)
    return Written(
        page=page,
        size=len(data),
        figures=tuple(page.parent / folder / name for name in files),
        headline=title,
        finding=finding,
        notes=tuple(standing(document)),
        document=document,
    )


def _put(path: Place, data: bytes) -> None:
    """Writes a file so that whoever looks sees the old one or the new one."""
    if isinstance(path, Url):
        Store(path.parent).put(path.name, data)
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StorageError.from_os("write", path, error) from None


def _tables(document: Document) -> dict[str, bytes]:
    """A CSV file a figure: all digits, missing values empty."""
    return {f"{figure['name']}.csv": _csv(figure) for figure in document["figures"]}


def _csv(figure: Mapping[str, Any]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(figure["columns"])
    writer.writerows(figure["rows"])
    return buffer.getvalue().encode()


def _pictures(document: Document) -> dict[str, bytes]:
    """A PNG file a drawn figure, its panels side by side."""
    return {
        f"{section.name}.png": to_png(
            side_by_side(section.panels, columns=3 if len(section.panels) == 3 else 2)
        )
        for section in sections(document)
        if section.panels
    }
