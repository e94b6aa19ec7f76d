"""Squared error on classes: its value, its score, and that default ids stay what they were."""

import pytest
import torch

from workloads.kinds import canonical
from workloads.tasks.fashion_mnist import Config as FashionMnist
from workloads.tasks.random_data import Config as RandomData

LOGITS = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.0, -1.0]])
TARGETS = torch.tensor([0, 2])


@pytest.mark.parametrize("task", [FashionMnist, RandomData])
def test_squared_error_is_the_distance_from_the_target_s_corner(task):
    mse = task(criterion="mse")
    wanted = (0.0 + 0.5**2 + 2.0**2) / 2
    assert float(mse.loss(LOGITS, TARGETS)) == pytest.approx(wanted)
    assert float(mse.scores(LOGITS, TARGETS)["loss"]) == pytest.approx(wanted)
    assert float(mse.scores(LOGITS, TARGETS)["accuracy"]) == 0.5


def test_tokens_are_means_over_all_of_them():
    mse = RandomData(shape=[2], classes=3, criterion="mse")
    loss = mse.loss(LOGITS[None], TARGETS[None])
    assert float(loss) == pytest.approx((0.5**2 + 2.0**2) / 2)


@pytest.mark.parametrize("task", [FashionMnist, RandomData])
def test_the_default_is_cross_entropy_and_stays_out_of_ids(task):
    assert float(task().loss(LOGITS, TARGETS)) == float(
        torch.nn.functional.cross_entropy(LOGITS, TARGETS)
    )
    assert "criterion" not in canonical(task())
    assert canonical(task(criterion="mse"))["criterion"] == "mse"
