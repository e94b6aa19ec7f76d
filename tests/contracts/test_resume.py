"""Whatever a workload is made of, saving and going on in a used worker changes no bit."""

import itertools
import random
from pathlib import Path

import pytest

from tests.workloads.trainings import IMAGES, SPEECH, TOKENS, interrupted, straight
from workloads.kinds import load, names

TASKS = {"image": IMAGES, "tokens": TOKENS, "spectrum": SPEECH}
COMBINATIONS = list(
    itertools.product(
        names("workloads.models"), names("workloads.optimizers"), names("workloads.schedules")
    )
)
STATEFUL_NORMS = [name for name in names("workloads.norms") if "frozen" in name]


def values(model: str, **more: object) -> dict[str, object]:
    """A tiny training of a model, with a random activation."""
    takes = load("workloads.models", model).takes[0]  # type: ignore[attr-defined]
    task = {**TASKS[takes], "train_size": 48, "validation_size": 16}
    chosen = {"model": model, "activation": "noisy_relu", "seed": 11} | more
    return {"task": task, **chosen}


def check(workload: dict[str, object], folder: Path) -> None:
    """Stops a training at two random steps; each piece follows another kind of training."""
    expected = straight(workload)
    drawn = random.Random(repr(workload)).sample(range(len(expected) - 1), 2)
    assert interrupted(workload, sorted(drawn), folder) == expected


@pytest.mark.parametrize(("model", "optimizer", "schedule"), COMBINATIONS)
def test_every_model_optimizer_and_schedule(
    model: str, optimizer: str, schedule: str, tmp_path: Path
) -> None:
    train = {"steps": 6, "batch_size": 16, "evaluate_every": 3, "log_every": 2}
    given = {"optimizer": optimizer, "schedule": schedule}
    check(values(model, train={**train, **given}), tmp_path)


@pytest.mark.parametrize("norm", STATEFUL_NORMS)
def test_a_norm_that_freezes_goes_on_where_it_froze(norm: str, tmp_path: Path) -> None:
    layout = load("workloads.norms", norm).layout  # type: ignore[attr-defined]
    model = "resnet" if layout == "channels_first" else "vit"
    train = {"steps": 6, "batch_size": 16, "evaluate_every": 2}
    check(values(model, norm={"kind": norm, "quantile": 0.5}, train=train), tmp_path)
