"""The workload mapping: one spelling, one meaning, and errors at the user's key."""

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from workloads.config import Progress, validate
from workloads.data.files import DataError
from workloads.kinds import canonical
from workloads.programs.supervised import Config

IMAGES = {"task": "fashion_mnist", "model": "mlp"}
TOKENS = {"task": "austen", "model": "gpt_nano"}


def form(values: dict[str, Any]) -> str:
    return json.dumps(canonical(validate(values)))


def problems(values: Any) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(ValidationError) as caught:
        validate(values)
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


def test_supervised_is_the_default_program() -> None:
    assert isinstance(validate(IMAGES), Config)
    assert form(IMAGES) == form({"kind": "supervised", **IMAGES})


@pytest.mark.parametrize(
    "same",
    [
        {"norm": None},
        {"norm": "identity"},
        {"norm": {"kind": "identity", "site": "all"}},
        {"activation": {"kind": "relu"}},
        {"seed": 0},
        {"train": {}},
        {"train": {"epochs": 1}},
        {"train": {"epochs": 1.0, "steps": None, "evaluate_every": "1.0 epochs"}},
        {"train": {"optimizer": "adamw", "schedule": {"kind": "one_cycle"}}},
        {"task": {"kind": "fashion_mnist", "data": "shipped"}},
        {"model": {"hidden": [256, 256], "kind": "mlp"}},
        {"measures": ["flatness", "gradients", "magnitudes", "derivatives"]},
    ],
)
def test_one_workload_has_one_form(same: dict[str, Any]) -> None:
    assert form({**IMAGES, **same}) == form(IMAGES)


@pytest.mark.parametrize(
    "other",
    [
        {"norm": "layernorm"},
        {"activation": "gelu"},
        {"seed": 1},
        {"train": {"steps": 156}},
        {"train": {"clip_grad_norm": 1.0}},
        {"task": {"kind": "fashion_mnist", "data": "full"}},
        {"task": {"kind": "fashion_mnist", "validation_size": 2000}},
    ],
)
def test_another_workload_has_another_form(other: dict[str, Any]) -> None:
    assert form({**IMAGES, **other}) != form(IMAGES)


def test_the_form_is_complete_and_validates_to_itself() -> None:
    values = json.loads(form({**TOKENS, "activation": {"kind": "topk", "share": 0.5}}))
    assert list(values) == ["kind", "task", "model", "norm", "activation", "train", "seed"]
    assert values["norm"]["kind"] == "rmsnorm"
    assert values["activation"]["base"]["kind"] == "gelu"
    assert values["train"]["optimizer"]["kind"] == "adamw"
    assert json.loads(form(values)) == values


def test_configs_made_in_python_are_the_same() -> None:
    assert Config(task="fashion_mnist", model="mlp") == validate(IMAGES)  # type: ignore[arg-type]


def test_the_form_does_not_depend_on_the_process() -> None:
    code = (
        "import json; from workloads.config import validate; from workloads.kinds import canonical;"
        f"print(json.dumps(canonical(validate({IMAGES!r}))))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert ran.stdout.strip() == form(IMAGES), ran.stderr


def test_scores_are_the_tasks() -> None:
    images, tokens = validate(IMAGES), validate(TOKENS)
    assert (images.score_rule, images.score_metric) == ("accuracy_ratio", "val_accuracy")
    assert (tokens.score_rule, tokens.score_metric) == ("exp_loss", "val_loss")


def test_the_default_norm_is_the_models() -> None:
    for values in (TOKENS, {**TOKENS, "norm": "layernorm"}):
        norm = validate(values).default_norm
        assert norm is not None
        assert canonical(norm) == canonical(validate({**TOKENS, "norm": "rmsnorm"}).norm)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "loc", "text"),
    [
        ({**IMAGES, "model": "gpt_nano"}, ("model",), "gpt_nano takes tokens, got fashion_mnist"),
        ({**TOKENS, "model": "mlp"}, ("model",), "mlp takes image, got austen"),
        ({**TOKENS, "norm": "batchnorm"}, ("norm",), "channels_last, got batchnorm"),
        ({**IMAGES, "model": {"kind": "vit", "width": 10, "heads": 3}}, ("model",), "width"),
        ({**IMAGES, "model": {"kind": "vit", "patch": 5}}, ("model",), "patch"),
        ({**IMAGES, "modle": "vit"}, ("modle",), "Did you mean 'model'?"),
        ({**IMAGES, "norm": "batchnrm"}, ("norm",), "Did you mean 'batchnorm'?"),
        ({**IMAGES, "kind": "supervisd"}, ("kind",), "Did you mean 'supervised'?"),
        ({**IMAGES, "kind": None}, (), "needs a name or a mapping with 'kind'"),
        (
            {**IMAGES, "activation": {"kind": "topk", "share": 1.0}},
            ("activation", "share"),
            "less than 1",
        ),
        ({**IMAGES, "train": {"epochs": 1, "steps": 2}}, ("train", "steps"), "either epochs or"),
        ({**IMAGES, "train": {"epochs": 0}}, ("train", "epochs"), "greater than 0"),
        ({**IMAGES, "train": {"clip_grad_norm": 0}}, ("train", "clip_grad_norm"), "greater than"),
        (
            {**IMAGES, "train": {"evaluate_every": "often"}},
            ("train", "evaluate_every"),
            "'N epochs' or steps above 0, got 'often'",
        ),
        (
            {**IMAGES, "train": {"optimizer": {"kind": "adamw", "learning_rte": 1}}},
            ("train", "optimizer", "learning_rte"),
            "Did you mean 'learning_rate'?",
        ),
        (
            {**IMAGES, "train": {"batch_size": 10_001}},
            ("train", "batch_size"),
            "at most the 10000 training samples, got 10001",
        ),
        ({**IMAGES, "train": None}, ("train",), "needs a mapping, got None"),
        ({**IMAGES, "seed": -1}, ("seed",), "greater than or equal to 0"),
        ({**IMAGES, "seed": "0"}, ("seed",), "valid integer"),
        ({**IMAGES, "measures": ["drift"]}, ("measures", 0), "'magnitudes', 'derivatives'"),
        ([], (), "a workload is a mapping, got []"),
    ],
)
def test_errors_stand_at_the_users_key(values: Any, loc: tuple[str | int, ...], text: str) -> None:
    found = problems(values)
    assert list(found) == [loc]
    assert text in found[loc]


def test_all_problems_are_told_together() -> None:
    found = problems({"task": "x", "model": 3, "norm": "z", "lr": 1, "train": {"steps": 0}})
    assert set(found) == {("task",), ("model",), ("norm",), ("lr",), ("train", "steps")}


def test_missing_keys_are_named() -> None:
    assert problems({}) == {("task",): "Field required", ("model",): "Field required"}


def test_missing_data_are_told_before_anything_starts() -> None:
    with pytest.raises(DataError, match="--data"):
        validate({**IMAGES, "task": {"kind": "fashion_mnist", "data": "full"}}).check()
    validate(IMAGES).check()


def test_progress_is_empty_unless_told() -> None:
    progress = Progress(3)
    assert (progress.step, dict(progress.metrics), dict(progress.layers)) == (3, {}, {})
