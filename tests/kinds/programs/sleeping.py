"""Sleeps between steps: a trial that is surely at work when a test kills it.

Never knows who iterates.
"""

import time
from collections.abc import Iterator

from pydantic import Field

from workloads.config import Program, Progress
from workloads.state import State


class Config(Program):
    """Takes `seconds` in all, spread evenly over `steps`."""

    seconds: float = Field(default=1.0, ge=0, description="duration of all steps, s")
    steps: int = Field(default=10, ge=1, description="steps after step 0")
    seed: int = Field(default=0, ge=0, description="ignored")

    def build(self) -> "Sleeping":
        return Sleeping(self)


class Sleeping:
    def __init__(self, config: Config) -> None:
        self.config = config

    def train(self, state: State) -> Iterator[Progress]:
        state.attach()
        if not state.resumed:
            yield Progress(0, {"slept": 0.0})
        pause = self.config.seconds / self.config.steps
        for step in range(state.step + 1, self.config.steps + 1):
            time.sleep(pause)
            state.step = step
            yield Progress(step, {"slept": step * pause})
