"""The training loop: what it yields, that it repeats itself, and that it goes on bit for bit."""

import itertools
import math
import random
from pathlib import Path

import pytest
import torch

from tests.workloads.trainings import IMAGES, MLP, SPEECH, TOKENS, interrupted, row, straight
from workloads.config import validate
from workloads.programs.supervised import Config, Supervised
from workloads.state import CheckpointError, State
from workloads.training.order import Order

TRAIN = {"epochs": 2.5, "batch_size": 32, "evaluate_every": "0.5 epochs", "log_every": 2}


def test_every_step_is_yielded_once_and_measured_when_due() -> None:
    rows = straight({**MLP, "train": TRAIN})
    assert [step for step, _, _ in rows] == list(range(16))
    evaluated = [step for step, metrics, _ in rows if "val_loss" in metrics]
    assert evaluated == [0, 3, 6, 9, 12, 15]
    logged = [step for step, metrics, _ in rows if "train_loss" in metrics]
    assert logged == [2, 3, 4, 6, 8, 9, 10, 12, 14, 15]
    assert all(not metrics and not layers for step, metrics, layers in rows if step in (1, 5, 7))


def test_an_evaluation_says_everything() -> None:
    config = validate({**MLP, "train": {"steps": 2}})
    first, _, last = list(config.build().train(State()))
    names = {"epoch", "val_loss", "val_accuracy", "sparsity", "spike_max"}
    names |= {"drift_z", "negative_share", "weight_mean"}
    site = {"sparsity", "spike_max", "near_sparsity", "spike_ratio"}
    site |= {"derivative_sparsity", "preact_grad_mean"}
    hidden = {"aug_flatness", "flatness_ratio"}
    names |= site | hidden
    assert set(first.metrics) == names
    assert set(last.metrics) == names | {"train_loss", "step_time_s"}
    for progress in (first, last):
        assert {name: set(values) for name, values in progress.layers.items()} == {
            "layers.0.act": site,
            "layers.1.act": site,
            "layers.0.linear": hidden,
            "layers.1.linear": hidden,
            "head": {"aug_flatness"},
            "layers.0.linear.weight": {"drift_z", "negative_share", "weight_mean"},
            "layers.1.linear.weight": {"drift_z", "negative_share", "weight_mean"},
            "head.weight": {"drift_z", "negative_share", "weight_mean"},
        }
        values = [progress.metrics, *progress.layers.values()]
        assert {type(value) for group in values for value in group.values()} == {float}
    assert first.metrics["drift_z"] == 0
    assert last.metrics["drift_z"] != 0
    assert last.metrics["epoch"] == pytest.approx(2 / 3)


def test_measures_can_be_left_out_and_change_nothing_else() -> None:
    values = {**MLP, "train": {"steps": 4, "evaluate_every": 2}}
    everything, little = straight(values), straight({**values, "measures": []})
    some = straight({**values, "measures": ["gradients", "magnitudes"]})
    for row_all, row_some, row_little in zip(everything, some, little, strict=True):
        assert row_little[1].items() <= row_some[1].items() <= row_all[1].items()
    assert little[-1][1].keys() & {"near_sparsity", "preact_grad_mean"} == set()
    assert set(little[-1][2]["layers.0.act"]) == {"sparsity", "spike_max"}
    added = {"near_sparsity", "spike_ratio", "preact_grad_mean"}
    assert some[-1][1].keys() - little[-1][1].keys() == added


def test_what_needs_gradients_is_measured_at_the_ends_or_always() -> None:
    values = {**MLP, "train": {"steps": 4, "evaluate_every": 2}}
    costly = {"derivative_sparsity", "preact_grad_mean", "aug_flatness", "flatness_ratio"}
    for at, steps in (("ends", [0, 4]), ("evaluations", [0, 2, 4])):
        rows = straight({**values, "gradients_at": at})
        assert [step for step, metrics, _ in rows if costly & metrics.keys()] == steps
        assert [step for step, metrics, _ in rows if "spike_ratio" in metrics] == [0, 2, 4]
        assert all(costly <= metrics.keys() for step, metrics, _ in rows if step in steps)


