"""Raylets on the loopback address that declare whatever a test needs, in a process of their own.

Knows nothing of sweeps. As a program it holds the cluster and does what it reads: each line of its
standard input is one JSON object, and it answers each with one line.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

__all__ = ["Raylets", "raylets"]

ROOT: Final = Path(__file__).parents[2]
STORE_BYTES: Final = 80 << 20


class Raylets:
    """A cluster whose nodes a test adds.

    Attributes:
        address: where drivers find it.
        env: what a driver on it needs of its environment.
    """

    def __init__(self, process: subprocess.Popen[str], env: dict[str, str]) -> None:
        """Waits until the head is there."""
        self._process = process
        self.env = env
        self.address = str(self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the cluster ended; see its words on standard error")
        return json.loads(line)

    def _ask(self, **what: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def add(self, **resources: object) -> str:
        """Starts a raylet that declares these; returns the number of its node."""
        return str(self._ask(verb="add", resources=resources))

    def remove(self, node: str) -> None:
        """Takes a raylet away at once."""
        self._ask(verb="remove", node=node)

    def demand(self) -> list[dict[str, float]]:
        """What the autoscaler is told that nobody can run now: one bundle a trial."""
        found: list[dict[str, float]] = self._ask(verb="demand")
        return found


@contextlib.contextmanager
def raylets(**head: object) -> Iterator[Raylets]:
    """Is a cluster of one head as long as the block lasts."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    env = kept | {
        "PYTHONPATH": f"{Path(__file__).with_name('declared_gpus')}:{ROOT}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(16),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "120",
        "RAY_worker_niceness": "0",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.raylets", json.dumps(head)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    ) as process:
        try:
            yield Raylets(process, env)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)


def _add(cluster: Any, resources: dict[str, Any]) -> Any:
    return cluster.add_node(wait=True, object_store_memory=STORE_BYTES, **resources)


def _demand(address: str) -> list[dict[str, float]]:
    from ray.autoscaler.v2.sdk import get_cluster_status

    found = []
    for group in get_cluster_status(address).resource_demands.placement_group_demand:
        for one in group.bundles_by_count:
            found += [dict(one.bundle)] * one.count
    return found


def hold(head: dict[str, Any]) -> None:
    """Holds a cluster until standard input ends."""
    from ray.cluster_utils import Cluster

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What Ray prints is no answer.

    def answer(what: object) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    with tempfile.TemporaryDirectory(prefix="cs-", ignore_cleanup_errors=True) as folder:
        first = {"include_dashboard": False, "object_store_memory": STORE_BYTES, "temp_dir": folder}
        cluster: Any = Cluster(initialize_head=True, head_node_args=first | head)
        nodes = {}
        answer(cluster.address)
        try:
            for line in sys.stdin:
                asked = json.loads(line)
                if asked["verb"] == "add":
                    node = _add(cluster, asked["resources"])
                    nodes[node.node_id] = node
                    answer(node.node_id)
                elif asked["verb"] == "remove":
                    cluster.remove_node(nodes.pop(asked["node"]), allow_graceful=False)
                    answer(None)
                else:
                    answer(_demand(cluster.address))
        finally:
            cluster.shutdown()


if __name__ == "__main__":
    hold(json.loads(sys.argv[1]))
