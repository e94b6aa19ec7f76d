"""Photographs in folders, one folder a class, as ImageNet's are kept. Never knows the model.

`<folder>/train/<class>/*` and `<folder>/val/<class>/*`, classes being numbered in the order of
their names. An image is decoded when its batch is asked for (by Pillow, the extra `images`), made
RGB, scaled so that its shorter side has `size` pixels and cropped in the middle. Pixels are scaled
by the mean and deviation of ImageNet over all channels, 0.449 and 0.226 of white.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from workloads.config import ScoreRule
from workloads.data.files import DataError
from workloads.tasks import Data, Split, evenly
from workloads.tasks._from_folder import FromFolder

__all__ = ["Config", "Photographs"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


class Config(FromFolder):
    """Classify photographs; the score is accuracy relative to the baseline's."""

    score_metric: ClassVar[str] = "val_accuracy"
    score_rule: ClassVar[ScoreRule] = "accuracy_ratio"

    folder: str = Field(
        default="imagenet", min_length=1, description="of train and val, inside that of --data"
    )
    size: int = Field(default=224, ge=1, le=4096, description="side of an image, pixels")
    classes: int = Field(default=1000, ge=2, description="number of folders in train")
    train_size: int = Field(default=1_281_167, ge=1, description="training images, evenly chosen")
    validation_size: int = Field(
        default=50_000, ge=1, description="validation images, evenly chosen"
    )

    @property
    def gives(self) -> Literal["image"]:
        """Images."""
        return "image"

    @property
    def inputs(self) -> tuple[int, int, int]:
        """(3, size, size)."""
        return (3, self.size, self.size)

    @property
    def outputs(self) -> int:
        """The classes."""
        return self.classes

    def build(self, data_dir: Path | None = None, *, seed: int) -> Data:
        """Returns the images; the seed changes nothing.

        Raises:
            DataError: Pillow or folders are missing, or hold other numbers than asked for.
        """
        try:
            import PIL  # noqa: F401
        except ImportError:
            raise DataError(
                "task.image_folder: needs Pillow to decode images, got no such package."
                " Install it with: pip install 'cliffsweep[images]'"
            ) from None
        folder = self.within(data_dir, holds=self.folder) / self.folder
        train, validation = folder / "train", folder / "val"
        names = sorted(child.name for child in train.glob("*") if child.is_dir())
        if len(names) != self.classes:
            raise DataError(
                f"{train}: holds {self.classes} folders, one a class, got {len(names)}."
                " Set classes, or look at the folder."
            )
        return Data(
            train=self._split(train, names, self.train_size),
            validation=self._split(validation, names, self.validation_size),
        )

    def _split(self, folder: Path, names: Sequence[str], wanted: int) -> "Photographs":
        found = [
            (file, label)
            for label, name in enumerate(names)
            for file in sorted((folder / name).glob("*"))
            if file.suffix.lower() in _SUFFIXES
        ]
        if len(found) < wanted:
            raise DataError(
                f"{folder}: holds {wanted} images below its classes, got {len(found)}."
                " Ask for fewer with train_size and validation_size."
            )
        chosen = [found[index] for index in evenly(len(found), wanted).tolist()]
        files, labels = zip(*chosen, strict=True)
        return Photographs(files, torch.tensor(labels), self.size, "cpu")


@dataclass(frozen=True)
class Photographs(Split):
    """Images that are decoded when they are asked for.

    Attributes:
        files: One an image.
        labels: (samples,) int64, on the CPU.
        size: Side of a decoded image, pixels.
        device: Where batches go.
    """

    files: tuple[Path, ...]
    labels: Tensor
    size: int
    device: torch.device | str

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.files)

    def indices_on(self, device: torch.device | str) -> torch.device | str:
        """Returns the CPU, where the files are."""
        return "cpu"

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (batch, 3, size, size) float32 and (batch,) int64.

        Raises:
            DataError: A file is no image.
        """
        indices = indices.cpu()
        pixels = np.stack([_decode(self.files[i], self.size) for i in indices.tolist()])
        images, labels = torch.from_numpy(pixels), self.labels[indices]
        if torch.device(self.device).type == "cuda":
            images = images.pin_memory().to(self.device, non_blocking=True)
            labels = labels.pin_memory().to(self.device, non_blocking=True)
        scaled = images.to(torch.float32).sub_(0.449 * 255).div_(0.226 * 255)
        return scaled.permute(0, 3, 1, 2).contiguous(), labels

    def to(self, device: torch.device | str) -> "Photographs":
        """Returns the same images, whose batches go to that device."""
        return Photographs(self.files, self.labels, self.size, device)


def _decode(file: Path, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Returns (size, size, 3): scaled by the shorter side, cropped in the middle."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(file) as opened:
            image = ImageOps.fit(opened.convert("RGB"), (size, size), Image.Resampling.BILINEAR)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{file}: is an image, got {reason}. Remove it.") from error
    return np.asarray(image, np.uint8)
