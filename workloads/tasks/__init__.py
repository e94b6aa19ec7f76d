"""The tasks: data, and what counts as doing well on them. A task never knows the model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from workloads.config import ScoreRule
from workloads.kinds import Kind

__all__ = ["Classes", "Data", "Images", "Objective", "Split", "Task", "Windows", "evenly"]


class Split(ABC):
    """Samples that lie on one device and are fetched by number, without any loader."""

    @abstractmethod
    def __len__(self) -> int:
        """Returns the number of samples."""

    @abstractmethod
    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets, (batch, ...) each.

        Args:
            indices: (batch,) int64, where `indices_on` says.
        """

    def indices_on(self, device: torch.device | str) -> torch.device | str:
        """Returns where indices should lie for batches on that device: here there too."""
        return device

    @abstractmethod
    def to(self, device: torch.device | str) -> "Split":
        """Returns the same samples on that device."""


@dataclass(frozen=True)
class Images(Split):
    """Images with one label each.

    Attributes:
        pixels: (samples, channels, height, width), uint8 or float32.
        labels: (samples,) int64.
        mean: Subtracted from the pixels, in their unit.
        deviation: Divides them afterwards.
    """

    pixels: Tensor
    labels: Tensor
    mean: float = 0.0
    deviation: float = 1.0

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.labels)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (batch, channels, height, width) float32 and (batch,) int64."""
        pixels = self.pixels[indices].to(torch.float32)
        return pixels.sub_(self.mean).div_(self.deviation), self.labels[indices]

    def to(self, device: torch.device | str) -> "Images":
        """Returns the same images on that device."""
        return Images(self.pixels.to(device), self.labels.to(device), self.mean, self.deviation)


@dataclass(frozen=True)
class Windows(Split):
    """Windows of a text; the target of each token is the next one.

    Attributes:
        text: (tokens,) uint8 or int64.
        starts: (samples,) int64, where each window begins.
        length: Tokens per window.
    """

    text: Tensor
    starts: Tensor
    length: int

    def __len__(self) -> int:
        """Returns the number of windows."""
        return len(self.starts)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets, (batch, length) int64 each."""
        offsets = torch.arange(self.length + 1, device=self.starts.device)
        window = self.text[self.starts[indices, None] + offsets].to(torch.int64)
        return window[:, :-1].contiguous(), window[:, 1:].contiguous()

    def to(self, device: torch.device | str) -> "Windows":
        """Returns the same windows on that device."""
        return Windows(self.text.to(device), self.starts.to(device), self.length)


@dataclass(frozen=True)
class Data:
    """What a task's `build` gives."""

    train: Split
    validation: Split

    def to(self, device: torch.device | str) -> "Data":
        """Returns the same data on that device."""
        return Data(self.train.to(device), self.validation.to(device))


@dataclass(frozen=True)
class Objective:
    """What a training minimises.

    Attributes:
        loss: From outputs and targets of one training batch to the mean over it.
        parts: Whatever it learns or counts meanwhile, by name, for the checkpoint.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    parts: Mapping[str, Any] = field(default_factory=dict)


class Task(Kind, ABC):
    """The configuration of a task.

    Attributes:
        score_metric: The metric by which a cell is compared with its baseline.
        score_rule: How: `accuracy_ratio`, or `exp_loss` for exp(baseline - value).
    """

    score_metric: ClassVar[str]
    score_rule: ClassVar[ScoreRule]

    @property
    @abstractmethod
    def gives(self) -> Literal["image", "tokens", "spectrum"]:
        """The kind of data, which decides the models that fit."""

    @property
    @abstractmethod
    def inputs(self) -> tuple[int, ...]:
        """Shape of one input: (channels, height, width), (length,) of tokens, (2, frames, bins)."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Classes, or size of the vocabulary; 2 of a spectrum: magnitude and phase."""

    @property
    @abstractmethod
    def samples(self) -> tuple[int, int]:
        """Numbers of training and validation samples, known before any file is read."""

    @abstractmethod
    def build(self, data_dir: Path | None = None, *, seed: int) -> Data:
        """Returns the data on the CPU, a pure function of configuration and arguments.

        Args:
            data_dir: Folder of the full data sets.
            seed: Seed of the workload, for tasks that draw their data.

        Raises:
            DataError: Files are missing or not what they should be.
        """

    def check(self, data_dir: Path | None = None) -> None:
        """Raises what `build` would raise for missing or wrong files."""

    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Returns means over the batch by name, tensors without dimension; `loss` is trained on.

        Args:
            outputs: (batch, ..., classes) logits.
            targets: (batch, ...) int64.

        Here `loss` is the cross-entropy in nats and `accuracy` the share of largest logits that
        stand at the target; for tokens both are means over all tokens.
        """
        flat, wanted = outputs.flatten(0, -2), targets.flatten()
        hits = flat.argmax(dim=-1) == wanted
        return {
            "loss": functional.cross_entropy(flat, wanted),
            "accuracy": hits.to(torch.float32).mean(),
        }

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns the loss alone, as `scores` defines it."""
        return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())

    def objective(self, device: str) -> Objective:
        """Returns what a training minimises: here the loss.

        Args:
            device: torch's name of the device that outputs and targets will be on.
        """
        return Objective(self.loss)


class Classes(Task, ABC):
    """A task whose outputs are one logit a class, trained by one of two losses."""

    criterion: Literal["cross_entropy", "mse"] = Field(
        default="cross_entropy",
        description="loss: cross-entropy, or squared distance of the logits from 1 at the target",
        json_schema_extra={"since": 2},
    )

    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Returns the base's scores, with this task's `loss`."""
        scores = super().scores(outputs, targets)
        if self.criterion != "cross_entropy":
            scores["loss"] = self.loss(outputs, targets)
        return scores

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns the cross-entropy, or Σ over classes of (logit − [class is target])².

        Both are means over the samples, for tokens over all tokens.
        """
        if self.criterion == "cross_entropy":
            return super().loss(outputs, targets)
        flat = outputs.flatten(0, -2)
        wanted = functional.one_hot(targets.flatten(), flat.shape[-1]).to(flat.dtype)
        return (flat - wanted).square().sum(dim=-1).mean()


def evenly(available: int, wanted: int | None) -> Tensor:
    """Returns `wanted` of the numbers 0 … available - 1, evenly spread; all where it is None.

    Raises:
        ValueError: More are wanted than there are.
    """
    if wanted is None:
        return torch.arange(available)
    if wanted > available:
        raise ValueError(f"at most {available} samples exist, got {wanted}. Ask for fewer.")
    return torch.arange(wanted) * available // wanted
