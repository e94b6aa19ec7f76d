"""Folders of VoiceBank+DEMAND: pairs come back, whatever is wrong is said in one line."""

import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from workloads.data.files import DataError
from workloads.tasks.speech import Config, Recordings

FOLDERS = {
    "train": ("clean_trainset_28spk_wav", "noisy_trainset_28spk_wav"),
    "validation": ("clean_testset_wav", "noisy_testset_wav"),
}


def write(file: Path, samples: np.ndarray, *, rate: int = 16_000, channels: int = 1) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as sound:
        sound.setparams((channels, 2, rate, 0, "NONE", ""))
        sound.writeframes(samples.astype("<i2").tobytes())


def corpus(root: Path) -> dict[str, np.ndarray]:
    """Two training pairs and one test pair; noisy = 2 · clean."""
    stream = np.random.default_rng(0)
    waves = {}
    for split, names in (("train", ("p1_001", "p2_001")), ("validation", ("p9_001",))):
        for name, size in zip(names, (3000, 1200), strict=False):
            waves[name] = stream.integers(-9000, 9000, size).astype(np.int16)
            for folder, factor in zip(FOLDERS[split], (1, 2), strict=True):
                write(root / folder / f"{name}.wav", factor * waves[name])
    return waves


def task(**values: object) -> Config:
    sizes = {"train_size": 6, "validation_size": 2, "length": 2048}
    return Config.model_validate({"data": "voicebank_demand", **sizes, **values})


@pytest.mark.parametrize("below", ["", "VoiceBank+DEMAND", "voicebank_demand"])
def test_windows_of_pairs_come_back(tmp_path: Path, below: str) -> None:
    waves = corpus(tmp_path / below)
    config = task()
    config.check(tmp_path)
    data = config.build(tmp_path, seed=0)
    assert isinstance(data.train, Recordings)
    assert (len(data.train), len(data.validation)) == (6, 2)
    inputs, targets = data.train.batch(torch.arange(6))
    assert inputs.shape == (6, *config.inputs)
    torch.testing.assert_close(targets[:, 1], 2 * targets[:, 0])
    for sample, name in enumerate(("p1_001", "p2_001") * 3):
        clean, start = waves[name], int(data.train.offsets[sample])
        expected = np.resize(np.roll(clean, -start), 2048).astype(np.float32)
        scale = float(targets[sample, 0, 0]) / expected[0]
        torch.testing.assert_close(targets[sample, 0], torch.from_numpy(expected) * scale)


def test_the_usual_sizes_are_those_of_the_data_set() -> None:
    assert Config(data="voicebank_demand").samples == (11_572, 824)
    assert Config(data="voicebank_demand", validation_size=10).samples == (11_572, 10)


def broken(root: Path, problem: str) -> Path:
    """Makes one thing wrong and returns the file or folder to be blamed."""
    corpus(root)
    file = root / FOLDERS["validation"][1] / "p9_001.wav"
    samples = np.ones(1200, np.int16)
    if problem == "rate":
        write(file, samples, rate=48_000)
    elif problem == "stereo":
        write(file, samples, channels=2)
    elif problem == "empty":
        write(file, samples[:0])
    elif problem == "length":
        write(file, samples[:7])
    elif problem == "torn":
        file.write_bytes(b"RIFF")
    elif problem == "cut off":
        file.write_bytes(file.read_bytes()[:-100])
    elif problem == "cut off behind a longer head":
        head, samples_of_it = file.read_bytes()[:36], file.read_bytes()[36:-100]
        file.write_bytes(head + b"LIST" + (300).to_bytes(4, "little") + bytes(300) + samples_of_it)
    elif problem == "partner":
        file.rename(file.with_name("p9_002.wav"))
        file = root / FOLDERS["validation"][1] / "p9_001.wav"
    elif problem == "folder":
        file.unlink()
        file = file.parent
    return file


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("rate", "needs 16000 Hz, 1 channel, 16 bit, got 48000 Hz, 1, 16 bit."),
        ("stereo", "got 16000 Hz, 2, 16 bit."),
        ("empty", "needs samples, got an empty clip."),
        ("length", "is as long as its clean partner, got 7 samples and 3000."),
        ("torn", "needs a wave file of PCM, got EOFError"),
        ("cut off", "needs the 3000 samples that its head tells of, got 2950."),
        ("cut off behind a longer head", "the 3000 samples that its head tells of, got 2950."),
        ("partner", "needs a partner for each file of clean_testset_wav, got no such file"),
        ("folder", "needs wave files, got none."),
    ],
)
def test_whatever_is_wrong_is_said_before_training(
    tmp_path: Path, problem: str, words: str
) -> None:
    blamed = broken(tmp_path, problem)
    with pytest.raises(DataError) as caught:
        task().check(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{blamed}: ")
    assert words in message
    assert message.endswith("with --data.")
    assert "\n" not in message
    with pytest.raises(DataError):
        task().build(tmp_path, seed=0)


def test_it_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"voicebank_demand needs a folder of data, got none.*--da"):
        task().check()
    with pytest.raises(DataError, match=r"clean_trainset_28spk_wav: needs wave files, got none"):
        task().check(tmp_path / "nowhere")
