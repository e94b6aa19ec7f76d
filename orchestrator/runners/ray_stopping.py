"""Ray Tune's schedulers as judges: they hear of trials by their ids and say which should stop.

Must never start Ray: the schedulers are only asked, by whichever runner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.imports import heavy_imports

__all__ = ["asha", "median"]

_LONGEST: Final = 1e12
"""A time that no trial reaches; rungs stand up to it."""


@dataclass(frozen=True, slots=True)
class _Named:
    """All that the schedulers look at of a trial."""

    trial_id: str


class _Judge:
    """A scheduler of Ray Tune's, asked without a controller."""

    def __init__(self, scheduler: Any) -> None:  # noqa: ANN401
        self._scheduler = scheduler
        self._known: dict[str, _Named] = {}

    def stops(self, trial_id: str, time: float, value: float) -> bool:
        """Hears of a trial, and says whether it should stop now."""
        from ray.tune.schedulers import TrialScheduler

        if trial_id not in self._known:
            self._known[trial_id] = _Named(trial_id)
            self._scheduler.on_trial_add(None, self._known[trial_id])
        told = {"time": time, "value": value}
        found = self._scheduler.on_trial_result(None, self._known[trial_id], told)
        return bool(found == TrialScheduler.STOP)


def asha(*, first: float, factor: float, maximize: bool) -> _Judge:
    """Asynchronous successive halving.

    Args:
        first: time of the lowest rung.
        factor: between two rungs, and of the trials at a rung one in so many goes on.
        maximize: whether more is better.
    """
    with heavy_imports("ray.tune"):
        from ray.tune.schedulers import ASHAScheduler

    times: dict[str, Any] = {"max_t": _LONGEST, "grace_period": first}  # Fractions are fine.
    return _Judge(
        ASHAScheduler(
            time_attr="time",
            metric="value",
            mode="max" if maximize else "min",
            reduction_factor=factor,
            # Else it would stop, as if by its own will, what has come to its end.
            stop_last_trials=False,
            **times,
        )
    )


def median(*, first: float, samples: int, maximize: bool) -> _Judge:
    """The median rule.

    Args:
        first: nothing stops before this time.
        samples: others that have come as far, at least.
        maximize: whether more is better.
    """
    with heavy_imports("ray.tune"):
        from ray.tune.schedulers import MedianStoppingRule

    # Nobody pauses where there are too few to compare with.
    times: dict[str, Any] = {"grace_period": first, "min_time_slice": math.inf}
    return _Judge(
        MedianStoppingRule(
            time_attr="time",
            metric="value",
            mode="max" if maximize else "min",
            min_samples_required=samples,
            **times,
        )
    )
