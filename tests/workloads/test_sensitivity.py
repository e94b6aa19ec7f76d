"""Derivatives, gradients and flatness against each sample's own loss, in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.contracts.examples import examples, label
from workloads.activations import Activation
from workloads.kinds import Kind, load
from workloads.measures import GROUPS, Group, evaluate
from workloads.measures.weights import Layers
from workloads.models import Model
from workloads.norms import Norm
from workloads.tasks import Data, Images, Task, Windows
from workloads.tasks.random_data import Config as RandomData

ACTIVATIONS = [each for each in examples("workloads.activations") if isinstance(each, Activation)]
SHARE = "flatness_ratio"


def task_for(kind: str) -> Task:
    shape = (9,) if kind == "gpt_nano" else (1, 14, 14)
    return RandomData(shape=shape, classes=7, train_size=1, validation_size=13)


def double_data(task: Task) -> Data:
    """The task's data, images in float64."""
    data = task.build(seed=0)
    split = data.validation
    if isinstance(split, Images):
        split = _Double(split.pixels.double(), split.labels)
    return Data(train=data.train, validation=split)


class _Double(Images):
    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        return self.pixels[indices], self.labels[indices]


def built(kind: str, activation: Activation, norm: Norm | None = None) -> nn.Module:
    values = {"mlp": {"hidden": (12, 9)}, "vit": {"width": 16}, "gpt_nano": {"width": 16}}
    config = load("workloads.models", kind).model_validate(values.get(kind, {"width": 4}))
    assert isinstance(config, Model)
    if norm is None:
        usual = load("workloads.norms", config.default_norm)()
        assert isinstance(usual, Norm)
        norm = usual
    task = task_for(kind)
    torch.manual_seed(3)
    module = config.build(
        inputs=task.inputs, outputs=task.outputs, activation=activation, norm=norm
    )
    return module.double()


def measured(
    model: nn.Module, task: Task, *, groups: tuple[Group, ...] = GROUPS, batch_size: int = 5
) -> tuple[dict[str, float], Layers]:
    split = double_data(task).validation
    return evaluate(model, task, split, batch_size=batch_size, device="cpu", groups=groups)


def seen(model: nn.Module, task: Task) -> list[dict[str, tuple[Tensor, Tensor, Tensor, Tensor]]]:
    """Input, output, and the gradients of both, of every site and linear layer, by sample."""
    modules = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear)}
    modules |= dict(model.sites.items())
    split = double_data(task).validation
    samples = []
    for index in range(len(split)):
        kept: dict[str, tuple[Tensor, Tensor]] = {}
        hooks = [
            module.register_forward_hook(
                lambda _m, inputs, out, name=name, kept=kept: kept.update({name: (inputs[0], out)})
            )
            for name, module in modules.items()
        ]
        model.eval()
        inputs, targets = split.batch(torch.tensor([index]))
        outputs = model(inputs.requires_grad_() if inputs.is_floating_point() else inputs)
        loss = task.loss(outputs, targets)
        flat = [tensor for pair in kept.values() for tensor in pair]
        grads = iter(torch.autograd.grad(loss, flat, materialize_grads=True))
        samples.append(
            {
                name: (x.detach(), y.detach(), next(grads), next(grads))
                for name, (x, y) in kept.items()
            }
        )
        for hook in hooks:
            hook.remove()
    return samples


@pytest.mark.parametrize("kind", ["mlp", "resnet", "vit", "gpt_nano"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "jsrelu"])
def test_every_measure_is_the_mean_over_samples_taken_one_by_one(
    kind: str, activation: str
) -> None:
    config = load("workloads.activations", activation)()
    assert isinstance(config, Activation)
    model, task = built(kind, config), task_for(kind)
    _, layers = measured(model, task)
    samples = seen(model, task)
    for name in model.sites:
        grads = torch.stack([sample[name][2] for sample in samples])
        expected = float(grads.mean())
        assert layers[name]["preact_grad_mean"] == pytest.approx(expected, rel=1e-9, abs=1e-18)
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    for name in linears:
        each = [
            float((x.square().sum(-1) * grad.square().sum(-1)).sum())
            for x, _, _, grad in (sample[name] for sample in samples)
        ]
        assert layers[name]["aug_flatness"] == pytest.approx(sum(each) / len(each), rel=1e-9)


