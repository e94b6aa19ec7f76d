"""Mixes clean speech with noise made from other speech at a stated signal-to-noise ratio.

Must never know where the speech comes from, nor how mixtures are measured.

A mixture is x = s + g·n over one window, g such that 10 log₁₀(Σs² / Σ(g·n)²) is the ratio. Clips
shorter than a window are repeated. Noises: `babble`, six windows of other clips at equal power;
`speech_shaped`, Gaussian noise with the mean power spectrum of the speech; `coloured`, Gaussian
noise whose power falls with 1/f^β above 50 Hz, β drawn from [0, 2] (white to brown).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Noise", "mixtures", "windows"]

Noise = Literal["babble", "speech_shaped", "coloured"]

_VOICES = 6
_LOWEST = 50.0  # Hz
_STEP = 160  # samples between the places where a window may begin


def mixtures(
    clips: Sequence[Tensor],
    *,
    samples: int,
    length: int,
    rate: int,
    noises: Sequence[Noise],
    ratios: Sequence[float],
    stream: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Returns clean and noisy windows, (samples, length) float32 each.

    Sample i is a window of clip i mod the number of clips; noises and ratios occur equally often.

    Args:
        clips: (any,) float32 each, at least two.
        samples: How many.
        length: Samples of a window.
        rate: Samples a second.
        noises: Kinds.
        ratios: dB.
        stream: The only source of chance.
    """
    source = [(clip, _loud(clip, length)) for clip in clips]
    chosen = torch.arange(samples) % len(clips)
    clean = _cut(source, chosen, length=length, stream=stream)
    pairs = torch.arange(samples) % (len(noises) * len(ratios))
    pairs = pairs[torch.randperm(samples, generator=stream)]
    noise = torch.empty_like(clean)
    for number, kind in enumerate(noises):
        rows = (pairs // len(ratios) == number).nonzero().squeeze(1)
        if kind == "babble":
            noise[rows] = _babble(source, chosen[rows], length=length, stream=stream)
        else:
            power = _power(kind, clean, len(rows), rate=rate, stream=stream)
            noise[rows] = _shaped(power, (len(rows), length), stream)
    wanted = 10 ** (torch.tensor(ratios, dtype=torch.float32)[pairs % len(ratios)] / 10)
    gain = (clean.square().sum(1) / (wanted * noise.square().sum(1))).sqrt()
    return clean, clean + gain[:, None] * noise


def windows(
    sizes: Tensor, *, samples: int, length: int, stream: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Returns the clip of each sample and where in it its window begins, (samples,) int64 each.

    Args:
        sizes: (clips,) int64, samples of each clip.
        samples: How many.
        length: Samples of a window.
        stream: Draws the places; a clip shorter than a window is used from its start.
    """
    chosen = torch.arange(samples) % len(sizes)
    room = (sizes[chosen] - length).clamp(min=0) + 1
    return chosen, (torch.rand(samples, generator=stream, dtype=torch.float64) * room).long()


def _power(kind: Noise, clean: Tensor, rows: int, *, rate: int, stream: torch.Generator) -> Tensor:
    """Returns the power spectra of noises: (rows, frequencies), up to a factor each."""
    if kind == "speech_shaped":
        power: Tensor = torch.fft.rfft(clean).abs().square().mean(dim=0)
        return power.expand(rows, -1)
    frequency: Tensor = torch.fft.rfftfreq(clean.shape[1], 1 / rate).clamp(min=_LOWEST)
    slope = 2 * torch.rand((rows, 1), generator=stream)
    return frequency.pow(-slope)


def _shaped(power: Tensor, shape: tuple[int, int], stream: torch.Generator) -> Tensor:
    """Returns Gaussian noise with the given power spectrum, up to a factor."""
    white = torch.fft.rfft(torch.randn(shape, generator=stream))
    noise: Tensor = torch.fft.irfft(white * power.sqrt(), n=shape[1])
    return noise


def _babble(
    source: Sequence[tuple[Tensor, Tensor]], own: Tensor, *, length: int, stream: torch.Generator
) -> Tensor:
    """Returns the sum of windows of clips that are not the sample's own."""
    total = torch.zeros(len(own), length)
    for _ in range(_VOICES):
        other = torch.randint(len(source) - 1, (len(own),), generator=stream)
        voice = _cut(source, other + (other >= own), length=length, stream=stream)
        total += voice / voice.square().mean(dim=1, keepdim=True).sqrt()
    return total


def _cut(
    source: Sequence[tuple[Tensor, Tensor]],
    chosen: Tensor,
    *,
    length: int,
    stream: torch.Generator,
) -> Tensor:
    """Returns one window of each chosen clip.

    Args:
        source: Each clip with the places where a window may begin.
        chosen: (windows,) int64, numbers of clips.
        length: Samples of a window.
        stream: Draws the places.
    """
    draws = torch.rand(len(chosen), generator=stream).tolist()
    steps, cut = torch.arange(length), torch.empty(len(chosen), length)
    for row, (number, draw) in enumerate(zip(chosen.tolist(), draws, strict=True)):
        clip, places = source[number]
        cut[row] = clip[(places[int(draw * len(places))] + steps) % len(clip)]
    return cut


def _loud(clip: Tensor, length: int) -> Tensor:
    """Returns where a window may begin: where it is at least half as loud as the loudest one."""
    last = max(len(clip) - length, 0)
    starts = torch.arange(0, last + 1, _STEP)
    energy = torch.cat([torch.zeros(1, dtype=torch.float64), clip.double().square().cumsum(0)])
    power = energy[(starts + length).clamp(max=len(clip))] - energy[starts]
    return starts[power >= power.max() / 2]
