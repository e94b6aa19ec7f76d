"""Asks for offspring of the points that no other beats in both metrics: NSGA-II.

Must never need more than the history: it is the same search after a resume.

Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm (2002); Optuna's
NSGAIISampler.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import optuna
from optuna.trial import TrialState
from pydantic import Field

from orchestrator.search import Space
from orchestrator.search._studies import Learning, Point, Studied

__all__ = ["Config"]

_GENERATION: Final = "NSGAIISampler:generation"
"""Where Optuna notes the generation of a trial."""


class Config(Learning):
    """The method `nsga2`. Where points have different axes only the common ones are crossed."""

    goals: ClassVar[tuple[int, int]] = (2, 2)

    population: int = Field(default=20, ge=2, le=10_000, description="points of one generation")

    def build(self, space: Space) -> Studied:
        """Each question has a sampler of its own."""

        def sampler(seed: int) -> optuna.samplers.BaseSampler:
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=self.population)

        return Studied(self, space, sampler, attributes=self._generations)

    def _generations(self, points: Sequence[Point]) -> list[dict[str, Any]]:
        """The generation of each point, as if they had been asked for one after the other.

        A generation ends with as many completed points as a population has; those that failed
        belong to it and count for nothing.
        """
        generation, completed = 0, 0
        notes = []
        for point in points:
            if completed >= self.population:
                generation, completed = generation + 1, 0
            notes.append({_GENERATION: generation})
            completed += point.state is TrialState.COMPLETE
        return notes
