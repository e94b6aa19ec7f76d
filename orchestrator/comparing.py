"""The verbs that set sweeps side by side and hand them out: compare, export.

Must never write into a run directory, and imports what is slow only inside the verb.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestrator.errors import InputError
from orchestrator.paths import storage_root
from orchestrator.reading import find_sweep
from results.place import Place

if TYPE_CHECKING:
    from results.compare import Comparison, Side
    from results.export import Exported, Format

__all__ = ["Compared", "compare", "export", "find_run"]

_MEMORY: Final = "512MB"
"""Limit of DuckDB while a history is sorted part by part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two sweeps and what their comparison found.

    Attributes:
        roots: their run directories.
        cells: how many cells each asks for.
        ended: how many of them are completed or stopped.
        found: the comparison.
        warnings: sentences about files that could not be read.
    """

    roots: tuple[Place, Place]
    cells: tuple[int, int]
    ended: tuple[int, int]
    found: Comparison
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """All of it, as a JSON document."""
        sides = [
            {"sweep": root.name, "root": str(root), "cells": cells, "ended": ended}
            for root, cells, ended in zip(self.roots, self.cells, self.ended, strict=True)
        ]
        return {"a": sides[0], "b": sides[1], **self.found.document()}


def find_run(name: str, *, storage: str | None = None) -> Place:
    """The run directory of a sweep, given by its name or by the folder itself.

    Args:
        name: a sweep's name in the storage, or a path with a slash, such as `other/runs/smoke` or
            `s3://lab/sweeps/smoke`.
        storage: where run directories stand; of no concern to a path.

    Raises:
        InputError: there is none; the message names those that exist there.
    """
    if "/" not in name:
        return find_sweep(name, storage=storage)
    path = storage_root(name)
    return find_sweep(path.name, storage=str(path.parent))


def compare(a: str, b: str, *, storage: str | None = None, metrics: Sequence[str] = ()) -> Compared:
    """Sets two sweeps side by side; reads only.

    Args:
        a: name or folder of the first.
        b: name or folder of the second.
        storage: where run directories stand.
        metrics: which to compare, `score` among them; none means all.

    Raises:
        InputError: a sweep or a metric is missing, or both are the same.
    """
    from results.compare import compare as compare_sides
    from results.compare import load
    from results.query import open_stores

    roots = find_run(a, storage=storage), find_run(b, storage=storage)
    if roots[0].resolve() == roots[1].resolve():
        raise InputError(
            f"{b}: two different sweeps are needed, got {roots[0]} twice."
            " A sweep in another storage is given by its folder, such as 'other/runs/NAME'."
        )
    sides: list[Side] = []
    warnings: list[str] = []
    for root in roots:
        with open_stores([root]) as reader:
            sides.append(load(reader))
        warnings += reader.warnings
    for metric in metrics:
        _check_metric(metric, sides)
    return Compared(
        roots=roots,
        cells=(len(sides[0].cells), len(sides[1].cells)),
        ended=(sides[0].ended, sides[1].ended),
        found=compare_sides(sides[0], sides[1], metrics=metrics),
        warnings=tuple(warnings),
    )


def _check_metric(metric: str, sides: Sequence[Side]) -> None:
    known = sorted({name for side in sides for name in side.values})
    if metric not in known:
        close = get_close_matches(metric, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known)}."
        raise InputError(
            f"--metric: score or a whole-model metric of these sweeps is needed, got {metric!r}."
            f"{hint}"
        )


def export(
    name: str, folder: Path, *, output_format: Format = "parquet", storage: str | None = None
) -> Exported:
    """Writes a sweep's tables into a folder; the sweep itself stays as it is.

    Args:
        name: of the sweep, or its folder.
        folder: missing or empty.
        output_format: `parquet`, `csv` or `json`.
        storage: where run directories stand.

    Raises:
        InputError: there is no such sweep, or the folder lies inside its run directory.
        StorageError: the folder is not empty, is a file, or cannot be written.
    """
    from results.export import export as export_store
    from results.query import open_stores

    root = find_run(name, storage=storage)
    target = folder.expanduser()
    if isinstance(root, Path) and target.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"{folder}: a folder outside the sweep's own is needed, got one in {root}."
            " Choose another with -o."
        )
    with open_stores([root], memory=_MEMORY) as reader:
        return export_store(reader, target, sweep=root.name, output_format=output_format)
