"""The next byte of six novels by Jane Austen. Never knows the model.

Each novel gives its first 90 % (of its bytes, rounded down) to training and the rest to validation.
Each part is cut into windows of `length` tokens from its start, each token's target being the next
byte; what is left over at the end of a part is not used.
"""

from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from workloads.config import ScoreRule
from workloads.data import build_austen as source
from workloads.data.files import read_text
from workloads.kinds import refusal
from workloads.tasks import Data, Task, Windows, evenly

__all__ = ["Config"]

_LENGTHS = (883027, 883279, 433410, 466853, 684767, 673687)  # bytes of the novels, in file order
_COMPACT = 82  # bytes that occur


class Config(Task):
    """Predict the next byte; the score is exp(baseline loss - loss)."""

    score_metric: ClassVar[str] = "val_loss"
    score_rule: ClassVar[ScoreRule] = "exp_loss"

    length: int = Field(default=128, ge=1, le=32768, description="context, in tokens")
    vocabulary: Literal["compact", "bytes"] = Field(
        default="compact", description="the 82 bytes that occur, or all 256"
    )
    train_size: int | None = Field(
        default=None, ge=1, description="training windows, evenly chosen; null: all"
    )
    validation_size: int | None = Field(
        default=None, ge=1, description="validation windows, evenly chosen; null: all"
    )

    @model_validator(mode="after")
    def _sizes_exist(self) -> "Config":
        wanted = (self.train_size, self.validation_size)
        for index, name in enumerate(("train_size", "validation_size")):
            most, size = len(_starts(self.length)[index]), wanted[index]
            if size is not None and size > most:
                message = f"at most {most} windows of {self.length}, got {size}. Ask for fewer."
                raise refusal((name,), message, size)
        return self

    @property
    def gives(self) -> Literal["tokens"]:
        """Tokens."""
        return "tokens"

    @property
    def inputs(self) -> tuple[int]:
        """(length,)."""
        return (self.length,)

    @property
    def outputs(self) -> int:
        """Size of the vocabulary."""
        return _COMPACT if self.vocabulary == "compact" else 256

    @property
    def samples(self) -> tuple[int, int]:
        """The sizes, or all there are."""
        train, validation = _starts(self.length)
        return self.train_size or len(train), self.validation_size or len(validation)

    def check(self, data_dir: Path | None = None) -> None:
        """Raises DataError where the text is missing or wrong."""
        _read(source.FILE, self.vocabulary)

    def build(self, data_dir: Path | None = None, *, seed: int) -> Data:
        """Returns the windows; neither folder nor seed changes anything.

        Raises:
            DataError: The text is missing or wrong.
        """
        text = _read(source.FILE, self.vocabulary)
        train, validation = _starts(self.length)
        return Data(
            train=Windows(text, train[evenly(len(train), self.train_size)], self.length),
            validation=Windows(
                text, validation[evenly(len(validation), self.validation_size)], self.length
            ),
        )


@lru_cache(maxsize=8)
def _starts(length: int) -> tuple[Tensor, Tensor]:
    """Returns where the training and the validation windows begin in the file."""
    train, validation, begin = [], [], 0
    for size in _LENGTHS:
        split, end = begin + size * 9 // 10, begin + size
        train.append(torch.arange(begin, split - length, length))
        validation.append(torch.arange(split, end - length, length))
        begin = end + 1  # the form feed between two novels
    return torch.cat(train), torch.cat(validation)


@lru_cache(maxsize=2)
def _read(file: Path, vocabulary: Literal["compact", "bytes"]) -> Tensor:
    """Reads the text once a process: (bytes,) uint8 tokens; the form feeds are in no window."""
    text = bytearray(read_text(file, expected=source.SHA256, rebuild=f"{source.REBUILD}."))
    values = torch.frombuffer(text, dtype=torch.uint8)
    if vocabulary == "bytes":
        return values
    known = sorted(set(text) - {0x0C})
    ranks = torch.zeros(256, dtype=torch.uint8)
    ranks[known] = torch.arange(len(known), dtype=torch.uint8)
    return ranks[values.to(torch.int32)]
