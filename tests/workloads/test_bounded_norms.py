"""B's two norms: what they compute, and that their parameters stay inside their bounds."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tests.workloads.parts import norm
from workloads.config import validate
from workloads.constraints import constrain
from workloads.kinds import canonical
from workloads.state import State

BOTH = {"kind": "token_bias", "base": "restricted_layernorm"}
TASK = {"kind": "fashion_mnist", "train_size": 64, "validation_size": 20}


def tokens() -> Tensor:
    torch.manual_seed(0)
    return 2 + 3 * torch.randn(4, 5, 7, dtype=torch.float64)


def normed(x: Tensor) -> np.ndarray:
    a = x.numpy()
    return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-5)


def test_restricted_layernorm_is_a_layer_norm_without_bias() -> None:
    module = norm("restricted_layernorm").build(7).double()
    assert [name for name, _ in module.named_parameters()] == ["weight"]
    module.weight.data = torch.linspace(1, 3, 7, dtype=torch.float64)
    expected = normed(tokens()) * np.linspace(1, 3, 7)
    np.testing.assert_allclose(module(tokens()).detach(), expected, rtol=1e-10)


def test_its_gain_is_clamped_to_at_least_one() -> None:
    module = norm("restricted_layernorm").build(4)
    module.weight.data = torch.tensor([0.3, 1.0, -2.0, 1.7])
    module.constrain()
    torch.testing.assert_close(module.weight.data, torch.tensor([1.0, 1.0, 1.0, 1.7]))


def test_token_bias_is_added_after_the_base_one_vector_a_position() -> None:
    module = norm("token_bias").build(7, length=6).double()
    assert module.token_bias.shape == (6, 7)
    assert module.token_bias.count_nonzero() == 0
    bias = np.arange(42.0).reshape(6, 7)
    module.token_bias.data = torch.from_numpy(bias)
    expected = normed(tokens()) + bias[:5]
    np.testing.assert_allclose(module(tokens()).detach(), expected, rtol=1e-10)


def test_its_bias_is_clipped_by_the_gain_of_the_base() -> None:
    module = norm("token_bias", limit=0.5).build(3, length=2)
    module.base.weight.data = torch.tensor([1.0, -2.0, 0.0])
    module.token_bias.data = torch.tensor([[9.0, 9.0, 9.0], [-9.0, -0.9, 0.0]])
    module.constrain()
    assert module.token_bias.tolist() == [[0.5, 1.0, 0.0], [-0.5, pytest.approx(-0.9), 0.0]]


def test_a_step_ends_with_the_bias_bounded_by_the_gain_as_clamped() -> None:
    module = norm(**BOTH).build(3, length=2)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    constrain(module, optimizer)
    module.base.weight.grad = torch.tensor([3.0, -1.0, 0.0])  # to -2, 2 and 1
    module.token_bias.grad = torch.full((2, 3), 5.0)
    optimizer.step()
    assert module.base.weight.tolist() == [1, 2, 1]
    torch.testing.assert_close(module.token_bias.data, torch.tensor([[-0.1, -0.2, -0.1]] * 2))


def test_nothing_is_registered_where_nothing_is_bounded() -> None:
    module = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    constrain(module, optimizer)
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 0.3), ("sgd", 100.0)])
def test_training_holds_the_bounds_at_every_step(optimizer: str, rate: float) -> None:
    train = {"steps": 4, "batch_size": 32, "schedule": "constant", "clip_grad_norm": 1.0}
    train["optimizer"] = {"kind": optimizer, "learning_rate": rate}
    model = {"kind": "vit", "depth": 1, "width": 16}
    values = {"task": TASK, "model": model, "activation": "jsrelu", "norm": BOTH}
    state, touched = State(), 0
    for progress in validate({**values, "train": train}).build().train(state):
        module = state._parts["model"]
        assert isinstance(module, nn.Module)
        norm = module.get_submodule("blocks.0.norm2")
        gain = norm.get_parameter("base.weight").detach()
        bias = norm.get_parameter("token_bias").detach()
        assert float(gain.min()) >= 1
        excess = (bias.abs() - 0.1 * gain.abs()).max()
        assert float(excess) <= 1e-7
        touched += int(progress.step > 0 and float(excess) > -1e-7)
    assert touched == 4


def test_with_site_pre_activation_only_the_mlps_input_has_a_bias() -> None:
    values = {"task": TASK, "model": "vit", "norm": {**BOTH, "site": "pre_activation"}}
    state = State()
    next(validate({**values, "train": {"steps": 1, "batch_size": 32}}).build().train(state))
    module = state._parts["model"]
    assert isinstance(module, nn.Module)
    found = [name for name, _ in module.named_parameters() if name.endswith("token_bias")]
    assert found == [f"blocks.{index}.norm2.token_bias" for index in range(3)]


def test_the_base_is_in_the_canonical_form() -> None:
    assert canonical(norm("token_bias"))["base"] == {"kind": "layernorm", "site": "all"}
    assert norm("token_bias") == norm("token_bias", base="layernorm")


@pytest.mark.parametrize("base", ["batchnorm", "identity", {"kind": "token_bias"}], ids=str)
def test_a_base_without_a_gain_or_of_another_layout_is_refused(base: object) -> None:
    with pytest.raises(ValidationError, match="channels_last norm with a gain"):
        norm("token_bias", base=base)


def test_positions_are_counted() -> None:
    with pytest.raises(ValueError, match="needs a length, got None"):
        norm("token_bias").build(7)
    with pytest.raises(ValueError, match=r"at most 4 tokens, channels\), got \(4, 5, 7\)"):
        norm("token_bias").build(7, length=4).double()(tokens())