def test_it_learns() -> None:
    values = {**MLP, "task": {"kind": "fashion_mnist", "train_size": 2000}, "train": {"epochs": 3}}
    rows = straight(values)
    assert rows[0][1]["val_accuracy"] < 0.3
    assert rows[-1][1]["val_accuracy"] > 0.7


def test_train_loss_is_the_mean_since_the_last_report() -> None:
    each = straight({**MLP, "train": {"steps": 6, "batch_size": 32, "log_every": 1}})
    losses = {step: metrics["train_loss"] for step, metrics, _ in each if step}
    rows = straight({**MLP, "train": {"steps": 6, "batch_size": 32, "evaluate_every": 4}})
    reported = {step: metrics["train_loss"] for step, metrics, _ in rows if "train_loss" in metrics}
    assert reported[4] == pytest.approx(sum(losses[step] for step in (1, 2, 3, 4)) / 4, rel=1e-12)
    assert reported[6] == pytest.approx((losses[5] + losses[6]) / 2, rel=1e-12)


def test_step_time_counts_steps_alone() -> None:
    config = validate({**MLP, "train": {"steps": 4, "evaluate_every": 2}})
    assert isinstance(config, Config)
    ticks = itertools.count()
    rows = list(Supervised(config, clock=lambda: float(next(ticks))).train(State()))
    # Each step reads the clock at its start and end; a report twice more.
    assert [p.metrics["step_time_s"] for p in rows if p.step in (2, 4)] == [1.5, 1.5]


def test_an_epoch_sees_every_sample_once_in_a_new_order() -> None:
    split = validate(MLP).task.build(seed=0).train  # type: ignore[attr-defined]

    def labels(seed: int, updates: range) -> list[list[int]]:
        order = Order(split, batch_size=50, seed=seed, device="cpu")
        return [order.batch(update)[1].tolist() for update in updates]

    first, second = labels(0, range(4)), labels(0, range(4, 8))
    for batches in (first, second):
        assert sorted(itertools.chain(*batches)) == sorted(split.labels.tolist())
    assert first != second
    assert labels(1, range(4)) != first
    assert labels(0, range(6, 8)) == second[2:]


@pytest.mark.parametrize("model", ["mlp", "resnet", "vit", "gpt_nano"])
@pytest.mark.parametrize("activation", ["relu", "noisy_relu"])
def test_resuming_changes_no_bit(model: str, activation: str, tmp_path: Path) -> None:
    values = {
        "task": TOKENS if model == "gpt_nano" else IMAGES,
        "model": model,
        "activation": activation,
        "train": {**TRAIN, "epochs": 1.5, "clip_grad_norm": 1.0},
        "seed": 5,
    }
    expected = straight(values)
    stops = sorted(random.Random(f"{model}{activation}").sample(range(len(expected)), 3))
    assert interrupted(values, stops, tmp_path) == expected


@pytest.mark.parametrize("stop", [0, 1, 5, 6, 14, 15])
def test_resuming_from_any_place_in_an_epoch(stop: int, tmp_path: Path) -> None:
    values = {**MLP, "activation": "noisy_relu", "train": TRAIN}
    expected = straight(values)
    assert interrupted(values, [stop], tmp_path) == expected


def test_resuming_with_sgd_and_two_threads(tmp_path: Path) -> None:
    values = {**MLP, "train": {**TRAIN, "optimizer": "sgd", "schedule": "cosine"}}
    expected = straight(values, threads=2)
    assert interrupted(values, [4, 11], tmp_path, threads=2) == expected


def test_measures_against_the_first_weights_survive_resuming(tmp_path: Path) -> None:
    values = {**MLP, "train": {"steps": 4, "batch_size": 32}, "seed": 3}
    expected = straight(values)
    resumed = interrupted(values, [2], tmp_path)
    assert resumed[-1][1]["drift_z"] == expected[-1][1]["drift_z"] != 0


