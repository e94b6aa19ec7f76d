"""A real head of a Ray cluster on the loopback address, with job endpoint, token and all.

Knows nothing of sweeps.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

__all__ = ["Head"]

ROOT: Final = Path(__file__).parents[2]
START_S: Final = 150


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Head:
    """`ray start --head`, as somebody would type it, until `stop`."""

    def __init__(self, *, cpus: int = 2, environment: dict[str, str] | None = None) -> None:
        """Starts it.

        Args:
            cpus: cores that it offers.
            environment: variables that its nodes have beside this process's own.
        """
        # Short: sockets lie in it.
        self.folder = Path(tempfile.mkdtemp(prefix="cs-head-"))
        self.token = secrets.token_hex(32)
        self.token_file = self.folder / "token"
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(self.token)
        self.port, self.gcs_port = free_port(), free_port()
        self._log = (self.folder / "ray-start.txt").open("wb")
        self._process = subprocess.Popen(
            self._command(cpus),
            env=self._environment() | (environment or {}),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait()

    @property
    def address(self) -> str:
        """Its job endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process from which all others of the cluster descend."""
        return self._process.pid

    @property
    def client(self) -> dict[str, str]:
        """What a client's environment needs."""
        return {"RAY_AUTH_TOKEN_PATH": str(self.token_file)}

    def _command(self, cpus: int) -> list[str]:
        given = {
            "node-ip-address": "127.0.0.1",
            "port": self.gcs_port,
            "dashboard-host": "127.0.0.1",
            "dashboard-port": self.port,
            "dashboard-agent-listen-port": free_port(),
            "ray-client-server-port": free_port(),
            "num-cpus": cpus,
            "object-store-memory": 100_000_000,
            "temp-dir": self.folder / "ray",
        }
        flags = [f"--{name}={value}" for name, value in given.items()]
        ray = [sys.executable, "-m", "ray.scripts.scripts"]
        return [*ray, "start", "--head", "--block", "--disable-usage-stats", *flags]

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "CLIFFSWEEP_"))}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token_file),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_raylet_start_wait_time_s": str(START_S),
            # As the guide says: Ray's 15 lets whatever else runs take the cores from the workers.
            "RAY_worker_niceness": "0",
        }

    def _wait(self) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            if self._has_a_node():
                return
            time.sleep(0.1)
        told = (self.folder / "ray-start.txt").read_text()
        self.stop()
        raise TimeoutError(f"the head did not start: {told}")

    def _has_a_node(self) -> bool:
        """The job endpoint answers before there is anything that could run a job."""
        request = urllib.request.Request(
            f"{self.address}/api/v0/nodes", headers={"Authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return b'"ALIVE"' in answer.read()
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Ends it and all that it started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with contextlib.suppress(ProcessLookupError):  # What it did not end itself.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
