"""Tells where it was placed: which node runs it, and which devices it was given.

Never touches a device: it takes Ray's word for those it was given, so that placing can be tested
on nodes that only declare them.
"""

import os
import time
from collections.abc import Iterator

from pydantic import Field

from workloads.config import Program, Progress
from workloads.state import State


class Config(Program):
    """Takes `seconds`."""

    seconds: float = Field(default=0.5, ge=0, description="duration, s")
    seed: int = Field(default=0, ge=0, description="ignored")

    def build(self) -> "Placed":
        return Placed(self)


class Placed:
    def __init__(self, config: Config) -> None:
        self.config = config

    def train(self, state: State) -> Iterator[Progress]:
        import ray

        state.attach()
        time.sleep(self.config.seconds)
        given = [part for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part]
        state.step = 1
        found = {"devices": float(len(given)), "device": float(given[0]) if given else -1.0}
        # A float holds 53 bits of a number.
        node = float(int(ray.get_runtime_context().get_node_id()[:12], 16))
        yield Progress(1, found | {"node": node})
