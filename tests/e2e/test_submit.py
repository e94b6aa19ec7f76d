"""Submitting to a real head: what arrives, what a second submission does, who is let in."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from socket import gethostname
from typing import Any

import pytest

from orchestrator import actions, cluster_verbs, mending, submitting
from orchestrator.cluster_jobs import Endpoint
from orchestrator.clusters import Cluster
from orchestrator.errors import InputError, RunnerError
from results.ledger import Ledger
from results.store import Store
from tests.e2e.chaos_processes import descendants
from tests.e2e.conftest import COMMAND, KINDS, wait_for
from tests.e2e.head import Head
from tests.e2e.listening import beyond_loopback, listening

pytestmark = pytest.mark.ray

SECRET = "do-not-keep-a7f3c1"
KEYS = {"AWS_ACCESS_KEY_ID": "not-for-logs-1c8e", "AWS_SECRET_ACCESS_KEY": "not-for-logs-5d02"}
SCRIPT = """\
import hashlib, json, os, sys
sys.path.insert(0, ".")
from parts.numbers import ONE
secret = os.environ["CLIFFSWEEP_TEST_SECRET"]
hashed = int(hashlib.sha256(secret.encode()).hexdigest()[:6], 16)
for step in range(3):
    print(json.dumps({"step": step, "hashed": hashed, "one": ONE, "rate": float(sys.argv[2])}))
"""
SCRIPTED = """\
version: 1
name: scripted
files: [train.py, parts]
workload:
  kind: command
  run: [python, train.py]
  parameters: {rate: 0.1}
  env: [CLIFFSWEEP_TEST_SECRET]
grids:
  - {name: rates, parameters: {parameters.rate: [0.1, 0.2]}}
metric: {name: hashed}
"""
SLEEPERS = """\
version: 1
name: sleepers
kinds: [my_kinds]
workload: {kind: sleeping, seconds: 60, steps: 240}
grids:
  - {name: seeds, parameters: {seed: [1, 2]}}
order: as_written
checkpoint: {every: 1 steps}
"""


soon = functools.partial(wait_for, every_s=0.2)


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A cluster of one node, whose environment alone holds a secret, and keys of its storage."""
    started = Head(environment={"CLIFFSWEEP_TEST_SECRET": SECRET} | KEYS)
    yield started
    started.stop()


