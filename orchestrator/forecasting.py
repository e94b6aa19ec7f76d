"""Forecasts how long a sweep will take, from what cells like its own cost.

Knows nothing of where those costs come from, and runs nothing.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orchestrator.likeness import NOISE, Likeness
from orchestrator.resources import Resources
from orchestrator.seen import MOST, Cost, Seen, length_of
from workloads.config import Length

__all__ = ["Asked", "Forecast", "Room", "forecast"]

Floats = NDArray[np.float64]

COMMON: Final = 0.06
"""Standard deviation of the log speed of a whole run against the cells seen: another day."""
NORMAL_90: Final = 1.645
"""Standard deviations on either side that hold 90 % of a normal distribution."""
MOST_TOGETHER: Final = 1500
"""Cells whose errors are followed through together; of more, as many evenly spaced ones."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A cell that is to run: its id, its workload and what it asks of a machine."""

    trial_id: str
    config: Mapping[str, Any]
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What runs at a time.

    Attributes:
        cpus: cores.
        gpus: devices.
        most: trials, whatever they ask; None: as many as fit.
    """

    cpus: float
    gpus: float = 0.0
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a sweep will take. `low` and `high` bound 90 %.

    Attributes:
        cells: how many are left.
        wall_s: from the start of `run` to its end.
        low_s: it takes less in one case of twenty.
        high_s: it takes more in one case of twenty.
        cpu_hours: cores times hours, of the trials.
        gpu_hours: devices times hours, of the trials.
        memory: bytes that the workers hold together at most; None: no probe measured it.
        at_a_time: trials that run at the same time at most.
        known: cells that it rests on.
        probed: whether those ran for it alone.
        seconds: trial -> how long it takes.
    """

    cells: int
    wall_s: float
    low_s: float
    high_s: float
    cpu_hours: float
    gpu_hours: float
    memory: int | None
    at_a_time: int
    known: int
    probed: bool
    seconds: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def forecast(
    asked: Sequence[Asked],
    seen: Seen,
    *,
    room: Room,
    of: int | None = None,
    memory: int | None = None,
    probed: bool = False,
) -> Forecast | None:
    """Forecasts the cells that are left.

    Args:
        asked: in running order.
        seen: what cells cost.
        room: what runs at a time.
        of: how many cells they stand for; None: themselves.
        memory: bytes that one worker holds at most.
        probed: whether the costs are those of a probe.

    Returns:
        None where nothing is known that tells.
    """
    lengths = [length_of(cell.config) for cell in asked] if seen.costs else []
    costs = [cost for cost in seen.costs if (cost.length is None) == (None in lengths)]
    costs = costs[-MOST:]
    if not asked or not costs:
        return None
    work, variance = _work(asked, lengths, costs)
    seconds = work + seen.warm_s
    spread = math.sqrt(variance / seconds.sum() ** 2 + COMMON**2 + NOISE**2 / len(asked))
    resources = [cell.resources for cell in asked]
    wall, at_a_time = _wall(seconds, resources, room, cold_s=seen.cold_s)
    times = (of or len(asked)) / len(asked)
    wall = wall * times + (seen.begun_s or 0.0)
    return Forecast(
        cells=of or len(asked),
        wall_s=wall,
        low_s=wall * math.exp(-NORMAL_90 * spread),
        high_s=wall * math.exp(NORMAL_90 * spread),
        cpu_hours=times * float(seconds @ [r.cpu for r in resources]) / 3600,
        gpu_hours=times * float(seconds @ [r.gpu for r in resources]) / 3600,
        memory=None if memory is None else memory * at_a_time,
        at_a_time=at_a_time,
        known=len(costs),
        probed=probed,
        seconds=dict(zip([c.trial_id for c in asked], map(float, seconds), strict=True)),
    )


def _work(
    asked: Sequence[Asked], lengths: Sequence[Length | None], costs: Sequence[Cost]
) -> tuple[Floats, float]:
    """Seconds that each asked cell trains and evaluates, and the variance of their sum."""
    steps = np.array([1.0 if length is None else length.steps for length in lengths])
    looks = np.array([0.0 if length is None else length.evaluations for length in lengths])
    configs = [*(cost.config for cost in costs), *(cell.config for cell in asked)]
    likeness = Likeness(configs, lengths_known=None not in lengths)
    training, wide = _part(likeness, costs, list(map(_per_step, costs)), steps)
    evaluating, narrow = _part(likeness, costs, list(map(_per_look, costs)), looks)
    return training + evaluating, wide + narrow


def _per_step(cost: Cost) -> float:
    return cost.training_s / (1 if cost.length is None else cost.length.steps)


def _per_look(cost: Cost) -> float:
    looks = 0 if cost.length is None else cost.length.evaluations
    return cost.evaluating_s / looks if looks else 0.0


def _part(
    likeness: Likeness, costs: Sequence[Cost], each: Sequence[float], amounts: Floats
) -> tuple[Floats, float]:
    """Seconds of each asked cell for one kind of work, and the variance of their sum."""
    known = [i for i, value in enumerate(each) if value > 0]
    asked = list(range(len(costs), likeness.count))
    if not known or not amounts.any():
        return np.zeros(len(asked)), 0.0
    logs = np.log([each[i] for i in known])
    seconds = np.empty(len(asked))
    for start in range(0, len(asked), MOST_TOGETHER):
        some = asked[start : start + MOST_TOGETHER]
        mean, _ = likeness.posterior(known, logs, some)
        seconds[start : start + len(some)] = np.exp(mean) * amounts[start : start + len(some)]
    chosen = np.unique(np.linspace(0, len(asked) - 1, min(len(asked), MOST_TOGETHER)).astype(int))
    _, spread = likeness.posterior(known, logs, [asked[i] for i in chosen])
    weights = seconds[chosen] * (seconds.sum() / max(seconds[chosen].sum(), 1e-12))
    return seconds, float(weights @ spread @ weights)


def _wall(
    seconds: Floats, resources: Sequence[Resources], room: Room, *, cold_s: float
) -> tuple[float, int]:
    """Lets the cells run in order as soon as there is room; returns the last end, and how many
    ran at a time at most. A worker's first cell takes `cold_s` longer."""
    running: list[tuple[float, int]] = []
    now, cpus, gpus, most = 0.0, room.cpus, room.gpus, 0
    for number, asked in enumerate(resources):
        fits = asked.cpu <= room.cpus and asked.gpu <= room.gpus
        while running and (
            (fits and (asked.cpu > cpus + 1e-9 or asked.gpu > gpus + 1e-9))
            or len(running) >= (room.most or math.inf)
            or not fits  # It runs elsewhere; here nothing says how many such fit.
        ):
            now, ended = heapq.heappop(running)
            cpus, gpus = cpus + resources[ended].cpu, gpus + resources[ended].gpu
        cold = cold_s if len(running) >= most else 0.0
        heapq.heappush(running, (now + float(seconds[number]) + cold, number))
        cpus, gpus = cpus - asked.cpu, gpus - asked.gpu
        most = max(most, len(running))
    return max(end for end, _ in running), most
