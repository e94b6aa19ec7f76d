"""The median rule: a trial whose best value is below the median of the others' means stops.

Must never need a trial to wait for another.

Source: Golovin et al., Google Vizier (2017); Ray Tune's MedianStoppingRule decides.
"""

from __future__ import annotations

from pydantic import Field

from orchestrator.stopping import Judge, Rule

__all__ = ["Config"]


class Config(Rule):
    """The rule `median`: it hears of every value of the metric."""

    samples: int = Field(default=3, ge=1, description="others that have come as far, at least")

    def build(self, *, maximize: bool) -> Judge:
        """Ray Tune's scheduler, without Ray Tune's trials."""
        from orchestrator.runners.ray_stopping import median

        return median(first=self.first, samples=self.samples, maximize=maximize)
