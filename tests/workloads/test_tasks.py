"""The data of each task: sizes, splits, values, and what is said where files are missing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from workloads.data import build_austen, build_fashion_mnist
from workloads.data.files import DataError, fingerprint, write_idx
from workloads.tasks import Images, Windows, austen, evenly, fashion_mnist
from workloads.tasks.austen import Config as Austen
from workloads.tasks.fashion_mnist import Config as FashionMnist
from workloads.tasks.random_data import Config as RandomData


def test_shipped_images_are_stratified() -> None:
    data = FashionMnist().build(seed=0)
    assert isinstance(data.train, Images)
    assert isinstance(data.validation, Images)
    assert data.train.labels.bincount().tolist() == [1000] * 10
    assert data.validation.labels.bincount().tolist() == [200] * 10


def test_smaller_subsets_are_stratified_too() -> None:
    data = FashionMnist(train_size=100, validation_size=20).build(seed=0)
    assert isinstance(data.train, Images)
    assert isinstance(data.validation, Images)
    assert data.train.labels.bincount().tolist() == [10] * 10
    assert data.validation.labels.bincount().tolist() == [2] * 10


def test_pixels_are_scaled_to_about_one() -> None:
    pixels, labels = FashionMnist().build(seed=0).train.batch(torch.arange(0, 10_000, 10))
    assert pixels.shape == (1000, 1, 28, 28)
    assert pixels.dtype == torch.float32
    assert abs(float(pixels.mean())) < 0.02
    assert abs(float(pixels.std()) - 1) < 0.02
    assert labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"train_size": 10_001}, "train_size"),
        ({"validation_size": 2_001}, "validation_size"),
        ({"data": "full", "validation_size": 10_001}, "validation_size"),
        ({"train_size": 0}, "train_size"),
        ({"data": "all"}, "data"),
    ],
)
def test_images_that_do_not_exist_are_refused(config: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FashionMnist.model_validate(config)
    assert caught.value.errors()[0]["loc"] == (key,)


def test_the_full_set_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"needs a folder of data, got none.*--data"):
        FashionMnist(data="full").check()
    with pytest.raises(DataError, match=r"no such file.*dataset-fashion-mnist.*--data"):
        FashionMnist(data="full").check(tmp_path)


def full_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Writes a tiny full set and makes its hashes the expected ones."""
    folder.mkdir(parents=True)
    stream = np.random.default_rng(0)
    arrays = {}
    for name in build_fashion_mnist.NAMES:
        shape = (20, 28, 28) if "images" in name else (20,)
        arrays[name] = stream.integers(0, 10, shape, dtype=np.uint8)
        write_idx(folder / f"{name}.gz", arrays[name])
    hashes = {name: fingerprint(values) for name, values in arrays.items()}
    monkeypatch.setattr(build_fashion_mnist, "FULL", hashes)
    return arrays


@pytest.mark.parametrize("below", ["", "fashion-mnist", "FashionMNIST/raw"])
def test_the_full_set_is_read_from_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    root = tmp_path / "data"
    arrays = full_set(root / below, monkeypatch)
    data = FashionMnist(data="full").build(root, seed=0)
    assert isinstance(data.train, Images)
    assert data.train.labels.tolist() == arrays["train-labels-idx1-ubyte"].tolist()
    assert len(data.validation) == 20


def test_a_corrupt_file_is_named_with_hash_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = full_set(tmp_path / "data", monkeypatch)
    values = arrays["t10k-images-idx3-ubyte"]
    file = tmp_path / "data" / "t10k-images-idx3-ubyte.gz"
    write_idx(file, values + 1)
    with pytest.raises(DataError) as caught:
        FashionMnist(data="full").check(tmp_path / "data")
    assert str(file) in str(caught.value)
    assert fingerprint(values) in str(caught.value)


def test_missing_shipped_files_name_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_fashion_mnist, "FOLDER", tmp_path)
    with pytest.raises(DataError, match=r"python -m workloads\.data\.build_fashion_mnist"):
        FashionMnist().check()
    monkeypatch.setattr(build_austen, "FILE", tmp_path / "austen.txt.xz")
    with pytest.raises(DataError, match=r"python -m workloads\.data\.build_austen"):
        Austen().check()


def novels() -> list[bytes]:
    return austen.read_text(build_austen.FILE, expected=build_austen.SHA256, rebuild="").split(
        b"\f"
    )


