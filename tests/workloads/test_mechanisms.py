"""What a mechanism promises, seen inside models that the program trains."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workloads.config import validate
from workloads.state import State, isolated

IMAGES = {"kind": "fashion_mnist", "train_size": 128, "validation_size": 32}
TOKENS = {"kind": "austen", "length": 12, "train_size": 64, "validation_size": 16}
MODELS = ["mlp", "resnet", "vit", "gpt_nano"]
FROZEN = [("resnet", "quantile_batchnorm_frozen"), ("vit", "quantile_layernorm_frozen")]


def values(model: str, **more: Any) -> dict[str, Any]:
    task = TOKENS if model == "gpt_nano" else IMAGES
    return {"task": task, "model": model, "measures": [], **more}


def training(workload: dict[str, Any], *, steps: int) -> Iterator[tuple[int, nn.Module, Any]]:
    """Yields step, model and progress of a training by plain SGD."""
    train = {"steps": steps, "batch_size": 16, "schedule": "constant"}
    train["optimizer"] = {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.0}
    with isolated(seed=0, threads=1):
        state = State()
        for progress in validate({**workload, "train": train}).build().train(state):
            model = state._parts["model"]
            assert isinstance(model, nn.Module)
            yield progress.step, model, progress


def trained(workload: dict[str, Any], *, steps: int = 1) -> nn.Module:
    return [model for _, model, _ in training(workload, steps=steps)][-1]


def inputs(model: str, samples: int = 16) -> Tensor:
    split = validate(values(model)).task.build(seed=0).train  # type: ignore[attr-defined]
    batch: tuple[Tensor, Tensor] = split.batch(torch.arange(samples))
    return batch[0]


def passing(module: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
    """The output, and what each site took and gave."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    hooks = [
        site.register_forward_hook(lambda _m, i, o, name=name: seen.update({name: (i[0], o)}))
        for name, site in module.sites.items()
    ]
    y = module(x)
    for hook in hooks:
        hook.remove()
    return y, seen


@pytest.mark.parametrize("model", MODELS)
class TestSurrogateGradient:
    def test_every_site_multiplies_by_the_surrogate(self, model: str) -> None:
        module = trained(values(model, activation="sugar_bsilu"))
        y, seen = passing(module, inputs(model))
        pairs = [tensor for pair in seen.values() for tensor in pair]
        grads = iter(torch.autograd.grad(y.square().sum(), pairs))
        for before, after in seen.values():
            inside, outside = next(grads), next(grads)
            x, s = before.detach(), torch.sigmoid(before.detach())
            torch.testing.assert_close(inside, outside * (s + (x + 1.67) * s * (1 - s)))
            assert torch.equal(after, before.relu())
            assert inside[x < 0].count_nonzero() > 0.9 * (outside[x < 0] != 0).sum()

    def test_it_moves_weights_where_relu_and_the_authors_form_agree(self, model: str) -> None:
        forms = [
            trained(values(model, activation=activation), steps=2).state_dict()
            for activation in (
                "relu",
                {"kind": "sugar_bsilu", "form": "authors_code"},
                "sugar_bsilu",
            )
        ]
        relu, degenerate, paper = forms
        assert all(torch.equal(relu[name], degenerate[name]) for name in relu)
        assert any(not torch.equal(relu[name], paper[name]) for name in relu)


