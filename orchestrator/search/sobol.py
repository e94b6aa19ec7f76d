"""Asks for the points of a scrambled Sobol sequence: they fill a space more evenly than chance.

Knows nothing of results: all its questions are known before the first answer.

Source: Sobol (1967), Owen's scrambling (1995); Optuna's QMCSampler over SciPy's engine.
"""

from __future__ import annotations

from typing import ClassVar

import optuna

from orchestrator.search import Space
from orchestrator.search._designs import Design
from orchestrator.search._draws import Drawing, new_study, quiet, whole

__all__ = ["Config"]


class Config(Drawing):
    """The method `sobol`. Every dimension has a coordinate, also one that exists only sometimes.

    Of 2^k points each of 2^k equal parts of every continuous dimension holds exactly one, so the
    number of points has to be a power of two; those of `enqueue` come on top.
    """

    foreseen: ClassVar[bool] = True
    goals: ClassVar[tuple[int, int]] = (1, 8)

    def build(self, space: Space) -> Design:
        """Point i is the i-th of the sequence that the seed scrambles.

        Raises:
            ValueError: the number of points is no power of two.
        """
        self.begun(space)
        points, rest = divmod(self.trials, len(space.seeds))
        if rest or points & (points - 1) or not points:
            below = 2 ** max(0, points.bit_length() - 1) * len(space.seeds)
            raise ValueError(
                f"trials: a Sobol design is even at a power of two of points, times"
                f" {len(space.seeds)} seeds, got {self.trials}. Write {below} or {2 * below}."
            )
        study = new_study(space, seed=self.seed)
        # The sampler takes its space from the first trial it sees; ours is whole.
        parameters, distributions = whole(space)
        study.add_trial(
            optuna.trial.create_trial(
                params=parameters, distributions=distributions, values=[0.0] * len(space.goals)
            )
        )
        with quiet():
            study.sampler = optuna.samplers.QMCSampler(
                qmc_type="sobol", scramble=True, seed=self.seed
            )
        return Design(self, space, lambda number: study.ask(), length=points)
