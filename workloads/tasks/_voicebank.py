"""Reads pairs of clean and noisy recordings from the folders of VoiceBank+DEMAND.

Must never know how recordings are cut, transformed or scored.

The data set (Valentini-Botinhao et al., doi 10.7488/ds/2117) has 11 572 training pairs of 28
speakers and 824 test pairs of two others, as 48 kHz wave files in four folders; here they must have
been resampled to 16 kHz, mono, 16 bit. The two files of a pair have one name and one length.
"""

import wave
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from workloads.data.files import DataError

__all__ = ["SIZES", "Pairs", "check", "read"]

SIZES = (11_572, 824)
_FOLDERS = {
    "train": ("clean_trainset_28spk_wav", "noisy_trainset_28spk_wav"),
    "validation": ("clean_testset_wav", "noisy_testset_wav"),
}
_BELOW = ("", "VoiceBank+DEMAND", "voicebank_demand")
_REMEDY = (
    "Get VoiceBank+DEMAND (doi 10.7488/ds/2117), resample its four folders to 16 kHz"
    " (sox IN -r 16000 OUT), and name the folder that holds them with --data."
)


class Pairs(NamedTuple):
    """Recordings one after another.

    Attributes:
        clean: (samples,) int16, all recordings.
        noisy: The same shape.
        sizes: (recordings,) int64, samples of each.
    """

    clean: Tensor
    noisy: Tensor
    sizes: Tensor


def check(folder: Path | None, *, rate: int) -> None:
    """Reads the head of every file.

    Raises:
        DataError: A folder, a partner or a sample is missing, or a file has another form.
    """
    for split in _FOLDERS:
        for clean, noisy in _pairs(folder, split):
            sizes = [_head(file, rate=rate) for file in (clean, noisy)]
            if sizes[0] != sizes[1]:
                raise DataError(
                    f"{noisy}: is as long as its clean partner, got {sizes[1]} samples and"
                    f" {sizes[0]}. {_REMEDY}"
                )


@lru_cache(maxsize=2)
def read(folder: Path | None, split: str, *, rate: int) -> Pairs:
    """Reads one split once a process, 0.1 GB an hour.

    Args:
        folder: Holds the four folders, itself or one below it.
        split: `train` or `validation`.
        rate: Samples a second.

    Raises:
        DataError: As `check`.
    """
    check(folder, rate=rate)
    pairs = _pairs(folder, split)
    waves = [[_samples(file) for file in side] for side in zip(*pairs, strict=True)]
    clean, noisy = (torch.from_numpy(np.concatenate(side)) for side in waves)
    return Pairs(clean, noisy, torch.tensor([len(each) for each in waves[0]]))


def _pairs(folder: Path | None, split: str) -> list[tuple[Path, Path]]:
    """Returns clean and noisy files of the same names, in their order."""
    if folder is None:
        raise DataError(f"task.data: voicebank_demand needs a folder of data, got none. {_REMEDY}")
    names = _FOLDERS[split]
    roots = [folder / below for below in _BELOW]
    root = next((each for each in roots if (each / names[0]).is_dir()), folder)
    clean, noisy = ({file.name: file for file in (root / name).glob("*.wav")} for name in names)
    for side, name in zip((clean, noisy), names, strict=True):
        if not side:
            raise DataError(f"{root / name}: needs wave files, got none. {_REMEDY}")
    lonely = sorted(clean.keys() ^ noisy.keys())
    if lonely:
        there, missing = names if lonely[0] in clean else names[::-1]
        raise DataError(
            f"{root / missing / lonely[0]}: needs a partner for each file of {there}, got no such"
            f" file ({len(lonely)} missing). {_REMEDY}"
        )
    return [(clean[name], noisy[name]) for name in sorted(clean)]


def _head(file: Path, *, rate: int) -> int:
    """Returns the number of samples.

    Raises:
        DataError: It is not mono 16 bit PCM of that rate, or empty, or cut off.
    """
    try:
        with file.open("rb") as raw, wave.open(raw) as sound:
            held = (file.stat().st_size - raw.tell()) // 2  # Heads are of any length.
            form = (sound.getframerate(), sound.getnchannels(), 8 * sound.getsampwidth())
            frames: int = sound.getnframes()
    except (OSError, EOFError, wave.Error) as broken:
        raise DataError(f"{file}: needs a wave file of PCM, got {broken!r}. {_REMEDY}") from broken
    if form != (rate, 1, 16):
        raise DataError(
            f"{file}: needs {rate} Hz, 1 channel, 16 bit,"
            f" got {form[0]} Hz, {form[1]}, {form[2]} bit. {_REMEDY}"
        )
    if not frames:
        raise DataError(f"{file}: needs samples, got an empty clip. {_REMEDY}")
    if held < frames:
        raise DataError(
            f"{file}: needs the {frames} samples that its head tells of, got {held}. {_REMEDY}"
        )
    return frames


def _samples(file: Path) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    with wave.open(str(file), "rb") as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.int16)
