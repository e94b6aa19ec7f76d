"""Turns a sweep file into its cells: which workloads it asks for, under which ids, in which order.

Must never know what of it is done already, nor how anything runs.
"""

from __future__ import annotations

from orchestrator.errors import SpecError
from orchestrator.expander import BASELINES, Cell, Expander, trial_id
from orchestrator.order import in_order
from orchestrator.search import Method
from orchestrator.seeking import Sought
from orchestrator.spec_load import LoadedSweep
from workloads.shared import shared_parts

__all__ = ["BASELINES", "Cell", "expand", "sought", "trial_id"]


def expand(loaded: LoadedSweep) -> list[Cell]:
    """Returns all cells in the order in which they should run; equal cells are the first of them.

    Of a search these are the cells that it asks for whatever comes of them, with their baselines:
    all of some methods, none of others.

    Raises:
        SpecError: everything wrong with the file, the grids and the cells, each with its line.
    """
    expander = Expander(loaded)
    method = expander.method()
    with shared_parts():
        if isinstance(method, Method):
            return Sought(loaded, expander, method).foreseen()
        cells: dict[str, Cell] = {}
        for draft in expander.drafts():
            if draft.cell.trial_id not in cells:
                cells[draft.cell.trial_id] = expander.with_baseline(draft)
    if not cells and not expander.problems:
        expander.blame(("grids",), "at least one cell is left, got none. Loosen exclude.")
    if not expander.problems:
        expander.find_baselines(cells)
    if expander.problems:
        raise SpecError(list(expander.problems))
    return in_order(list(cells.values()), order=loaded.sweep.order)


def sought(loaded: LoadedSweep) -> Sought | None:
    """What a search asks for, of a sweep file without problems; None where nothing is searched."""
    expander = Expander(loaded)
    method = expander.method()
    return Sought(loaded, expander, method) if isinstance(method, Method) else None
