"""Finds the runner that the user named and gives it what it needs, early where that helps.

Knows nothing of how any of them works.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from orchestrator.errors import InputError
from orchestrator.options import Options
from orchestrator.runners import Runner
from orchestrator.runners.scratch import remove_left
from orchestrator.spec import Resources, Sweep
from results.place import Place

if TYPE_CHECKING:
    from orchestrator.runners.ray_ahead import Ahead

__all__ = ["RUNNERS", "coming_up", "runner_maker"]

RUNNERS = ("ray_tune", "inline")
"""The runners that exist, the default first."""


@contextlib.contextmanager
def coming_up(name: str, *, address: str | None, fresh: bool) -> Iterator[Ahead | None]:
    """Begins with what a runner will wait for, and ends what it did not take.

    What a killed driver left in the folder for temporary files goes.

    Args:
        name: of the runner.
        address: of a running cluster, which is joined when it is needed.
        fresh: nothing of the sweep was ever run, so that all of it is left. Of another nothing
            may be left, and then a cluster would have come up for nothing.

    Yields:
        The cluster that is on its way; None where nothing takes time.
    """
    remove_left()  # Of a killed driver, also where nothing is left to run.
    if name != "ray_tune" or address is not None or not fresh:
        yield None
        return
    from orchestrator.runners.ray_ahead import Ahead

    ahead = Ahead()
    try:
        yield ahead
    finally:
        ahead.close()


def runner_maker(
    name: str,
    *,
    sweep: Sweep,
    address: str | None,
    options: Options,
    ahead: Ahead | None = None,
    root: Place | None = None,
) -> Callable[[Sequence[Resources]], Runner]:
    """Returns what makes the runner once the demands are known.

    Args:
        name: of the runner.
        sweep: the sweep file's values.
        address: of a running cluster; None starts one here.
        options: what the command line adds.
        ahead: the cluster, where it is on its way already.
        root: the run directory, which every node must see.

    Raises:
        InputError: there is no such runner.
    """
    if name not in RUNNERS:
        raise InputError(f"runner: one of {', '.join(RUNNERS)} is needed, got {name!r}.")

    def make(demands: Sequence[Resources]) -> Runner:
        if name == "inline":
            from orchestrator.runners.inline import Runner as Inline

            return Inline(on_error=options.on_error)
        from orchestrator.runners.ray_tune import Runner as RayTune

        limit = sweep.max_concurrent_trials
        return RayTune(
            address=address,
            max_concurrent=limit if isinstance(limit, int) else None,
            resources=tuple(demands),
            node_wait_s=sweep.node_wait,
            ahead=ahead,
            root=None if root is None else str(root),
        )

    return make
