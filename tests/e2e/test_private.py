"""A local run is nobody else's: it listens on the loopback address, and its token is the user's."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.head import ROOT

pytestmark = pytest.mark.ray

CHILD = """\
import json, os, subprocess, sys
from orchestrator.cluster import connect
from orchestrator.cluster_token import ready_to_join
from tests.e2e.chaos_processes import adopt_orphans, descendants
from tests.e2e.listening import beyond_loopback, listening

KNOCK = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"
os.umask(0o022)
adopt_orphans()
assert ready_to_join(None) is None
with connect(cpus=1):
    import ray

    pids = [os.getpid(), *(process.pid for process in descendants())]
    stranger = dict(os.environ, RAY_AUTH_TOKEN="0" * 64)
    address = ray.get_runtime_context().gcs_address
    # What `ray.init` asks first, without the 20 s in which it asks again.
    refused = subprocess.run(
        [sys.executable, "-c", KNOCK, address], env=stranger, capture_output=True, text=True
    )
    found = {
        "mode": os.environ["RAY_AUTH_MODE"],
        "listening": len(listening(pids)),
        "beyond": beyond_loopback(pids),
        "stranger": (refused.returncode, refused.stderr),
        "commands": [process.command for process in descendants()],
    }
print(json.dumps(found))
"""


@pytest.mark.parametrize("before", ["", "import ray\n"], ids=["a command", "a notebook's import"])
def test_nobody_else_can_reach_or_join_a_local_ray(before: str, tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", before + CHILD],
        env=kept | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["mode"] == "token"
    assert found["listening"] > 3
    assert found["beyond"] == []
    status, told = found["stranger"]
    assert status != 0
    assert "auth" in told.lower()

    file = tmp_path / ".ray" / "auth_token"
    token = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(token) >= 32
    assert not any(token in command for command in found["commands"])
    # The process that would add machines is gone from the start.
    assert any("raylet" in command for command in found["commands"])
    assert not any("autoscaler" in command for command in found["commands"])
    assert token not in done.stdout + done.stderr
