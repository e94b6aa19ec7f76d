"""Each option of an update against the same thing written out plainly, and what none may do."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from tests.workloads.trainings import IMAGES, MLP, TOKENS, interrupted, straight
from workloads.config import validate
from workloads.kinds import names
from workloads.programs.supervised import Config
from workloads.state import State, isolated
from workloads.training.mixing import mix
from workloads.training.order import Order

SGD = {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.0}
BASE = {"steps": 3, "batch_size": 16, "optimizer": SGD, "schedule": "constant"}
Step = Callable[[nn.Module, Callable[[int], tuple[Tensor, Tensor]], int], Tensor]


def trained(**options: object) -> list[Tensor]:
    """Parameters after three updates of the program."""
    with isolated(seed=0, threads=1):
        state = State()
        list(validate({**MLP, "train": {**BASE, **options}}).build().train(state))
        model = state._parts["model"]
        assert isinstance(model, nn.Module)
        return [parameter.detach().clone() for parameter in model.parameters()]


def plainly(step: Step, **options: object) -> list[Tensor]:
    """Parameters after three updates of a loop that holds nothing but `step`."""
    with isolated(seed=0, threads=1):
        config = validate({**MLP, "train": {**BASE, **options}})
        assert isinstance(config, Config)
        data = config.task.build(seed=0)
        model = config.model.build(
            inputs=(1, 28, 28), outputs=10, activation=config.activation, norm=config.norm
        )
        order = Order(data.train, batch_size=config.train.batch_size, seed=0, device="cpu")
        for update in range(3):
            model.zero_grad()
            step(model, order.batch, update).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.sub_(0.1 * parameter.grad)
        return [parameter.detach().clone() for parameter in model.parameters()]


def same(found: list[Tensor], expected: list[Tensor], *, within: float = 1e-6) -> bool:
    return all(
        torch.allclose(a, b, rtol=0, atol=within) for a, b in zip(found, expected, strict=True)
    )


def dense(model: nn.Module, batch: Any, update: int) -> Tensor:
    inputs, targets = batch(update)
    return functional.cross_entropy(model(inputs), targets)


def test_the_plain_loop_is_that_of_the_program() -> None:
    assert same(trained(), plainly(dense))


def test_label_smoothing_is_torchs() -> None:
    def step(model: nn.Module, batch: Any, update: int) -> Tensor:
        inputs, targets = batch(update)
        return functional.cross_entropy(model(inputs), targets, label_smoothing=0.2)

    found = trained(label_smoothing=0.2)
    assert same(found, plainly(step))
    assert not same(found, trained(), within=1e-4)


def test_accumulation_is_a_larger_batch() -> None:
    found = trained(batch_size=8, accumulate=4)
    assert same(found, trained(batch_size=32))
    assert not same(found, trained(batch_size=8), within=1e-4)


def test_accumulation_counts_epochs_in_updates() -> None:
    train = {"epochs": 1, "batch_size": 8, "accumulate": 3, "log_every": 1}
    rows = straight({**MLP, "train": train})
    assert len(rows) == 1 + 200 // 24
    assert rows[-1][1]["epoch"] == 1


def test_bfloat16_is_torchs_autocast_and_evaluations_are_float32() -> None:
    def step(model: nn.Module, batch: Any, update: int) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return dense(model, batch, update)

    found = trained(precision="bfloat16")
    assert same(found, plainly(step))
    assert not same(found, trained())
    rows = [straight({**MLP, "train": {**BASE, "precision": p}}) for p in ("float32", "bfloat16")]
    assert rows[0][0] == rows[1][0]


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_is_a_loss_against_the_mixed_targets(kind: str) -> None:
    def step(model: nn.Module, batch: Any, update: int) -> Tensor:
        inputs, targets = batch(update)
        alphas = {"mixup": 0.0, "cutmix": 0.0} | {kind: 1.0}
        mixed = mix(inputs, **alphas, seed=0, batch=update)
        own, other = (functional.one_hot(t, 10).float() for t in (targets, targets.flip(0)))
        wanted = mixed.kept * own + (1 - mixed.kept) * other
        return functional.cross_entropy(model(mixed.inputs), wanted, label_smoothing=0.1)

    found = trained(label_smoothing=0.1, **{kind: 1.0})
    assert same(found, plainly(step))
    assert not same(found, trained(label_smoothing=0.1), within=1e-4)


def test_mixup_blends_and_cutmix_pastes_what_their_share_says() -> None:
    images = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    shares = set()
    for batch in range(20):
        blended = mix(images, mixup=1.0, cutmix=0.0, seed=1, batch=batch)
        assert blended.inputs[1].unique().tolist() == pytest.approx([blended.kept])
        pasted = mix(images, mixup=0.0, cutmix=1.0, seed=1, batch=batch)
        assert set(pasted.inputs.unique().tolist()) <= {0.0, 1.0}
        assert float(pasted.inputs[1].mean()) == pytest.approx(pasted.kept)
        assert float(pasted.inputs[0].mean()) == pytest.approx(1 - pasted.kept)
        shares |= {blended.kept, pasted.kept}
    assert len(shares) > 20
    assert images.unique().tolist() == [0.0, 1.0]


def test_with_both_each_batch_gets_one() -> None:
    images = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    drawn = [mix(images, mixup=1.0, cutmix=1.0, seed=0, batch=b).inputs for b in range(40)]
    pasted = sum(len(inputs[0].unique()) == 2 for inputs in drawn)
    assert 5 < pasted < 35


def test_a_compiled_step_is_the_plain_one() -> None:
    assert same(trained(compiler="eager"), trained())


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")  # torch's own use
def test_inductors_step_is_nearly_the_plain_one() -> None:
    assert same(trained(compiler="inductor"), trained(), within=1e-4)


ALL = {"accumulate": 2, "precision": "bfloat16", "label_smoothing": 0.1, "clip_grad_norm": 1.0}
MIXED = {**ALL, "mixup": 0.2, "cutmix": 1.0}


@pytest.mark.parametrize("model", ["mlp", "resnet", "vit", "gpt_nano"])
def test_resuming_with_every_option_changes_no_bit(model: str, tmp_path: Path) -> None:
    options = ALL if model == "gpt_nano" else MIXED
    train = {"steps": 6, "batch_size": 8, "log_every": 1, "evaluate_every": 4, **options}
    values = {
        "task": TOKENS if model == "gpt_nano" else IMAGES,
        "model": model,
        "activation": "noisy_relu",
        "train": {**train, "optimizer": "muon"},
    }
    assert interrupted(values, [1, 4], tmp_path) == straight(values)


def test_resuming_a_compiled_training_changes_no_bit(tmp_path: Path) -> None:
    values = {**MLP, "train": {"steps": 4, "batch_size": 16, "log_every": 1, "compiler": "eager"}}
    assert interrupted(values, [2], tmp_path) == straight(values)


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"task": TOKENS, "model": "gpt_nano", "train": {"mixup": 0.2}}, "mixup", "mixes images"),
        ({"task": TOKENS, "model": "gpt_nano", "train": {"cutmix": 1.0}}, "cutmix", "Set it to 0"),
        ({"train": {"accumulate": 100}}, "batch_size", "at most the 200 training samples"),
        ({"train": {"precision": "float16"}}, "precision", "'float32' or 'bfloat16'"),
        ({"train": {"label_smoothing": 1.0}}, "label_smoothing", "less than 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(changes: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        validate({**MLP, **changes})
    (error,) = caught.value.errors()
    assert error["loc"] == ("train", key)
    assert words in error["msg"]


ACTIVATIONS = [{"kind": "topk", "share": 0.5}, {"kind": "quantile_relu", "quantile": 0.5}]
NORMS = [{"kind": n, "quantile": 0.5} for n in ("quantile_batchnorm", "quantile_mean_batchnorm")]


@pytest.mark.parametrize(
    "changes",
    [
        *({"model": "vit", "activation": activation} for activation in ACTIVATIONS),
        *({"model": "resnet", "activation": activation} for activation in ACTIVATIONS),
        *({"model": "resnet", "norm": norm} for norm in NORMS),
        {"model": "vit", "norm": {"kind": "quantile_layernorm", "quantile": 0.5}},
        {"model": "vit", "norm": "rmsnorm"},
    ],
    ids=str,
)
def test_mechanisms_train_in_bfloat16(changes: dict[str, Any]) -> None:
    train = {"steps": 3, "batch_size": 16, "precision": "bfloat16"}
    exact, rough = (
        straight({"task": IMAGES, **changes, "train": {**train, "precision": precision}})
        for precision in ("float32", "bfloat16")
    )
    losses = [rows[-1][1]["train_loss"] for rows in (exact, rough)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def waits(values: dict[str, Any]) -> list[str]:
    """Operations that fetch a number from the device, in updates between two evaluations.

    Those of the fused optimizers are left out: on a CPU they read their own count of steps, on a
    GPU they do not, as the last test of this file sees.
    """
    with isolated(seed=0, threads=1):
        steps = validate(values).build().train(State())
        for _ in range(3):
            next(steps)
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            for _ in range(3):
                next(steps)
    events = seen.events()
    assert events
    assert any(event.name == "aten::addmm" for event in events)
    return sorted(
        {e.name for e in events if e.name in FETCHES and not any(map(is_step, ancestors(e)))}
    )


FETCHES = ("aten::item", "aten::_local_scalar_dense", "aten::is_nonzero")


def ancestors(event: Any) -> Iterator[Any]:
    while event.cpu_parent is not None:
        event = event.cpu_parent
        yield event


def is_step(event: Any) -> bool:
    return event.name.startswith("Optimizer.step#")


def test_a_fetched_number_would_be_seen() -> None:
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        float(torch.ones(3).sum())
    assert {event.name for event in seen.events() or ()} & set(FETCHES)


@pytest.mark.parametrize("optimizer", names("workloads.optimizers"))
@pytest.mark.parametrize(
    "changes",
    [
        {"model": "resnet", "norm": {"kind": "quantile_batchnorm", "quantile": 0.5}},
        {"model": "vit", "activation": {"kind": "topk", "share": 0.5}},
        {"model": "mlp", "train": MIXED},
    ],
    ids=["resnet", "vit", "mlp"],
)
def test_a_step_asks_the_device_for_nothing(changes: dict[str, Any], optimizer: str) -> None:
    train = {"steps": 50, "batch_size": 8, "evaluate_every": 50, "optimizer": optimizer}
    values = {"task": IMAGES, **changes, "train": {**changes.get("train", {}), **train}}
    assert waits(values) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("model", ["mlp", "resnet", "vit", "gpt_nano"])
def test_a_step_never_waits_for_a_gpu(model: str) -> None:
    task = TOKENS if model == "gpt_nano" else IMAGES
    train = {"steps": 50, "batch_size": 8, "evaluate_every": 50, "clip_grad_norm": 1.0}
    activation = {"kind": "topk", "share": 0.5}
    values = {"task": task, "model": model, "activation": activation, "train": train}
    steps = validate(values).build().train(State(device="cuda:0"))
    for _ in range(3):
        next(steps)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            next(steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")
