"""How many trials the search for the break needs, on simulated curves whose break is known.

    python tests/benchmarks/search_cliff.py [--quick] [--truths N] [--batch N] [--shape P]
                                            [--draws N] [--json FILE]

Each truth (break in 0.3–0.95, fall, slope and noise at random) is swept by a uniform grid of 40
levels, by the search, by a design that knows break, fall and noise (the exact c-optimal one for the
break with its shape unknown: a bound for designs that do not look at scores), and by bisection on
whether the score is within 0.01 of the dense one. All but bisection, whose bracket is its interval,
are judged by the tool's own rules, fit and interval. Medians are over the truths whose break the
grid claims. Bars: the search needs at most 1/2 of the grid's trials in the median for the grid's
width, and its coverage and median error are no worse. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from results.query import open_stores
from tests.orchestrator.breaks import (
    CHANCE,
    LEVELS,
    judged,
    measured,
    needed,
    noises,
    search,
    truths,
    uniform,
    width,
    zip_levels,
)

GRID = 40
MOST = 24
"""Trials after which a search that has not reached the grid's width counts as one of 40."""

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


def designed(reader, found_truths, *, counts, draws, seed):
    """Trials -> curves of the design that knows the break."""
    curves = {}
    for count in counts:
        random = noises(len(found_truths), seed=seed)
        asked = zip_levels(found_truths, lambda truth: known(truth, count), random)  # noqa: B023
        sweeps = [measured(*one) for one in asked]
        curves[count] = [curve for curve, _ in judged(reader, sweeps, draws=draws)]
    return curves


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


def figures(name, trials, curves, grid, found_truths):
    """The figures of one method after so many trials, over the truths that the grid finds."""
    rows = [
        (width(curve), width(reference), curve, truth)
        for curve, reference, truth in zip(curves, grid, found_truths, strict=True)
        if reference.break_ is not None
    ]
    claimed = [(curve, truth) for *_, curve, truth in rows if curve.break_ is not None]
    errors = [abs(curve.break_ - truth.tau) for curve, truth in claimed]
    inside = [c.interval[0] - 1e-9 <= t.tau <= c.interval[1] + 1e-9 for c, t in claimed]
    return {
        "name": name,
        "trials": trials,
        "claimed": len(claimed) / max(len(rows), 1),
        "width": float(np.median([own for own, *_ in rows])),
        "ratio": float(np.median([own / other for own, other, *_ in rows])),
        "error": float(np.median(errors)),
        "error_p90": float(np.quantile(errors, 0.9)),
        "coverage": float(np.mean(inside)),
    }


def stopped(curves, counts, last):
    """The curve of each truth at the trials at which it stopped, and that of `last` otherwise."""
    return [
        curves[int(count)][place] if int(count) in curves else curves[last][place]
        for place, count in enumerate(counts)
    ]


def line(told):
    """One line of output."""
    text = f"{told['name']:28} {told['trials']:>4g} trials"
    if "width" not in told:
        return text
    return (
        f"{text}  width {told['width']:.4f} ({told['ratio']:.2f} of the grid's)"
        f"  error {told['error']:.4f}, 9 of 10 within {told['error_p90']:.4f}"
        f"  coverage {told['coverage']:.1%}  claimed {told['claimed']:.1%}"
    )


def of_bisection(found_truths, *, count, seed):
    """Bisection's figures: its bracket, and the middle of it."""
    random = noises(len(found_truths), seed=seed)
    brackets = [
        bisected(truth, noise, count=count)
        for truth, noise in zip(found_truths, random, strict=True)
    ]
    errors = [abs((a + b) / 2 - t.tau) for (a, b), t in zip(brackets, found_truths, strict=True)]
    inside = [a <= t.tau <= b for (a, b), t in zip(brackets, found_truths, strict=True)]
    text = (
        f"{'bisection':28} {count:>4} trials  bracket {np.median([b - a for a, b in brackets]):.4f}"
        f"  error {np.median(errors):.4f}, 9 of 10 within {np.quantile(errors, 0.9):.4f}"
        f"  coverage {np.mean(inside):.1%}"
    )
    return text, {
        "name": "bisection",
        "trials": count,
        "error": float(np.median(errors)),
        "coverage": float(np.mean(inside)),
    }


def compare(*, count, batch, shape=1.0, draws=400, seed=1):
    """Prints the table; returns the figures and whether each bar is held."""
    found_truths = truths(count, seed=seed, shape=shape)
    checks = range(10, MOST + 1, 2)
    with open_stores([]) as reader:
        grid = uniform(reader, found_truths, count=GRID, draws=draws, seed=seed + 1)
        told = [figures("uniform grid", GRID, grid, grid, found_truths)]
        print(line(told[-1]), flush=True)
        curves = search(
            reader, found_truths, batch=batch, most=MOST, checks=checks, draws=draws, seed=seed + 2
        )
        targets = [width(curve) for curve in grid]
        claimed = np.asarray([curve.break_ is not None for curve in grid])
        counts = needed(curves, targets, otherwise=GRID)
        ended = stopped(curves, counts, max(curves))
        half = max(done for done in curves if done <= GRID // 2)
        told.append(figures("search", half, curves[half], grid, found_truths))
        name = "search, ended at that width"
        median = float(np.median(counts[claimed]))
        told.append(figures(name, median, ended, grid, found_truths))
        print(*map(line, told[1:]), sep="\n", flush=True)
        bound = designed(
            reader, found_truths, counts=range(10, GRID // 2 + 1, 2), draws=draws, seed=seed + 3
        )
        limit = needed(bound, targets, otherwise=GRID)[claimed]
        told.append({"name": "design that knows the break", "trials": float(np.median(limit))})
        print(line(told[-1]))
    text, bisection = of_bisection(found_truths, count=half, seed=seed + 4)
    print(text)
    return [*told, bisection], bars(told)


def bars(told):
    """(sentence, whether it is held) of each bar."""
    grid, half, ended, *_ = told
    share = ended["trials"] / GRID
    yield f"trials for the grid's width {share:.2f} of the grid's (bar 0.50)", share <= 0.5
    for one in (half, ended):
        text = f"{one['name']}: coverage {one['coverage']:.1%}, the grid's {grid['coverage']:.1%}"
        yield text, one["coverage"] >= grid["coverage"]
        text = f"{one['name']}: error {one['error']:.4f}, the grid's {grid['error']:.4f}"
        yield text, one["error"] <= grid["error"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few truths, within a minute")
    parser.add_argument("--truths", type=int, help="default 200")
    parser.add_argument("--batch", type=int, default=2, help="cells that run at once")
    parser.add_argument("--shape", type=float, default=1.0, help="power of the fall")
    parser.add_argument("--draws", type=int, default=400, help="of test and bootstrap")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    count = chosen.truths or (20 if chosen.quick else 200)
    begin = time.perf_counter()
    told, held = compare(count=count, batch=chosen.batch, shape=chosen.shape, draws=chosen.draws)
    sentences = list(held)
    print(*(f"{'ok' if ok else 'MISSED'}: {text}" for text, ok in sentences), sep="\n")
    print(f"{count} truths, {chosen.draws} draws, {time.perf_counter() - begin:.0f} s")
    if chosen.json:
        chosen.json.write_text(json.dumps({"rows": told}, indent=2) + "\n")
    return 0 if all(ok for _, ok in sentences) else 1


if __name__ == "__main__":
    sys.exit(main())
