"""Turns a sweep file into its cells: which workloads it asks for, under which ids, in which order.

Must never know what of it is done already, nor how anything runs.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.errors import SpecError
from orchestrator.expander import BASELINES, Cell, Expander, trial_id
from orchestrator.order import in_order
from orchestrator.search import Method
from orchestrator.search._replicating import Config as AdaptiveReplicates
from orchestrator.search._replicating import points_of
from orchestrator.seeking import Sought
from orchestrator.spec_load import LoadedSweep
from workloads.kinds import Kind
from workloads.shared import shared_parts

__all__ = ["BASELINES", "Cell", "expand", "sought", "trial_id"]


def _ignore(sentence: str) -> None:
    """Tells nobody."""


def expand(loaded: LoadedSweep, *, warn: Callable[[str], None] = _ignore) -> list[Cell]:
    """Returns all cells in the order in which they should run; equal cells are the first of them.

    Of a search these are the cells that it asks for whatever comes of them, with their baselines:
    all of some methods, none of others.

    Args:
        loaded: the sweep.
        warn: hears of points that a search drew and that are no valid workload.

    Raises:
        SpecError: everything wrong with the file, the grids and the cells, each with its line.
    """
    expander = Expander(loaded)
    method = _method(loaded, expander)
    with shared_parts():
        if isinstance(method, Method):
            found = Sought(loaded, expander, method)
            foreseen = found.foreseen()
            for sentence in found.passed_over():
                warn(sentence)
            return foreseen
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
    method = _method(loaded, expander)
    return Sought(loaded, expander, method) if isinstance(method, Method) else None


def _method(loaded: LoadedSweep, expander: Expander) -> Kind | None:
    """The method of the file; of a grid with adaptive replicates the one that asks for them."""
    method = expander.method()
    replicates = loaded.sweep.replicates
    adaptive = None if replicates is None else replicates.adaptive
    if adaptive is None or method is None:
        return method
    if loaded.sweep.method != "grid":
        message = f"adaptive replicates belong to the method grid, got {loaded.sweep.method!r}."
        expander.blame(("replicates", "adaptive"), f"{message} Leave them out.", at_key=True)
        return method
    asked = AdaptiveReplicates(most=adaptive.max, until=adaptive.until)
    try:
        space = Sought(loaded, Expander(loaded), asked).space
        points = sum(1 for region in space.regions for _ in points_of(region))
    except ValueError as error:
        expander.blame(("replicates", "adaptive"), str(error), at_key=True)
        return method
    most = min(max(points * adaptive.max, 1), 100_000)
    return AdaptiveReplicates(most=adaptive.max, until=adaptive.until, trials=most)
