"""A training looked up in the table of a real sweep: the cheapest objective that is a real one.

Never knows who iterates.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field
from search_table import table

from workloads.config import Program, Progress
from workloads.state import State


class Config(Program):
    """One point of the table, or between its points."""

    hidden: float = Field(default=32, gt=0, description="width of the only hidden layer")
    share: float = Field(default=0.75, gt=0, lt=1, description="of Top-K")
    rate: float = Field(default=1e-3, gt=0, description="learning rate")
    seed: int = Field(default=0, ge=0, description="ignored")

    def build(self) -> "Tabular":
        return Tabular(self)


class Tabular:
    def __init__(self, config: Config) -> None:
        self.config = config

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Has nothing to load."""

    def train(self, state: State) -> Iterator[Progress]:
        found, config = table(), self.config
        state.steps_per_epoch, state.steps = 1, found.epochs
        state.attach(table=self)
        for epoch in range(state.step + 1, found.epochs + 1):
            accuracy, sparsity = found.at(config.hidden, config.share, config.rate, epoch)
            state.step = epoch
            yield Progress(epoch, {"val_accuracy": accuracy, "sparsity": sparsity})
