"""Takes memory step by step until it is stopped. Never knows who stops it."""

from collections.abc import Iterator

from pydantic import Field

from workloads.config import Program, Progress
from workloads.state import State

_MEGABYTE = 1_000_000


class Config(Program):
    """Takes `megabytes` in all, 50 at a step, and then waits for nobody."""

    megabytes: int = Field(default=100, ge=0, le=1_000_000, description="memory in all, MB")
    seed: int = Field(default=0, ge=0, description="ignored")

    def build(self) -> "Hungry":
        return Hungry(self)


class Hungry:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.taken: list[bytearray] = []

    def train(self, state: State) -> Iterator[Progress]:
        state.attach()
        yield Progress(0, {"taken": 0.0})
        for step in range(1, self.config.megabytes // 50 + 1):
            block = bytearray(50 * _MEGABYTE)
            block[::4096] = b"x" * len(block[::4096])  # Touched, or it is not really taken.
            self.taken.append(block)
            state.step = step
            yield Progress(step, {"taken": 50.0 * step})
