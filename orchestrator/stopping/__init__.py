"""The rules that stop trials early. Each file is a kind; none knows who trains, nor where.

A rule hears of an attempt at certain times and says whether to go on. What it heard is in the
store: after a resume it hears that again, so nothing of it has to be kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Protocol

from pydantic import Field

from orchestrator.rungs import Ladder
from workloads.kinds import Kind

__all__ = ["Judge", "Rule"]


class Judge(Protocol):
    """What a rule's `build` gives."""

    def stops(self, trial_id: str, time: float, value: float) -> bool:
        """Hears of a trial, and says whether it should stop now.

        Args:
            trial_id: the trial; its times only grow.
            time: in the rule's unit.
            value: of its metric, finite.
        """
        ...


class Rule(Kind, ABC):
    """What stands under `early_stopping` in the sweep file."""

    metric: str | None = Field(
        default=None, min_length=1, description="a whole-model metric; null: the sweep's"
    )
    goal: Literal["maximize", "minimize"] | None = Field(
        default=None, description="null: the sweep's"
    )
    unit: Literal["step", "epoch"] = Field(default="epoch", description="of all times below")
    first: float = Field(default=1.0, gt=0, description="nothing stops before this time")

    def ladder(self, metric: str) -> Ladder:
        """When it wants to hear of an attempt."""
        return Ladder(metric=self.metric or metric, unit=self.unit, first=self.first)

    @abstractmethod
    def build(self, *, maximize: bool) -> Judge:
        """Returns what decides, which has heard of nothing yet.

        Args:
            maximize: whether more of the metric is better.
        """
