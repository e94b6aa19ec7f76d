"""Theorem 1.2 of arXiv 2605.17659: at initialisation E[∂loss/∂p] ≥ 0, p an activation's input.

Tested over many initialisations by one-sided t statistics at fixed seeds. ERROR_RATE is the chance
that a mean of 0 would pass for a positive one (or, in the control, be taken for another than 0).
"""

import math
from statistics import NormalDist

import pytest
import torch
from torch import Tensor, nn

from workloads.config import validate
from workloads.measures import evaluate
from workloads.state import State
from workloads.tasks import Images, Task
from workloads.tasks.random_data import Config as RandomData

ERROR_RATE = 1e-5
INITIALISATIONS = 300
BOUND = NormalDist().inv_cdf(1 - ERROR_RATE)


class Squares(RandomData):
    """½‖output − y‖² against the label's unit vector, as in the theorem."""

    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        wanted = nn.functional.one_hot(targets, self.classes).to(outputs)
        return {"loss": (outputs - wanted).square().sum(-1).mean() / 2}


class Net(nn.Module):
    """Σ_j v_j σ(⟨w_j, x⟩), the weights drawn around 0."""

    def __init__(self, act: nn.Module, *, seed: int) -> None:
        super().__init__()
        stream = torch.Generator().manual_seed(seed)
        self.w = nn.Parameter(torch.randn(24, 16, dtype=torch.float64, generator=stream) / 4)
        self.v = nn.Parameter(torch.randn(5, 24, dtype=torch.float64, generator=stream) / 5)
        self.act = act
        self.sites = {"act": act}

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(x.flatten(1) @ self.w.T) @ self.v.T
        return out


def data() -> Images:
    stream = torch.Generator().manual_seed(9)
    pixels = torch.randn(40, 1, 4, 4, dtype=torch.float64, generator=stream)
    return _Double(pixels, torch.randint(5, (40,), generator=stream))


class _Double(Images):
    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        return self.pixels[indices], self.labels[indices]


def mean_gradient(net: nn.Module, task: Task) -> float:
    scores, _ = evaluate(net, task, data(), batch_size=16, device="cpu", groups=("gradients",))
    return scores["preact_grad_mean"]


def t_statistic(values: list[float]) -> float:
    drawn = torch.tensor(values, dtype=torch.float64)
    return float(drawn.mean() / (drawn.std() / math.sqrt(len(drawn))))


def over_initialisations(act: type[nn.Module], task: Task) -> float:
    return t_statistic(
        [mean_gradient(Net(act(), seed=seed), task) for seed in range(INITIALISATIONS)]
    )


def test_the_gradient_is_the_theorems_formula() -> None:
    net, split = Net(nn.ReLU(), seed=1), data()
    x, y = split.pixels.flatten(1), nn.functional.one_hot(split.labels, 5).double()
    p = (x @ net.w.T).detach()
    v = net.v.T.detach()  # (hidden, outputs): v_i is a row
    expected = (p > 0) * (p.relu() @ (v @ v.T) - y @ v.T)
    found = mean_gradient(net, Squares(shape=(1, 4, 4), classes=5))
    assert found == pytest.approx(float(expected.mean()), rel=1e-12)


@pytest.mark.parametrize("task", [Squares, RandomData], ids=["squares", "cross_entropy"])
@pytest.mark.parametrize("act", [nn.ReLU, nn.GELU, nn.SiLU], ids=lambda act: act.__name__)
def test_it_is_positive_on_average_over_initialisations(
    task: type[RandomData], act: type[nn.Module]
) -> None:
    assert over_initialisations(act, task(shape=(1, 4, 4), classes=5)) > BOUND


@pytest.mark.parametrize("task", [Squares, RandomData], ids=["squares", "cross_entropy"])
def test_and_zero_without_an_activation(task: type[RandomData]) -> None:
    """The control: of a linear network both signs are equally likely."""
    found = over_initialisations(nn.Identity, task(shape=(1, 4, 4), classes=5))
    assert abs(found) < NormalDist().inv_cdf(1 - ERROR_RATE / 2)


def test_it_holds_for_the_shipped_perceptron_at_step_0() -> None:
    def first(seed: int) -> float:
        task = {"kind": "random_data", "shape": [1, 6, 6], "train_size": 8, "validation_size": 64}
        train = {"steps": 1, "batch_size": 8}
        values = {"task": task, "model": {"kind": "mlp", "hidden": [32]}, "train": train}
        progress = next(validate({**values, "seed": seed}).build().train(State()))
        assert progress.step == 0
        return progress.metrics["preact_grad_mean"]

    assert t_statistic([first(seed) for seed in range(60)]) > BOUND
