"""One trial over two devices, here two processes of a CPU: one training, rows once, resumed."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch

from orchestrator import trial
from orchestrator.attempt import Attempt
from orchestrator.quantities import Every
from orchestrator.spec import Resources
from orchestrator.trial import run_trial
from results.ledger import Ledger
from results.store import Store
from tests.e2e.listening import listening
from tests.orchestrator.sweeps import rows

WORKLOAD = {
    "kind": "supervised",
    "task": {"kind": "austen", "length": 16, "train_size": 200, "validation_size": 16},
    "model": {"kind": "gpt_nano", "layers": 1, "width": 16},
    "activation": "relu",
    "train": {
        **{"steps": 4, "batch_size": 8, "accumulate": 2, "clip_grad_norm": 1.0},
        **{"log_every": 1, "evaluate_every": 2, "optimizer": "sgd", "schedule": "constant"},
    },
    "measures": [],
    "seed": 3,
}
TRAIN = WORKLOAD["train"]
SELDOM = {**TRAIN, "log_every": None, "evaluate_every": 4}
NOISY = {**WORKLOAD, "activation": "noisy_relu", "train": SELDOM}
"""Draws random numbers, and has sums under way at the checkpoint of step 2."""


def go(folder, config, *, gpus=2, number=0, look=lambda: False):
    store = Store(folder)
    attempt = Attempt(
        root=str(folder),
        sweep="t",
        trial_id="t",
        number=number,
        config=config,
        resources=Resources(gpu=gpus),
        resume_from=Ledger(store, sweep="t").usable_checkpoint("t"),
        checkpoint_every=Every.read("2 steps"),
        checkpoint_keep=9,
    )
    return run_trial(attempt, asked_to_leave=look)


def kept(folder):
    """All rows but those of a clock."""
    return [row for row in rows(folder) if not row[2].endswith("_s")]


def numbers(found):
    return [float.fromhex(row[3]) for row in found]


def starts(folder):
    """(attempt, step from which it went on, what it said) of every start."""
    events = Ledger(Store(folder), sweep="t").events()
    return [(e.attempt, e.resumed_from, e.detail) for e in events if e.status == "running"]


def everyone():
    """Name -> process of the training that runs now: each rank's number, `watcher`, `leash`."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # It ended meanwhile.
            continue
        if f"CLIFFSWEEP_TEST={os.getpid()}".encode() not in variables:
            continue
        if b"workloads.programs._rank" not in words:
            continue
        ranks = [int(v[5:]) for v in variables if v.startswith(b"RANK=")]
        leash = any(word.endswith(b"_leash.py") for word in words)
        name = ranks[0] if ranks else "leash" if leash else "watcher"
        found[name] = int(folder.name)
    return found


def gone(within_s=20):
    end = time.monotonic() + within_s
    while everyone() and time.monotonic() < end:
        os.sched_yield()
    return everyone() == {}


@pytest.fixture(autouse=True)
def _on_a_cpu(monkeypatch, tmp_path):
    monkeypatch.setattr(trial, "device_of", lambda _resources: "cpu")
    monkeypatch.setenv("CLIFFSWEEP_TEST", str(os.getpid()))  # By which its processes are known.
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)


def left_over(folder):
    """Folders of ours and of torch's launcher; torch's compiler keeps a cache there for good."""
    names = (path.name for path in (folder / "temporary").iterdir())
    return [name for name in names if not name.startswith("torchinductor_")]


def descriptors():
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def weights(folder):
    path = folder / "checkpoints" / "t" / "a0-2" / "state.pt"
    return torch.load(path, weights_only=True)["parts"]["model"]


def test_two_devices_train_as_one_and_nothing_listens(tmp_path):
    seen = []

    def look():
        found = everyone()
        seen.append((set(found), listening(found.values())))
        return False

    assert go(tmp_path / "one", WORKLOAD, gpus=1).status == "completed"
    before = descriptors()
    assert go(tmp_path / "two", WORKLOAD, look=look).status == "completed"
    assert descriptors() == before
    assert left_over(tmp_path) == []
    two, one = kept(tmp_path / "two"), kept(tmp_path / "one")
    assert [row[:3] for row in two] == [row[:3] for row in one]
    assert numbers(two) == pytest.approx(numbers(one), rel=1e-4, abs=1e-6)
    # Two updates by plain gradients: equal weights are equal gradients.
    ours, theirs = weights(tmp_path / "two"), weights(tmp_path / "one")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-5, atol=1e-6)
    assert {0, 1, "watcher", "leash"} in [names for names, _ in seen]
    assert {place[0] for _, places in seen for place in places} <= {"127.0.0.1"}
    assert everyone() == {}


