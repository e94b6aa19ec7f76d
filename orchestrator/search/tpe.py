"""Asks where good points are likelier than bad ones: the tree-structured Parzen estimator.

Must never need more than the history: it is the same search after a resume.

Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization (2011); Optuna's TPESampler.
"""

from __future__ import annotations

import optuna
from pydantic import Field

from orchestrator.search import Space
from orchestrator.search._studies import Learning, Studied

__all__ = ["Config"]


class Config(Learning):
    """The method `tpe`.

    Points under way count as bad ones until they are answered, so that parallel workers spread.
    """

    startup: int = Field(default=10, ge=1, description="points drawn at random before it learns")
    candidates: int = Field(default=24, ge=1, le=10_000, description="draws that one is taken of")

    def build(self, space: Space) -> Studied:
        """Each question has a sampler of its own."""

        def sampler(seed: int) -> optuna.samplers.BaseSampler:
            return optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=self.startup, n_ei_candidates=self.candidates
            )

        return Studied(self, space, sampler)
