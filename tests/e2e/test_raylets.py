"""Trials on several raylets: where they run, what becomes of those that fit none, the cap.

Long, all of it: test_places.py and test_resources.py hold the same rules in milliseconds, and
test_hosts.py runs on several nodes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import actions
from results.ledger import Event, Ledger
from results.store import Store
from tests.e2e.conftest import COMMAND, KINDS, wait_for
from tests.e2e.raylets import Raylets, raylets

pytestmark = [pytest.mark.ray, pytest.mark.long]

GIB = 2**30
PLACES = """\
version: 1
name: places
workload: {kind: placed, seconds: 1}
order: as_written
checkpoint: {every: null}
node_wait: 5m
grids:
  - name: tape                             # no node has it at first; the others must not wait
    set: {seconds: 0.1}
    parameters: {seed: [0, 1]}
    resources: {cpu: 1, custom: {tape: 0.5}}
  - name: cores
    parameters: {seed: [0, 1]}
  - name: disk
    set: {seconds: 0.5}
    parameters: {seed: [0, 1]}
    resources: {cpu: 0.5, memory: 3GiB, custom: {disk: 1}}
  - name: half
    set: {seconds: 1.5}
    parameters: {seed: [0, 1, 2]}
    resources: {cpu: 0.5, gpu: 0.5, accelerator: T4}
"""
NOWHERE = """\
version: 1
name: nowhere
workload: {kind: placed}
node_wait: 500ms
grids:
  - {name: here, parameters: {seed: [0, 1]}}
  - {name: far, set: {seconds: 0.4}, resources: {gpu: 1, accelerator: H100, custom: {moon: 1}}}
"""
CAPPED = """\
version: 1
name: capped
workload: {kind: sleeping, seconds: 1.5, steps: 15}
grids:
  - {name: seeds, parameters: {seed: [0, 1, 2, 3, 4]}}
max_concurrent_trials: 2
checkpoint: {every: 1 steps}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Raylets, dict[str, str]]]:
    """A head that runs nothing, and two raylets that differ; a test adds the third."""
    with raylets(num_cpus=0) as found:
        nodes = {
            "disk": found.add(num_cpus=2, memory=4 * GIB, resources={"disk": 1}),
            "gpu": found.add(
                num_cpus=2, num_gpus=1, memory=GIB, resources={"accelerator_type:T4": 1}
            ),
        }
        yield found, nodes


def start(found: Raylets, *words: str, storage: Path) -> subprocess.Popen[str]:
    """Starts the command on a cluster."""
    given = ["--storage", str(storage), "--address", found.address, "--json"]
    return subprocess.Popen(
        [*COMMAND, *words, *given],
        env=found.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def events(name: str, storage: Path) -> list[Event]:
    """All events of a sweep so far."""
    return Ledger(Store(storage / name), sweep=name).events()


def most_at_once(found: list[Event]) -> int:
    """The largest number of attempts that ran at the same time."""
    turns = sorted((event.ts, 1 if event.status == "running" else -1) for event in found)
    running, most = 0, 0
    for _, turn in turns:
        running += turn
        most = max(most, running)
    return most


def placed(storage: Path) -> dict[str, list[dict[str, Any]]]:
    """Grid -> where each of its trials ran, and on which devices."""
    text = "SELECT grid, trial_id, node, devices, device FROM trials"
    found: dict[str, list[dict[str, Any]]] = {}
    for row in actions.sql("places", text, storage=str(storage)).to_pylist():
        found.setdefault(row["grid"], []).append(row)
    return found


def test_trials_run_where_what_they_ask_for_is_and_the_autoscaler_sees_what_is_nowhere(
    cluster: tuple[Raylets, dict[str, str]], tmp_path: Path
) -> None:
    found, nodes = cluster
    file = tmp_path / "places.yaml"
    file.write_text(PLACES)
    driver = start(found, "run", str(file), "--kinds", str(KINDS), storage=tmp_path)

    def elsewhere_done() -> bool:
        ended = Counter(e.status for e in events("places", tmp_path))
        return ended["completed"] == 7 or driver.poll() is not None

    wait_for(elsewhere_done, seconds=240)
    assert driver.poll() is None, driver.communicate()
    asked = [bundle for bundle in found.demand() if "tape" in bundle]
    assert asked == [{"CPU": 1.0, "tape": 0.5}] * 2
    nodes["tape"] = found.add(num_cpus=1, resources={"tape": 1})
    said, words = driver.communicate()
    assert driver.returncode == 0, words
    assert json.loads(said)["counts"] == {"completed": 9}
    assert "no node can run a trial that asks for custom tape 0.5" in words

    number = {name: float(int(node[:12], 16)) for name, node in nodes.items()}
    there = placed(tmp_path)
    assert {row["node"] for row in there["tape"]} == {number["tape"]}
    assert {row["node"] for row in there["disk"]} == {number["disk"]}
    assert {row["node"] for row in there["half"]} == {number["gpu"]}
    assert {row["node"] for rows in there.values() for row in rows} == set(number.values())
    assert {(row["devices"], row["device"]) for row in there["half"]} == {(1.0, 0.0)}
    for grid, most in (("disk", 1), ("half", 2)):
        ids = {row["trial_id"] for row in there[grid]}
        assert most_at_once([e for e in events("places", tmp_path) if e.trial_id in ids]) == most


def test_what_fits_no_node_is_told_after_a_bounded_wait_and_the_rest_is_done(
    cluster: tuple[Raylets, dict[str, str]], tmp_path: Path
) -> None:
    found, _ = cluster
    file = tmp_path / "nowhere.yaml"
    file.write_text(NOWHERE)
    driver = start(found, "run", str(file), "--kinds", str(KINDS), storage=tmp_path)
    _, words = driver.communicate()
    assert driver.returncode == 1, words
    assert "Traceback" not in words
    last = words.strip().splitlines()[-1]
    assert "resources: a trial fits on one node, got a demand of" in last
    assert "accelerator H100 (the nodes have T4)" in last
    assert "custom moon 1 (the most that one node has is 0)" in last
    assert "for 0.5 s (node_wait)" in last
    status = actions.status("nowhere", storage=str(tmp_path))
    assert status.counts == {"completed": 2, "planned": 1}
    assert found.demand() == []  # Nothing is left behind that would keep a cluster growing.


def test_the_cap_holds_on_resume(cluster: tuple[Raylets, dict[str, str]], tmp_path: Path) -> None:
    found, _ = cluster
    file = tmp_path / "capped.yaml"
    file.write_text(CAPPED)
    driver = start(found, "run", str(file), "--kinds", str(KINDS), storage=tmp_path)
    wait_for(lambda: len(events("capped", tmp_path)) >= 2, seconds=240)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    before = len(events("capped", tmp_path))
    resumed = start(found, "resume", "capped", storage=tmp_path)
    said, words = resumed.communicate()
    assert resumed.returncode == 0, words
    assert json.loads(said)["counts"] == {"completed": 5}
    everything = sorted(events("capped", tmp_path), key=lambda event: event.ts)
    assert most_at_once(everything[:before]) == 2
    ends = {(e.trial_id, e.attempt) for e in everything if e.status == "failed"}
    later = [e for e in everything if (e.trial_id, e.attempt) not in ends]
    assert most_at_once(later) == 2
