"""Curves with a known break, and searches for it that go round by round side by side."""

from dataclasses import dataclass

import numpy as np

from orchestrator.search._break_design import Arm, Point, next_levels
from results.cliff import cells, fitted
from results.cliff_verdict import curve_of
from tests.results.simulated import BASELINE, TOGETHER, place

TOP = 0.99
LEVELS = tuple(np.linspace(0, TOP, 199).round(4).tolist())
CHANCE = 0.1 / BASELINE
"""The score of a model that knows nothing of 10 classes."""


@dataclass(frozen=True)
class Truth:
    """score = max(chance, 1 + before · s + change · max(s − tau, 0) ** shape) + noise."""

    tau: float
    change: float
    before: float
    sigma: float
    shape: float = 1.0

    def mean(self, x):
        """(n,) the scores without noise."""
        fall = self.change * np.maximum(np.asarray(x) - self.tau, 0) ** self.shape
        return np.maximum(1 + self.before * np.asarray(x) + fall, CHANCE)


def truths(count, *, seed, shape=1.0):
    """Breaks evenly in 0.3–0.95, falls in 0.5–4 and noise in 0.003–0.02 by their logarithms."""
    random = np.random.default_rng(seed)
    return [
        Truth(
            random.uniform(0.3, 0.95),
            -float(np.exp(random.uniform(np.log(0.5), np.log(4)))),
            random.uniform(-0.1, 0),
            float(np.exp(random.uniform(np.log(0.003), np.log(0.02)))),
            shape,
        )
        for _ in range(count)
    ]


def noises(truth_count, *, seed):
    """One stream of noise a truth."""
    return [np.random.default_rng((seed, number)) for number in range(truth_count)]


def measured(truth, levels, random):
    """(n,) sparsities, which follow the levels, and (n,) scores."""
    x = np.asarray(levels, dtype=float)
    return x, truth.mean(x) + random.normal(0, truth.sigma, len(x))


def judged(reader, sweeps, *, draws):
    """[(curve or None without draws, reasons by cell)] by the tool's own rules, fit and verdict."""
    found = []
    for begin in range(0, len(sweeps), TOGETHER):
        some = sweeps[begin : begin + TOGETHER]
        place(reader, some)
        reasons = [[None] * len(x) for x, _ in some]
        first = np.cumsum([0] + [len(x) for x, _ in some])
        for cell in cells(reader):
            if cell.architecture:
                group = int(cell.architecture[1:])
                reasons[group][int(cell.trial_id) - first[group]] = cell.left_out
        rows = {}
        if draws:
            reader.trusted(
                "CREATE OR REPLACE TABLE kept.points AS SELECT architecture AS place, "
                "false AS everything, trial_id AS id, x, y FROM kept.cells WHERE left_out IS NULL"
            )
            rows = {row["group"]: row for row in fitted(reader, delta=0.01, draws=draws)}
        for number, reason in enumerate(reasons):
            curve = curve_of(rows.get(f"a{number}"), delta=0.01) if draws else None
            found.append((curve, reason))
    return found


def points_of(x, y, reasons):
    """Points as the policy gets them."""
    standing = {None: "kept", "at the floor": "floor"}
    return [
        Point(float(a), float(a), float(b), standing.get(reason, "out"))
        for a, b, reason in zip(x, y, reasons, strict=True)
    ]


def search(reader, found_truths, *, batch, most, checks, draws, seed):
    """Trials -> the curve of each truth after so many, `batch` asked for at once."""
    random = noises(len(found_truths), seed=seed)
    sweeps = [(np.empty(0), np.empty(0)) for _ in found_truths]
    curves = {}
    for done in range(0, most + 1, batch):
        if done in checks:
            curves[done] = [curve for curve, _ in judged(reader, sweeps, draws=draws)]
        if done + batch > most:
            break
        reasons = [reason for _, reason in judged(reader, sweeps, draws=0)] if done else []
        for number, truth in enumerate(found_truths):
            x, y = sweeps[number]
            points = points_of(x, y, reasons[number]) if done else []
            arm = Arm(levels=LEVELS, points=points, taken=dict.fromkeys(x.tolist(), 1))
            asked = [level for _, level in next_levels([arm], count=batch, seed=seed)]
            new_x, new_y = measured(truth, asked, random[number])
            sweeps[number] = np.append(x, new_x), np.append(y, new_y)
    return curves


def uniform(reader, found_truths, *, count, draws, seed):
    """The curve of each truth from a uniform grid."""
    levels = np.linspace(0, TOP, count)
    random = noises(len(found_truths), seed=seed)
    sweeps = [measured(*pair) for pair in zip_levels(found_truths, levels, random)]
    return [curve for curve, _ in judged(reader, sweeps, draws=draws)]


def zip_levels(found_truths, levels, random):
    """(truth, levels, noise) of each truth; levels the same for all, or a function of the truth."""
    for truth, noise in zip(found_truths, random, strict=True):
        yield truth, levels(truth) if callable(levels) else levels, noise


def width(curve):
    """Width of the interval; all of the range where no break is claimed."""
    return TOP if curve.interval is None else curve.interval[1] - curve.interval[0]


def needed(curves, targets, *, otherwise):
    """(truths,) the first number of trials at which each width is at most its target."""
    found = np.full(len(targets), float(otherwise))
    for done in sorted(curves, reverse=True):
        reached = [
            width(curve) <= target + 1e-9
            for curve, target in zip(curves[done], targets, strict=True)
        ]
        found = np.where(reached, done, found)
    return found
