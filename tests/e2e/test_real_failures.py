"""Failures by their real causes: memory, a lost node, a full disk."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator import actions
from tests.e2e.conftest import COMMAND, KINDS, wait_for

Cliffsweep = Callable[..., subprocess.CompletedProcess[str]]


def ends(name: str, storage: Path) -> list[tuple[str, str | None]]:
    """(status, failure class) of every attempt's end, in order."""
    text = (
        "SELECT status, failure_class FROM events WHERE status <> 'running'"
        " ORDER BY trial_id, attempt"
    )
    found = actions.sql(name, text, storage=str(storage)).to_pylist()
    return [(row["status"], row["failure_class"]) for row in found]


HUNGRY = """\
version: 1
name: hungry
order: as_written
workload: {kind: hungry}
grids:
  - name: appetites
    parameters: {megabytes: [12000, 100]}
retry: {max: 1, backoff: 0s}
max_failed_trials: 2
"""


def memory_in_use() -> float:
    """Share of this machine's memory that is taken, as Ray measures it."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free, total = (int(fields[name].split()[0]) for name in ("MemAvailable", "MemTotal"))
    return 1 - free / total


@pytest.mark.ray
@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs /proc/meminfo")
def test_a_trial_that_takes_all_memory_dies_alone_of_host_oom(tmp_path: Path) -> None:
    threshold = memory_in_use() + 0.15
    if threshold > 0.6:
        pytest.skip(f"needs a machine with free memory, {threshold:.0%} would be taken")
    file = tmp_path / "hungry.yaml"
    file.write_text(HUNGRY)
    environment = os.environ | {
        "RAY_memory_usage_threshold": f"{threshold:.3f}",
        "RAY_memory_monitor_refresh_ms": "50",
    }
    arguments = ["run", str(file), "--storage", str(tmp_path), "--kinds", str(KINDS), "--json"]
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["counts"] == {"completed": 1, "failed": 1}
    assert sorted(ends("hungry", tmp_path), key=str) == [
        ("completed", None),
        ("failed", "host_oom"),
        ("failed", "host_oom"),
    ]


_TWO_NODES = """
import sys, threading, time
from pathlib import Path
from orchestrator import cluster
import os
os.environ.update(cluster._QUIET)
import ray
from ray.cluster_utils import Cluster
from orchestrator import actions
from results.ledger import Ledger
from results.store import Store

file, storage, kinds = sys.argv[1:]
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
lost = nodes.add_node(num_cpus=1)
nodes.wait_for_nodes()
ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")

done = []
def run():
    done.append(actions.run(file, storage=storage, kinds=[kinds], address=nodes.address))

thread = threading.Thread(target=run)
thread.start()
folder = Path(storage) / "lost" / "checkpoints"
while not list(folder.glob("*/a0-*")):
    time.sleep(0.05)
nodes.remove_node(lost, allow_graceful=False)
nodes.add_node(num_cpus=1)  # Of the main thread, since it sets signal handlers.
thread.join()
print("RESULT", dict(done[0].counts), done[0].retried)
ray.shutdown()
nodes.shutdown()
"""

LOST = """\
version: 1
name: lost
workload: {kind: sleeping, seconds: 8, steps: 40}
checkpoint: {every: 1 steps}
retry: {max: 0, backoff: 0s}
"""


@pytest.mark.ray
@pytest.mark.long
def test_a_lost_node_costs_an_attempt_and_nobodys_budget(tmp_path: Path) -> None:
    file = tmp_path / "lost.yaml"
    file.write_text(LOST)
    done = subprocess.run(
        [sys.executable, "-c", _TWO_NODES, str(file), str(tmp_path), str(KINDS)],
        # All raylets need one token: without it the later one's workers never come up.
        env=os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "RESULT {'completed': 1} 1" in done.stdout, done.stderr
    assert ends("lost", tmp_path) == [("failed", "node_lost"), ("completed", None)]
    events = actions.sql("lost", "SELECT max(resumed_from) AS s FROM events", storage=str(tmp_path))
    assert events.to_pylist()[0]["s"] > 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


FULL = """\
version: 1
name: full
workload:
  task: {kind: fashion_mnist, train_size: 640, validation_size: 100}
  model: {kind: mlp, hidden: [64]}
  train: {epochs: 4, batch_size: 32, log_every: 1}
