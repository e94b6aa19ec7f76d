"""Fails at a chosen step in a chosen way. Never knows who iterates."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field

from workloads.config import Program, Progress
from workloads.state import State


class Config(Program):
    """Goes well until step `at`."""

    at: int = Field(default=1, ge=0, description="step that fails")
    mode: Literal["raise", "nan", "inf", "exit", "kill", "memory", "cuda_memory", "hang"] = Field(
        default="raise",
        description="raise an error, report a NaN or infinite loss, end or kill the process,"
        " raise MemoryError or what torch raises when a GPU is full, or never come back",
    )
    steps: int = Field(default=3, ge=0, description="steps after step 0, if it gets there")
    seed: int = Field(default=0, ge=0, description="ignored")

    def build(self) -> "Failing":
        return Failing(self)


class Failing:
    def __init__(self, config: Config) -> None:
        self.config = config

    def progress(self, step: int) -> Progress:
        if step != self.config.at:
            return Progress(step, {"val_loss": 1.0 / (step + 1)})
        if self.config.mode == "raise":
            raise RuntimeError(f"failing at step {step}, as asked")
        if self.config.mode == "memory":
            raise MemoryError(f"failing at step {step}, as asked")
        if self.config.mode == "cuda_memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        if self.config.mode == "exit":
            os._exit(9)
        if self.config.mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.config.mode == "hang":
            threading.Event().wait()
        return Progress(step, {"val_loss": float(self.config.mode)})

    def train(self, state: State) -> Iterator[Progress]:
        state.attach()
        if not state.resumed:
            yield self.progress(0)
        for step in range(state.step + 1, self.config.steps + 1):
            state.step = step
            yield self.progress(step)
