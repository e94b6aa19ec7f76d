"""Muon against its formula written out, and which parameter goes where."""

import math

import pytest
import torch
from torch import Tensor, nn

from workloads.config import validate
from workloads.optimizers.adamw import Config as AdamW
from workloads.optimizers.muon import Config as Muon


def newton_schulz(g: Tensor, steps: int) -> Tensor:
    """Returns s·NS(g) of the source, rows and columns exchanged where there are more rows."""
    x = g.bfloat16()
    x = x.T if x.shape[0] > x.shape[1] else x
    x = x / x.norm()
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if g.shape[0] > g.shape[1] else x).float()


@pytest.mark.parametrize("scale", ["largest_side", "aspect"])
@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_a_matrix_moves_by_its_formula(scale: str, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(shape))
    config = Muon(learning_rate=0.1, momentum=0.9, weight_decay=0.5, scale=scale)
    optimizer = config.build([("layer.weight", weight)])
    v = torch.zeros(shape)
    rows, columns = shape
    s = math.sqrt(max(shape) if scale == "largest_side" else max(1, rows / columns))
    for _ in range(3):
        g = torch.randn(shape)
        v = 0.9 * v + 0.1 * g
        update = s * newton_schulz(0.1 * g + 0.9 * v, 5)
        expected = weight.detach() * (1 - 0.1 * 0.5) - 0.1 * update
        weight.grad = g.clone()
        optimizer.step()
        # bfloat16 has two to three digits, and the iteration does not make them more.
        torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=0.1 * s * 0.1)


def test_an_update_is_nearly_orthogonal() -> None:
    weight = nn.Parameter(torch.zeros(8, 8))
    optimizer = Muon(learning_rate=1.0, scale="aspect").build([("layer.weight", weight)])
    weight.grad = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    singular = torch.linalg.svdvals(weight.detach())
    assert 0.5 < float(singular.min()) < float(singular.max()) < 1.5


@pytest.mark.parametrize("model", ["mlp", "resnet", "vit", "gpt_nano"])
def test_matrices_inside_go_to_muon_and_the_rest_to_adamw(model: str) -> None:
    task = {"kind": "austen", "length": 16} if model == "gpt_nano" else "fashion_mnist"
    config = validate({"task": task, "model": model})
    built = config.model.build(  # type: ignore[attr-defined]
        inputs=config.task.inputs,  # type: ignore[attr-defined]
        outputs=config.task.outputs,  # type: ignore[attr-defined]
        activation=config.activation,  # type: ignore[attr-defined]
        norm=config.norm,  # type: ignore[attr-defined]
    )
    named = dict(built.named_parameters())
    optimizer = Muon().build(named.items())
    by_id = {id(weight): name for name, weight in named.items()}
    held = [
        [by_id[id(w)] for group in part.param_groups for w in group["params"]]
        for part in optimizer._parts.values()
    ]
    assert sorted(name for names in held for name in names) == sorted(named)
    muon = set(held[0]) if "muon" in optimizer._parts else set()
    inside = {"mlp": "layers.0.linear.weight", "vit": "blocks.0.mlp.up.weight"}
    inside["gpt_nano"] = "blocks.0.attention.qkv.weight"
    assert muon == set() if model == "resnet" else inside[model] in muon
    assert not {name for name in muon if "embed" in name or "head" in name or "norm" in name}


def test_what_is_no_matrix_moves_as_with_adamw() -> None:
    def moved(config: Muon | AdamW) -> Tensor:
        bias = nn.Parameter(torch.ones(3))
        optimizer = config.build([("layer.bias", bias)])
        for _ in range(3):
            optimizer.zero_grad()
            (bias.square().sum() / 2).backward()
            optimizer.step()
        return bias.detach()

    assert torch.equal(moved(Muon(rest=AdamW(learning_rate=0.3))), moved(AdamW(learning_rate=0.3)))


def test_a_rate_set_on_the_groups_counts_after_a_load_too() -> None:
    weight, bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    optimizer = Muon().build([("a.weight", weight), ("a.bias", bias)])
    optimizer.load_state_dict(optimizer.state_dict())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    (weight.sum() + bias.sum()).backward()
    optimizer.step()
    assert torch.equal(weight, torch.ones(2, 2))
    assert torch.equal(bias, torch.ones(2))
