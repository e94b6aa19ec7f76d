"""Asynchronous successive halving: of all that reached a rung the best 1/factor go on.

Must never need a trial to wait for another.

Source: Li et al., A System for Massively Parallel Hyperparameter Tuning (2020); Ray Tune's
ASHAScheduler decides.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from orchestrator.rungs import Ladder
from orchestrator.stopping import Judge, Rule

__all__ = ["Config"]


class Config(Rule):
    """The rule `asha`: rungs stand at first·factor^k."""

    factor: float = Field(default=3.0, gt=1, le=1000, description="one in so many passes a rung")
    last: float | None = Field(
        default=None, gt=0, description="time from which on nothing stops; null: no such time"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Config:
        if self.last is not None and self.last <= self.first:
            raise ValueError(
                f"last comes after first, got first {self.first:g} and last {self.last:g}."
                " Raise last."
            )
        return self

    def ladder(self, metric: str) -> Ladder:
        """Its rungs."""
        return Ladder(
            metric=self.metric or metric,
            unit=self.unit,
            first=self.first,
            factor=self.factor,
            last=self.last,
        )

    def build(self, *, maximize: bool) -> Judge:
        """Ray Tune's scheduler, without Ray Tune's trials."""
        from orchestrator.runners.ray_stopping import asha

        return asha(first=self.first, factor=self.factor, maximize=maximize)
