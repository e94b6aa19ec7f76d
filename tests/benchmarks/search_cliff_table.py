"""The table and the bars of the search for the break, from the records of some truths."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orchestrator.search.cliff import CONFIRMING
from tests.orchestrator.breaks import TOP

GRID = 40
HALF = 20


@dataclass(frozen=True)
class Seen:
    """What a method says of a truth after so many trials; `usual` pays for no looks."""

    trials: int
    break_: float | None
    interval: tuple[float, float] | None
    usual: tuple[float, float] | None = None

    @property
    def width(self):
        """Of the interval; all of the range where no break is claimed."""
        return TOP if self.interval is None else self.interval[1] - self.interval[0]


def show(records):
    """Prints the table; returns the figures and whether each bar is held."""
    truths = [record["tau"] for record in records]
    grid = [Seen(GRID, *record["grid"]) for record in records]
    looks = [searched(record) for record in records]
    half = [seen[HALF] for seen in looks]
    ended = [end(seen, own.width) for seen, own in zip(looks, grid, strict=True)]
    told = [
        figures("uniform grid", grid, grid, truths),
        figures("search", half, grid, truths),
        figures("search that ends by itself", ended, grid, truths),
        bound(records, grid),
        bisection(records),
    ]
    print(*map(line, told), sep="\n")
    return told, bars(told)


def searched(record):
    """Trials -> what the search says after so many; JSON has made text of their number."""
    return {int(done): Seen(int(done), *look) for done, look in record["search"].items()}


def end(looks, target):
    """What a search says when it ends by the rule of the method `cliff`, or at its last look."""

    def narrow(interval):
        return interval is not None and interval[1] - interval[0] <= target + 1e-9

    before = {done + CONFIRMING for done, seen in looks.items() if narrow(seen.usual)}
    ends = [done for done, seen in looks.items() if done in before and narrow(seen.interval)]
    return looks[min(ends, default=max(looks))]


def figures(name, seen, grid, truths):
    """The figures of one method, over the truths whose break the grid claims."""
    rows = [row for row in zip(seen, grid, truths, strict=True) if row[1].break_ is not None]
    claimed = [(own, tau) for own, _, tau in rows if own.break_ is not None]
    errors = [abs(own.break_ - tau) for own, tau in claimed]
    inside = [covers(own, tau) for own, tau in claimed]
    trials = [own.trials for own, *_ in rows]
    return {
        "name": name,
        "truths": len(rows),
        "trials": float(np.median(trials)),
        "trials_mean": float(np.mean(trials)),
        "claimed": len(claimed) / max(len(rows), 1),
        "width": float(np.median([own.width for own, *_ in rows])),
        "ratio": float(np.median([own.width / other.width for own, other, _ in rows])),
        "error": float(np.median(errors)),
        "error_p90": float(np.quantile(errors, 0.9)),
        "coverage": float(np.mean(inside)),
        "missed": len(inside) - int(np.sum(inside)),
        "grid_alone": sum(covers(other, tau) > covers(own, tau) for own, other, tau in rows),
        "alone": sum(covers(own, tau) > covers(other, tau) for own, other, tau in rows),
    }


def covers(seen, tau):
    """Whether its interval holds the break; one that claims none has no interval."""
    return bool(seen.interval) and seen.interval[0] - 1e-9 <= tau <= seen.interval[1] + 1e-9


def chance(first, second):
    """Two-sided p that counts of a fair coin differ as much (McNemar's exact test)."""
    count, most = first + second, max(first, second)
    return min(1.0, 2 * sum(math.comb(count, k) for k in range(most, count + 1)) / 2**count)


def bound(records, grid):
    """The trials that a design that knows the break needs for the grid's width."""
    counts = []
    for record, reference in zip(records, grid, strict=True):
        if reference.break_ is not None:
            reached = [
                int(n) for n, own in record["designs"].items() if own <= reference.width + 1e-9
            ]
            counts.append(min(reached, default=GRID))
    return {"name": "design that knows the break", "trials": float(np.median(counts))}


def bisection(records):
    """Its bracket, and the middle of it."""
    brackets = [(*record["bisection"], record["tau"]) for record in records]
    errors = [abs((low + high) / 2 - tau) for low, high, tau in brackets]
    return {
        "name": "bisection on a loss of 0.01",
        "trials": float(HALF),
        "bracket": float(np.median([high - low for low, high, _ in brackets])),
        "error": float(np.median(errors)),
        "error_p90": float(np.quantile(errors, 0.9)),
        "coverage": float(np.mean([low <= tau <= high for low, high, tau in brackets])),
    }


def line(told):
    """One line of output."""
    text = f"{told['name']:28} {told['trials']:>4g} trials"
    if "error" not in told:
        return text
    if "bracket" in told:
        text += f"  bracket {told['bracket']:.4f}"
    else:
        text += f" ({told['trials_mean']:.1f} in the mean)"
        text += f"  width {told['width']:.4f} ({told['ratio']:.2f} of the grid's)"
    text += f"  error {told['error']:.4f}, 9 of 10 within {told['error_p90']:.4f}"
    text += f"  coverage {told['coverage']:.1%}"
    return text + (f"  claimed {told['claimed']:.1%}" if "claimed" in told else "")


def bars(told):
    """(sentence, whether it is held) of each bar."""
    grid, half, ended, *_ = told
    share = ended["trials"] / GRID
    yield f"trials for the grid's width {share:.2f} of the grid's (bar 0.50)", share <= 0.5
    for one in (half, ended):
        text = f"{one['name']}: coverage {one['coverage']:.1%}, the grid's {grid['coverage']:.1%}"
        text += f" (the grid alone covers {one['grid_alone']}, it alone {one['alone']},"
        text += f" p = {chance(one['grid_alone'], one['alone']):.2f})"
        yield text, one["coverage"] >= grid["coverage"]
        text = f"{one['name']}: error {one['error']:.4f}, the grid's {grid['error']:.4f}"
        yield text, one["error"] <= grid["error"]