def test_a_trial_does_not_depend_on_what_ran_before() -> None:
    values = {**MLP, "activation": "noisy_relu", "train": {"steps": 5}, "seed": 2}
    first = straight(values)
    torch.rand(7)
    straight({**MLP, "norm": "batchnorm", "train": {"steps": 2}})
    assert straight(values) == first


def test_it_seeds_itself_even_where_nobody_reset_the_process() -> None:
    config = validate({**MLP, "train": {"steps": 3}, "seed": 4})
    runs = []
    for _ in range(2):
        torch.rand(3)
        runs.append([row(progress) for progress in config.build().train(State())])
    assert runs[0] == runs[1]


def test_seeds_differ() -> None:
    values = {**MLP, "train": {"steps": 2}}
    assert straight({**values, "seed": 1}) != straight({**values, "seed": 2})


def test_watching_changes_nothing() -> None:
    often = straight(
        {**MLP, "activation": "noisy_relu", "train": {"steps": 6, "evaluate_every": 1}}
    )
    once = straight({**MLP, "activation": "noisy_relu", "train": {"steps": 6}})
    assert often[-1][1]["val_loss"] == once[-1][1]["val_loss"]


def test_a_clip_holds_the_gradient() -> None:
    def drift(clip: float | None) -> float:
        train: dict[str, object] = {"steps": 1, "clip_grad_norm": clip, "schedule": "constant"}
        train["optimizer"] = {"kind": "sgd", "learning_rate": 1.0, "momentum": 0.0}
        config = validate({**MLP, "train": train})
        state = State()
        list(config.build().train(state))
        weights = state._parts["weights"]
        model = state._parts["model"]
        assert isinstance(model, torch.nn.Module)
        first = weights.state_dict()
        moved = [w.detach() - first[n] for n, w in model.named_parameters() if n in first]
        return math.sqrt(sum(float(part.square().sum()) for part in moved))

    assert drift(None) > 0.1
    assert drift(0.01) == pytest.approx(0.01, rel=0.2)


def test_a_loss_that_is_not_finite_is_reported_and_nothing_more() -> None:
    train = {"steps": 5, "optimizer": {"kind": "sgd", "learning_rate": 1e30}, "log_every": 1}
    rows = straight({**MLP, "train": train})
    assert len(rows) == 6
    assert not math.isfinite(rows[-1][1]["train_loss"])
    assert not math.isfinite(rows[-1][1]["val_loss"])


def test_the_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    state = State()
    next(validate(MLP).build().train(state))
    state.save(tmp_path)
    other = validate({**MLP, "model": {"kind": "mlp", "hidden": [8]}})
    with pytest.raises(CheckpointError, match="part 'model'"):
        next(other.build().train(State(resume_from=tmp_path)))


def test_the_state_knows_the_epoch() -> None:
    state = State()
    next(validate({**MLP, "train": {"batch_size": 32}}).build().train(state))
    assert state.steps_per_epoch == 6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("model", ["mlp", "resnet", "vit", "gpt_nano", "mp_senet"])
def test_it_trains_and_resumes_on_a_gpu(model: str, tmp_path: Path) -> None:
    task = {"gpt_nano": TOKENS, "mp_senet": SPEECH}.get(model, IMAGES)
    config = validate(
        {"task": task, "model": model, "activation": "noisy_relu", "train": {"steps": 8}}
    )
    state = State(device="cuda:0")
    for progress in config.build().train(state):
        if progress.step == 4:
            state.save(tmp_path)
    again = State(device="cuda:0", resume_from=tmp_path)
    resumed = list(config.build().train(again))
    assert [p.step for p in resumed] == [5, 6, 7, 8]
    assert again.mismatches == []
    assert resumed[-1].metrics["val_loss"] == pytest.approx(progress.metrics["val_loss"], rel=1e-3)
