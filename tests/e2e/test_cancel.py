"""Cancelling on a real cluster: from another process, gently and at once, and back again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import actions
from results.errors import ResultsError
from tests.e2e.conftest import COMMAND, KINDS, wait_for

SLEEPERS = """\
version: 1
name: sleepers
workload: {kind: sleeping, seconds: 30, steps: 60}
grids:
  - name: seeds
    parameters: {seed: [1, 2, 3]}
checkpoint: {every: 1 steps}
"""


def statuses(folder: Path) -> dict[str, str]:
    """trial_id -> status."""
    try:
        found = actions.sql("sleepers", "SELECT trial_id, status FROM trials", storage=str(folder))
    except ResultsError:
        return {}
    return {row["trial_id"]: row["status"] for row in found.to_pylist()}


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

    def at_work() -> list[str]:
        return [p.name for p in storage.glob("sleepers/checkpoints/*") if list(p.glob("a0-*"))]

    wait_for(lambda: driver.poll() is not None or len(at_work()) == 2)
    killed, saved = at_work()
    cliffsweep("cancel", "sleepers", "--trial", killed, "--now", *where)
    asked = cliffsweep("cancel", "sleepers", "--where", "true", "--json", *where)
    assert saved in json.loads(asked.stdout)["trials"]
    _, said = driver.communicate(timeout=120)
    assert driver.returncode == 1, said
    assert set(statuses(storage).values()) == {"cancelled"}
    detail = {
        row["trial_id"]: row["detail"]
        for row in actions.sql(
            "sleepers", "SELECT trial_id, detail FROM trials", storage=str(storage)
        ).to_pylist()
    }
    assert detail[killed].startswith("killed")
    assert detail[saved].startswith("cancelled by the user")
    assert not list(storage.glob("sleepers/**/*.half"))
