"""Ends with a score that breaks off at a known sparsity: for tests of the search for it.

Never knows who iterates.
"""

from collections.abc import Iterator
from random import Random

from pydantic import Field

from workloads.config import Program, Progress, ScoreRule
from workloads.state import State


class Config(Program):
    """An accuracy of 0.9 that falls behind `tau`, at a measured sparsity of share ** bend."""

    share: float = Field(default=0.0, ge=0, lt=1, description="the level asked for")
    tau: float = Field(default=0.7, ge=0, le=1, description="sparsity at which the score breaks")
    fall: float = Field(default=1.0, ge=0, description="of score, a unit of sparsity")
    noise: float = Field(default=0.004, ge=0, description="standard deviation of the score")
    bend: float = Field(default=1.0, gt=0, description="power of share that sparsity is")
    seed: int = Field(default=0, ge=0, description="of the noise")

    @property
    def score_rule(self) -> ScoreRule:
        return "accuracy_ratio"

    @property
    def score_metric(self) -> str:
        return "val_accuracy"

    def build(self) -> "Breaking":
        return Breaking(self)


class Breaking:
    def __init__(self, config: Config) -> None:
        self.config = config

    def train(self, state: State) -> Iterator[Progress]:
        config = self.config
        yield Progress(0, {"val_loss": 2.3, "val_accuracy": 0.1}, {})
        random = Random(f"{config.seed} {config.share} {config.tau}")
        sparsity = config.share**config.bend
        score = 1 - config.fall * max(sparsity - config.tau, 0) + random.gauss(0, config.noise)
        accuracy = 0.9 * max(score, 0.1 / 0.9)
        state.step = 1
        yield Progress(1, {"val_loss": 0.4, "val_accuracy": accuracy, "sparsity": sparsity}, {})