grids:
  - name: seeds
    parameters: {seed: [1, 2, 3, 4]}
checkpoint: {every: 20 steps}
retry: {max: 1, backoff: 0s}
max_failed_trials: 4
"""


def test_a_full_disk_loses_no_row_and_resume_goes_on(
    small_disk: Path, tmp_path: Path, cliffsweep: Cliffsweep
) -> None:
    file = tmp_path / "full.yaml"
    file.write_text(FULL)
    where = ("--storage", str(small_disk), "--inline")
    full = cliffsweep("run", str(file), *where, check=False)
    assert full.returncode != 0
    assert "Traceback" not in full.stderr
    assert "storage" in full.stderr
    bigger = ["mount", "-o", "remount,size=40m", str(small_disk)]
    subprocess.run(bigger, check=True)
    done = cliffsweep("resume", "full", *where, "--json")
    assert json.loads(done.stdout)["counts"] == {"completed": 4}
    calm = tmp_path / "calm"
    cliffsweep("run", str(file), "--storage", str(calm), "--inline")
    text = (
        "SELECT trial_id, step, layer, name, value FROM metrics"
        r" WHERE name NOT LIKE '%\_s' ESCAPE '\' ORDER BY ALL"
    )
    tables = [actions.sql("full", text, storage=str(root)) for root in (small_disk, calm)]
    assert tables[0].num_rows > 300
    assert tables[0].equals(tables[1])
    assert not list((small_disk / "full").rglob("*.tmp"))
    assert not list((small_disk / "full").rglob("*.half"))


READ_ONLY = """\
version: 1
name: read_only
workload: {kind: sleeping, seconds: 2, steps: 40}
grids:
  - name: seeds
    parameters: {seed: [1, 2]}
checkpoint: {every: 1 steps}
retry: {max: 1, backoff: 0s}
max_failed_trials: 2
"""


def test_a_disk_that_turns_read_only_ends_the_run_with_a_sentence_and_loses_no_row(
    small_disk: Path, tmp_path: Path, cliffsweep: Cliffsweep
) -> None:
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    file = tmp_path / "read_only.yaml"
    file.write_text(READ_ONLY)
    where = ("--storage", str(small_disk), "--inline")
    driver = subprocess.Popen(
        [*COMMAND, "run", str(file), *where, "--kinds", str(KINDS)],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: any(small_disk.glob("read_only/checkpoints/*/a0-9")))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    _, said = driver.communicate(timeout=120)
    assert driver.returncode == 2, said
    assert "read-only file system" in said
    assert "Traceback" not in said
    for verb in (("status",), ("sql", "SELECT count(*) FROM metrics")):
        cliffsweep(verb[0], "read_only", *verb[1:], "--storage", str(small_disk))
    refused = cliffsweep("resume", "read_only", *where, check=False)
    assert refused.returncode == 2
    assert "read-only file system" in refused.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    done = cliffsweep("resume", "read_only", *where, "--json")
    assert json.loads(done.stdout)["counts"] == {"completed": 2}
    text = "SELECT count(*) AS n, count(DISTINCT (trial_id, step)) AS d FROM metrics"
    (found,) = actions.sql("read_only", text, storage=str(small_disk)).to_pylist()
    assert found == {"n": 82, "d": 82}
    resumed = "SELECT max(resumed_from) AS s FROM events"
    assert actions.sql("read_only", resumed, storage=str(small_disk)).to_pylist()[0]["s"] >= 9
