"""Measures against independent float64 references."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from workloads.measures import Activity, Weights, evaluate
from workloads.tasks.random_data import Config as RandomData


class Net(nn.Module):
    """(batch, 1, 4, 4) to (batch, 3), with two sites."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 8), nn.Linear(8, 3)
        self.act, self.out = nn.ReLU(), nn.Hardtanh(-0.1, 0.1)
        self.drop = nn.Dropout(0.5)
        self.sites = {"act": self.act, "out": self.out}

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.drop(self.act(self.first(x.flatten(1))))
        return self.out(self.second(hidden))


def reference_drift(first: np.ndarray, now: np.ndarray) -> dict[str, float]:
    first, now = first.astype(np.float64), now.astype(np.float64)
    spread = first.std(ddof=1) + now.std(ddof=1) + 1e-8
    return {
        "drift_z": 2 * (now - first).mean() / spread,
        "negative_share": (now < 0).mean(),
        "weight_mean": now.mean(),
    }


def test_drift_of_each_tensor_and_of_all_together() -> None:
    net = Net()
    first = {name: value.detach().numpy().copy() for name, value in net.named_parameters()}
    weights = Weights(net)
    with torch.no_grad():
        net.first.weight.sub_(0.05)
        net.second.weight.mul_(1.5).add_(0.01)
        net.first.bias.add_(9)
    overall, layers = weights.measure()
    now = {name: value.detach().numpy() for name, value in net.named_parameters()}
    assert list(layers) == ["first.weight", "second.weight"]
    for name, measures in layers.items():
        assert measures == pytest.approx(reference_drift(first[name], now[name]), rel=1e-9)
    together = [np.concatenate([w[name].ravel() for name in layers]) for w in (first, now)]
    assert overall == pytest.approx(reference_drift(*together), rel=1e-9)


def test_no_drift_at_the_start_and_none_without_weights() -> None:
    overall, _ = Weights(Net()).measure()
    assert overall["drift_z"] == 0
    assert Weights(nn.ReLU()).measure() == ({}, {})


def test_one_weight_alone_has_no_deviation() -> None:
    layer = nn.Linear(1, 1)
    weights = Weights(layer)
    with torch.no_grad():
        layer.weight.add_(1)
    assert weights.measure()[0]["drift_z"] == pytest.approx(2e8, rel=1e-6)


def test_first_weights_come_back() -> None:
    net = Net()
    weights = Weights(net)
    saved = {name: value.clone() for name, value in weights.state_dict().items()}
    with torch.no_grad():
        net.first.weight.sub_(0.1)
    later = Weights(net)
    assert later.measure() != weights.measure()
    later.load_state_dict(saved)
    assert later.measure() == weights.measure()


def test_sparsity_and_peaks_over_several_batches() -> None:
    net = Net().eval()
    outputs: dict[str, list[Tensor]] = {"act": [], "out": []}
    for name, site in net.sites.items():
        site.register_forward_hook(lambda _m, _i, out, name=name: outputs[name].append(out))
    activity = Activity(net.sites)
    with torch.no_grad(), activity.watching():
        for size in (5, 5, 3):
            net(torch.randn(size, 1, 4, 4))
    with torch.no_grad():
        net(torch.full((1, 1, 4, 4), 99.0))
    overall, layers = activity.measure()
    seen = {name: torch.cat(parts[:3]).double() for name, parts in outputs.items()}
    for name, values in seen.items():
        assert layers[name]["sparsity"] == float((values == 0).double().mean())
        assert layers[name]["spike_max"] == float(values.abs().max())
    every = torch.cat([values.flatten() for values in seen.values()])
    assert overall["sparsity"] == pytest.approx(float((every == 0).double().mean()), abs=1e-12)
    assert overall["spike_max"] == float(every.abs().max())


def test_the_largest_value_may_be_negative() -> None:
    site = nn.Identity()
    activity = Activity({"site": site})
    with activity.watching():
        site(torch.tensor([[-5.0, 0.0, -0.0, 2.0]]))
        site(torch.tensor([[1.0, 0.0, 1.0, 1.0]]))
    assert activity.measure()[1] == {"site": {"sparsity": 3 / 8, "spike_max": 5.0}}


def test_sites_that_never_ran_are_left_out() -> None:
    assert Activity({"site": nn.ReLU()}).measure() == ({}, {})
    assert Activity({}).measure() == ({}, {})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_activations_are_reported(value: float) -> None:
    site = nn.Identity()
    activity = Activity({"site": site})
    with activity.watching():
        site(torch.tensor([[value, 0.0]]))
    measured = activity.measure()[0]
    assert measured["sparsity"] == 0.5
    assert not np.isfinite(measured["spike_max"])


def test_evaluation_weighs_samples_equally_and_leaves_training_mode() -> None:
    task = RandomData(shape=(1, 4, 4), classes=3, train_size=1, validation_size=23)
    split, net = task.build(seed=0).validation, Net()
    results = [
        evaluate(net, task, split, batch_size=size, device="cpu")[0] for size in (23, 7, 100)
    ]
    assert net.training
    assert not any(site._forward_hooks for site in net.sites.values())
    inputs, targets = split.batch(torch.arange(23))
    logits = net.eval()(inputs).detach().double()
    accuracy = float((logits.argmax(1) == targets).double().mean())
    loss = float(nn.functional.cross_entropy(logits, targets))
    for result in results:
        assert set(result) == {"val_loss", "val_accuracy", "sparsity", "spike_max"}
        assert result["val_loss"] == pytest.approx(loss, rel=1e-6)
        assert result["val_accuracy"] == pytest.approx(accuracy, abs=1e-6)
        assert result["sparsity"] == results[0]["sparsity"]


def test_measures_are_builtin_floats() -> None:
    task = RandomData(shape=(1, 4, 4), classes=3, train_size=1, validation_size=5)
    net = Net()
    scores, layers = evaluate(net, task, task.build(seed=0).validation, batch_size=5, device="cpu")
    drift, tensors = Weights(net).measure()
    values = [*scores.values(), *drift.values()]
    values += [value for layer in (layers | tensors).values() for value in layer.values()]
    assert {type(value) for value in values} == {float}
