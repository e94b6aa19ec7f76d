"""What every norm promises, whichever file it stands in."""

import copy

import pytest
import torch
from torch import Tensor, nn

from tests.contracts.examples import examples, label
from workloads.kinds import canonical
from workloads.norms import Norm

KINDS = [config for config in examples("workloads.norms") if isinstance(config, Norm)]
FEATURES, LENGTH = 5, 4
every_kind = pytest.mark.parametrize("config", KINDS, ids=label)


def drawn(config: Norm, *, dtype: torch.dtype = torch.float32, seed: int = 1) -> Tensor:
    """An input in the layout that the norm names."""
    torch.manual_seed(seed)
    shape = (3, LENGTH, FEATURES) if config.layout == "channels_last" else (3, FEATURES, 2, 3)
    return 1.5 + 2 * torch.randn(*shape, dtype=dtype)


def built(config: Norm) -> nn.Module:
    return config.build(FEATURES, length=LENGTH)


def stirred(module: nn.Module) -> nn.Module:
    """Gains and biases away from 1 and 0, so that a test can see them."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    return module


def test_every_file_derives_from_norm() -> None:
    assert len(KINDS) == len(examples("workloads.norms"))


@every_kind
def test_canonical_form_validates_to_itself(config: Norm) -> None:
    assert type(config).model_validate(canonical(config)) == config


@every_kind
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_shape_and_type_are_kept(config: Norm, training: bool) -> None:
    for dtype in (torch.float32, torch.float64):
        x = drawn(config, dtype=dtype)
        y = built(config).to(dtype).train(training)(x)
        assert y.shape == x.shape
        assert y.dtype == dtype
        assert y.isfinite().all()


@every_kind
def test_input_is_left_alone(config: Norm) -> None:
    x = drawn(config)
    before = x.clone()
    built(config)(x)
    assert torch.equal(x, before)


@every_kind
def test_one_value_everywhere_is_no_division_by_zero(config: Norm) -> None:
    x = torch.ones_like(drawn(config)).requires_grad_()
    y = built(config)(x)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@every_kind
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_backward_is_the_derivative_of_forward(config: Norm, training: bool) -> None:
    module = stirred(built(config).double()).train(training)
    x = drawn(config, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(module, (x,))
    for parameter in module.parameters():
        assert torch.autograd.gradcheck(lambda _: module(x.detach()), (parameter,))


@every_kind
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_nan_stays_nan(config: Norm, training: bool) -> None:
    x = drawn(config)
    x[2, 1, 1] = torch.nan
    assert built(config).train(training)(x).isnan()[x.isnan()].all()


@every_kind
def test_memory_layout_changes_nothing(config: Norm) -> None:
    x = drawn(config)
    if x.dim() != 4:
        pytest.skip("has one layout only")
    there, here = built(config), built(config)
    last = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    first = x.clone().requires_grad_()
    torch.manual_seed(5)
    weight = torch.randn_like(x)
    for module, given in ((there, last), (here, first)):
        (module(given) * weight).sum().backward()
    assert last.grad is not None
    torch.testing.assert_close(there.eval()(x), here.eval()(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(last.grad, first.grad, rtol=1e-5, atol=1e-5)


@every_kind
def test_evaluation_changes_no_state_and_couples_no_samples(config: Norm) -> None:
    module = built(config)
    module(drawn(config))
    module.eval()
    before = copy.deepcopy(module.state_dict())
    x = drawn(config, seed=7)
    whole = module(x)
    torch.testing.assert_close(torch.cat([module(x[:1]), module(x[1:])]), whole)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


@every_kind
def test_saves_and_loads_bit_for_bit(config: Norm) -> None:
    seen = stirred(built(config))
    for seed in range(3):
        seen(drawn(config, seed=seed))
    fresh = built(config)
    fresh.load_state_dict(seen.state_dict(), strict=True)
    x = drawn(config)
    assert torch.equal(seen(x), fresh(x))
    assert torch.equal(seen.eval()(x), fresh.eval()(x))


@every_kind
def test_it_says_whether_samples_of_a_batch_meet_in_training(config: Norm) -> None:
    """Where they do, a training cannot be divided among devices."""
    x = drawn(config)
    other = x.clone()
    other[1:] += 1
    alone, among_others = (built(config).train()(each)[0] for each in (x, other))
    assert torch.equal(alone, among_others) != config.couples_samples
