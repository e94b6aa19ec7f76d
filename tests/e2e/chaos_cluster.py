"""A Ray cluster of three raylets on the loopback address, any of which may be killed and replaced.

Knows nothing of sweeps.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
from pathlib import Path
from random import Random
from typing import Any, Final

from orchestrator import cluster
from tests.e2e.chaos_processes import Process, descendants, reap, wait_gone

__all__ = ["RAYLETS", "Nodes", "is_ours"]

RAYLETS: Final = 3
_ARGUMENTS: Final = {"num_cpus": 1, "object_store_memory": 80 << 20}


def is_ours(process: Process) -> bool:
    """Whether a process was started for a sweep: a driver, a worker, a child of either."""
    if process.command.startswith(("ray::DashboardAgent", "ray::RuntimeEnvAgent")):
        return False
    if "/ray/core/src/" in process.command:  # The raylets and their like.
        return False
    return "default_worker.py" in process.command or "site-packages/ray/" not in process.command


class Nodes:
    """The cluster. Call it from the main thread."""

    def __init__(self, folder: Path) -> None:
        """Starts three raylets, one core each.

        Args:
            folder: for Ray's own files; its path is short, because sockets lie in it.
        """
        self._folder = folder
        os.environ.update(cluster._QUIET)
        # A raylet that is started later must know the token of those that are there.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(16))
        from ray.cluster_utils import Cluster

        head = _ARGUMENTS | {"include_dashboard": False, "temp_dir": str(folder)}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self._alive: list[Any] = [self._cluster.head_node]
        for _ in range(1, RAYLETS):
            self._add()
        self._cluster.wait_for_nodes()

    @property
    def address(self) -> str:
        """Where drivers find it."""
        return str(self._cluster.address)

    def kill_one(self, random: Random) -> bool:
        """Kills a raylet, any, and starts a new one; says whether it was the first node's."""
        node = self._alive.pop(random.randrange(len(self._alive)))
        process = node.all_processes["raylet"][0].process
        process.send_signal(signal.SIGKILL)
        process.wait()  # Its workers look whether their parent is there, were it but a zombie.
        if node is not self._cluster.head_node:
            self._cluster.remove_node(node, allow_graceful=False)
        self._add()
        return node is self._cluster.head_node

    def _add(self) -> None:
        self._alive.append(self._cluster.add_node(wait=False, **_ARGUMENTS))

    def stop(self) -> list[Process]:
        """Ends the cluster, and returns processes of sweeps that outlive it."""
        self._cluster.shutdown()
        left = wait_gone(is_ours, seconds=15)
        for process in descendants():  # Ray's own agents take their time.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        reap()
        shutil.rmtree(self._folder, ignore_errors=True)
        return left
