"""Guesses what a cell costs from cells like it: a Gaussian process over the keys of workloads.

The logarithm of a cost is modelled as an overall level plus an effect of each key plus an effect of
that key within this model and task (Rasmussen & Williams, Gaussian Processes for Machine Learning,
2006, chapter 2, equations 2.23 and 2.24). How much a key is expected to change a cost is set
beforehand, since a few cells cannot tell: `prior` says it.

Knows of a workload its flat keys only, and nothing of time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Likeness", "features", "prior"]

Floats = NDArray[np.float64]

LEVEL: Final = 1.0
"""Standard deviation of the overall level of log cost around that of the cells seen."""
NOISE: Final = 0.08
"""Standard deviation of the log cost of one cell run again."""
_HEAVY: Final = ("kind", "task.kind", "model.kind")
"""Keys within whose values the effects of others differ."""
_TRAIN: Final = {
    **{"batch_size": 0.5, "accumulate": 0.5, "precision": 0.3, "compiler": 0.3},
    **{"optimizer.kind": 0.1, "epochs": 0.0, "steps": 0.0, "evaluate_every": 0.0, "log_every": 0.0},
}
_LENGTH: Final = ("train.epochs", "train.steps")


def prior(key: str, *, lengths_known: bool = True) -> float:
    """How much a key changes the log cost: the standard deviation between two of its values.

    Args:
        key: dotted, of a workload.
        lengths_known: whether costs are those of a step, so that how many there are is no matter.
    """
    head, _, rest = key.partition(".")
    if head == "seed":
        return 0.0
    if head in ("task", "model"):
        return 0.7 if rest == "kind" else 0.4
    if head in ("activation", "norm"):
        return 0.15 if rest == "kind" else 0.04
    if head == "train":
        return 0.7 if key in _LENGTH and not lengths_known else _TRAIN.get(rest, 0.02)
    return 0.3


def features(config: Mapping[str, Any]) -> dict[str, Any]:
    """The flat keys of a workload that may change what it costs; lists are text."""
    found: dict[str, Any] = {}
    _flatten(config, "", found)
    return found


def _flatten(config: Mapping[str, Any], prefix: str, found: dict[str, Any]) -> None:
    for key, value in config.items():
        if isinstance(value, Mapping):
            _flatten(value, f"{prefix}{key}.", found)
        elif value is not None:
            found[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class _Column:
    """One key in all cells: numbers where it is one, else codes of its values; -1 is none."""

    amplitude: float
    codes: NDArray[np.int64]
    numbers: Floats | None

    def alike(self, rows: slice | Sequence[int], others: slice | Sequence[int]) -> Floats:
        """1 for the same value, 0 for another, between for numbers that are near."""
        a, b = self.codes[rows, None], self.codes[None, others]
        same: Floats = (a == b).astype(np.float64)
        if self.numbers is None:
            return same
        x, y = self.numbers[rows, None], self.numbers[None, others]
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = 2 * np.abs(x - y) / (np.abs(x) + np.abs(y))
        near = np.exp(-2 * np.nan_to_num(apart, nan=0.0) ** 2)
        found: Floats = np.where(np.isnan(x) | np.isnan(y), same, near)
        return found


class Likeness:
    """How alike the cells of a list are, and what follows from what some of them cost."""

    def __init__(self, configs: Sequence[Mapping[str, Any]], *, lengths_known: bool = True) -> None:
        """Takes all cells, those that are known and those that are asked about.

        Args:
            configs: workloads.
            lengths_known: see `prior`.
        """
        flat = [features(config) for config in configs]
        keys = sorted({key for one in flat for key in one})
        self.count = len(flat)
        self._columns: list[_Column] = []
        self._heavy: list[_Column] = []
        for key in keys:
            column = _column(
                [one.get(key) for one in flat], prior(key, lengths_known=lengths_known)
            )
            if column is None:
                continue
            if key in _HEAVY:
                self._heavy.append(column)
            if column.amplitude > 0:
                self._columns.append(column)

    def covariance(self, rows: Sequence[int], others: Sequence[int]) -> Floats:
        """Prior covariance of log costs, (rows, others)."""
        shape = (len(rows), len(others))
        within = np.ones(shape)
        for column in self._heavy:
            within *= column.alike(rows, others)
        total = np.full(shape, LEVEL**2)
        for column in self._columns:
            total += column.amplitude**2 * column.alike(rows, others) * (0.5 + 0.5 * within)
        return total

    def posterior(
        self, known: Sequence[int], logs: Floats, asked: Sequence[int]
    ) -> tuple[Floats, Floats]:
        """Mean (asked,) and covariance (asked, asked) of log costs.

        Args:
            known: positions of cells whose cost is known, at least one.
            logs: their log costs.
            asked: positions of the cells asked about; a few thousand at most.
        """
        level = float(np.mean(logs))
        inner = self.covariance(known, known) + NOISE**2 * np.eye(len(known))
        across = self.covariance(asked, known)
        solved = np.linalg.solve(inner, np.column_stack([logs - level, across.T]))
        mean = level + across @ solved[:, 0]
        spread = self.covariance(asked, asked) - across @ solved[:, 1:]
        return mean, spread

    def telling(self, candidates: Sequence[int], weights: Floats, *, most: int) -> list[int]:
        """Which cells to try so that the sum of all costs is known best, the most telling first.

        Greedy: each takes away the most of the summed variance that those before it left.

        Args:
            candidates: positions to choose from.
            weights: how much each of them counts in the sum.
            most: how many.
        """
        spread = self.covariance(candidates, candidates)
        chosen: list[int] = []
        for _ in range(min(most, len(candidates))):
            own = np.diag(spread) + NOISE**2
            gains = ((spread * weights[:, None]) ** 2).sum(axis=0) / own
            gains[chosen] = -1.0
            best = int(np.argmax(gains))
            chosen.append(best)
            spread = spread - np.outer(spread[:, best], spread[best]) / own[best]
        return [candidates[i] for i in chosen]


def _column(values: Sequence[Any], amplitude: float) -> _Column | None:
    """One key as numbers and codes; None where it is the same in all cells."""
    texts = [None if value is None else repr(value) for value in values]
    known = {text: code for code, text in enumerate(sorted({t for t in texts if t is not None}))}
    if len(known) == 1 and None not in texts:
        return None
    codes = np.array([-1 if text is None else known[text] for text in texts], dtype=np.int64)
    numeric = [isinstance(v, int | float) and not isinstance(v, bool) for v in values]
    numbers = None
    if any(numeric):
        pairs = zip(values, numeric, strict=True)
        numbers = np.array([float(v) if is_number else np.nan for v, is_number in pairs])
    return _Column(amplitude, codes, numbers)
