"""The metric discriminator: a network that learns to predict a measure and is trained against.

Must never know the model, nor how the enhanced speech came about.

D sees two compressed magnitudes, clean and enhanced, and guesses the measure q in [0, 1] of the
second. Each call first teaches it, by the mean of (D(s, s) - 1)² + (D(s, ŝ) - q)², and then returns
the mean of (D(s, ŝ) - 1)², whose gradient goes to ŝ alone. Source: arXiv 2305.13686, section 2.3,
after MetricGAN (arXiv 1905.04874) and CMGAN (arXiv 2203.15149): four spectrally normed 4 × 4
convolutions of stride 2 with instance norm and PReLU, maximum over positions, two linear layers.
"""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn, optim
from torch.nn.utils import parametrizations

from workloads.kinds import Part
from workloads.tasks._spectrum import Spectrum
from workloads.tasks._speech_losses import si_sdr
from workloads.tasks._speech_scores import measured

__all__ = ["Critic", "Discriminator"]


class Discriminator(Part):
    """An adversary that stands for a measure which has no gradient of its own."""

    metric: Literal["pesq", "si_sdr"] = Field(
        default="pesq",
        description="what it predicts: PESQ (needs the extra `speech`) or SI-SDR, both on [0, 1]",
    )
    channels: int = Field(default=16, ge=1, le=1024, description="channels of its first layer")
    learning_rate: float = Field(default=5e-4, gt=0, description="of its own AdamW")
    dropout: float = Field(default=0.3, ge=0, lt=1, description="before its last layer")


class Critic:
    """The discriminator in training, with its optimizer."""

    def __init__(self, config: Discriminator, *, by: Spectrum, rate: int, device: str) -> None:
        """Draws the weights from torch's global stream.

        Args:
            config: The discriminator.
            by: The transform.
            rate: Samples a second.
            device: Where to train it.
        """
        self._config, self._by, self._rate = config, by, rate
        self._network = _network(config).to(device)
        self._optimizer = optim.AdamW(
            self._network.parameters(), lr=config.learning_rate, betas=(0.8, 0.99)
        )

    def state_dict(self) -> dict[str, Any]:
        """Returns weights and the optimizer's state."""
        return {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Takes back what `state_dict` returned."""
        self._network.load_state_dict(state_dict["network"])
        self._optimizer.load_state_dict(state_dict["optimizer"])

    def __call__(self, wave_BN: Tensor, clean_BN: Tensor) -> Tensor:
        """Learns from a batch and returns how far it is from taking it for perfect speech."""
        with torch.no_grad():
            clean = self._by.analyse(clean_BN)[:, 0]
        enhanced = self._by.compressed(wave_BN).abs()
        self._learn(clean, enhanced.detach(), self._quality(wave_BN.detach(), clean_BN))
        self._network.requires_grad_(False)
        loss = (self._guess(clean, enhanced) - 1).square().mean()
        self._network.requires_grad_(True)
        return loss

    def _learn(self, clean: Tensor, enhanced: Tensor, quality: Tensor) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        perfect = (self._guess(clean, clean) - 1).square().mean()
        loss = perfect + (self._guess(clean, enhanced) - quality).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def _guess(self, clean: Tensor, other: Tensor) -> Tensor:
        guess: Tensor = self._network(torch.stack((clean, other), dim=1)).squeeze(1)
        return guess

    def _quality(self, wave_BN: Tensor, clean_BN: Tensor) -> Tensor:
        """Returns the measure on [0, 1]: (PESQ - 1) / 3.5, or the logistic of SI-SDR / 10 dB."""
        if self._config.metric == "si_sdr":
            return torch.sigmoid(si_sdr(wave_BN, clean_BN) / 10).to(wave_BN.dtype)
        return (measured("pesq", wave_BN, clean_BN, rate=self._rate) - 1) / 3.5


def _network(config: Discriminator) -> nn.Module:
    """Builds D, (batch, 2, frames, bins) to (batch, 1) in (0, 1)."""
    first = config.channels
    layers: list[nn.Module] = []
    width = 2
    for wider in (first, 2 * first, 4 * first, 8 * first):
        conv = nn.Conv2d(width, wider, 4, stride=2, padding=1, bias=False)
        layers += [parametrizations.spectral_norm(conv), nn.GroupNorm(wider, wider)]
        layers.append(nn.PReLU(wider))
        width = wider
    layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten()]
    layers.append(parametrizations.spectral_norm(nn.Linear(width, width // 2)))
    layers += [nn.Dropout(config.dropout), nn.PReLU(width // 2)]
    layers += [parametrizations.spectral_norm(nn.Linear(width // 2, 1)), nn.Sigmoid()]
    return nn.Sequential(*layers)
