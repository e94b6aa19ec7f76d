"""The verb report as functions: write the page of a sweep, and verify one.

Knows nothing of what stands on the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.code import newest_record
from orchestrator.errors import InputError
from orchestrator.reading import find_sweep, sweep_delta
from results.place import Place
from results.store import Store

if TYPE_CHECKING:
    from results.report import Verdict, Written

__all__ = ["report", "verify_report"]

_DELTA = 0.01
"""What a sweep file says of `delta` when it says nothing."""


def report(
    name: str,
    *,
    storage: str | None = None,
    output: Path | None = None,
    partial: bool = False,
) -> Written:
    """Writes the report of a sweep, while it runs or after.

    Args:
        name: of the sweep.
        storage: where run directories stand.
        output: the page; None for `report/index.html` in the run directory.
        partial: whether to fit although cells are missing.

    Raises:
        InputError: there is no such sweep, or the page cannot stand there.
        StorageError: a file cannot be read or written.
    """
    from results.report import write

    if output is not None and output.is_dir():
        raise InputError(f"--output: a file is needed, got the folder {str(output)!r}.")
    root = find_sweep(name, storage=storage)
    kept = newest_record(Store(root))
    if kept is None:  # Never started through us, as an imported store: its rows are there.
        return write(root, delta=_DELTA, output=output, partial=partial)
    return write(
        root,
        delta=sweep_delta(name, storage=storage),
        output=output,
        partial=partial,
        sweep_file={"name": kept.name, "text": kept.data.decode(errors="replace")},
    )


def verify_report(
    path: Path, *, name: str | None = None, storage: str | None = None
) -> tuple[Verdict, Place]:
    """Computes each number of a page again; returns what differs, and the run directory.

    Args:
        path: the page.
        name: of the sweep; None for the run directory that the page lies in, else the sweep that
            the page names.
        storage: where run directories stand.

    Raises:
        InputError: there is no such sweep.
        ReportError: the file is no report of this version.
        StorageError: the store cannot be read.
    """
    from results.report import verify
    from results.report_verify import read_page

    _, document, _ = read_page(path)
    around = path.resolve().parent.parent
    if name is None and storage is None and (around / "trials").is_dir():
        root: Place = around
    else:
        root = find_sweep(name or str(document["sweep"]), storage=storage)
    return verify(path, root=root), root
