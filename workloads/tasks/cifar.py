"""CIFAR-10 and CIFAR-100: 32 × 32 colour images. Never knows the model.

Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; read from the
*binary* archives as published, whose md5 sums the publisher's page gives; nothing is unpickled.
A record is one label byte (CIFAR-100: a coarse one before the fine one), then 3 × 32 × 32 bytes,
plane by plane. Pixels are scaled by the mean and deviation over all channels of the training set.
"""

import hashlib
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from workloads.config import ScoreRule
from workloads.data.files import DataError
from workloads.tasks import Data, Images, evenly
from workloads.tasks._from_folder import FromFolder

__all__ = ["Config"]

_PIXELS = 3 * 32 * 32


class _Archive(NamedTuple):
    file: str
    md5: str
    train: tuple[str, ...]
    test: str
    labels: int  # bytes of them in a record; the last one counts
    mean: float  # of 255
    deviation: float


_ARCHIVES = {
    10: _Archive(
        "cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        "test_batch.bin",
        1,
        120.7,
        64.1,
    ),
    100: _Archive(
        "cifar-100-binary.tar.gz",
        "03b5dce01913d631647c71ecec9e9cb8",
        ("train.bin",),
        "test.bin",
        2,
        121.9,
        68.4,
    ),
}


class Config(FromFolder):
    """Classify photographs; the score is accuracy relative to the baseline's."""

    score_metric: ClassVar[str] = "val_accuracy"
    score_rule: ClassVar[ScoreRule] = "accuracy_ratio"

    classes: Literal[10, 100] = Field(default=10, description="CIFAR-10 or CIFAR-100")
    train_size: int = Field(
        default=50_000, ge=1, le=50_000, description="training images, evenly chosen"
    )
    validation_size: int = Field(
        default=10_000, ge=1, le=10_000, description="validation images, evenly chosen"
    )

    @property
    def gives(self) -> Literal["image"]:
        """Images."""
        return "image"

    @property
    def inputs(self) -> tuple[int, int, int]:
        """(3, 32, 32)."""
        return (3, 32, 32)

    @property
    def outputs(self) -> int:
        """The classes."""
        return self.classes

    def build(self, data_dir: Path | None = None, *, seed: int) -> Data:
        """Returns the images; the seed changes nothing.

        Raises:
            DataError: The archive is missing or wrong.
        """
        archive = _ARCHIVES[self.classes]
        folder = self.within(data_dir, holds=archive.file)
        parts = _read(folder / archive.file, archive)
        sizes = (self.train_size, self.validation_size)
        train, validation = (
            _images(pixels, labels, size, archive)
            for (pixels, labels), size in zip(parts, sizes, strict=True)
        )
        return Data(train=train, validation=validation)


def _images(pixels: Tensor, labels: Tensor, size: int, archive: _Archive) -> Images:
    if size > len(labels):
        raise DataError(
            f"{archive.file}: holds {size} images, got {len(labels)}. Get the archive again."
        )
    chosen = evenly(len(labels), size)
    return Images(pixels[chosen], labels[chosen], archive.mean, archive.deviation)


@lru_cache(maxsize=2)
def _read(file: Path, archive: _Archive) -> list[tuple[Tensor, Tensor]]:
    """Reads training and test part once a process: uint8 (n, 3, 32, 32) and int64 (n,)."""
    advice = "Get the binary version again from the CIFAR page of the University of Toronto."
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "md5").hexdigest()
    except OSError as error:
        rule = f"the archive of md5 {archive.md5}"
        raise DataError(f"{file}: needs {rule}, got {error.strerror}. {advice}") from error
    if found != archive.md5:
        raise DataError(f"{file}: needs the archive of md5 {archive.md5}, got {found}. {advice}")
    members: dict[str, bytes] = {}
    with tarfile.open(file, "r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                members[Path(member.name).name] = content.read()
    return [_records(members, names, archive) for names in (archive.train, (archive.test,))]


def _records(
    members: dict[str, bytes], names: tuple[str, ...], archive: _Archive
) -> tuple[Tensor, Tensor]:
    raw = np.frombuffer(b"".join(members[name] for name in names), np.uint8)
    records = raw.reshape(-1, archive.labels + _PIXELS)
    pixels = records[:, archive.labels :].reshape(-1, 3, 32, 32).copy()
    labels = records[:, archive.labels - 1].astype(np.int64)
    return torch.from_numpy(pixels), torch.from_numpy(labels)
