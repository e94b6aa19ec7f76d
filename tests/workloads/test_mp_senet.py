"""MP-SENet: its published size, its decoders, its sites, and that it enhances held-out speech."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tests.workloads.parts import model, norm, of_type
from tests.workloads.trainings import straight
from workloads.activations import relu
from workloads.config import validate
from workloads.models import Model
from workloads.norms import Norm

PUBLISHED = {"channels": 64, "blocks": 4, "dense_layers": 4, "heads": 4, "kernel": 31}
INPUTS = (2, 20, 33)


def built(config: Model, *, inputs: tuple[int, ...] = INPUTS, by: Norm | None = None) -> nn.Module:
    torch.manual_seed(0)
    chosen = by or norm(config.default_norm)
    return config.build(inputs=inputs, outputs=2, activation=relu.Config(), norm=chosen)


def spectra(*shape: int) -> torch.Tensor:
    magnitude = torch.rand(shape)
    return torch.stack((magnitude, (2 * torch.rand(shape) - 1) * math.pi), dim=1)


def test_the_published_size_is_2_05_million() -> None:
    config = model("mp_senet", **PUBLISHED, dropout=0.2, phase="absolute")
    with torch.device("meta"):
        module = built(config, inputs=(2, 321, 201))
    parameters = sum(parameter.numel() for parameter in module.parameters())
    slopes = 64 * len([name for name in module.sites if "blocks" not in name])  # of its PReLUs
    idle = 1  # a bias that the next norm takes away
    assert slopes == 64 * 15
    assert parameters + slopes + idle == 2_048_849
    assert round((parameters + slopes + idle) / 1e6, 2) == 2.05


def test_every_activation_but_the_masks_last_is_a_site() -> None:
    module = built(model("mp_senet", blocks=2))
    assert set(module.sites) == set(of_type(module, "ReLU"))
    names = list(module.sites)
    assert names[:5] == ["encoder.stem.act"] + [
        *(f"encoder.dense.layers.{layer}.act" for layer in range(3)), "encoder.down.act",
    ]  # fmt: skip
    places = ["feed1", "convolution", "feed2"]
    assert names[5:11] == [f"blocks.0.{a}.{b}.act" for a in ("time", "frequency") for b in places]
    assert names[-1] == "phase.up.act"
    assert of_type(module, "PReLU") == ["mask.prelu"]


@pytest.mark.parametrize("site", ["all", "pre_activation"])
def test_a_norm_replaces_all_that_feed_an_activation(site: str) -> None:
    usual = built(model("mp_senet"))
    assert len(of_type(usual, "GroupNorm")) == 12 + 1
    assert of_type(usual, "BatchNorm") == [
        f"blocks.0.{axis}.convolution.inner_norm" for axis in ("time", "frequency")
    ]
    by = norm("quantile_batchnorm", quantile=0.7, site=site)
    module = built(model("mp_senet"), by=by)
    assert len(of_type(module, "QuantileBatchNorm")) == 12 + 2
    assert of_type(module, "GroupNorm") == ["mask.norm"]
    assert len(of_type(module, "LayerNorm")) == len(of_type(usual, "LayerNorm"))


@pytest.mark.parametrize("phase", ["absolute", "residual"])
def test_the_phase_is_an_angle_and_the_mask_is_bounded(phase: str) -> None:
    module = built(model("mp_senet", phase=phase, mask_limit=1.5))
    with torch.no_grad():
        for parameter in module.phase.parameters():
            parameter.mul_(30)
    x = spectra(3, *INPUTS[1:])
    y = module(x)
    assert y.shape == x.shape
    magnitude, angle = y.detach().unbind(1)
    assert float(angle.abs().max()) <= math.pi
    assert float(angle.max()) > 2.5
    assert float(angle.min()) < -2.5
    assert float(magnitude.min()) >= 0
    assert (magnitude <= 1.5 * x[:, 0]).all()


def test_the_phase_is_the_angle_of_two_parallel_parts() -> None:
    module = built(model("mp_senet", phase="absolute"))
    parts = {}
    for name in ("real", "imaginary"):
        module.phase.get_submodule(name).register_forward_hook(
            lambda _, __, y, name=name: parts.update({name: y.squeeze(1)})
        )
    angle = module(spectra(2, *INPUTS[1:]))[:, 1]
    length = torch.hypot(parts["real"], parts["imaginary"])
    torch.testing.assert_close(angle.cos(), parts["real"] / length, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(angle.sin(), parts["imaginary"] / length, rtol=1e-4, atol=1e-5)


def test_no_weight_tensor_is_a_single_number() -> None:
    """Drift is measured against the spread of a tensor, which one number has not."""
    weights = [weight for weight in built(model("mp_senet")).parameters() if weight.ndim >= 2]
    assert min(weight.numel() for weight in weights) >= 8


def test_a_residual_phase_starts_near_the_noisy_one() -> None:
    x = spectra(2, *INPUTS[1:])
    angle = built(model("mp_senet"))(x)[:, 1].detach()
    assert float((angle - x[:, 1]).cos().min()) > 0.99


def test_a_plane_of_tokens_keeps_its_axes_apart() -> None:
    """The conformer along time moves frames of one bin and leaves the other bins alone."""
    module = built(model("mp_senet")).eval()
    x = torch.randn(1, 8, 6, 7)
    changed = x.clone()
    changed[0, :, 2, 3] += torch.randn(8)
    time = module.blocks[0].time
    moved = (time(changed.permute(0, 3, 2, 1)) - time(x.permute(0, 3, 2, 1))).abs().sum((0, 3))
    assert (moved[3] > 0).all()
    assert moved[[0, 1, 2, 4, 5, 6]].count_nonzero() == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"channels": 10, "heads": 4}, "got channels 10 and heads 4. Take channels 8."),
        ({"kernel": 4}, "kernel is odd, got 4. Take 5."),
        ({"phase": "none"}, "'absolute' or 'residual'"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as problem:
        model("mp_senet", **values)
    assert words in str(problem.value)


def test_bins_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match="odd number of bins from 3, got 32"):
        model("mp_senet").fits((2, 20, 32), 2)
    with pytest.raises(ValidationError, match="mp_senet takes spectrum, got austen"):
        validate({"task": "austen", "model": "mp_senet"})
    with pytest.raises(ValidationError, match="got speech, which gives spectrum"):
        validate({"task": "speech", "model": "resnet"})


def test_it_enhances_speech_it_never_heard() -> None:
    task = {"kind": "speech", "length": 2048, "window": 128, "hop": 64, "noises": ["coloured"]}
    train = {"steps": 40, "batch_size": 4, "clip_grad_norm": 1.0, "evaluate_every": 40}
    rows = straight(
        {
            "task": {**task, "train_size": 80, "validation_size": 30},
            "model": {"kind": "mp_senet", "dense_layers": 2},
            "train": {**train, "optimizer": {"kind": "adamw", "learning_rate": 0.01}},
        }
    )
    first, last = rows[0][1], rows[-1][1]
    assert first["val_si_sdr_gain"] < 0
    assert last["val_si_sdr_gain"] > 2  # dB above what it was given
    assert last["val_si_sdr"] - first["val_si_sdr"] == pytest.approx(
        last["val_si_sdr_gain"] - first["val_si_sdr_gain"]
    )
    assert last["val_loss"] < first["val_loss"]
    assert 0 < abs(last["drift_z"]) < 1
