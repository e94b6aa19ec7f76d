"""Finds the runner that the user named and gives it what it needs.

Knows nothing of how any of them works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.errors import InputError
from orchestrator.options import Options
from orchestrator.runners import Runner
from orchestrator.spec import Resources, Sweep

__all__ = ["RUNNERS", "runner_maker"]

RUNNERS = ("ray_tune", "inline")
"""The runners that exist, the default first."""


def runner_maker(
    name: str, *, sweep: Sweep, address: str | None, options: Options
) -> Callable[[Sequence[Resources]], Runner]:
    """Returns what makes the runner once the demands are known.

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
        )

    return make