@pytest.mark.long
@pytest.mark.parametrize("whom", [0, 1, "watcher"])
def test_a_killed_process_ends_the_attempt_and_the_next_goes_on_bit_for_bit(tmp_path, whom):
    assert go(tmp_path / "undisturbed", NOISY).status == "completed"
    folder = tmp_path / "struck"
    struck = []

    def strike():
        if not struck and (folder / "checkpoints" / "t" / "a0-2").is_dir():
            struck.append(everyone()[whom])
            os.kill(struck[0], signal.SIGKILL)
        return False

    outcome = go(folder, NOISY, look=strike)
    assert (outcome.status, outcome.failure_class) == ("failed", "worker_lost"), outcome.detail
    assert gone()
    assert left_over(tmp_path) == []
    again = go(folder, NOISY, number=1)
    assert again.status == "completed", again.detail
    assert starts(folder)[1] == (1, 2, None)
    assert kept(folder) == kept(tmp_path / "undisturbed")


@pytest.mark.long
@pytest.mark.parametrize("gpus", [(1, 2), (2, 1)], ids=["more", "fewer"])
def test_another_number_of_devices_goes_on_from_a_checkpoint(tmp_path, gpus):
    first, then = gpus
    config = {**WORKLOAD, "train": SELDOM}
    assert go(tmp_path / "one", config, gpus=1).status == "completed"
    folder = tmp_path / "both"

    def saved():
        return (folder / "checkpoints" / "t" / "a0-2").is_dir()

    outcome = go(folder, config, gpus=first, look=saved)
    assert (outcome.status, outcome.failure_class) == ("failed", "preempted"), outcome.detail
    assert everyone() == {}
    again = go(folder, config, gpus=then, number=1)
    assert again.status == "completed", again.detail
    number, step, said = starts(folder)[1]
    assert (number, step) in ((1, 2), (1, 3))
    assert f"devices was {first} when the checkpoint was saved and is {then} now" in said
    one, both = kept(tmp_path / "one"), kept(folder)
    assert [row[:3] for row in both] == [row[:3] for row in one]
    assert numbers(both) == pytest.approx(numbers(one), rel=1e-4, abs=1e-6)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's
def test_what_takes_gradients_to_measure_and_a_compiler_work_too(tmp_path):
    measured = {key: value for key, value in WORKLOAD.items() if key != "measures"}
    config = {**measured, "train": {**TRAIN, "compiler": "eager"}}
    assert go(tmp_path / "two", config).status == "completed"
    alone = go(tmp_path / "one", config, gpus=1)
    assert alone.status == "completed", alone.detail
    two, one = kept(tmp_path / "two"), kept(tmp_path / "one")
    assert [row[:3] for row in two] == [row[:3] for row in one]
    losses = [[row for row in each if row[2].endswith("_loss")] for each in (two, one)]
    assert numbers(losses[0]) == pytest.approx(numbers(losses[1]), rel=1e-4)


@pytest.mark.long
def test_what_a_process_raises_is_raised_here(tmp_path):
    wrong = {**WORKLOAD, "task": {**WORKLOAD["task"], "kind": "token_shards"}}
    outcome = go(tmp_path, wrong)
    assert (outcome.status, outcome.failure_class) == ("failed", "user_error")
    assert outcome.detail.startswith("DataError: task.token_shards: needs a folder of data")
    assert "workloads/programs/_rank.py" in outcome.detail
    assert gone()


SCRIPT = f"""
from workloads.config import validate
from workloads.state import State
for progress in validate({WORKLOAD!r}).build().train(State(devices=2)):
    if progress.metrics:
        print("trains", flush=True)
        input()
"""


@pytest.mark.long
@pytest.mark.parametrize("first", [None, "leash", 1], ids=["parent", "leash", "stopped"])
def test_no_process_outlives_whoever_trains(first):
    worker = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with worker:
        assert worker.stdout.readline() == b"trains\n"
        found = everyone()
        assert set(found) == {0, 1, "watcher", "leash"}
        if first is not None:
            os.kill(found[first], signal.SIGSTOP if first == 1 else signal.SIGKILL)
        worker.kill()
        worker.stdin.close()
    assert gone()
