"""What some measured cells say of where a score breaks off: weights over breaks, and drawn curves.

The model is that of the fit, `score = level + slope · s + fall · (s − break)₊ ** shape`, with all
its parameters uncertain. Knows nothing of trials, levels, or who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["SHAPES", "Posterior", "posterior"]

Floats: TypeAlias = npt.NDArray[np.float64]

SHAPES: Final = (1.0, 1.5, 2.0, 3.0)
"""Powers of the distance behind the break, those of the fit."""

SHARES: Final = (0.55, 0.15, 0.15, 0.15)
"""Prior share of each shape: the fit takes a straight fall unless a curve does clearly better."""

STEP: Final = 0.01
"""Distance of two breaks that are told apart."""

RIDGE: Final = 1e-3
"""Prior precision of level, slope and fall, in units of the noise's: next to none."""

NOISE: Final = 0.01
"""Noise expected before anything is known, as a share of the scores' range."""

NOISE_CELLS: Final = 2.0
"""What that expectation counts for, in cells."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """Weights over pairs of break and shape, and for each what level, slope and fall may be.

    Attributes:
        breaks: (models,) the break of each model, in units of sparsity.
        shapes: (models,) its power.
        weights: (models,) at least 0, sum 1.
        means: (models, 3) level at sparsity 0, slope, and fall at the end of the range.
        roots: (models, 3, 3) lower triangles; times the noise, roots of their covariances.
        noise: standard deviation of one score.
        end: the largest sparsity of the range.
    """

    breaks: Floats
    shapes: Floats
    weights: Floats
    means: Floats
    roots: Floats
    noise: float
    end: float

    def draws(self, count: int, *, seed: int) -> tuple[Floats, Floats, Floats]:
        """Draws curves: (count,) breaks, (count,) shapes, (count, 3) level, slope and fall.

        Models are drawn by systematic resampling, so that few draws show the weights well.
        """
        random = np.random.default_rng(seed)
        places = (random.uniform() + np.arange(count)) / count
        chosen = np.searchsorted(np.cumsum(self.weights), places).clip(max=len(self.weights) - 1)
        wild = random.standard_normal((count, 3))
        spread = self.noise * np.einsum("mij,mj->mi", self.roots[chosen], wild)
        shift = random.uniform(-STEP / 2, STEP / 2, count)
        return self.breaks[chosen] + shift, self.shapes[chosen], self.means[chosen] + spread

    def curves(self, x: Floats, *, count: int, seed: int) -> tuple[Floats, Floats]:
        """(count,) breaks of drawn curves and (count, points) their scores at the sparsities x."""
        breaks, shapes, parts = self.draws(count, seed=seed)
        bent = _bent(x, breaks, shapes, self.end)
        return breaks, parts[:, :1] + parts[:, 1:2] * x + parts[:, 2:] * bent

    def interval(self, *, share: float = 0.95) -> tuple[float, float]:
        """The breaks between which the given share of the weight lies, equal tails left out."""
        order = np.argsort(self.breaks, kind="stable")
        total = np.cumsum(self.weights[order])
        low, high = np.searchsorted(total, [(1 - share) / 2, (1 + share) / 2])
        last = len(order) - 1
        return (
            float(self.breaks[order[min(low, last)]]),
            float(self.breaks[order[min(high, last)]]),
        )


def posterior(x: Floats, y: Floats, *, start: float, end: float) -> Posterior:
    """Weighs every break on a grid from `start` to `end` with every shape.

    Conjugate linear regression (normal, inverse gamma) for each break and shape: the weight is the
    prior's share times the marginal likelihood times the probability that the score falls.

    Args:
        x: (cells,) measured sparsities, 0 to 1.
        y: (cells,) scores, finite.
        start: the least sparsity that may be asked for.
        end: the largest.
    """
    breaks, shapes, prior = _models(start, end)
    bent = _bent(x, breaks, shapes, end)
    design = np.stack([np.ones_like(bent), np.broadcast_to(x, bent.shape), bent], axis=2)
    offset = float(y.mean()) if len(y) else 0.0
    centred = y - offset
    precision = np.einsum("mni,mnj->mij", design, design) + RIDGE * np.eye(3)
    covariance = np.linalg.inv(precision)
    moment = np.einsum("mni,n->mi", design, centred)
    means = np.einsum("mij,mj->mi", covariance, moment)
    rest = np.maximum(float(centred @ centred) - np.einsum("mi,mi->m", means, moment), 0.0)
    expected = NOISE * max(float(np.ptp(y)) if len(y) else 1.0, 1e-9)
    rest += NOISE_CELLS * expected**2
    freedom = len(y) + NOISE_CELLS
    noise = np.sqrt(rest / max(freedom - 4, 1.0))
    falls = _normal(-means[:, 2] / (noise * np.sqrt(covariance[:, 2, 2])))
    log = np.log(prior) - 0.5 * np.linalg.slogdet(precision)[1] - 0.5 * freedom * np.log(rest)
    log = log + np.log(np.maximum(falls, 1e-12))
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    means[:, 0] += offset
    return Posterior(
        breaks=breaks,
        shapes=shapes,
        weights=weights,
        means=means,
        roots=np.linalg.cholesky(covariance),
        noise=float(np.exp(weights @ np.log(noise))),
        end=end,
    )


def _models(start: float, end: float) -> tuple[Floats, Floats, Floats]:
    """(models,) breaks, shapes and prior shares: each break of a grid with every shape."""
    count = max(round((end - start) / STEP), 2)
    grid = start + (np.arange(count) + 0.5) * (end - start) / count
    prior = np.repeat(np.asarray(SHARES) / count, count)
    return np.tile(grid, len(SHAPES)), np.repeat(np.asarray(SHAPES), count), prior


def _bent(x: Floats, breaks: Floats, shapes: Floats, end: float) -> Floats:
    """(models, points): how much of the whole fall lies before x, 0 to 1 within the range."""
    reach = np.maximum(end - breaks, STEP / 4)[:, None]
    return np.asarray((np.maximum(x - breaks[:, None], 0.0) / reach) ** shapes[:, None])


def _normal(z: Floats) -> Floats:
    """Probability that a standard normal number is below z (Zelen & Severo, A&S 26.2.17)."""
    t = 1 / (1 + 0.2316419 * np.abs(z))
    terms = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
    tail = (
        sum(a * t ** (i + 1) for i, a in enumerate(terms)) * np.exp(-(z**2) / 2) / sqrt(2 * np.pi)
    )
    return np.asarray(np.where(z >= 0, 1 - tail, tail))
