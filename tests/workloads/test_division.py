"""Which trainings several devices may divide among themselves, and how a batch is divided."""

import json
from typing import Any

import pytest
import torch
from torch import nn

from workloads.config import Progress, validate
from workloads.devices import check_count
from workloads.programs._lines import Line
from workloads.programs._rank import _line
from workloads.programs.supervised import Config
from workloads.streams import snapshot
from workloads.tasks import Objective
from workloads.training.division import check_division
from workloads.training.running import Running
from workloads.training.share import Share, averages_at

IMAGES = {"kind": "fashion_mnist", "train_size": 200, "validation_size": 50}
SPEECH = {"kind": "speech", "length": 256, "window": 32, "hop": 16}
VIT: dict[str, Any] = {"task": IMAGES, "model": "vit", "train": {"batch_size": 8}}
QUANTILE = {"kind": "quantile_relu", "quantile": 0.5}


def test_what_couples_no_samples_may_be_divided() -> None:
    for values in (VIT, VIT | {"norm": "rmsnorm"}, VIT | {"activation": "noisy_relu"}):
        validate(values).fits_devices(4)
    validate({"kind": "command", "run": ["true"]}).fits_devices(4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": {"batch_size": 9}}, "batch_size is a multiple of the devices, got 9 and 2. T"),
        ({"train": {"batch_size": 8, "mixup": 0.2}}, "mix batches on one device, got 2"),
        ({"model": "resnet"}, "batchnorm lets the samples of a batch meet"),
        ({"activation": QUANTILE}, "quantile_relu lets"),
        ({"activation": {"kind": "topk", "share": 0.5, "base": QUANTILE}}, "quantile_relu lets"),
        ({"norm": {"kind": "quantile_layernorm", "quantile": 0.5}}, "quantile_layernorm lets"),
        ({"task": SPEECH, "model": "mp_senet"}, "speech is learnt on one device"),
    ],
)
def test_what_would_not_add_up_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        validate({**VIT, **changes}).fits_devices(2)


def test_the_usual_norm_elsewhere_counts_too() -> None:
    norm = {"kind": "identity", "site": "pre_activation"}
    with pytest.raises(ValueError, match="batchnorm lets"):
        validate({**VIT, "model": "resnet", "norm": norm}).fits_devices(2)


def test_slices_of_a_batch_are_all_of_it() -> None:
    indices = torch.randperm(12)
    assert torch.equal(torch.cat([Share(r, 3).part(indices) for r in range(3)]), indices)


def test_one_process_has_all_and_changes_nothing() -> None:
    share, model, loss = Share(), nn.Linear(2, 2), torch.tensor(3.0)
    assert share.leads
    assert share.joined(model) is model
    assert share.mean(loss) is loss
    assert share.gathered(5) == [5]
    before = torch.get_rng_state()
    share.part_streams([], seed=7, step=0)
    assert torch.equal(torch.get_rng_state(), before)
    with averages_at(model, last=False):
        pass


def draws(rank: int, *, size: int = 2, seed: int = 7, step: int = 0) -> float:
    Share(rank, size).part_streams([], seed=seed, step=step)
    return float(torch.rand(()))


def test_each_process_draws_its_own() -> None:
    found = [draws(0), draws(1), draws(0, seed=8), draws(0, step=3), draws(2, size=3)]
    assert len(set(found)) == len(found)
    assert draws(1) == found[1]


def test_streams_of_as_many_processes_go_on_and_of_others_begin_anew() -> None:
    torch.manual_seed(3)
    saved = [snapshot(cuda=False)] * 2
    expected = float(torch.rand(()))
    for share, goes_on in ((Share(1, 2), True), (Share(1, 3), False)):
        share.part_streams(saved, seed=7, step=4)
        assert (float(torch.rand(())) == expected) == goes_on


class Among(Share):
    """A process whose fellows have the same loss and one more each."""

    def gathered(self, own: Any) -> list[Any]:
        return [own + rank - self.rank for rank in range(self.size)]


@pytest.mark.parametrize(("rank", "size", "loss"), [(0, 2, 1.0), (1, 2, 2.0), (1, 3, 1.5)])
def test_sums_go_on_with_each_process_s_own(rank: int, size: int, loss: float) -> None:
    """Among as many; else each has their mean, so that the mean over all is what it was."""
    before = Running("cpu", share=Among(0, 2))
    before.add(torch.tensor(1.0), 0.5)
    after = Running("cpu", share=Among(rank, size))
    after.load_state_dict(before.state_dict())
    assert float(after._loss) == loss
    alone = Running("cpu")
    alone.load_state_dict(before.state_dict())
    assert alone.take(lambda: 0.0) == {"train_loss": 1.5, "step_time_s": 0.5}


def test_a_task_with_an_objective_of_its_own_is_not_divided() -> None:
    config = validate(VIT)
    assert isinstance(config, Config)

    class Counting(type(config.task)):  # type: ignore[misc]
        def objective(self, device: str) -> Objective:
            return Objective(self.loss, {"seen": None})

    task = Counting.model_construct(**dict(config.task))
    with pytest.raises(ValueError, match="is learnt on one device, got 2"):
        check_division([], task=task, recipe=config.train, batch_size=8, count=2)


def test_fewer_devices_than_asked_for_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_count(1)
    with pytest.raises(RuntimeError, match=r"gpu 2 needs that many .* got 1. Run with --gpu 1"):
        check_count(2)


def test_what_a_leader_says_is_read_as_it_was() -> None:
    progress = Progress(3, {"val_loss": float("nan"), "a": 0.1 + 0.2}, {"w": {"b": float("inf")}})
    line = Line.read(json.dumps(_line(progress)).encode())
    assert line is not None
    assert repr(line) == repr(Line(3, progress.metrics, progress.layers))
