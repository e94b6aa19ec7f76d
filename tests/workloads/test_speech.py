"""Speech: the transform, the losses, the mixtures, the measures, and the discriminator."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tests.workloads.trainings import SPEECH, interrupted, straight
from workloads.data import build_speech
from workloads.data.files import DataError
from workloads.tasks import speech
from workloads.tasks._metric_critic import Critic, Discriminator
from workloads.tasks._spectrum import Spectrum, as_complex
from workloads.tasks._speech_losses import Losses, anti_wrapped, phase_loss, si_sdr
from workloads.tasks._speech_mixtures import mixtures, windows
from workloads.tasks.speech import Config, Recordings

RATE = build_speech.RATE


def wave(*shape: int, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.randn(*shape)


@pytest.mark.parametrize(("window", "hop"), [(400, 100), (256, 128), (64, 16)])
@pytest.mark.parametrize("power", [0.3, 1.0])
def test_a_spectrum_goes_back_to_its_waveform(window: int, hop: int, power: float) -> None:
    by = Spectrum(window, hop, power)
    x = wave(3, 20 * hop).double()
    spectrum = by.analyse(x)
    assert spectrum.shape == (3, *by.shape(20 * hop))
    assert float(spectrum[:, 1].abs().max()) <= math.pi
    torch.testing.assert_close(by.synthesise(spectrum, samples=20 * hop), x, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(as_complex(spectrum), by.compressed(x))


def test_magnitudes_are_compressed_and_silence_has_a_slope() -> None:
    x = wave(1, 640)
    plain, squeezed = (Spectrum(64, 32, power).analyse(x) for power in (1.0, 0.3))
    torch.testing.assert_close(squeezed[:, 0], plain[:, 0] ** 0.3, rtol=1e-3, atol=1e-4)
    silence = torch.zeros(1, 640, requires_grad=True)
    by = Spectrum(64, 32, 0.3)
    torch.view_as_real(by.compressed(silence)).sum().backward()
    assert silence.grad is not None
    assert silence.grad.isfinite().all()


def test_angles_are_compared_around_the_circle() -> None:
    turns = torch.arange(-3.0, 4.0) * 2 * math.pi
    for angle in (0.0, 0.3, -0.3, 3.0, -3.0):
        torch.testing.assert_close(
            anti_wrapped(angle + turns), torch.full((7,), abs(angle)), rtol=0, atol=1e-5
        )
    values = anti_wrapped(torch.linspace(-20, 20, 4001))
    assert float(values.min()) >= 0
    assert float(values.max()) <= math.pi + 1e-5
    one, other = torch.tensor(3.1), torch.tensor(-3.1)
    assert float(anti_wrapped(one - other)) == pytest.approx(2 * math.pi - 6.2, abs=1e-5)


def test_the_phase_loss_has_three_parts() -> None:
    wanted = 6 * torch.rand(2, 5, 4) - 3
    assert float(phase_loss(wanted + 2 * math.pi, wanted)) == pytest.approx(0, abs=1e-5)
    assert float(phase_loss(wanted + 0.5, wanted)) == pytest.approx(0.5, abs=1e-5)
    by_bin = wanted + 0.1 * torch.arange(4)  # 0.15 on average, 0.1 from bin to bin
    assert float(phase_loss(by_bin, wanted)) == pytest.approx(0.15 + 0.1, abs=1e-5)
    by_frame = wanted + 0.1 * torch.arange(5)[:, None]
    assert float(phase_loss(by_frame, wanted)) == pytest.approx(0.2 + 0.1, abs=1e-5)


def test_the_losses_are_those_of_the_paper() -> None:
    by, clean = Spectrum(64, 32, 0.3), wave(2, 640)
    target = by.analyse(clean)
    perfect = Losses().total(target, clean, by.synthesise(target, samples=640), by)
    assert float(perfect) == pytest.approx(0, abs=1e-3)
    outputs = target * torch.tensor([1.3, 0.9])[:, None, None]
    estimate = by.synthesise(outputs, samples=640)
    again = as_complex(by.analyse(estimate))
    difference = as_complex(outputs) - as_complex(target)
    expected = {
        "magnitude": (outputs - target)[:, 0].square().mean(),
        "phase": phase_loss(outputs[:, 1], target[:, 1]),
        "complex": (difference.real.square() + difference.imag.square()).mean(),
        "consistency": (as_complex(outputs) - again).abs().square().mean(),
        "time": (estimate - clean).abs().mean(),
    }
    none = dict.fromkeys(expected, 0.0)
    for name, value in expected.items():
        alone = Losses(**{**none, name: 2.0}).total(outputs, clean, estimate, by)
        assert float(alone) == pytest.approx(2 * float(value), rel=1e-4), name
    weights = Losses().model_dump()
    total = sum(weights[name] * float(value) for name, value in expected.items())
    assert float(Losses().total(outputs, clean, estimate, by)) == pytest.approx(total, rel=1e-4)


def test_si_sdr_is_its_formula_and_does_not_see_the_scale() -> None:
    clean, noise = wave(4, 1000, seed=1).double(), wave(4, 1000, seed=2).double()
    estimate = clean + 0.3 * noise
    for number in range(4):
        s, e = clean[number], estimate[number]
        target = (e @ s) / (s @ s) * s
        expected = 10 * math.log10(float((target @ target) / ((target - e) @ (target - e))))
        assert float(si_sdr(estimate, clean)[number]) == pytest.approx(expected, abs=1e-6)
    for scale in (1e-4, 0.5, -3.0, 1e5):
        torch.testing.assert_close(si_sdr(scale * estimate, clean), si_sdr(estimate, clean))
    orthogonal = noise - (noise * clean).sum(1, True) / clean.square().sum(1, True) * clean
    ratio = clean.square().sum(1) / orthogonal.square().sum(1)
    torch.testing.assert_close(si_sdr(clean + orthogonal, clean), 10 * ratio.log10())
    assert si_sdr(clean, clean).tolist() == [100.0] * 4
    assert si_sdr(0 * clean, clean).tolist() == [-100.0] * 4


@pytest.mark.parametrize("noise", ["babble", "speech_shaped", "coloured"])
def test_mixtures_have_the_stated_ratio(noise: str) -> None:
    clips = [wave(4000, seed=seed) for seed in range(5)]
    clean, noisy = mixtures(
        clips,
        samples=12,
        length=1600,
        rate=RATE,
        noises=[noise],
        ratios=[-5.0, 10.0],
        stream=torch.Generator().manual_seed(0),
    )
    power = clean.square().sum(1) / (noisy - clean).square().sum(1)
    decibels = sorted(round(float(value), 2) for value in 10 * power.log10())
    assert decibels == [-5.0] * 6 + [10.0] * 6


def test_babble_never_holds_the_clip_itself() -> None:
    clips = [torch.ones(500), torch.tensor([1.0, -1.0]).repeat(250)]
    stream = torch.Generator().manual_seed(0)
    settings = {"samples": 6, "length": 200, "rate": RATE, "noises": ["babble"], "ratios": [0.0]}
    clean, noisy = mixtures(clips, **settings, stream=stream)
    noise = noisy - clean
    torch.testing.assert_close(noise[::2].sum(1), torch.zeros(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(noise[1::2].abs().sum(1), noise[1::2].sum(1).abs())


def test_clips_of_one_split_are_in_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    marked = [torch.full((20_000,), 1.0 + number) for number in range(49)]
    monkeypatch.setattr(speech, "_clips", lambda: marked)
    data = Config(length=1024).build(seed=3)
    values = []
    for split in (data.train, data.validation):
        assert isinstance(split, Recordings)
        values.append(set(split.clean.unique().tolist()))
    assert values[0] | values[1] == set(range(1, 50))
    assert not values[0] & values[1]
    assert len(values[1]) == 9


def test_training_depends_on_the_seed_and_validation_does_not() -> None:
    one, other = (Config(**{**SPEECH, "kind": "speech"}).build(seed=seed) for seed in (0, 1))
    pick = torch.arange(8)
    assert not torch.equal(one.train.batch(pick)[0], other.train.batch(pick)[0])
    assert torch.equal(one.validation.batch(pick)[0], other.validation.batch(pick)[0])


def test_random_speech_holds_nothing_to_learn() -> None:
    config = Config(data="random", length=2048, train_size=20, validation_size=20)
    config.check()
    one, other = (config.build(seed=seed) for seed in (0, 1))
    pick = torch.arange(20)
    splits = (one.train, one.validation, other.train, other.validation)
    waves = torch.cat([split.batch(pick)[1].flatten(0, 1) for split in splits])
    products = waves @ waves.T / 2048 - torch.eye(len(waves))
    assert float(products.abs().max()) < 0.15  # independent, all 160 of them


def test_inputs_have_unit_power_and_follow_from_the_targets() -> None:
    config = Config(length=2048)
    inputs, targets = config.build(seed=0).train.batch(torch.tensor([3, 77]))
    assert inputs.shape == (2, *config.inputs) == (2, 2, 17, 129)
    clean, noisy = targets.unbind(1)
    torch.testing.assert_close(noisy.square().mean(1), torch.ones(2))
    assert torch.equal(inputs, config.spectrum.analyse(noisy))
    scores = config.scores(inputs, targets)
    assert float(scores["si_sdr_gain"]) == pytest.approx(0, abs=1e-3)
    assert float(scores["si_sdr"]) == pytest.approx(float(si_sdr(noisy, clean).mean()), abs=1e-3)


def test_windows_lie_inside_their_clip() -> None:
    sizes = torch.tensor([100, 30, 40])
    stream = torch.Generator().manual_seed(0)
    chosen, offsets = windows(sizes, samples=300, length=40, stream=stream)
    assert chosen[:4].tolist() == [0, 1, 2, 0]
    assert set(offsets[chosen == 0].tolist()) <= set(range(61))
    assert len(set(offsets[chosen == 0].tolist())) > 40
    assert offsets[chosen != 0].count_nonzero() == 0


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"window": 250}, "window"),
        ({"hop": 200}, "hop"),
        ({"length": 16_001}, "length"),
        ({"length": 128}, "length"),
        ({"noises": []}, "noises"),
        ({"snr": [100]}, "snr"),
        ({"measures": ["mos"]}, "measures"),
        ({"length": 256, "discriminator": {"metric": "si_sdr"}}, "discriminator"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(values)
    assert caught.value.errors()[0]["loc"][0] == key


def test_a_measure_without_its_package_is_refused_before_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = r"pesq needs the package pesq, got none installed\. .*'cliffsweep\[speech\]'$"
    with pytest.raises(DataError, match=rf"^task\.measures: {message}"):
        Config(measures=("pesq",)).check()
    with pytest.raises(DataError, match=rf"^task\.discriminator\.metric: {message}"):
        Config(discriminator=Discriminator()).check()
    Config(discriminator=Discriminator(metric="si_sdr")).check()


@pytest.mark.parametrize(("measure", "package"), [("pesq", "pesq"), ("stoi", "pystoi")])
def test_a_measure_falls_with_noise(measure: str, package: str) -> None:
    pytest.importorskip(package, reason="the extra `speech` is not installed")
    config = Config.model_validate({"measures": [measure]})
    config.check()
    _, targets = config.build(seed=0).validation.batch(torch.arange(2))
    clean = targets[:, 0]
    values = [
        float(config.scores(config.spectrum.analyse(each), targets)[measure])
        for each in (clean, clean + 0.1 * wave(*clean.shape), clean + wave(*clean.shape))
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > (4 if measure == "pesq" else 0.99)
    silent = float(config.scores(config.spectrum.analyse(0 * clean), targets)[measure])
    assert silent <= values[2]


def test_the_discriminator_learns_what_it_is_shown() -> None:
    by = Spectrum(64, 32, 0.3)
    torch.manual_seed(0)
    settings = Discriminator(metric="si_sdr", channels=4, dropout=0.0, learning_rate=0.01)
    critic = Critic(settings, by=by, rate=RATE, device="cpu")
    before = {name: value.clone() for name, value in critic._network.named_parameters()}
    clean = wave(8, 1024)
    noisy = (clean + 3 * wave(8, 1024, seed=1)).requires_grad_()
    losses = [critic(noisy, clean).detach() for _ in range(25)]
    assert all(not torch.equal(before[n], v) for n, v in critic._network.named_parameters())
    assert all(parameter.requires_grad for parameter in critic._network.parameters())
    # SI-SDR of -9.5 dB is a quality of 0.28: the better it knows, the further from 1 it guesses.
    assert float(losses[-1]) == pytest.approx((1 - 0.28) ** 2, abs=0.1)
    critic(noisy, clean).backward()
    assert noisy.grad is not None
    assert noisy.grad.count_nonzero() > 0


def test_a_training_with_discriminator_goes_on_bit_for_bit(tmp_path: Path) -> None:
    values = {
        "task": {**SPEECH, "length": 512, "validation_size": 8, "train_size": 24},
        "model": {"kind": "mp_senet", "channels": 4, "dense_layers": 1},
        "train": {"steps": 4, "batch_size": 4, "log_every": 1},
        "seed": 3,
    }
    values["task"]["discriminator"] = {"metric": "si_sdr", "channels": 4}
    expected = straight(values)
    assert interrupted(values, [2], tmp_path) == expected
    values["task"]["discriminator"] = None
    assert straight(values)[-1][1]["train_loss"] != expected[-1][1]["train_loss"]
