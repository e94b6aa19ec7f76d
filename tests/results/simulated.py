"""Simulated sweeps whose break is known, many of them fitted by one call of the tool's own SQL."""

from dataclasses import dataclass

import numpy as np

from results.cliff import cells, fitted
from results.cliff_verdict import curve_of

BASELINE = 0.9
"""Accuracy of every simulated baseline; a score is a share of it."""

TOGETHER = 100
"""Sweeps fitted by one call."""


@dataclass(frozen=True)
class Setting:
    """One kind of sweep: score = 1 − 0.02 s + change · max(s − tau, 0) ** shape + noise.

    `tau` None is a straight line with the slope `change`; `classes` set means that no score falls
    below chance; `blown` cells at a sparsity of 0.25 to 0.5 fall for another reason.
    """

    n: int
    tau: float | None
    change: float = -1.0
    shape: float = 1.0
    sigma: float = 0.01
    design: str = "even"
    classes: int | None = None
    blown: int = 0

    def sparsities(self):
        """(n,) the design, the same in each sweep of a setting."""
        if self.design == "even":
            return np.linspace(0, 0.95, self.n)
        # As in a sweep over norms and activations: most cells crowd together at two places.
        crowd, rest = self.n // 3, self.n - 2 * (self.n // 3)
        random = np.random.default_rng(self.n)
        places = [random.uniform(0.42, 0.55, crowd), random.uniform(0.6, 0.72, crowd)]
        return np.sort(np.concatenate([*places, np.linspace(0.02, 0.95, rest)]))

    def behind(self):
        """Cells behind the break."""
        return int((self.sparsities() > self.tau).sum())

    def scores(self, random):
        """(n,) the scores of one sweep."""
        x = self.sparsities()
        if self.tau is None:
            return 1 + self.change * x + random.normal(0, self.sigma, self.n)
        y = 1 - 0.02 * x + self.change * np.maximum(x - self.tau, 0) ** self.shape
        if self.classes:
            y = np.maximum(y, 1 / self.classes / BASELINE)
        y = y + random.normal(0, self.sigma, self.n)
        reach = np.flatnonzero((x > 0.25) & (x < 0.5))
        for place in random.choice(reach, self.blown, replace=False):
            y[place] = random.choice(
                [random.uniform(0.1, 0.2), y[place] - random.uniform(0.08, 0.5)]
            )
        return y

    def error(self):
        """Asymptotic standard error of the break for this design, its shape known.

        Least squares: sigma over the length of the score's derivative by the break, out of which
        the other parameters' derivatives are taken.
        """
        x = self.sparsities()
        if self.classes:
            x = x[1 - 0.02 * x + self.change * np.maximum(x - self.tau, 0) ** self.shape > 0.25]
        reach = np.maximum(x - self.tau, 0)
        slope = np.where(reach > 0, self.change * self.shape * reach ** (self.shape - 1), 0.0)
        others = np.stack([np.ones_like(x), x, reach**self.shape], axis=1)
        rest = slope - others @ np.linalg.lstsq(others, slope, rcond=None)[0]
        length = float(np.linalg.norm(rest))
        return self.sigma / length if length > 1e-9 else float("inf")


def sweeps(setting, count, *, seed):
    """`count` pairs (sparsities, scores)."""
    random = np.random.default_rng(seed)
    return [(setting.sparsities(), setting.scores(random)) for _ in range(count)]


def fit_all(reader, simulations, *, draws, delta=0.01):
    """[(curve, row)] of each simulation: the rule for cells left out, the fit, the verdict."""
    found = []
    for start in range(0, len(simulations), TOGETHER):
        some = simulations[start : start + TOGETHER]
        place(reader, some)
        cells(reader)
        reader.trusted(
            "CREATE OR REPLACE TABLE kept.points AS SELECT architecture AS place, "
            "false AS everything, trial_id AS id, x, y, adaptive "
            "FROM kept.cells WHERE left_out IS NULL"
        )
        rows = {row["group"]: row for row in fitted(reader, delta=delta, draws=draws)}
        for i in range(len(some)):
            row = rows.get(f"a{i}")
            found.append((curve_of(row, delta=delta), row))
    return found


def place(reader, simulations):
    """Puts the simulations where `sql/cells.sql` looks, each as an architecture `a0`, `a1`, …"""
    columns = {
        "kinds": [f"a{i}" for i, (x, _) in enumerate(simulations) for _ in x],
        "x": np.concatenate([x for x, _ in simulations]).tolist(),
        "y": np.concatenate([y for _, y in simulations]).tolist(),
    }
    ids = [f"{i:05d}" for i in range(len(columns["x"]))]
    reader.trusted(
        "CREATE OR REPLACE TEMP TABLE simulated AS SELECT unnest($ids) AS id, "
        "unnest($kinds) AS kind, unnest($x) AS x, unnest($y) AS y",
        {"ids": ids, **columns},
    )
    reader.trusted(
        "CREATE OR REPLACE TABLE trials AS SELECT 's' AS sweep, id AS trial_id, "
        "'base' AS baseline_id, {'model': {'kind': kind}} AS config, kind || '.m' AS grid, "
        "y AS score, 'accuracy_ratio' AS score_rule, 'acc' AS metric, 'completed' AS status, "
        "NULL::VARCHAR AS failure_class, true AS wanted, false AS adaptive FROM simulated; "
        "INSERT INTO trials BY NAME SELECT 's' AS sweep, 'base' AS trial_id, "
        "'base.m' AS grid, 'completed' AS status, false AS wanted; "
        "DELETE FROM kept.finals; INSERT INTO kept.finals BY NAME "
        "SELECT 's' AS sweep, id AS trial_id, 'sparsity' AS name, x AS last FROM simulated; "
        "INSERT INTO kept.finals BY NAME SELECT 's' AS sweep, 'base' AS trial_id, "
        f"'acc' AS name, {BASELINE} AS last; "
        "INSERT INTO kept.finals BY NAME SELECT 's' AS sweep, 'base' AS trial_id, "
        f"'val_loss' AS name, {np.log(10)!r}::DOUBLE AS maximum".replace("np.float64", "")
    )


def broken(x, tau, *, before=-0.02, change=-1.0, sigma=0.01, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, len(x))
    return 1 + before * x + change * np.maximum(x - tau, 0) + noise
