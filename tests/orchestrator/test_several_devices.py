"""One trial over two devices, here two processes of a CPU: one training, rows once, resumed."""

import os
import signal
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
NOISY = {**WORKLOAD, "activation": "noisy_relu"}


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


def processes():
    """Rank -> process of the training that runs now."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # It ended meanwhile.
            continue
        ours = b"workloads.programs._rank" in words and b"torch.distributed.run" not in words
        if ours and f"CLIFFSWEEP_TEST={os.getpid()}".encode() in variables:
            rank = [v for v in variables if v.startswith(b"RANK=")]
            found |= {int(rank[0][5:]): int(folder.name)} if rank else {}
    return found


@pytest.fixture(autouse=True)
def _on_a_cpu(monkeypatch):
    monkeypatch.setattr(trial, "device_of", lambda _resources: "cpu")
    monkeypatch.setenv("CLIFFSWEEP_TEST", str(os.getpid()))  # By which its processes are known.


def weights(folder, name):
    content = torch.load(folder / "checkpoints" / "t" / "a0-2" / name, weights_only=True)
    return content["parts"]["model"]


def test_two_devices_train_as_one_and_nothing_listens(tmp_path):
    seen = []

    def look():
        found = processes()
        seen.append((set(found), listening(found.values())))
        return False

    assert go(tmp_path / "two", WORKLOAD, look=look).status == "completed"
    assert go(tmp_path / "one", WORKLOAD, gpus=1).status == "completed"
    two, one = kept(tmp_path / "two"), kept(tmp_path / "one")
    assert [row[:3] for row in two] == [row[:3] for row in one]
    values = [[float.fromhex(row[3]) for row in each] for each in (two, one)]
    assert values[0] == pytest.approx(values[1], rel=1e-4, abs=1e-6)
    # Two updates by plain gradients: equal weights are equal gradients.
    ours, theirs = (
        weights(tmp_path / "two", "files/state.pt"),
        weights(tmp_path / "one", "state.pt"),
    )
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-5, atol=1e-6)
    assert {0, 1} in [ranks for ranks, _ in seen]
    assert {place[0] for _, places in seen for place in places} <= {"127.0.0.1"}
    assert processes() == {}


@pytest.mark.long
def test_a_killed_process_ends_the_attempt_and_the_next_goes_on_bit_for_bit(tmp_path):
    assert go(tmp_path / "undisturbed", NOISY).status == "completed"
    folder = tmp_path / "struck"
    struck = []

    def strike():
        if not struck and (folder / "checkpoints" / "t" / "a0-2").is_dir():
            struck.append(processes()[1])
            os.kill(struck[0], signal.SIGKILL)
        return False

    outcome = go(folder, NOISY, look=strike)
    assert (outcome.status, outcome.failure_class) == ("failed", "worker_lost")
    assert processes() == {}
    again = go(folder, NOISY, number=1)
    assert again.status == "completed", again.detail
    ends = [
        (e.attempt, e.status, e.resumed_from) for e in Ledger(Store(folder), sweep="t").events()
    ]
    assert (1, "running", 2) in ends
    assert kept(folder) == kept(tmp_path / "undisturbed")


@pytest.mark.long
def test_what_a_process_raises_is_raised_here(tmp_path):
    wrong = {**WORKLOAD, "task": {**WORKLOAD["task"], "kind": "token_shards"}}
    outcome = go(tmp_path, wrong)
    assert (outcome.status, outcome.failure_class) == ("failed", "user_error")
    assert outcome.detail.startswith("DataError: task.token_shards: needs a folder of data")
