"""The perceptron: its shape, its sites, and every norm inside it."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from workloads.activations.relu import Config as Relu
from workloads.kinds import load, names
from workloads.models.mlp import Config
from workloads.norms import Norm


def built(norm: str = "identity", hidden: tuple[int, ...] = (5, 7)) -> nn.Module:
    config = load("workloads.norms", norm)
    values = {"quantile": 0.5} if "quantile" in config.model_fields else {}
    chosen = config.model_validate(values)
    assert isinstance(chosen, Norm)
    return Config(hidden=hidden).build(inputs=(1, 2, 3), outputs=4, activation=Relu(), norm=chosen)


def test_it_is_linear_relu_linear_relu_linear() -> None:
    model, x = built(), torch.randn(6, 1, 2, 3)
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(6, 5), (5, 7), (7, 4)]
    expected = x.flatten(1)
    for layer in layers[:-1]:
        expected = layer(expected).relu()
    assert torch.equal(model(x), layers[-1](expected))


def test_sites_are_the_activations_in_forward_order() -> None:
    model = built()
    assert list(model.sites) == ["layers.0.act", "layers.1.act"]
    assert all(model.get_submodule(name) is site for name, site in model.sites.items())


@pytest.mark.parametrize("norm", names("workloads.norms"))
def test_any_norm_fits(norm: str) -> None:
    model = built(norm)
    Config().accepts(load("workloads.norms", "identity")())
    out = model(torch.randn(8, 1, 2, 3))
    assert out.shape == (8, 4)
    out.square().sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())
    model.eval()
    assert torch.isfinite(model(torch.randn(3, 1, 2, 3))).all()


def test_batchnorm_normalises_each_feature() -> None:
    model = built("batchnorm")
    seen = []
    model.layers[0].act.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    model(torch.randn(64, 1, 2, 3) * 9 + 4)
    assert seen[0].shape == (64, 5)
    assert torch.allclose(seen[0].mean(0), torch.zeros(5), atol=1e-5)
    assert torch.allclose(seen[0].var(0, correction=0), torch.ones(5), atol=1e-3)


@pytest.mark.parametrize("hidden", [[], [0], [2.5], 3])
def test_hidden_layers_have_widths(hidden: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"hidden": hidden})
