"""Simulates what grid, search, known design and bisection see of a truth: a record each."""

from __future__ import annotations

import numpy as np

from results.query import open_stores
from tests.orchestrator.breaks import (
    CHANCE,
    LEVELS,
    judged,
    measured,
    noises,
    search,
    truths,
    uniform,
    width,
    zip_levels,
)

GRID = 40
HALF = GRID // 2
MOST = GRID
"""Trials of a search; when it would have ended by itself is told from its looks."""

FEWEST = 8
"""Cells that a break needs."""

DESIGNS = range(10, HALF + 1, 2)
DELTA = 0.01


def known(truth, count):
    """(count,) the levels that tell most of a break that is known, by exchange of single levels.

    Minimises the asymptotic variance of the break beside level, slope, fall and power.
    """
    levels = np.asarray(LEVELS)
    levels = levels[truth.mean(levels) > CHANCE + 0.1 * (1 - CHANCE) + 1e-3]
    reach = np.maximum(levels - truth.tau, 0)
    behind = reach > 0
    bent = reach**truth.shape
    slope = truth.change * truth.shape * np.where(behind, reach, 1.0) ** (truth.shape - 1)
    columns = [np.ones_like(levels), levels, bent, np.where(behind, -slope, 0)]
    columns.append(truth.change * bent * np.log(np.where(behind, reach, 1.0)))
    rows = np.stack(columns, axis=1) / truth.sigma
    chosen: list[int] = []
    for place in [*range(count), *list(range(count)) * 3]:
        rest = chosen[:place] + chosen[place + 1 :]
        inverse = np.linalg.inv(1e-6 * np.eye(5) + rows[rest].T @ rows[rest])
        gain = (rows @ inverse[:, 3]) ** 2 / (1 + np.einsum("ci,ij,cj->c", rows, inverse, rows))
        gain[rest] = -1
        chosen[place : place + 1] = [int(gain.argmax())]
    return levels[chosen]


def designed(reader, found_truths, random, *, count, draws):
    """The curve of each truth from the design that knows its break."""
    asked = zip_levels(found_truths, lambda truth: known(truth, count), random)
    sweeps = [measured(*one) for one in asked]
    return [curve for curve, _ in judged(reader, sweeps, draws=draws)]


def bisected(truth, random, *, count):
    """The bracket that is left after so many trials; it ends where levels do."""
    dense = float(measured(truth, [0.0], random)[1][0])
    low, high = 0, len(LEVELS) - 1
    for _ in range(count - 1):
        if high - low < 2:
            break
        middle = (low + high) // 2
        score = float(measured(truth, [LEVELS[middle]], random)[1][0])
        low, high = (middle, high) if score >= dense - DELTA else (low, middle)
    return LEVELS[low], LEVELS[high]


def simulated(numbers, *, seed, batch, shape, draws):
    """One record a truth, as plain values; truth and noise of a number are always the same."""
    found = truths(max(numbers) + 1, seed=seed, shape=shape)[min(numbers) :]

    def noise(stream):
        return noises(numbers, seed=seed + stream)

    with open_stores([]) as reader:
        grid = uniform(reader, found, noise(1), count=GRID, draws=draws)
        looks = search(
            reader,
            found,
            noise(2),
            batch=batch,
            most=MOST,
            checks=range(FEWEST, MOST + 1, 2),
            draws=draws,
        )
        designs = {
            count: designed(reader, found, noise(3), count=count, draws=draws) for count in DESIGNS
        }
    brackets = [
        bisected(truth, random, count=HALF) for truth, random in zip(found, noise(4), strict=True)
    ]
    for place, truth in enumerate(found):
        yield {
            "number": numbers[place],
            "tau": truth.tau,
            "grid": _plain(grid[place]),
            "search": {done: (*_plain(own), usual) for done, (own, usual) in looks[place].items()},
            "designs": {count: width(curves[place]) for count, curves in designs.items()},
            "bisection": brackets[place],
        }


def _plain(curve):
    """(break, interval), both None where none is claimed."""
    return curve.break_, curve.interval
