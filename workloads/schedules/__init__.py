"""The schedules of the learning rate, one file a kind. A schedule never knows the optimizer."""

from abc import ABC, abstractmethod
from typing import Annotated

from pydantic import Field

from workloads.kinds import Kind

__all__ = ["Schedule", "Span", "updates"]

Span = Annotated[
    float, Field(ge=0, description="below 1: a share of all updates; from 1 on: updates")
]


def updates(span: float, *, steps: int) -> int:
    """Returns a Span in updates, at most `steps`."""
    return min(steps, round(span * steps) if span < 1 else round(span))


class Schedule(Kind, ABC):
    """The configuration of a schedule: a pure function, so that resuming needs no state."""

    @abstractmethod
    def factor(self, update: int, *, steps: int) -> float:
        """Returns what multiplies the learning rate.

        Args:
            update: Which update, 0 … steps - 1.
            steps: How many there will be in all.
        """