@pytest.fixture
def laptop(head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the environment of somebody who may use the cluster."""
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(head.token_file))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(name: str, text: str, storage: Path) -> list[dict[str, Any]]:
    """What a sweep holds by now."""
    return actions.sql(name, text, storage=str(storage)).to_pylist()


def standing(name: str, storage: Path) -> list[tuple[int | None, str]]:
    """Seed and status of all its wanted trials, in order; without SQL, which takes a process."""
    ledger = Ledger(Store(storage / name), sweep=name)
    latest = {trial_id: event.status for trial_id, event in ledger.latest().items()}
    wanted = {trial_id: row for trial_id, row in ledger.trials().items() if row.wanted}
    return sorted((row.seed, latest.get(id_, "planned")) for id_, row in wanted.items())


def statuses(name: str, storage: Path) -> list[str]:
    """Of all its wanted trials."""
    return [status for _, status in standing(name, storage)]


def saves(storage: Path, *, seed: int) -> list[Path]:
    """Where the checkpoints of the trials with a seed lie; nowhere before they are planned."""
    trials = Ledger(Store(storage / "sleepers"), sweep="sleepers").trials()
    ids = [trial_id for trial_id, row in trials.items() if row.seed == seed]
    return [storage / "sleepers" / "checkpoints" / trial_id for trial_id in ids]


def holding(folder: Path, text: str) -> list[str]:
    """The files below a folder in which a text stands."""
    wanted = text.encode()
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in found if wanted in path.read_bytes()]


def command_lines() -> list[str]:
    """Of all processes of this machine."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return lines


def test_the_cluster_is_seen_from_outside_and_from_inside(head: Head, laptop: Path) -> None:
    entry = f"[clusters.lab]\naddress = '{head.address}'\nstorage = '{laptop / 'runs'}'\n"
    (laptop / "config" / "cliffsweep").mkdir(parents=True)
    (laptop / "config" / "cliffsweep" / "config.toml").write_text(entry)
    (told,) = cluster_verbs.ls()
    assert (told["name"], told["address"], told["token"]) == ("lab", head.address, "ok")

    # Ray counts what is taken every few seconds; a head that just started has not counted yet.
    soon(lambda: cluster_verbs.nodes("lab")[0].cpus_used == 0)
    (node,) = cluster_verbs.nodes("lab")
    assert (node.host, node.ip, node.head, node.alive) == (gethostname(), "127.0.0.1", True, True)
    assert (node.cpus, node.gpus, node.accelerator) == (2.0, 0.0, None)
    assert node.memory > 1e8

    checks = cluster_verbs.check("lab")
    assert all(check["ok"] for check in checks), checks
    assert "sees the storage" in [check["found"] for check in checks]
    assert list((laptop / "runs").glob("*/*")) == []


def test_a_script_runs_with_a_secret_that_nobody_keeps(head: Head, laptop: Path) -> None:
    (laptop / "parts").mkdir()
    (laptop / "parts" / "numbers.py").write_text("ONE = 1\n")
    (laptop / "train.py").write_text(SCRIPT)
    (laptop / "scripted.yaml").write_text(SCRIPTED)
    where = ("--address", head.address, "--storage", str(laptop / "runs"))
    done = subprocess.run(
        [*COMMAND, "submit", "scripted.yaml", *where], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "scripted\n"), done.stderr
    assert "2 cells, 2 to run" in done.stderr
    soon(lambda: statuses("scripted", laptop / "runs") == ["completed"] * 2)
    found = rows("scripted", "SELECT hashed, one, rate FROM trials ORDER BY rate", laptop / "runs")
    assert [(row["one"], row["rate"]) for row in found] == [(1.0, 0.1), (1.0, 0.2)]
    assert found[0]["hashed"] > 0

    for text in (SECRET, head.token, *KEYS.values()):
        assert holding(laptop, text) == []
        assert holding(head.folder / "ray", text) == []
        assert text not in done.stdout + done.stderr
        assert not any(text in line for line in command_lines())
    assert holding(head.folder, head.token) == [str(head.token_file)]


def test_the_same_attaches_and_an_edited_one_takes_over(head: Head, laptop: Path) -> None:
    shutil.copytree(KINDS, laptop / "my_kinds", ignore=shutil.ignore_patterns("__pycache__"))
    file, storage = laptop / "sleepers.yaml", laptop / "runs"
    file.write_text(SLEEPERS)
    place = {"address": head.address, "storage": str(storage)}
    first = submitting.submit(file, **place)
    assert (first.sweep, first.total, first.left, first.attached) == ("sleepers", 2, 2, False)
    again = submitting.submit(file, **place)
    assert (again.job, again.attached) == (first.job, True)
    assert submitting.resume("sleepers", **place).job == first.job
    soon(lambda: any(any(saved.glob("a0-[1-9]*")) for saved in saves(storage, seed=2)))

    file.write_text(SLEEPERS.replace("[1, 2]", "[2, 3]"))
    edited = submitting.submit(file, **place)
    assert edited.job != first.job
    text = "SELECT seed, wanted, status, attempts FROM trials ORDER BY seed"
    soon(lambda: standing("sleepers", storage) == [(2, "running"), (3, "running")])
    found = {row["seed"]: row for row in rows("sleepers", text, storage)}
    assert (found[1]["wanted"], found[1]["status"] != "running") == (False, True)
    assert (found[2]["attempts"], found[3]["attempts"]) == (2, 1)
    resumed = "SELECT resumed_from FROM events WHERE attempt = 1 AND status = 'running'"
    assert rows("sleepers", resumed, storage)[0]["resumed_from"] > 0

    mending.cancel("sleepers", storage=str(storage))
    endpoint = Endpoint(Cluster(address=head.address))
    soon(lambda: not any(job.alive for job in endpoint.jobs()))
    assert actions.status("sleepers", storage=str(storage)).driver is None


@pytest.mark.long  # test_private.py joins one, and test_clusters.py holds what a name means.
def test_run_joins_a_cluster_by_its_name(
    head: Head, laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    entry = f"[clusters.desk]\naddress = '127.0.0.1:{head.gcs_port}'\n"
    entry += f"storage = '{laptop / 'kept'}'\ntoken_file = '{head.token_file}'\n"
    (laptop / "config" / "cliffsweep").mkdir(parents=True)
    (laptop / "config" / "cliffsweep" / "config.toml").write_text(entry)
    (laptop / "sleepers.yaml").write_text(SLEEPERS.replace("60, steps: 240", "0, steps: 5"))
    shutil.copytree(KINDS, laptop / "my_kinds", ignore=shutil.ignore_patterns("__pycache__"))
    words = ("run", "sleepers.yaml", "--address", "desk", "--quiet")
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert statuses("sleepers", laptop / "kept") == ["completed"] * 2
    assert head.token not in done.stdout + done.stderr
    assert holding(laptop, head.token) == []


def test_the_head_listens_on_the_loopback_address_alone(head: Head) -> None:
    pids = [head.pid, *(process.pid for process in descendants(head.pid))]
    assert {("127.0.0.1", head.port), ("::ffff:127.0.0.1", head.gcs_port)} <= {
        (address, port) for address, port, _ in listening(pids)
    }
    assert beyond_loopback(pids) == []


def test_who_has_no_token_or_another_is_refused(
    head: Head, laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"address": head.address, "storage": str(laptop / "runs")}
    wrong = laptop / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("0" * 64)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(wrong))
    with pytest.raises(InputError, match="got a wrong one"):
        submitting.resume("scripted", **place)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(InputError, match="got none"):
        submitting.resume("scripted", **place)
    assert not (laptop / "runs").exists()


def test_what_the_cluster_refuses_is_told_here(
    head: Head, laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"address": head.address, "storage": str(laptop / "runs")}
    with pytest.raises(InputError, match="nowhere: a sweep in .* is needed"):
        submitting.resume("nowhere", **place)
    monkeypatch.setattr(submitting, "version", lambda name: "9.9.9")
    with pytest.raises(InputError, match=r"got 9\.9\.9 here and 0\.\d+\.\d+ there"):
        submitting.resume("nowhere", **place)


def test_nobody_at_the_address_is_one_line(laptop: Path) -> None:
    with pytest.raises(RunnerError, match="the job endpoint of a Ray cluster answers, got"):
        submitting.resume("x", address="http://127.0.0.1:9", storage=str(laptop))
