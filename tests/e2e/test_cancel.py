"""Cancelling on a real cluster: from another process, gently and at once, and back again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import actions
from orchestrator.errors import InputError
from orchestrator.watching import output
from results.errors import ResultsError
from tests.e2e.conftest import COMMAND, KINDS, wait_for

SLEEPERS = """\
version: 1
name: sleepers
workload: {kind: sleeping, seconds: 60}
order: as_written
grids:
  - name: paces
    parameters: {steps: [1, 120, 121]}
checkpoint: {every: 1 steps}
"""


def trials(folder: Path) -> dict[int, dict[str, str]]:
    """steps -> the trial's row."""
    text = "SELECT config.steps, trial_id, status, detail FROM trials"
    try:
        found = actions.sql("sleepers", text, storage=str(folder)).to_pylist()
    except (ResultsError, InputError):
        return {}
    return {row["steps"]: row for row in found}


@pytest.mark.ray
def test_one_killed_one_saved_one_never_started(
    tmp_path: Path, cliffsweep: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    file, storage = tmp_path / "sleepers.yaml", tmp_path / "runs"
    file.write_text(SLEEPERS)
    where = ("--storage", str(storage))
    driver = subprocess.Popen(
        [*COMMAND, "run", str(file), *where, "--kinds", str(KINDS), "--cpu", "1"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def at_work() -> bool:
        found = trials(storage)
        return (
            found != {}
            and {found[steps]["status"] for steps in (1, 120)} == {"running"}
            and bool(list(storage.glob(f"sleepers/checkpoints/{found[120]['trial_id']}/a0-*")))
        )

    wait_for(lambda: driver.poll() is not None or at_work())
    killed = trials(storage)[1]["trial_id"]
    cliffsweep("cancel", "sleepers", "--trial", killed, "--now", *where)
    wait_for(lambda: trials(storage)[1]["status"] == "cancelled")
    asked = cliffsweep("cancel", "sleepers", "--where", "config.steps > 1", "--json", *where)
    assert len(json.loads(asked.stdout)["trials"]) == 2
    _, said = driver.communicate(timeout=120)
    assert driver.returncode == 1, said
    found = trials(storage)
    assert {row["status"] for row in found.values()} == {"cancelled"}
    assert found[1]["detail"].startswith("killed")  # In the middle of a step of a minute.
    assert found[120]["detail"].startswith("cancelled by the user")
    assert not list(storage.glob("sleepers/**/*.half"))


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_what_a_worker_prints_can_be_read(tmp_path: Path) -> None:
    kinds = tmp_path / "kinds" / "programs"
    kinds.mkdir(parents=True)
    (kinds / "talking.py").write_text(TALKING)
    file = tmp_path / "talk.yaml"
    file.write_text("version: 1\nname: talk\nkinds: [kinds]\nworkload: {kind: talking}\n")
    actions.run(file, storage=str(tmp_path / "runs"))
    storage = str(tmp_path / "runs")
    (trial,) = actions.sql("talk", "SELECT trial_id FROM trials", storage=storage).to_pylist()
    found = output("talk", trial["trial_id"], storage=storage)
    assert b"".join(data for _, data in found) == b"step 1\nstep 2\n"


TALKING = '''
from workloads.config import Program, Progress


class Config(Program):
    """Says each step aloud."""

    def build(self):
        return self

    def train(self, state):
        state.attach()
        for step in (1, 2):
            state.step = step
            print("step", step)
            yield Progress(step, {"said": float(step)})
'''
