"""Top-K's options: rank by magnitude, the retained share, the whole sample in a causal model."""

import itertools
import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tests.contracts.examples import examples, label
from workloads.activations import Activation
from workloads.kinds import Kind, canonical, one_of

BASES = [each for each in examples("workloads.activations") if each.kind != "topk"]


def activation(**values: object) -> Activation:
    config = one_of("workloads.activations").validate({"kind": "topk", **values})
    assert isinstance(config, Activation)
    return config


def drawn(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return 2 * torch.randn(*shape, dtype=torch.float64)


def by_loop(y: Tensor, *, kept: int, magnitude: bool) -> Tensor:
    """Keeps the first of the largest of each row by sorting in plain Python."""
    out = torch.zeros_like(y)
    for row, values in enumerate(y.tolist()):
        keys = [abs(value) if magnitude else value for value in values]
        for index in sorted(range(len(keys)), key=lambda i: -keys[i])[:kept]:
            out[row, index] = y[row, index]
    return out


@pytest.mark.parametrize("base", BASES, ids=label)
@pytest.mark.parametrize("rank", ["value", "magnitude"])
def test_keeps_the_first_of_the_largest_of_any_base(base: Kind, rank: str) -> None:
    assert isinstance(base, Activation)
    module = activation(share=0.6, base=base, rank=rank).build().eval()
    x = drawn(5, 30)
    expected = by_loop(base.build().eval()(x), kept=12, magnitude=rank == "magnitude")
    assert torch.equal(module(x), expected)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("base", ["relu", "relu2", {"kind": "relu2_clip", "clip": 2.0}], ids=str)
def test_which_zeros_are_kept_makes_no_difference(
    base: str | dict[str, object], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward bit for bit, and backward, whether or not what is not above 0 is told apart."""
    config = activation(share=share, base=base)
    x = drawn(6, 600).float().requires_grad_()
    x.detach()[:, ::5] = 0
    found = []
    for alike in (True, False):
        monkeypatch.setattr(type(config.base), "flat_at_zero", alike)  # type: ignore[attr-defined]
        module = config.build()
        if not alike:  # ReLU has a way of its own, unless it is hidden.
            module.base = nn.Sequential(module.base)  # type: ignore[assignment, arg-type]
        y = module(x)
        (grad,) = torch.autograd.grad((y * (y.detach() + 1).sin()).sum(), x)
        found.append((y, grad))
    (one, its_grad), (other, others_grad) = found
    assert torch.equal(one.view(torch.int32), other.view(torch.int32))
    assert torch.equal(its_grad, others_grad)
    assert (its_grad != 0).any() or share == 0.9  # Where all that stays is clipped.


def test_over_relu_what_is_no_number_stays_and_a_gradient_has_a_gradient() -> None:
    x = torch.tensor([[3.0, math.nan, -1.0, 2.0, 1.0]], requires_grad=True)
    y = activation(share=0.6, base="relu").build()(x)
    assert y.isnan().tolist() == [[False, True, False, False, False]]
    x = torch.tensor([[3.0, -1.0, 2.0, 1.0]], requires_grad=True)
    y = activation(share=0.5, base="relu").build()(x)
    (grad,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
    assert grad.tolist() == [[27.0, 0.0, 12.0, 0.0]]
    (second,) = torch.autograd.grad(grad.sum(), x)
    assert second.tolist() == [[18.0, 0.0, 12.0, 0.0]]


def test_magnitude_keeps_what_is_far_below_zero() -> None:
    x = torch.tensor([[-0.75, 0.1, 0.2, 0.01]])
    y = activation(share=0.75, base="gelu", rank="magnitude").build()(x)
    assert (y != 0).tolist() == [[True, False, False, False]]
    y = activation(share=0.75, base="gelu").build()(x)
    assert (y != 0).tolist() == [[False, False, True, False]]


def test_magnitude_ties_keep_the_lowest_index() -> None:
    module = activation(share=0.5, rank="magnitude").build()
    module.base = nn.Identity()
    assert module(torch.tensor([[1.0, -2.0, 2.0, -2.0]])).tolist() == [[0, -2, 2, 0]]


def test_gradient_passes_where_an_entry_stayed_by_magnitude() -> None:
    module = activation(share=0.7, rank="magnitude").build().double()
    x = drawn(4, 20).requires_grad_()
    assert torch.autograd.gradcheck(module, (x,))
    (grad,) = torch.autograd.grad(module(x).sum(), x)
    assert torch.equal(grad != 0, module(x) != 0)


@pytest.mark.parametrize(
    ("share", "size"), list(itertools.product([0.1, 0.25, 0.5, 0.9, 1 / 3], [1, 2, 3, 10, 37]))
)
def test_a_retained_share_is_what_stays(share: float, size: int) -> None:
    config = activation(share=share, level="retained", base={"kind": "relu2"})
    y = config.build()(drawn(4, size).abs() + 0.1)
    assert (y != 0).sum(dim=1).tolist() == [round(share * size)] * 4
    assert config.promised_zeros(size) == size - round(share * size)


def test_retaining_a_share_is_zeroing_the_rest() -> None:
    x = drawn(6, 40)
    retained = activation(share=0.25, level="retained").build()(x)
    assert torch.equal(retained, activation(share=0.75).build()(x))


def test_a_retained_share_of_0_is_refused() -> None:
    with pytest.raises(ValidationError, match="above 0") as refused:
        activation(share=0.0, level="retained")
    assert refused.value.errors()[0]["loc"] == ("share",)


def test_the_scope_of_a_sample_lets_a_token_see_later_ones() -> None:
    x = torch.tensor([[[1.0, 2.0], [30.0, 40.0]]])
    alone = activation(share=0.5).build(causal=True)
    whole = activation(share=0.5, scope="sample").build(causal=True)
    assert (alone(x) != 0).tolist() == [[[False, True], [False, True]]]
    assert (whole(x) != 0).tolist() == [[[False, False], [True, True]]]
    later = x.clone()
    later[:, 1] = 0
    assert torch.equal(alone(x)[:, 0], alone(later)[:, 0])
    assert not torch.equal(whole(x)[:, 0], whole(later)[:, 0])


def test_options_at_their_defaults_are_not_in_the_form() -> None:
    form = canonical(activation(share=0.5, rank="value", level="zeroed", scope="causal"))
    assert list(form) == ["kind", "share", "base"]
    assert canonical(activation(share=0.5, rank="magnitude"))["rank"] == "magnitude"
