"""What every activation promises, whichever file it stands in."""

import copy

import pytest
import torch
from torch import Tensor, nn

from tests.contracts.examples import examples, label
from workloads.activations import Activation
from workloads.kinds import canonical

KINDS = [config for config in examples("workloads.activations") if isinstance(config, Activation)]
SHAPES = [(6,), (6, 10), (6, 4, 10), (6, 3, 5, 4)]
every_kind = pytest.mark.parametrize("config", KINDS, ids=label)


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    torch.manual_seed(1)
    return 2 * torch.randn(*shape, dtype=dtype)


def called(module: nn.Module, x: Tensor) -> Tensor:
    """The output, whatever is random drawn anew from the same seed."""
    torch.manual_seed(2)
    y: Tensor = module(x)
    return y


def test_every_file_derives_from_activation() -> None:
    assert len(KINDS) == len(examples("workloads.activations"))


@every_kind
def test_canonical_form_validates_to_itself(config: Activation) -> None:
    assert type(config).model_validate(canonical(config)) == config


@every_kind
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("causal", [False, True], ids=["whole", "causal"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_shape_and_type_are_kept(
    config: Activation, shape: tuple[int, ...], causal: bool, dtype: torch.dtype
) -> None:
    module = config.build(causal=causal).to(dtype)
    for training in (True, False):
        y = module.train(training)(drawn(*shape, dtype=dtype))
        assert y.shape == shape
        assert y.dtype == dtype
        assert y.isfinite().all()


@every_kind
def test_input_is_left_alone(config: Activation) -> None:
    x = drawn(6, 4, 10)
    before = x.clone()
    config.build()(x)
    assert torch.equal(x, before)


@every_kind
def test_memory_layout_changes_nothing(config: Activation) -> None:
    if "noise" in type(config).model_fields:
        pytest.skip("draws in the order of memory")
    x = drawn(6, 3, 5, 4)
    there, here = copy.deepcopy(config.build()), config.build()
    torch.testing.assert_close(
        there(x.contiguous(memory_format=torch.channels_last)), here(x), rtol=1e-6, atol=1e-6
    )


@every_kind
@pytest.mark.parametrize("causal", [False, True], ids=["whole", "causal"])
def test_backward_is_the_derivative_of_forward(config: Activation, causal: bool) -> None:
    if config.surrogate_gradient:
        pytest.skip("declares a surrogate gradient")
    module = config.build(causal=causal).double()
    x = drawn(4, 3, 6, dtype=torch.float64).requires_grad_()
    for training in (True, False):
        module.train(training)
        assert torch.autograd.gradcheck(lambda x: called(module, x), (x,))


@every_kind
def test_backward_is_the_derivative_by_each_parameter(config: Activation) -> None:
    module = config.build().double()
    x = drawn(4, 3, 6, dtype=torch.float64)
    for parameter in module.parameters():
        assert torch.autograd.gradcheck(lambda _: called(module, x), (parameter,))


@every_kind
def test_gradient_is_finite_and_somewhere_not_zero(config: Activation) -> None:
    x = drawn(6, 4, 10).requires_grad_()
    config.build()(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.count_nonzero() > 0


@every_kind
def test_where_it_says_so_no_gradient_passes_an_output_of_0(config: Activation) -> None:
    x = drawn(6, 4, 10)
    x[:, 0] = 0
    y = config.build()(x.requires_grad_())
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert config.flat_at_zero <= bool((grad[y == 0] == 0).all() and (y >= 0).all())


@every_kind
def test_where_it_says_so_its_output_may_be_changed_in_place(config: Activation) -> None:
    if config.backward_reads_output:
        return
    x = drawn(6, 4, 10).requires_grad_()
    (expected,) = torch.autograd.grad((2 * config.build()(x)).sum(), x)
    (grad,) = torch.autograd.grad(config.build()(x).mul_(2).sum(), x)
    assert torch.equal(grad, expected)


@every_kind
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_nan_stays_nan(config: Activation, training: bool) -> None:
    module = config.build().train(training)
    x = drawn(6, 4, 10)
    x[2, 1, 3] = torch.nan
    x[5, 0] = torch.nan
    assert module(x).isnan()[x.isnan()].all()


@every_kind
@pytest.mark.parametrize("causal", [False, True], ids=["whole", "causal"])
@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_promised_zeros_are_delivered(config: Activation, causal: bool, ties: bool) -> None:
    x = drawn(8, 5, 30)
    x = x.round() if ties else x
    y = config.build(causal=causal)(x)
    rows = y.flatten(0, 1) if causal else y.flatten(1)
    assert ((rows == 0).sum(dim=1) >= config.promised_zeros(rows.shape[1])).all()


@every_kind
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_no_token_sees_a_later_one_in_a_causal_model(config: Activation, training: bool) -> None:
    x = drawn(6, 4, 10)
    changed = x.clone()
    changed[:, 2:] += 3
    one, other = (copy.deepcopy(config.build(causal=True).train(training)) for _ in range(2))
    assert torch.equal(called(one, x)[:, :2], called(other, changed)[:, :2])


@every_kind
def test_saves_and_loads_bit_for_bit_even_into_one_that_saw_no_data(config: Activation) -> None:
    seen = config.build()
    for seed in range(3):
        torch.manual_seed(seed)
        seen(torch.randn(6, 4, 10))
    fresh = config.build()
    fresh.load_state_dict(seen.state_dict(), strict=True)
    x = drawn(6, 4, 10)
    assert torch.equal(called(seen, x), called(fresh, x))
    assert torch.equal(seen.eval()(x), fresh.eval()(x))


@every_kind
def test_a_state_from_before_any_data_loads(config: Activation) -> None:
    seen = config.build()
    seen(drawn(6, 4, 10))
    seen.load_state_dict(config.build().state_dict(), strict=True)
    x = drawn(6, 4, 10)
    assert torch.equal(seen.eval()(x), config.build().eval()(x))


@every_kind
def test_it_says_whether_samples_of_a_batch_meet_in_training(config: Activation) -> None:
    """Where they do, a training cannot be divided among devices."""
    x = drawn(6, 4, 10)
    other = x.clone()
    other[1:] += 1
    alone, among_others = (called(config.build().train(), each)[0] for each in (x, other))
    assert torch.equal(alone, among_others) != config.couples_samples