@pytest.mark.parametrize("kind", ["mlp", "vit", "gpt_nano"])
def test_flatness_ratio_of_relu_is_its_active_share(kind: str) -> None:
    relu = load("workloads.activations", "relu")()
    assert isinstance(relu, Activation)
    model, task = built(kind, relu), task_for(kind)
    overall, layers = measured(model, task)
    pairs = {"mlp": ("linear", "act")}.get(kind, ("up", "act"))
    fed = [name for name, values in layers.items() if SHARE in values]
    assert len(fed) == len(model.sites) >= 2
    for name in fed:
        site = layers[name.removesuffix(pairs[0]) + pairs[1]]
        assert layers[name][SHARE] == pytest.approx(1 - site["sparsity"], rel=1e-5)
        assert 0.2 < site["sparsity"] < 0.8
    assert overall[SHARE] == pytest.approx(1 - overall["sparsity"], rel=1e-5)


@pytest.mark.parametrize("activation", ["gelu", "relu2", "jsrelu"])
def test_flatness_ratio_of_others_follows_its_definition(activation: str) -> None:
    config = load("workloads.activations", activation)()
    assert isinstance(config, Activation)
    model, task = built("vit", config), task_for("vit")
    _, layers = measured(model, task)
    samples = seen(model, task)
    up, act = "blocks.1.mlp.up", "blocks.1.mlp.act"
    size = torch.cat([sample[up][0].square().sum(-1, keepdim=True) for sample in samples])
    through = torch.cat([sample[act][2] for sample in samples])
    outside = torch.cat([sample[act][3] for sample in samples])
    active = torch.cat([sample[act][1] for sample in samples]) != 0
    if activation == "gelu":
        active = torch.ones_like(active)
    top = (through.square() * size).mean()
    bottom = (outside.square() * size)[active].mean()
    assert layers[up][SHARE] == pytest.approx(float(top / bottom), rel=1e-9)
    assert abs(layers[up][SHARE] - float(active.double().mean())) > 0.05


@pytest.mark.parametrize("config", ACTIVATIONS, ids=label)
def test_derivative_sparsity_is_counted_from_the_derivative(config: Kind) -> None:
    assert isinstance(config, Activation)
    model, task = built("mlp", config), task_for("mlp")
    _, layers = measured(model, task, groups=("derivatives",))
    before = torch.cat([sample["layers.0.act"][0] for sample in seen(model, task)])
    before = before.detach().requires_grad_()
    (slope,) = torch.autograd.grad(config.build().double().eval()(before).sum(), before)
    share = float((slope == 0).double().mean())
    assert layers["layers.0.act"]["derivative_sparsity"] == pytest.approx(share, abs=1e-12)


def test_derivative_sparsity_equals_sparsity_for_relu_and_is_none_for_a_surrogate() -> None:
    for kind, check in (("relu", lambda a, b: a == b), ("sugar_bsilu", lambda a, b: a > b == 0)):
        config = load("workloads.activations", kind)()
        assert isinstance(config, Activation)
        overall, _ = measured(built("resnet", config), task_for("resnet"))
        assert check(overall["sparsity"], overall["derivative_sparsity"])
        assert 0.2 < overall["sparsity"] < 0.8


@pytest.mark.parametrize("kind", ["mlp", "resnet", "vit", "gpt_nano"])
def test_the_size_of_a_batch_changes_nothing(kind: str) -> None:
    relu = load("workloads.activations", "relu")()
    assert isinstance(relu, Activation)
    model, task = built(kind, relu), task_for(kind)
    one, other = (measured(model, task, batch_size=size) for size in (3, 100))
    assert one[0].keys() == other[0].keys()
    for name, value in one[0].items():
        assert other[0][name] == pytest.approx(value, rel=1e-6, abs=1e-15)


def test_measuring_leaves_no_gradient_and_no_hook() -> None:
    relu = load("workloads.activations", "relu")()
    assert isinstance(relu, Activation)
    model = built("vit", relu)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measured(model, task_for("vit"))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("change", "missing"),
    [(lambda x: x - 100.0, SHARE), (lambda x: x.detach(), "preact_grad_mean")],
    ids=["dead", "cut off"],
)
def test_what_is_not_defined_is_left_out(change: Callable[[Tensor], Tensor], missing: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.act = nn.Linear(196, 8), nn.ReLU()
            self.down = nn.Linear(8, 7)
            self.sites = {"act": self.act}

        def forward(self, x: Tensor) -> Tensor:
            return self.down(self.act(change(self.up(x.flatten(1)))))

    overall, layers = measured(Net().double(), task_for("mlp"))
    assert missing not in overall
    assert all(missing not in values for values in layers.values())
    assert "aug_flatness" in layers["down"]


def test_windows_are_what_language_models_are_measured_on() -> None:
    assert isinstance(double_data(task_for("gpt_nano")).validation, Windows)
