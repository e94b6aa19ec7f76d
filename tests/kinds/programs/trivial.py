"""Yields a few steps of arithmetic: the cheapest trial there is, for tests of what surrounds it.

Never knows who iterates.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from workloads.config import Program, Progress, ScoreRule
from workloads.state import State


class Config(Program):
    """Adds `value` to a sum at every step; the sum is its only memory."""

    value: float = Field(default=1.0, description="added at every step")
    steps: int = Field(default=1, ge=0, description="steps after step 0")
    steps_per_epoch: int = Field(default=10, ge=1, description="steps of one epoch")
    seed: int = Field(default=0, ge=0, description="reported, and otherwise ignored")

    @property
    def score_rule(self) -> ScoreRule:
        return "difference"

    @property
    def score_metric(self) -> str:
        return "total"

    def build(self) -> "Trivial":
        return Trivial(self)


class Trivial:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.total = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.total = state_dict["total"]

    def progress(self, step: int) -> Progress:
        metrics = {"total": self.total, "value": self.config.value, "seed": float(self.config.seed)}
        return Progress(step, metrics, {"only": {"total": self.total}})

    def train(self, state: State) -> Iterator[Progress]:
        state.steps_per_epoch = self.config.steps_per_epoch
        state.attach(total=self)
        if not state.resumed:
            yield self.progress(0)
        for step in range(state.step + 1, self.config.steps + 1):
            self.total += self.config.value
            state.step = step
            yield self.progress(step)
