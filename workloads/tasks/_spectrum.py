"""Turns waveforms into compressed magnitude and phase spectra and back.

Must never know what the spectra are for.

Shapes: (batch, samples) and (batch, 2, frames, bins), channel 0 the magnitude |X|^c, channel 1 the
phase in [-π, π]; X is the short-time Fourier transform with a periodic Hann window, frames centred
on multiples of the hop, the signal reflected at its ends; bins = window / 2 + 1, frames =
samples // hop + 1. Source: arXiv 2305.13686, section 2.1 (window 400, hop 100, c = 0.3).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Spectrum", "as_complex"]

_TINY = 1e-9  # added to |X|², in the signal's squared unit, since a power has no slope at 0


@dataclass(frozen=True)
class Spectrum:
    """The transform and its inverse.

    Attributes:
        window: Samples of a frame, a multiple of 4.
        hop: Samples from one frame to the next, at most half a window.
        power: c, the exponent that compresses magnitudes, in (0, 1].
    """

    window: int
    hop: int
    power: float

    def shape(self, samples: int) -> tuple[int, int, int]:
        """Returns (2, frames, bins) of a signal."""
        return 2, samples // self.hop + 1, self.window // 2 + 1

    def compressed(self, wave_BN: Tensor) -> Tensor:
        """Returns X · |X|^(c - 1), complex (batch, frames, bins), smooth where X is 0."""
        x = torch.stft(
            wave_BN,
            self.window,
            self.hop,
            window=self._hann(wave_BN),
            center=True,
            return_complex=True,
        ).transpose(1, 2)
        squares = torch.view_as_real(x).square().sum(-1) + _TINY
        return x * squares ** ((self.power - 1) / 2)

    def analyse(self, wave_BN: Tensor) -> Tensor:
        """Returns magnitude and phase, (batch, 2, frames, bins)."""
        x = self.compressed(wave_BN)
        return torch.stack((x.abs(), x.angle()), dim=1)

    def synthesise(self, spectrum_BCTF: Tensor, *, samples: int) -> Tensor:
        """Returns the waveform, (batch, samples).

        Args:
            spectrum_BCTF: (batch, 2, frames, bins); magnitudes below 0 count as 0.
            samples: Length of the signal that `analyse` was given.
        """
        magnitude, phase = spectrum_BCTF.unbind(1)
        x = torch.polar(magnitude.clamp(min=0) ** (1 / self.power), phase)
        return torch.istft(
            x.transpose(1, 2),
            self.window,
            self.hop,
            window=self._hann(magnitude),
            center=True,
            length=samples,
        )

    def _hann(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.window, dtype=like.dtype, device=like.device)


def as_complex(spectrum_BCTF: Tensor) -> Tensor:
    """Returns the compressed complex spectrum, (batch, frames, bins), of magnitude and phase."""
    magnitude, phase = spectrum_BCTF.unbind(1)
    return torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
