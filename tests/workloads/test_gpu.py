"""The grid's mechanisms on a real GPU, held against the CPU. Skips itself where there is none."""

from typing import Any

import pytest
import torch

from tests.workloads.trainings import IMAGES, TOKENS
from workloads.config import Progress, validate
from workloads.order_statistics import find_quantile, largest
from workloads.state import State, isolated

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]

SPEECH = {"kind": "speech", "length": 1024, "train_size": 16, "validation_size": 8}
GELU_TOPK = {"kind": "topk", "share": 0.7, "base": "gelu"}
RELU_TOPK = {"kind": "topk", "share": 0.7, "base": "relu"}
CELLS: dict[str, dict[str, Any]] = {
    "resnet": {"task": IMAGES, "model": "resnet", "activation": RELU_TOPK},
    "resnet-quantile": {
        "task": IMAGES,
        "model": "resnet",
        "norm": {"kind": "quantile_batchnorm", "quantile": 0.5, "site": "pre_activation"},
    },
    "vit": {"task": IMAGES, "model": "vit", "activation": GELU_TOPK},
    "vit-quantile": {
        "task": IMAGES,
        "model": "vit",
        "norm": {"kind": "quantile_layernorm", "quantile": 0.5},
        "activation": {"kind": "quantile_relu", "quantile": 0.5},
    },
    "gpt_nano": {"task": TOKENS, "model": "gpt_nano", "activation": GELU_TOPK},
    "mlp": {"task": IMAGES, "model": "mlp", "activation": "sugar_bsilu"},
    "mp_senet": {"task": SPEECH, "model": "mp_senet", "activation": GELU_TOPK},
}
TRAIN = {"steps": 3, "batch_size": 8, "clip_grad_norm": 1.0, "evaluate_every": 3}


def trained(values: dict[str, Any], *, devices: int = 1, device: str) -> Progress:
    with isolated(seed=0, threads=1):
        steps = validate(values).build().train(State(device=device, devices=devices))
        *_, last = (progress for progress in steps if progress.metrics)
    return last


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_measures_there_what_it_measures_here(cell: str) -> None:
    """Roughly: three updates apart, entries near a rank or a rounding fall on either side."""
    values = {**CELLS[cell], "train": TRAIN}
    here, there = (trained(values, device=device).metrics for device in ("cpu", "cuda:0"))
    assert here.keys() == there.keys()
    for name in ("val_loss", "train_loss"):
        assert there[name] == pytest.approx(here[name], rel=0.05)
    assert there["sparsity"] == pytest.approx(here["sparsity"], abs=0.02)


@pytest.mark.parametrize("steps", [0, 2], ids=["distinct", "ties"])
def test_order_statistics_there_are_those_of_here(steps: int) -> None:
    torch.manual_seed(0)
    x = torch.randint(-steps, steps + 1, (6, 4, 90)).float() if steps else torch.randn(6, 4, 90)
    for start in (1, 2):
        size = x.shape[start:].numel()
        mask = largest(x.cuda(), count=size // 3, start=start)
        assert torch.equal(mask.cpu(), largest(x, count=size // 3, start=start))
        here, there = (find_quantile(each, 0.3, start=start) for each in (x, x.cuda()))
        torch.testing.assert_close(there.value.cpu(), here.value)
        assert torch.equal(there.lower.cpu(), here.lower)
        assert torch.equal(there.upper.cpu(), here.upper)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_gpus_train_as_one(precision: str) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU")
    train = {**TRAIN, "accumulate": 2, "precision": precision}
    values = {"task": TOKENS, "model": "gpt_nano", "activation": "relu", "train": train}
    one, two = (trained(values, devices=n, device="cuda:0").metrics for n in (1, 2))
    assert two["val_loss"] == pytest.approx(
        one["val_loss"], rel=1e-3 if precision == "float32" else 0.05
    )
