"""The next token of a text kept in shards, such as FineWeb's. Never knows the model.

A shard is a file of 256 little-endian int32 (magic 20240520, version 1, number of tokens, zeros),
then that many uint16 tokens: the format of llm.c and of arXiv 2605.17659. Shards are mapped into
memory, never read whole. Those whose name holds `_val_` are for validation, those with `_train_`
for training, in the order of their names, none crossing into the next; each token's target is the
next token, and what is left over at the end of a shard is not used. On a GPU the windows of a
batch are copied there, not the shards.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from workloads.config import ScoreRule
from workloads.data.files import DataError
from workloads.tasks import Data, Split
from workloads.tasks._from_folder import FromFolder

__all__ = ["Config", "Shards", "read_shard"]

MAGIC, VERSION, HEADER = 20240520, 1, 256
Tokens = NDArray[np.uint16]


class Config(FromFolder):
    """Predict the next token; the score is exp(baseline loss - loss)."""

    score_metric: ClassVar[str] = "val_loss"
    score_rule: ClassVar[ScoreRule] = "exp_loss"

    folder: str = Field(
        default="fineweb10B", min_length=1, description="of the shards, inside that of --data"
    )
    length: int = Field(default=1024, ge=1, le=65_536, description="context, in tokens")
    vocabulary: int = Field(default=50_257, ge=2, le=65_536, description="size, as in the shards")
    train_size: int = Field(default=100_000, ge=1, description="training windows, the first ones")
    validation_size: int = Field(default=512, ge=1, description="validation windows, the first")

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
        return self.vocabulary

    def build(self, data_dir: Path | None = None, *, seed: int) -> Data:
        """Returns the windows; the seed changes nothing.

        Raises:
            DataError: A shard is missing, is none, or there are too few tokens.
        """
        folder = self.within(data_dir, holds=self.folder) / self.folder
        train, validation = (self._split(folder, part) for part in ("train", "val"))
        return Data(train=train, validation=validation)

    def _split(self, folder: Path, part: Literal["train", "val"]) -> "Shards":
        wanted = self.train_size if part == "train" else self.validation_size
        files = sorted(folder.glob(f"*_{part}_*.bin"))
        shards = [read_shard(file) for file in files]
        windows = [max(0, (len(shard) - 1) // self.length) for shard in shards]
        if sum(windows) < wanted:
            name = "train_size" if part == "train" else "validation_size"
            raise DataError(
                f"{folder}: {name} {wanted} windows of {self.length} tokens need shards"
                f" *_{part}_*.bin, got {sum(windows)} windows in {len(files)}."
                " Get more shards, or ask for fewer windows."
            )
        return Shards(tuple(shards), tuple(windows), wanted, self.length, self.vocabulary, "cpu")


def read_shard(file: Path) -> Tokens:
    """Maps the tokens of one shard, (tokens,) uint16.

    Raises:
        DataError: It has another magic number or version, or not as many tokens as it says.
    """
    rule = "a shard begins with magic 20240520, version 1 and its number of tokens"
    try:
        header = np.fromfile(file, "<i4", count=HEADER)
        held = (file.stat().st_size - 4 * HEADER) // 2
    except OSError as error:
        raise DataError(f"{file}: {rule}, got {error.strerror}. Get the file again.") from error
    found = header[:3].tolist()
    if found != [MAGIC, VERSION, held] or len(header) < HEADER:
        raise DataError(
            f"{file}: {rule}, got {found} before {max(0, held)} tokens. Get the file again."
        )
    return np.memmap(file, "<u2", mode="r", offset=4 * HEADER, shape=(held,))


@dataclass(frozen=True)
class Shards(Split):
    """Windows of several shards.

    Attributes:
        shards: The tokens of each.
        windows: How many windows each holds.
        size: How many of all are used.
        length: Tokens per window.
        vocabulary: A token is below it.
        device: Where batches go.
    """

    shards: tuple[Tokens, ...]
    windows: tuple[int, ...]
    size: int
    length: int
    vocabulary: int
    device: torch.device | str

    def __len__(self) -> int:
        """Returns the number of windows."""
        return self.size

    def indices_on(self, device: torch.device | str) -> torch.device | str:
        """Returns the CPU, where the shards are: to fetch indices would be to wait for a GPU."""
        return "cpu"

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets, (batch, length) int64 each.

        Raises:
            DataError: A token is not in the vocabulary.
        """
        ends = np.cumsum(self.windows)
        numbers = indices.cpu().numpy()
        chosen = np.searchsorted(ends, numbers, side="right")
        starts = (numbers - (ends - self.windows)[chosen]) * self.length
        rows = [
            self.shards[shard][start : start + self.length + 1]
            for shard, start in zip(chosen.tolist(), starts.tolist(), strict=True)
        ]
        window = np.stack(rows).astype(np.int64)
        if window.size and window.max() >= self.vocabulary:
            raise DataError(
                f"token_shards: tokens are below vocabulary {self.vocabulary},"
                f" got {window.max()}. Set vocabulary to that of the shards."
            )
        tokens = torch.from_numpy(window)
        if torch.device(self.device).type == "cuda":
            tokens = tokens.pin_memory().to(self.device, non_blocking=True)
        return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()

    def to(self, device: torch.device | str) -> "Shards":
        """Returns the same windows, whose batches go to that device."""
        return Shards(self.shards, self.windows, self.size, self.length, self.vocabulary, device)
