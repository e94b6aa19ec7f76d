"""Loaders of full data sets, on small files of the same format; and wrong ones, refused."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from tests.workloads.trainings import straight
from workloads.config import validate
from workloads.data.files import DataError
from workloads.state import State
from workloads.tasks import Images, cifar
from workloads.tasks.cifar import Config as Cifar
from workloads.tasks.image_folder import Config as ImageFolder
from workloads.tasks.token_shards import Config as TokenShards
from workloads.tasks.token_shards import read_shard

RANDOM = np.random.default_rng(0)


def write_shard(file: Path, tokens: np.ndarray, *, magic: int = 20240520, held: int | None = None):
    header = np.zeros(256, "<i4")
    header[:3] = magic, 1, len(tokens) if held is None else held
    file.write_bytes(header.tobytes() + tokens.astype("<u2").tobytes())


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards of 50, 40 and 33 tokens below 60 000."""
    folder = tmp_path / "fineweb10B"
    folder.mkdir()
    for name, count in (("train_000001", 50), ("train_000002", 40), ("val_000000", 33)):
        tokens = RANDOM.integers(0, 60_000, count)
        write_shard(folder / f"fineweb_{name}.bin", tokens)
        np.save(tmp_path / f"{name}.npy", tokens)
    return tmp_path


def test_windows_of_shards_are_slices_of_their_tokens(shards: Path) -> None:
    config = TokenShards(length=8, train_size=10, validation_size=4, vocabulary=60_000)
    data = config.build(shards, seed=0)
    assert (len(data.train), len(data.validation)) == config.samples
    first, second = (np.load(shards / f"train_00000{i}.npy") for i in (1, 2))
    inputs, targets = data.train.batch(torch.tensor([5, 6, 0, 9]))
    starts = [(first, 40), (second, 0), (first, 0), (second, 24)]
    for row, (tokens, start) in enumerate(starts):
        assert inputs[row].tolist() == tokens[start : start + 8].tolist()
        assert targets[row].tolist() == tokens[start + 1 : start + 9].tolist()
    assert inputs.dtype == torch.int64


