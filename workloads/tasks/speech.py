"""Speech enhancement at 16 kHz: recover the clean spectrum from a noisy one. Never knows the model.

Inputs are windows of noisy speech as compressed magnitude and phase, (batch, 2, frames, bins),
scaled to unit power; targets the waveforms, (batch, 2, samples), clean and noisy, equally scaled;
outputs the enhanced spectrum, shaped like the inputs. The defaults are at laptop scale: `window:
400, hop: 100, length: 32000` is arXiv 2305.13686.

`shipped`: 141 s of one voice. Every fifth clip is for validation; noise is made from the clips of
the same split, so that nothing of one is in the other. Training mixtures are drawn from the
workload's seed, validation mixtures are the same for all seeds. `voicebank_demand`: pairs from
folders; sample i is a window of pair i mod their number. `random`: clean and noisy are independent
Gaussian noise from the workload's seed, so that there is nothing to learn.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from workloads.config import ScoreRule
from workloads.data import build_speech as source
from workloads.kinds import refusal
from workloads.streams import generator
from workloads.tasks import Data, Objective, Split, Task, _voicebank
from workloads.tasks._metric_critic import Critic, Discriminator
from workloads.tasks._spectrum import Spectrum
from workloads.tasks._speech_losses import Losses, si_sdr
from workloads.tasks._speech_mixtures import Noise, mixtures, windows
from workloads.tasks._speech_scores import Measure, measured, need

__all__ = ["Config", "Recordings"]

_SIZES = {"shipped": (400, 100), "random": (400, 100), "voicebank_demand": _voicebank.SIZES}
_EVERY = 5  # which clip is for validation
_FIXED = 0  # seed of the validation mixtures

_Ratios = Annotated[
    tuple[Annotated[float, Field(ge=-60, le=60, strict=False)], ...],
    Field(strict=False, min_length=1),
]


class Config(Task):
    """Enhance noisy speech; the score is SI-SDR relative to the baseline's."""

    score_metric: ClassVar[str] = "val_si_sdr"
    score_rule: ClassVar[ScoreRule] = "accuracy_ratio"

    data: Literal["shipped", "random", "voicebank_demand"] = Field(
        default="shipped", description="the speech that ships, noise, or wave files in --data"
    )
    length: int = Field(default=16_000, ge=64, le=1_600_000, description="samples of a window")
    window: int = Field(default=256, ge=16, le=4096, multiple_of=4, description="samples a frame")
    hop: int = Field(default=128, ge=4, description="samples from frame to frame; divides length")
    compression: float = Field(default=0.3, gt=0, le=1, description="exponent of magnitudes")
    noises: Annotated[tuple[Noise, ...], Field(strict=False, min_length=1)] = Field(
        default=("babble", "speech_shaped", "coloured"), description="kinds mixed in, if shipped"
    )
    snr: _Ratios = Field(default=(-5.0, 0.0, 5.0), description="dB in training, if shipped")
    validation_snr: _Ratios = Field(default=(-2.5, 2.5), description="dB in validation, if shipped")
    train_size: int | None = Field(
        default=None, ge=1, description="training windows; null: 400, or one a pair of files"
    )
    validation_size: int | None = Field(
        default=None, ge=1, description="validation windows; null: 100, or one a pair of files"
    )
    losses: Losses = Field(default_factory=Losses, description="weights of the losses")
    discriminator: Discriminator | None = Field(
        default=None, description="metric discriminator to train against; null: none"
    )
    measures: Annotated[tuple[Measure, ...], Field(strict=False)] = Field(
        default=(), description="pesq, stoi at each evaluation; needs the extra `speech`"
    )

    @model_validator(mode="after")
    def _frames_fit(self) -> "Config":
        if self.hop > self.window // 2:
            message = f"hop is at most half of window {self.window}, got {self.hop}. Shorten it."
            raise refusal(("hop",), message, self.hop)
        if self.length % self.hop or self.length < self.window:
            message = (
                f"length is a multiple of hop {self.hop} and at least window {self.window}, got"
                f" {self.length}. Take {max(round(self.length / self.hop), 4) * self.hop}."
            )
            raise refusal(("length",), message, self.length)
        if self.discriminator is not None and min(self.inputs[1:]) < 16:
            message = f"a discriminator needs 16 frames and bins, got {self.inputs[1:]}. Take more."
            raise refusal(("discriminator",), message, self.inputs)
        return self

    @property
    def gives(self) -> Literal["spectrum"]:
        """Spectra."""
        return "spectrum"

    @property
    def spectrum(self) -> Spectrum:
        """The transform."""
        return Spectrum(self.window, self.hop, self.compression)

    @property
    def inputs(self) -> tuple[int, int, int]:
        """(2, frames, bins)."""
        return self.spectrum.shape(self.length)

    @property
    def outputs(self) -> int:
        """2: magnitude and phase."""
        return 2

    @property
    def samples(self) -> tuple[int, int]:
        """The sizes, or the usual ones."""
        train, validation = _SIZES[self.data]
        return self.train_size or train, self.validation_size or validation

    def check(self, data_dir: Path | None = None) -> None:
        """Raises DataError where data are missing or wrong, or a package that a measure needs."""
        need(self.measures, where="task.measures")
        if self.discriminator is not None and self.discriminator.metric == "pesq":
            need(("pesq",), where="task.discriminator.metric")
        if self.data == "shipped":
            _clips()
        elif self.data == "voicebank_demand":
            _voicebank.check(data_dir, rate=source.RATE)

    def build(self, data_dir: Path | None = None, *, seed: int) -> Data:
        """Returns the windows; the seed draws those for training, of `random` all.

        Raises:
            DataError: Data are missing or wrong.
        """
        train, validation = self.samples
        if self.data == "voicebank_demand":
            return Data(
                train=self._read(data_dir, "train", train, seed),
                validation=self._read(data_dir, "validation", validation, _FIXED),
            )
        if self.data == "random":
            return Data(
                train=self._drawn("train", train, seed),
                validation=self._drawn("validation", validation, seed),
            )
        return Data(
            train=self._mixed("train", train, self.snr, seed),
            validation=self._mixed("validation", validation, self.validation_snr, _FIXED),
        )

    def _mixed(
        self, split: str, samples: int, ratios: tuple[float, ...], seed: int
    ) -> "Recordings":
        clips = [
            clip
            for number, clip in enumerate(_clips())
            if (number % _EVERY == _EVERY - 1) == (split == "validation")
        ]
        clean, noisy = mixtures(
            clips,
            samples=samples,
            length=self.length,
            rate=source.RATE,
            noises=self.noises,
            ratios=ratios,
            stream=generator(seed, "speech", split),
        )
        return self._windows(clean, noisy)

    def _drawn(self, split: str, samples: int, seed: int) -> "Recordings":
        stream = generator(seed, "random_speech", split)
        clean, noisy = torch.randn((2, samples, self.length), generator=stream)
        return self._windows(clean, noisy)

    def _windows(self, clean: Tensor, noisy: Tensor) -> "Recordings":
        """Returns windows of their own, (samples, length) each."""
        begins = torch.arange(len(clean)) * self.length
        places = (begins, torch.full_like(begins, self.length), torch.zeros_like(begins))
        return Recordings(clean.flatten(), noisy.flatten(), *places, self.length, self.spectrum)

    def _read(self, folder: Path | None, split: str, samples: int, seed: int) -> "Recordings":
        pairs = _voicebank.read(folder, split, rate=source.RATE)
        stream = generator(seed, "speech", split)
        chosen, offsets = windows(pairs.sizes, samples=samples, length=self.length, stream=stream)
        begins = pairs.sizes.cumsum(0) - pairs.sizes
        places = (begins[chosen], pairs.sizes[chosen], offsets)
        return Recordings(pairs.clean, pairs.noisy, *places, self.length, self.spectrum)

    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Returns means over the batch by name.

        Args:
            outputs: (batch, 2, frames, bins), the enhanced spectrum.
            targets: (batch, 2, samples), clean and noisy waveforms.

        `loss` is the weighted sum of the losses, without a discriminator's; `si_sdr` that of the
        enhanced waveform in dB, `si_sdr_gain` by how much it is above the noisy one's; `pesq` and
        `stoi` where they are asked for.
        """
        clean, noisy = targets.unbind(1)
        wave = self._wave(outputs)
        ratio = si_sdr(wave, clean)
        extra = {each: measured(each, wave, clean, rate=source.RATE) for each in self.measures}
        return {
            "loss": self.loss(outputs, targets),
            "si_sdr": ratio.mean(),
            "si_sdr_gain": (ratio - si_sdr(noisy, clean)).mean(),
            **{name: values.mean() for name, values in extra.items()},
        }

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns the loss alone, as `scores` defines it."""
        outputs = outputs.to(targets.dtype)
        return self.losses.total(outputs, targets[:, 0], self._wave(outputs), self.spectrum)

    def objective(self, device: str) -> Objective:
        """Returns the loss; with a discriminator also its part, and what that one remembers."""
        if self.discriminator is None:
            return Objective(self.loss)
        settings = self.discriminator
        critic = Critic(settings, by=self.spectrum, rate=source.RATE, device=device)

        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            outputs = outputs.to(targets.dtype)
            wave, clean = self._wave(outputs), targets[:, 0]
            own = self.losses.total(outputs, clean, wave, self.spectrum)
            return own + self.losses.metric * critic(wave, clean)

        return Objective(loss, {"critic": critic})

    def _wave(self, outputs: Tensor) -> Tensor:
        return self.spectrum.synthesise(outputs.float(), samples=self.length)


