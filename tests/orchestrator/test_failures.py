"""Names of failures from their real causes, and how they are told."""

import math

import numpy as np
import pytest
import torch

from orchestrator.failures import Diverged, Stopped, TimedOut, classify, describe, nonfinite
from results.errors import StorageError


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


class MuteError(Exception):
    def __str__(self):
        raise TypeError("no words")


@pytest.mark.parametrize(
    ("error", "failure_class"),
    [
        (Diverged("x"), "diverged"),
        (TimedOut("x"), "timeout"),
        (Stopped("x"), "preempted"),
        (KeyboardInterrupt(), "preempted"),
        (StorageError("x"), "storage"),
        (torch.OutOfMemoryError("CUDA out of memory."), "cuda_oom"),
        (OutOfMemoryError("x"), "cuda_oom"),
        (RuntimeError("CUDA error: out of memory"), "cuda_oom"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "cuda_oom"),
        (MemoryError(), "host_oom"),
        (np.linalg.LinAlgError("x"), "user_error"),
        (RuntimeError("x"), "user_error"),
        (OSError(28, "No space left on device"), "user_error"),
        (SystemExit(3), "user_error"),
        (MuteError(), "user_error"),
    ],
)
def test_a_cause_has_a_class(error, failure_class):
    assert classify(error) == failure_class


@pytest.mark.parametrize("allocate", [torch.empty, np.empty])
def test_memory_that_is_not_there(allocate):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate((10**15,))
    assert classify(caught.value) == "host_oom"


def _raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


def test_a_users_error_comes_with_the_end_of_its_traceback():
    text = describe(_raised(ValueError("a shape\nis wrong")))
    assert text.startswith("ValueError: a shape\nis wrong\n")
    assert "in _raised" in text
    assert len(text.splitlines()) <= 14


def test_an_error_without_words():
    assert describe(KeyError()).startswith("KeyError\n")
    assert describe(_raised(MuteError())).startswith("MuteError: its message cannot be shown")


@pytest.mark.parametrize(
    "error", [Diverged("x."), TimedOut("x."), Stopped("x."), StorageError("x.")]
)
def test_what_is_raised_on_purpose_is_told_in_its_own_words(error):
    assert describe(_raised(error)) == "x."


def test_a_detail_can_be_stored_whatever_the_message_is():
    text = describe(RuntimeError("\udcff" + "x" * 10**6 + "end"))
    assert text.encode()
    assert len(text) < 25_000
    assert text.startswith("RuntimeError: \\udcffxxx")


@pytest.mark.parametrize(
    ("metrics", "name"),
    [
        ({"train_loss": 1.0, "val_loss": math.nan}, "val_loss"),
        ({"loss": math.inf}, "loss"),
        ({"loss": -math.inf}, "loss"),
        ({"loss": 1e308, "drift_z": math.nan, "loss_scale": math.inf}, None),
        ({}, None),
    ],
)
def test_a_loss_is_finite(metrics, name):
    assert nonfinite(metrics) == name
