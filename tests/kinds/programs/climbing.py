"""Rises to a level, a little at each step: trials of which one knows early how they will end.

Never knows who iterates.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from workloads.config import Program, Progress
from workloads.state import State


class Config(Program):
    """`level` is the best it can do; after `steps` steps it is nearly there."""

    level: float = Field(default=1.0, description="what it rises to")
    steps: int = Field(default=12, ge=1, description="steps after step 0")
    steps_per_epoch: int | None = Field(default=2, description="null: it has no epochs")
    tells_steps: bool = Field(default=True, description="whether it says how many steps it takes")
    seed: int = Field(default=0, ge=0, description="ignored")

    def build(self) -> "Climbing":
        return Climbing(self)


class Climbing:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.height = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"height": self.height}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.height = state_dict["height"]

    def train(self, state: State) -> Iterator[Progress]:
        state.steps_per_epoch = self.config.steps_per_epoch
        state.steps = self.config.steps if self.config.tells_steps else None
        state.attach(height=self)
        for step in range(state.step + 1, self.config.steps + 1):
            self.height += (self.config.level - self.height) / 2
            state.step = step
            yield Progress(step, {"height": self.height})