@dataclass(frozen=True)
class Recordings(Split):
    """Windows of recordings that lie one after another.

    Attributes:
        clean: (all samples,) float32 in any unit, or int16.
        noisy: The same shape and unit.
        begins: (samples,) int64, where the recording of each sample begins.
        sizes: (samples,) int64, its length; a longer window takes it again from its beginning.
        offsets: (samples,) int64, where in it the window begins.
        length: Samples of a window.
        by: The transform.
    """

    clean: Tensor
    noisy: Tensor
    begins: Tensor
    sizes: Tensor
    offsets: Tensor
    length: int
    by: Spectrum

    def __len__(self) -> int:
        """Returns the number of windows."""
        return len(self.begins)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (batch, 2, frames, bins) and (batch, 2, length), both float32."""
        steps = self.offsets[indices, None] + torch.arange(self.length, device=self.begins.device)
        places = self.begins[indices, None] + steps % self.sizes[indices, None]
        waves = torch.stack((self.clean[places], self.noisy[places]), dim=1).to(torch.float32)
        power = waves[:, 1].square().mean(dim=1)
        waves = waves / power.sqrt().clamp(min=torch.finfo(torch.float32).tiny)[:, None, None]
        return self.by.analyse(waves[:, 1]), waves

    def to(self, device: torch.device | str) -> "Recordings":
        """Returns the same windows on that device."""
        waves = (self.clean.to(device), self.noisy.to(device))
        places = (self.begins.to(device), self.sizes.to(device), self.offsets.to(device))
        return Recordings(*waves, *places, self.length, self.by)


@lru_cache(maxsize=1)
def _clips() -> list[Tensor]:
    """Reads the shipped clips once a process, float32 in [-1, 1]."""
    return [torch.from_numpy(clip.copy()).float() / 32768 for clip in source.read().values()]
