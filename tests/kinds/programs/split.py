"""Refuses a width that its heads cannot share: for tests of points whose single values are valid.

Never knows who iterates.
"""

from collections.abc import Iterator

from pydantic import Field, model_validator

from workloads.config import Program, Progress
from workloads.state import State


class Config(Program):
    """Ends at once, with the width of one head."""

    heads: int = Field(default=1, ge=1, description="parts of the width")
    width: int = Field(default=8, ge=1, description="a multiple of heads")

    @model_validator(mode="after")
    def _whole(self) -> "Config":
        if self.width % self.heads:
            raise ValueError(f"width is a multiple of heads, got {self.width} and {self.heads}.")
        return self

    def build(self) -> "Split":
        return Split(self)


class Split:
    def __init__(self, config: Config) -> None:
        self.config = config

    def train(self, state: State) -> Iterator[Progress]:
        state.step = 1
        yield Progress(1, {"total": self.config.width / self.config.heads}, {})