def test_a_shard_is_mapped_not_read(shards: Path) -> None:
    assert isinstance(read_shard(next((shards / "fineweb10B").glob("*val*"))), np.memmap)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"magic": 20240521}, "got [20240521, 1, 9] before 9 tokens"),
        ({"held": 10}, "got [20240520, 1, 10] before 9 tokens"),
    ],
)
def test_a_wrong_shard_is_refused(tmp_path: Path, values: dict[str, int], words: str) -> None:
    file = tmp_path / "a.bin"
    write_shard(file, np.arange(9), **values)
    with pytest.raises(DataError) as caught:
        read_shard(file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_torn_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    with pytest.raises(DataError, match="a shard begins with magic 20240520"):
        read_shard(tmp_path / "a.bin")


def test_too_few_shards_or_none_are_refused(shards: Path) -> None:
    config = TokenShards(length=8, train_size=11, validation_size=4)
    with pytest.raises(DataError, match="train_size 11 windows of 8 tokens .* got 10 windows in 2"):
        config.check(shards)
    with pytest.raises(DataError, match="got 0 windows in 0"):
        config.check(shards / "elsewhere")
    with pytest.raises(DataError, match="with --data"):
        config.check(None)


def test_a_token_outside_the_vocabulary_is_refused(shards: Path) -> None:
    data = TokenShards(length=8, train_size=10, validation_size=4, vocabulary=100).build(
        shards, seed=0
    )
    with pytest.raises(DataError, match="tokens are below vocabulary 100"):
        data.train.batch(torch.arange(10))


def test_a_model_trains_on_shards(shards: Path) -> None:
    task = {"kind": "token_shards", "length": 8, "vocabulary": 60_000}
    values = {
        "task": {**task, "train_size": 8, "validation_size": 2},
        "model": {"kind": "gpt_nano", "width": 8, "layers": 1},
        "train": {"steps": 2, "batch_size": 4},
    }
    rows = list(validate(values).build().train(State(data_dir=shards)))
    assert rows[-1].metrics["val_loss"] == pytest.approx(np.log(60_000), rel=0.05)


def write_archive(file: Path, parts: dict[str, bytes]) -> str:
    """Writes an archive as published, and returns its md5."""
    with tarfile.open(file, "w:gz") as tar:
        for name, content in parts.items():
            info = tarfile.TarInfo(f"cifar-batches-bin/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return hashlib.md5(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("classes", [10, 100])
def test_cifar_is_read_record_by_record(
    classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = cifar._ARCHIVES[classes]
    each = 20 // len(published.train)
    pixels = RANDOM.integers(0, 256, (24, 3, 32, 32), np.uint8)
    labels = RANDOM.integers(0, classes, 24)
    before = b"\7" * (published.labels - 1)  # the coarse label
    records = [
        before + bytes([label]) + image.tobytes()
        for image, label in zip(pixels, labels.tolist(), strict=True)
    ]
    parts = {
        name: b"".join(records[i * each : (i + 1) * each]) for i, name in enumerate(published.train)
    }
    parts |= {"readme.html": b"hello", published.test: b"".join(records[20:])}
    md5 = write_archive(tmp_path / published.file, parts)
    monkeypatch.setitem(cifar._ARCHIVES, classes, published._replace(md5=md5))
    data = Cifar(classes=classes, train_size=20, validation_size=4).build(tmp_path, seed=0)
    assert isinstance(data.train, Images)
    assert isinstance(data.validation, Images)
    for part, kept in ((data.train, slice(0, 20)), (data.validation, slice(20, 24))):
        assert np.array_equal(part.pixels.numpy(), pixels[kept])
        assert part.labels.tolist() == labels[kept].tolist()


def test_a_wrong_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match="archive of md5 c32a1d4.* got [0-9a-f]{32}. Get the bin"):
        Cifar().check(tmp_path)
    with pytest.raises(DataError, match="got No such file"):
        Cifar(classes=100).check(tmp_path)
    with pytest.raises(DataError, match="with --data"):
        Cifar().check(None)


def test_full_fashion_mnist_of_another_content_is_refused(tmp_path: Path) -> None:
    task = {"kind": "fashion_mnist", "data": "full"}
    config = validate({"task": task, "model": "mlp"})
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="needs a readable file with content of sha256"):
        config.check(tmp_path)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValidationError, match="width is a multiple of heads, got width 10 and"):
        straight({"task": "austen", "model": {"kind": "gpt_nano", "width": 10, "heads": 4}})


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two classes, three training images and one for validation each, 16 × 8 pixels."""
    for part, count in (("train", 3), ("val", 1)):
        for label, name in enumerate(("cat", "dog")):
            folder = tmp_path / "pets" / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = np.full((8, 16, 3), 100 * label + 10 * index, np.uint8)
                pixels[:, :2] = pixels[:, -2:] = 255  # what a crop in the middle loses
                Image.fromarray(pixels).save(folder / f"{index}.png")
            (folder / "notes.txt").write_text("no image")
    return tmp_path


PETS = {"folder": "pets", "size": 4, "classes": 2, "train_size": 6, "validation_size": 2}


def test_photographs_are_scaled_cropped_and_labelled(photographs: Path) -> None:
    data = ImageFolder.model_validate(PETS).build(photographs, seed=0)
    assert (len(data.train), len(data.validation)) == (6, 2)
    pixels, labels = data.train.batch(torch.tensor([5, 1]))
    assert labels.tolist() == [1, 0]
    assert pixels.shape == (2, 3, 4, 4)
    white = (pixels * 0.226 + 0.449) * 255
    torch.testing.assert_close(white[0], torch.full((3, 4, 4), 120.0), rtol=0, atol=0.01)
    torch.testing.assert_close(white[1], torch.full((3, 4, 4), 10.0), rtol=0, atol=0.01)


def test_a_model_trains_on_photographs(photographs: Path) -> None:
    values = {
        "task": {"kind": "image_folder", **PETS},
        "model": "resnet",
        "train": {"steps": 2, "batch_size": 3},
    }
    rows = list(validate(values).build().train(State(data_dir=photographs)))
    assert np.isfinite(rows[-1].metrics["val_loss"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": 3}, "holds 3 folders, one a class, got 2. Set classes"),
        ({"train_size": 7}, "holds 7 images below its classes, got 6. Ask for fewer"),
        ({"folder": "plants"}, "one a class, got 0"),
    ],
)
def test_folders_that_hold_something_else_are_refused(
    changes: dict[str, object], words: str, photographs: Path
) -> None:
    with pytest.raises(DataError, match=words):
        ImageFolder.model_validate(PETS | changes).check(photographs)


def test_a_file_that_is_no_image_is_named(photographs: Path) -> None:
    (photographs / "pets/train/dog/1.png").write_bytes(b"text")
    data = ImageFolder.model_validate(PETS).build(photographs, seed=0)
    with pytest.raises(DataError, match=r"dog/1.png: is an image, got cannot identify"):
        data.train.batch(torch.arange(6))