@pytest.mark.parametrize("model", MODELS)
class TestNoise:
    def test_is_in_every_site_while_training_and_only_below_zero(self, model: str) -> None:
        module = trained(values(model, activation="noisy_relu"))
        assert module.training
        _, seen = passing(module, inputs(model))
        for before, after in seen.values():
            above = before > 0
            assert torch.equal(after[above], before[above])
            assert (after[before < 0] > 0).double().mean() > 0.95

    def test_is_not_there_in_evaluation(self, model: str) -> None:
        module = trained(values(model, activation="noisy_relu")).eval()
        y, seen = passing(module, inputs(model))
        assert all(torch.equal(after, before.relu()) for before, after in seen.values())
        torch.manual_seed(77)
        assert torch.equal(module(inputs(model)), y)

    def test_teaches_its_slope_at_every_site(self, model: str) -> None:
        module = trained(values(model, activation="noisy_relu"))
        slopes = [float(site.get_parameter("slope").detach()) for site in module.sites.values()]
        assert len(slopes) > 1
        assert all(slope != 1.0 for slope in slopes)

    def test_authors_form_trains_as_relu(self, model: str) -> None:
        form = {"kind": "noisy_relu", "form": "authors_code"}
        one = trained(values(model, activation=form), steps=2).state_dict()
        other = trained(values(model, activation="relu"), steps=2).state_dict()
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("model", "kind"), FROZEN)
def test_a_frozen_centre_stops_in_training_and_its_variance_goes_on(model: str, kind: str) -> None:
    norm = {"kind": kind, "quantile": 0.6, "freeze_after": 3}
    centres: list[list[Tensor]] = []
    variances: list[list[Tensor]] = []
    for _, module, _ in training(values(model, norm=norm), steps=6):
        state = module.state_dict()
        centres.append([v.clone() for name, v in state.items() if name.endswith("centre.value")])
        variances.append([v.clone() for name, v in state.items() if name.endswith("running_var")])
    assert len(centres[0]) > 4
    for step in range(1, 7):
        moved = [not torch.equal(a, b) for a, b in zip(*centres[step - 1 : step + 1], strict=True)]
        assert moved == [step <= 3] * len(moved)
        assert all(
            not torch.equal(a, b) for a, b in zip(*variances[step - 1 : step + 1], strict=True)
        )


@pytest.mark.parametrize(("model", "kind"), FROZEN)
def test_the_same_kind_unfrozen_never_stops(model: str, kind: str) -> None:
    norm = {"kind": kind.removesuffix("_frozen"), "quantile": 0.6}
    last: list[Tensor] = []
    for _, module, _ in training(values(model, norm=norm), steps=5):
        state = module.state_dict()
        now = [v.clone() for name, v in state.items() if name.endswith("centre.value")]
        assert not last or all(not torch.equal(a, b) for a, b in zip(last, now, strict=True))
        last = now


BEFORE_ACTIVATION = {
    "resnet": {"stem_norm", "blocks.0.norm1", "blocks.1.norm1", "blocks.2.norm1"},
    "vit": {f"blocks.{index}.norm2" for index in range(3)},
    "gpt_nano": {f"blocks.{index}.norm2" for index in range(3)},
    "mlp": {"layers.0.norm", "layers.1.norm"},
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("site", ["pre_activation", "all"])
def test_site_says_which_norms_are_replaced(model: str, site: str) -> None:
    kind = "quantile_batchnorm" if model == "resnet" else "quantile_layernorm"
    norm = {"kind": kind, "quantile": 0.5, "site": site}
    _, module, _ = next(training(values(model, norm=norm), steps=1))
    _, usual, _ = next(training(values(model, norm={"kind": kind, "quantile": 0.5}), steps=1))
    replaced = {name for name, part in module.named_modules() if hasattr(part, "centre")}
    every = {name for name, part in usual.named_modules() if hasattr(part, "centre")}
    assert replaced == (every if site == "all" else BEFORE_ACTIVATION[model])
    assert BEFORE_ACTIVATION[model] <= every
    assert (len(every) > len(BEFORE_ACTIVATION[model])) == (model != "mlp")


def test_a_norm_before_the_activation_sets_its_sparsity() -> None:
    for q in (0.2, 0.8):
        norm = {"kind": "quantile_batchnorm", "quantile": q, "site": "pre_activation"}
        module = trained(values("resnet", norm=norm))
        _, seen = passing(module, inputs("resnet", 128))
        fed = [name for name in seen if name == "act" or name.endswith("act1")]
        zeros = [float((seen[name][1] == 0).double().mean()) for name in fed]
        assert all(abs(share - q) < 0.12 for share in zeros)
