"""Asks for points drawn at random, each from a seed of its own: the yardstick of every search.

Knows nothing of results: all its questions are known before the first answer.
"""

from __future__ import annotations

from typing import ClassVar

import optuna

from orchestrator.search import Space
from orchestrator.search._designs import Design
from orchestrator.search._draws import Drawing, new_study, seed_of

__all__ = ["Config"]


class Config(Drawing):
    """The method `random`."""

    foreseen: ClassVar[bool] = True
    goals: ClassVar[tuple[int, int]] = (1, 8)

    def build(self, space: Space) -> Design:
        """Draw i is a function of the seed and of i alone; what is drawn twice counts once."""
        self.begun(space)
        study = new_study(space, seed=0)

        def draw(number: int) -> optuna.Trial:
            study.sampler = optuna.samplers.RandomSampler(seed=seed_of(self.seed, number))
            return study.ask()

        return Design(self, space, draw)
