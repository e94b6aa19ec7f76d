"""Each mechanism in what torch compiles: the same training, whatever numpy does elsewhere."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workloads.parts import norm
from tests.workloads.trainings import IMAGES, TOKENS, interrupted, straight

pytestmark = [  # What torch does itself while it traces.
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Torchinductor does not support:UserWarning"),
]

QUANTILE_NORMS = ("quantile_batchnorm", "quantile_mean_batchnorm")
VIT = {"task": IMAGES, "model": "vit"}
RESNET = {"task": IMAGES, "model": "resnet"}
MECHANISMS: dict[str, dict[str, Any]] = {
    "topk, resnet": {**RESNET, "activation": {"kind": "topk", "share": 0.5}},
    "topk of relu, vit": {**VIT, "activation": {"kind": "topk", "share": 0.9, "base": "relu"}},
    "quantile_relu, vit": {**VIT, "activation": {"kind": "quantile_relu", "quantile": 0.5}},
}
MORE: dict[str, dict[str, Any]] = {
    "topk by token": {
        "task": TOKENS,
        "model": "gpt_nano",
        "activation": {"kind": "topk", "share": 0.5},
    },
    "quantile_layernorm": {**VIT, "norm": {"kind": "quantile_layernorm", "quantile": 0.5}},
    "small quantile_layernorm": {
        "task": IMAGES,
        "model": "mlp",
        "norm": {"kind": "quantile_layernorm", "quantile": 0.5},
    },
    "rmsnorm": {**VIT, "norm": "rmsnorm"},
    **{kind: {**RESNET, "norm": {"kind": kind, "quantile": 0.5}} for kind in QUANTILE_NORMS},
}


def losses(values: dict[str, Any], compiler: str | None, steps: int) -> list[float]:
    torch.compiler.reset()
    train = {"steps": steps, "batch_size": 8, "log_every": 1, "compiler": compiler}
    rows = straight({**values, "train": train})
    return [metrics["train_loss"] for _, metrics, *_ in rows if "train_loss" in metrics]


def compare(values: dict[str, Any], compiler: str, *, steps: int = 3) -> None:
    plain, compiled = losses(values, None, steps), losses(values, compiler, steps)
    assert len(plain) == steps
    assert compiled == pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("values", MECHANISMS.values(), ids=MECHANISMS)
def test_a_traced_training_is_the_plain_one(values: dict[str, Any]) -> None:
    compare(values, "aot_eager")


MLP = {"task": IMAGES, "model": "mlp"}
FROZEN = {"kind": "quantile_layernorm_frozen", "quantile": 0.5, "freeze_after": 6}
COUNTING: dict[str, dict[str, Any]] = {
    "relufied": {**MLP, "activation": {"kind": "relufied", "after": 6}},
    "frozen": {**MLP, "norm": FROZEN},
}


@pytest.mark.parametrize("values", COUNTING.values(), ids=COUNTING)
def test_a_count_of_passes_does_not_compile_anew_each_time(values: dict[str, Any]) -> None:
    strict = torch._dynamo.config.patch(recompile_limit=4, fail_on_recompile_limit_hit=True)
    with strict:
        compare(values, "aot_eager", steps=10)


def test_resuming_a_compiled_frozen_norm_changes_no_bit(tmp_path: Path) -> None:
    torch.compiler.reset()
    train = {"steps": 16, "batch_size": 8, "log_every": 1, "compiler": "aot_eager"}
    values = {**MLP, "norm": FROZEN, "train": train}
    assert interrupted(values, [12], tmp_path) == straight(values)


@pytest.mark.parametrize("kind", ["quantile_layernorm", "rmsnorm"])
def test_a_compiled_gradient_under_autocast_is_that_of_float32(kind: str) -> None:
    torch.compiler.reset()
    torch.manual_seed(0)
    x, weight = torch.randn(8, 16, 64, requires_grad=True), torch.randn(8, 16, 64)
    module = norm(kind, **({"quantile": 0.5} if "quantile" in kind else {})).build(64, length=16)
    (expected,) = torch.autograd.grad(module(x), x, weight)
    compiled: Any = torch.compile(module, backend="aot_eager")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = compiled(x)
    (grad,) = torch.autograd.grad(y, x, weight)
    torch.testing.assert_close(grad, expected)


@pytest.mark.long
@pytest.mark.parametrize("values", MORE.values(), ids=MORE)
def test_so_are_those_of_the_others(values: dict[str, Any]) -> None:
    compare(values, "aot_eager")


@pytest.mark.long
@pytest.mark.parametrize("values", (MECHANISMS | MORE).values(), ids=MECHANISMS | MORE)
def test_a_training_by_inductor_is_nearly_the_plain_one(values: dict[str, Any]) -> None:
    compare(values, "inductor")
