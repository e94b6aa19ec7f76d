"""Optimizers and schedules against what their sources say."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn, optim

from workloads.kinds import canonical, load, names
from workloads.optimizers import Optimizer
from workloads.optimizers.adamw import Config as AdamW
from workloads.optimizers.sgd import Config as Sgd
from workloads.schedules import Schedule
from workloads.schedules.constant import Config as Constant
from workloads.schedules.cosine import Config as Cosine
from workloads.schedules.exponential import Config as Exponential
from workloads.schedules.one_cycle import Config as OneCycle


def updates(optimizer: optim.Optimizer, weight: nn.Parameter) -> list[float]:
    """Minimizes w²/2 for three updates."""
    path = []
    for _ in range(3):
        optimizer.zero_grad()
        (weight.square().sum() / 2).backward()
        optimizer.step()
        path.append(float(weight.detach().flatten()[0]))
    return path


def test_adamw_is_its_formula() -> None:
    weight = nn.Parameter(torch.full((2, 2), 1.0))
    config = AdamW(learning_rate=0.1, betas=(0.8, 0.9), epsilon=1e-6, weight_decay=0.5)
    found = updates(config.build([("w", weight)]), weight)
    w, m, v, expected = 1.0, 0.0, 0.0, []
    for t in (1, 2, 3):
        g = w
        w -= 0.1 * 0.5 * w
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        w -= 0.1 * (m / (1 - 0.8**t)) / (math.sqrt(v / (1 - 0.9**t)) + 1e-6)
        expected.append(w)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_its_formula(nesterov: bool) -> None:
    weight = nn.Parameter(torch.full((2, 2), 1.0))
    config = Sgd(learning_rate=0.1, momentum=0.5, nesterov=nesterov, weight_decay=0.2)
    found = updates(config.build([("w", weight)]), weight)
    w, v, expected = 1.0, 0.0, []
    for _ in range(3):
        g = w + 0.2 * w
        v = 0.5 * v + g
        w -= 0.1 * (g + 0.5 * v if nesterov else v)
        expected.append(w)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", sorted(set(names("workloads.optimizers")) - {"muon"}))
def test_optimizers_are_fused_and_spare_vectors_from_decay(kind: str) -> None:
    config = load("workloads.optimizers", kind).model_validate({"weight_decay": 0.3})
    assert isinstance(config, Optimizer)
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    token_bias = nn.Parameter(torch.zeros(3, 2))
    optimizer = config.build([*model.named_parameters(), ("mlp.token_bias", token_bias)])
    assert optimizer.defaults["fused"]
    decays = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    assert [decays[id(p)] for p in model.parameters()] == [0.3, 0.0, 0.0, 0.0]
    assert decays[id(token_bias)] == 0.0
    assert {group["lr"] for group in optimizer.param_groups} == {config.learning_rate}


@pytest.mark.parametrize(
    ("config", "values", "loc"),
    [
        (AdamW, {"learning_rate": 0}, ("learning_rate",)),
        (AdamW, {"betas": [0.9, 1.0]}, ("betas", 1)),
        (AdamW, {"betas": [0.9]}, ("betas", 1)),
        (AdamW, {"weight_decay": -1}, ("weight_decay",)),
        (Sgd, {"momentum": 1.0}, ("momentum",)),
        (Sgd, {"momentum": 0.0, "nesterov": True}, ("nesterov",)),
        (OneCycle, {"warmup": -0.1}, ("warmup",)),
        (Cosine, {"floor": 2.0}, ("floor",)),
    ],
)
def test_values_out_of_range_are_refused(
    config: type[Optimizer], values: dict[str, object], loc: tuple[str | int, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        config.model_validate(values)
    assert caught.value.errors()[0]["loc"] == loc


def factors(schedule: Schedule, steps: int) -> list[float]:
    return [schedule.factor(update, steps=steps) for update in range(steps)]


def test_constant_is_a_trapezoid() -> None:
    assert factors(Constant(), 3) == [1.0, 1.0, 1.0]
    found = factors(Constant(warmup=2.0, warmdown=0.4), 10)
    assert found == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    assert factors(Constant(warmdown=2.0, end=4.0), 6) == [1, 1, 1, 0.5, 0, 0]
    assert factors(Constant(warmdown=0.4, end=0.6), 5) == [1, 1, 0.5, 0, 0]
    authors = Constant(warmdown=1450.0, end=5800.0)
    assert [authors.factor(u, steps=7168) for u in (4350, 5075, 5800, 7167)] == [1, 0.5, 0, 0]


def test_cosine_falls_from_one_to_the_floor() -> None:
    found = factors(Cosine(warmup=2.0, floor=0.2), 7)
    assert found == pytest.approx([0.5, 1.0, 1.0, 0.8828427, 0.6, 0.3171573, 0.2])


def test_exponential_is_that_of_torch_from_the_end_of_the_warm_up_on() -> None:
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.99)
    expected = []
    for _ in range(101):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert factors(Exponential(last=0.99**100), 101) == pytest.approx(expected)
    found = factors(Exponential(warmup=2.0, last=0.01), 5)
    assert found == pytest.approx([0.5, 1, 1, 0.1, 0.01])


def test_one_cycle_is_that_of_torch() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = optim.SGD([weight], lr=1.0, momentum=0.9)
    # torch reaches the peak at update share · steps - 1, ours at share · steps: 0.325 for 0.3.
    theirs = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=40, pct_start=0.325, cycle_momentum=False
    )
    expected = [optimizer.param_groups[0]["lr"]]
    for _ in range(39):
        optimizer.step()
        theirs.step()
        expected.append(optimizer.param_groups[0]["lr"])
    assert factors(OneCycle(), 40) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", names("workloads.schedules"))
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_factors_lie_between_0_and_1_however_short(kind: str, steps: int) -> None:
    config = load("workloads.schedules", kind)
    for values in ({}, {"warmup": 0.99}, {"warmup": 100.0}):
        schedule = config.model_validate(values)
        assert isinstance(schedule, Schedule)
        assert all(0 <= factor <= 1 for factor in factors(schedule, steps))


@pytest.mark.parametrize("family", ["workloads.optimizers", "workloads.schedules"])
def test_defaults_validate_to_themselves(family: str) -> None:
    for kind in names(family):
        config = load(family, kind)
        assert config.model_validate(canonical(config())) == config()
