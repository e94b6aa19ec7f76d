"""What every task promises, whichever file it stands in."""

from typing import Any

import pytest
import torch

from workloads.data.files import DataError
from workloads.kinds import canonical, load, names
from workloads.tasks import Data, Task

TASKS = names("workloads.tasks")


def built(kind: str, seed: int = 0) -> tuple[Task, Data]:
    config = load("workloads.tasks", kind)()
    assert isinstance(config, Task)
    try:
        return config, config.build(seed=seed)
    except DataError:
        pytest.skip(f"{kind} has no data without --data")


@pytest.mark.parametrize("kind", TASKS)
def test_defaults_are_enough_and_validate_to_themselves(kind: str) -> None:
    config = load("workloads.tasks", kind)()
    assert load("workloads.tasks", kind).model_validate(canonical(config)) == config


@pytest.mark.parametrize("kind", TASKS)
def test_shapes_and_sizes_are_as_announced(kind: str) -> None:
    config, data = built(kind)
    assert (len(data.train), len(data.validation)) == config.samples
    for split in (data.train, data.validation):
        inputs, targets = split.batch(torch.tensor([0, len(split) - 1]))
        assert inputs.shape == (2, *config.inputs)
        if config.gives == "spectrum":
            assert inputs.dtype == targets.dtype == torch.float32
            assert inputs.isfinite().all()
            assert targets.isfinite().all()
            continue
        assert targets.dtype == torch.int64
        assert 0 <= int(targets.min()) <= int(targets.max()) < config.outputs
        if config.gives == "image":
            assert inputs.dtype == torch.float32
            assert targets.shape == (2,)
        else:
            assert inputs.dtype == torch.int64
            assert targets.shape == inputs.shape
            assert 0 <= int(inputs.min()) <= int(inputs.max()) < config.outputs


@pytest.mark.parametrize("kind", TASKS)
def test_data_are_a_pure_function_of_the_seed(kind: str) -> None:
    def sample(seed: int) -> list[Any]:
        torch.manual_seed(torch.seed() % 1000)
        _, data = built(kind, seed)
        indices = torch.arange(0, len(data.train), max(1, len(data.train) // 50))
        return [*data.train.batch(indices), *data.validation.batch(torch.arange(5))]

    for first, second in zip(sample(1), sample(1), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("kind", TASKS)
def test_building_draws_nothing_from_the_global_stream(kind: str) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    built(kind)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("kind", TASKS)
def test_batches_do_not_share_memory_with_the_data(kind: str) -> None:
    _, data = built(kind)
    indices = torch.arange(3)
    first = data.train.batch(indices)
    kept = [part.clone() for part in first]
    for part in first:
        part.zero_()
    for part, expected in zip(data.train.batch(indices), kept, strict=True):
        assert torch.equal(part, expected)


@pytest.mark.parametrize("kind", TASKS)
def test_scores_are_means_and_hold_the_loss(kind: str) -> None:
    config, data = built(kind)
    inputs, targets = data.train.batch(torch.arange(4))
    spectrum = config.gives == "spectrum"
    outputs = inputs if spectrum else torch.zeros((*targets.shape, config.outputs))
    scores = config.scores(outputs, targets)
    assert all(score.shape == () for score in scores.values())
    halves = [config.scores(outputs[half], targets[half]) for half in (slice(2), slice(2, 4))]
    for name, score in scores.items():
        mean = sum(float(half[name]) for half in halves) / 2
        assert float(score) == pytest.approx(mean, rel=1e-4, abs=1e-4)
    if not spectrum:
        chance = float(torch.log(torch.tensor(float(config.outputs))))
        assert float(scores["loss"]) == pytest.approx(chance, rel=1e-5)
    assert torch.equal(config.loss(outputs, targets), scores["loss"])
    assert torch.equal(config.objective("cpu").loss(outputs, targets), scores["loss"])
    assert config.score_metric.removeprefix("val_") in scores
