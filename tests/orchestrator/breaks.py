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


def noises(numbers, *, seed):
    """One stream of noise a truth, by its number."""
    return [np.random.default_rng((seed, number)) for number in numbers]


def measured(truth, levels, random):
    """(n,) sparsities, which follow the levels, and (n,) scores."""
    x = np.asarray(levels, dtype=float)
    return x, truth.mean(x) + random.normal(0, truth.sigma, len(x))


def judged(reader, sweeps, *, draws, adaptive=False):
    """[(curve or None without draws, reasons by cell)] by the tool's own rules, fit and verdict."""
    found = []
    if not any(len(x) for x, _ in sweeps):
        return [(None, []) for _ in sweeps]
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
                "false AS everything, trial_id AS id, x, y, $adaptive AS adaptive "
                "FROM kept.cells WHERE left_out IS NULL",
                {"adaptive": adaptive},
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


def search(reader, found_truths, random, *, batch, most, checks, draws, seed=0):
    """For each truth: trials -> (curve, usual interval) after so many, `batch` asked for at once.

    The curve's own interval pays for the looks at it, as that of a search does.

    Args:
        reader: an open one, over no store.
        found_truths: what is searched, side by side.
        random: the noise of each.
        batch: cells asked for at once.
        most: trials of each.
        checks: numbers of trials after which there is a look.
        draws: of each look's fit.
        seed: of the policy.
    """
    sweeps = [(np.empty(0), np.empty(0)) for _ in found_truths]
    looks = [{} for _ in found_truths]
    for done in range(0, most + 1, batch):
        told = judged(reader, sweeps, draws=draws if done in checks else 0, adaptive=True)
        usual = judged(reader, sweeps, draws=draws) if done in checks else told
        for number, (curve, reasons) in enumerate(told):
            if done in checks:
                looks[number][done] = curve, usual[number][0].interval
            if done + batch > most:
                continue
            x, y = sweeps[number]
            arm = Arm(
                levels=LEVELS,
                points=points_of(x, y, reasons),
                taken=dict.fromkeys(x.tolist(), 1),
            )
            asked = [level for _, level in next_levels([arm], count=batch, seed=seed)]
            new_x, new_y = measured(found_truths[number], asked, random[number])
            sweeps[number] = np.append(x, new_x), np.append(y, new_y)
    return looks


def uniform(reader, found_truths, random, *, count, draws):
    """The curve of each truth from a uniform grid."""
    levels = np.linspace(0, TOP, count)
    sweeps = [measured(*one) for one in zip_levels(found_truths, levels, random)]
    return [curve for curve, _ in judged(reader, sweeps, draws=draws)]


def zip_levels(found_truths, levels, random):
    """(truth, levels, noise) of each truth; levels the same for all, or a function of the truth."""
    for truth, noise in zip(found_truths, random, strict=True):
        yield truth, levels(truth) if callable(levels) else levels, noise


def width(curve):
    """Width of the interval; all of the range where no break is claimed."""
    return TOP if curve.interval is None else curve.interval[1] - curve.interval[0]
