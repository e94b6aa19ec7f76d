"""What an enhanced spectrum is held against: the multi-level losses of MP-SENet, and SI-SDR.

Must never know the model, the data, or how the losses are minimised.

Shapes: spectra (batch, 2, frames, bins) of compressed magnitude and phase; waveforms (batch,
samples). Source of the losses: arXiv 2305.13686, section 2.3, and arXiv 2308.08926; of their
weights: the authors' public code.
"""

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from workloads.kinds import Part
from workloads.tasks._spectrum import Spectrum, as_complex

__all__ = ["Losses", "anti_wrapped", "phase_loss", "si_sdr"]


class Losses(Part):
    """Weights of the losses; each is a mean over the batch."""

    magnitude: float = Field(default=0.9, ge=0, description="of the squared magnitude error")
    phase: float = Field(default=0.3, ge=0, description="of the three anti-wrapped phase errors")
    complex: float = Field(default=0.1, ge=0, description="of the squared complex error")
    consistency: float = Field(
        default=0.1, ge=0, description="of the squared distance to the nearest real signal's"
    )
    time: float = Field(default=0.2, ge=0, description="of the absolute error of the waveform")
    metric: float = Field(default=0.05, ge=0, description="of the discriminator's, if there is one")

    def total(self, outputs: Tensor, clean_BN: Tensor, wave_BN: Tensor, by: Spectrum) -> Tensor:
        """Returns the weighted sum, without the discriminator's part.

        Args:
            outputs: (batch, 2, frames, bins), the enhanced spectrum.
            clean_BN: The clean waveform.
            wave_BN: The enhanced one, synthesised from `outputs`.
            by: The transform.
        """
        target = by.analyse(clean_BN)
        estimate, wanted = as_complex(outputs), as_complex(target)
        parts = (
            (self.magnitude, functional.mse_loss(outputs[:, 0], target[:, 0])),
            (self.phase, phase_loss(outputs[:, 1], target[:, 1])),
            (self.complex, _squared(estimate - wanted)),
            (self.consistency, _squared(estimate - by.compressed(wave_BN))),
            (self.time, functional.l1_loss(wave_BN, clean_BN)),
        )
        return torch.stack([weight * part for weight, part in parts]).sum()


def _squared(difference: Tensor) -> Tensor:
    """Returns the mean of |d|²."""
    return torch.view_as_real(difference).square().sum(-1).mean()


def anti_wrapped(difference: Tensor) -> Tensor:
    """Returns |d - 2π · round(d / 2π)|, the distance of two angles, in [0, π], any shape."""
    return (difference - 2 * math.pi * torch.round(difference / (2 * math.pi))).abs()


def phase_loss(phase_BTF: Tensor, wanted_BTF: Tensor) -> Tensor:
    """Returns the anti-wrapped error of the phase, of its group delay, and of its frequency.

    Group delay is the difference from bin to bin, instantaneous angular frequency that from frame
    to frame. Args: (batch, frames, bins) each.
    """
    error = phase_BTF - wanted_BTF
    delay, frequency = error.diff(dim=2), error.diff(dim=1)
    return sum(
        (anti_wrapped(each).mean() for each in (delay, frequency)), anti_wrapped(error).mean()
    )


def si_sdr(estimate_BN: Tensor, clean_BN: Tensor) -> Tensor:
    """Returns the scale-invariant signal-to-distortion ratio of each signal, (batch,) in dB.

    10 log₁₀(‖αs‖² / ‖αs - ŝ‖²) with α = ⟨ŝ, s⟩ / ‖s‖². Source: arXiv 1811.02508, eq. 5. It ends at
    ±100 dB, which is also where silence (-100) and perfection (100) lie.
    """
    estimate, clean = estimate_BN.double(), clean_BN.double()
    tiny = torch.finfo(torch.float64).tiny
    energy = clean.square().sum(-1, keepdim=True)
    projected = (estimate * clean).sum(-1, keepdim=True) / (energy + tiny) * clean
    kept, lost = projected.square().sum(-1), (projected - estimate).square().sum(-1)
    return (10 * torch.log10(kept / (lost + tiny))).clamp(-100, 100)
