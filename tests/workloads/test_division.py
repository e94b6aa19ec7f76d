"""Which trainings several devices may divide among themselves, and how a batch is divided."""

from typing import Any

import pytest
import torch
from torch import nn

from workloads.config import validate
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
    assert share.parts == {}
    before = torch.get_rng_state()
    share.part_streams(7)
    assert torch.equal(torch.get_rng_state(), before)
    with averages_at(model, last=False):
        pass


def test_streams_of_another_number_of_processes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 processes, got 2"):
        Share(0, 3).load_state_dict({"streams": [{}, {}]})