def test_each_target_is_the_next_byte() -> None:
    data = Austen(length=16, vocabulary="bytes").build(seed=0)
    inputs, targets = data.train.batch(torch.tensor([0, 5]))
    assert inputs.dtype == targets.dtype == torch.int64
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    text = novels()[0]
    assert bytes(inputs[0].tolist()) == text[:16]
    assert bytes(inputs[1].tolist()) == text[80:96]
    assert int(targets[1, -1]) == text[96]


def test_the_last_tenth_of_each_novel_is_for_validation() -> None:
    data = Austen(length=1000, vocabulary="bytes").build(seed=0)
    texts = novels()
    starts = [text[len(text) * 9 // 10 :][:1000] for text in texts]
    windows, _ = data.validation.batch(torch.arange(len(data.validation)))
    assert set(starts) <= {bytes(row.tolist()) for row in windows}
    assert len(data.train) == sum((len(text) * 9 // 10 - 1) // 1000 for text in texts)
    for split in (data.train, data.validation):
        inputs, targets = split.batch(torch.arange(len(split)))
        assert not (inputs == 0x0C).any()
        assert not (targets == 0x0C).any()


def test_training_never_sees_a_byte_of_validation() -> None:
    data = Austen(length=64).build(seed=0)
    assert isinstance(data.train, Windows)
    assert isinstance(data.validation, Windows)
    seen = torch.zeros(len(data.train.text), dtype=torch.bool)
    window = torch.arange(65)
    seen[data.train.starts[:, None] + window] = True
    assert not seen[data.validation.starts[:, None] + window].any()


def test_the_compact_vocabulary_is_what_occurs() -> None:
    data = Austen().build(seed=0)
    assert isinstance(data.train, Windows)
    assert len(set(b"".join(novels()))) == Austen().outputs == 82
    assert int(data.train.text.max()) == 81
    assert Austen(vocabulary="bytes").outputs == 256


def test_fewer_windows_are_spread_over_all_novels() -> None:
    data = Austen(validation_size=12).build(seed=0)
    assert isinstance(data.validation, Windows)
    assert len(data.validation) == 12
    gaps = data.validation.starts.diff()
    assert int(gaps.min()) > 10_000


@pytest.mark.parametrize("config", [{"length": 0}, {"length": 32769}, {"validation_size": 10**6}])
def test_windows_that_do_not_exist_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Austen.model_validate(config)


def test_the_longest_context_has_windows_in_every_novel() -> None:
    train, validation = Austen(length=32768).samples
    assert train >= 6
    assert validation >= 6


def test_random_images_and_labels() -> None:
    data = RandomData(shape=(3, 8, 8), classes=5, train_size=2000).build(seed=0)
    pixels, labels = data.train.batch(torch.arange(2000))
    assert pixels.shape == (2000, 3, 8, 8)
    assert abs(float(pixels.mean())) < 0.01
    assert abs(float(pixels.std()) - 1) < 0.01
    assert set(labels.tolist()) == set(range(5))


def test_random_data_depend_on_the_seed_alone() -> None:
    def first(seed: int) -> torch.Tensor:
        torch.rand(seed + 1)
        return RandomData(train_size=4).build(seed=seed).train.batch(torch.arange(4))[0]

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def test_random_tokens() -> None:
    config = RandomData(shape=(9,), classes=50, train_size=30, validation_size=10)
    assert (config.gives, config.inputs, config.outputs) == ("tokens", (9,), 50)
    inputs, targets = config.build(seed=0).train.batch(torch.arange(30))
    assert inputs.shape == targets.shape == (30, 9)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])


def test_scores_of_images_and_tokens() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    scores = FashionMnist().scores(logits, torch.tensor([0, 0]))
    expected = float(torch.log1p(torch.exp(torch.tensor([-2.0, 2.0]))).mean())
    assert float(scores["loss"]) == pytest.approx(expected)
    assert float(scores["accuracy"]) == 0.5
    tokens = Austen().scores(logits.expand(3, 2, 2), torch.tensor([[0, 1]]).expand(3, 2))
    assert float(tokens["accuracy"]) == 1.0
    assert torch.equal(FashionMnist().loss(logits, torch.tensor([0, 0])), scores["loss"])


def test_evenly_spread_numbers() -> None:
    assert evenly(10, None).tolist() == list(range(10))
    assert evenly(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert evenly(10, 3).tolist() == [0, 3, 6]
    with pytest.raises(ValueError, match="at most 3 samples exist, got 4"):
        evenly(3, 4)


def test_the_readers_are_cached() -> None:
    assert fashion_mnist._read("shipped", build_fashion_mnist.FOLDER) is fashion_mnist._read(
        "shipped", build_fashion_mnist.FOLDER
    )
