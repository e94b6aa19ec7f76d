"""Inputs and labels drawn from the seed: nothing can be learned, only remembered.

Never knows the model. Pixels are N(0, 1), labels and tokens uniform and independent of them.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, field_validator

from workloads.config import ScoreRule
from workloads.streams import generator
from workloads.tasks import Classes, Data, Images, Split, Windows

__all__ = ["Config"]


class Config(Classes):
    """Random images, or random tokens where the shape is one number."""

    score_metric: ClassVar[str] = "val_accuracy"
    score_rule: ClassVar[ScoreRule] = "accuracy_ratio"

    shape: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        Field(strict=False, description="[channels, height, width], or [length] of tokens"),
    ] = (1, 28, 28)
    classes: int = Field(default=10, ge=2, description="classes, or size of the vocabulary")
    train_size: int = Field(default=10_000, ge=1, description="training samples")
    validation_size: int = Field(default=2_000, ge=1, description="validation samples")

    @field_validator("shape")
    @classmethod
    def _image_or_tokens(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) not in (1, 3):
            raise ValueError(
                f"one or three numbers, got {list(shape)}. Write [1, 28, 28] or [128]."
            )
        return shape

    @property
    def gives(self) -> Literal["image", "tokens"]:
        """Images where the shape has three numbers, else tokens."""
        return "image" if len(self.shape) == 3 else "tokens"

    @property
    def inputs(self) -> tuple[int, ...]:
        """The shape."""
        return self.shape

    @property
    def outputs(self) -> int:
        """The classes."""
        return self.classes

    @property
    def samples(self) -> tuple[int, int]:
        """The sizes."""
        return self.train_size, self.validation_size

    def build(self, data_dir: Path | None = None, *, seed: int) -> Data:
        """Draws the samples; the folder changes nothing."""
        return Data(
            train=self._draw("train", self.train_size, seed),
            validation=self._draw("validation", self.validation_size, seed),
        )

    def _draw(self, split: str, samples: int, seed: int) -> Split:
        stream = generator(seed, "random_data", split)
        if self.gives == "image":
            pixels = torch.randn((samples, *self.shape), generator=stream)
            return Images(pixels, torch.randint(self.classes, (samples,), generator=stream))
        (length,) = self.shape
        text = torch.randint(self.classes, (samples * (length + 1),), generator=stream)
        return Windows(text, torch.arange(samples) * (length + 1), length)
