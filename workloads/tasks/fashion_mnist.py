"""Fashion-MNIST: 28 × 28 grey images of clothes in 10 classes. Never knows the model.

Source: Xiao, Rasul, Vollgraf, arXiv 1708.07747. `shipped` is a stratified subset of 10 000
training images and 2 000 test images for validation; `full` the 60 000 and 10 000 of the four
published IDX files. Pixels are scaled by the mean and deviation of the 60 000, 0.2860 and 0.3530
of white.
"""

from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from workloads.config import ScoreRule
from workloads.data import build_fashion_mnist as source
from workloads.data.files import DataError, read_idx
from workloads.kinds import refusal
from workloads.tasks import Classes, Data, Images, evenly

__all__ = ["Config"]

_SIZES = {"shipped": (10_000, 2_000), "full": (60_000, 10_000)}
_DOWNLOAD = (
    "Get the four IDX files (Debian package dataset-fashion-mnist puts them into"
    " /usr/share/datasets/fashion-mnist) and name their folder with --data."
)


class Config(Classes):
    """Classify images of clothes; the score is accuracy relative to the baseline's."""

    score_metric: ClassVar[str] = "val_accuracy"
    score_rule: ClassVar[ScoreRule] = "accuracy_ratio"

    data: Literal["shipped", "full"] = Field(
        default="shipped", description="the subset that ships, or the full set in --data"
    )
    train_size: int | None = Field(
        default=None, ge=1, description="training images, evenly chosen; null: all"
    )
    validation_size: int | None = Field(
        default=None, ge=1, description="validation images, evenly chosen; null: all"
    )

    @model_validator(mode="after")
    def _sizes_exist(self) -> "Config":
        wanted = (self.train_size, self.validation_size)
        for name, size, most in zip(
            ("train_size", "validation_size"), wanted, _SIZES[self.data], strict=True
        ):
            if size is not None and size > most:
                message = f"at most {most} images in data: {self.data}, got {size}. Ask for fewer."
                raise refusal((name,), message, size)
        return self

    @property
    def gives(self) -> Literal["image"]:
        """Images."""
        return "image"

    @property
    def inputs(self) -> tuple[int, int, int]:
        """(1, 28, 28)."""
        return (1, 28, 28)

    @property
    def outputs(self) -> int:
        """10 classes."""
        return 10

    @property
    def samples(self) -> tuple[int, int]:
        """The sizes, or all there are."""
        train, validation = _SIZES[self.data]
        return self.train_size or train, self.validation_size or validation

    def check(self, data_dir: Path | None = None) -> None:
        """Raises DataError where a file is missing or wrong."""
        self.build(data_dir, seed=0)

    def build(self, data_dir: Path | None = None, *, seed: int) -> Data:
        """Returns the images; the seed changes nothing.

        Raises:
            DataError: A file is missing or wrong.
        """
        if self.data == "full" and data_dir is None:
            raise DataError(f"task.data: full needs a folder of data, got none. {_DOWNLOAD}")
        folder = source.FOLDER if self.data == "shipped" or data_dir is None else data_dir
        pixels, labels, test_pixels, test_labels = _read(self.data, folder)
        return Data(
            train=_images(pixels, labels, self.train_size),
            validation=_images(test_pixels, test_labels, self.validation_size),
        )


def _images(pixels: Tensor, labels: Tensor, size: int | None) -> Images:
    if size is not None:
        chosen = evenly(len(labels), size)
        pixels, labels = pixels[chosen], labels[chosen]
    return Images(pixels, labels, mean=0.2860 * 255, deviation=0.3530 * 255)


@lru_cache(maxsize=2)
def _read(data: Literal["shipped", "full"], folder: Path) -> list[Tensor]:
    """Reads the four files once a process: images uint8 (n, 1, 28, 28) and labels int64 (n,)."""
    hashes = source.SHIPPED if data == "shipped" else source.FULL
    rebuild = f"{source.REBUILD}." if data == "shipped" else _DOWNLOAD
    tensors = []
    for name in source.NAMES:
        values = read_idx(_find(folder, name), expected=hashes[name], rebuild=rebuild)
        tensor = torch.from_numpy(values)
        tensors.append(tensor[:, None] if tensor.ndim == 3 else tensor.to(torch.int64))
    return tensors


def _find(folder: Path, name: str) -> Path:
    """Returns the file, gzipped or not, in the folder itself or where others put it."""
    places = (folder, folder / "fashion-mnist", folder / "FashionMNIST" / "raw")
    files = [place / f"{name}{suffix}" for place in places for suffix in (".gz", "")]
    return next((file for file in files if file.exists()), files[0])
