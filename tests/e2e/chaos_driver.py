"""One life of a driver: the command, started on the cluster with the shim under its stores.

Knows nothing of why it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.e2e.chaos_sweep import NAME
from tests.e2e.conftest import COMMAND

__all__ = ["Driver"]

LONGEST_S: Final = 240.0
"""A driver that takes longer hangs: a whole undisturbed sweep takes a tenth."""


class Driver:
    """`cliffsweep run` the first time, `cliffsweep resume` afterwards."""

    def __init__(self, sweep: Path, storage: Path, *, address: str, said: Path) -> None:
        """Starts it.

        Args:
            sweep: the sweep file.
            storage: where run directories stand.
            address: of the cluster.
            said: file to which its words are added.
        """
        begun = any((storage / NAME / "sweep").glob("*.yaml"))
        verb = ["resume", NAME] if begun else ["run", str(sweep)]
        self._said = said
        self._skip = said.stat().st_size if said.exists() else 0
        self.began = time.monotonic()
        with said.open("ab") as file:
            self._process = subprocess.Popen(
                [*COMMAND, *verb, "--storage", str(storage), "--address", address, "--quiet"],
                stdout=file,
                stderr=file,
                env=os.environ | {"PYTHONFAULTHANDLER": "1"},
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """How it ended; None while it lives. One that hangs is ended, and shows where it hung."""
        if self._process.poll() is None and time.monotonic() - self.began > LONGEST_S:
            self._process.send_signal(signal.SIGABRT)
            self._process.wait()
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILLs it."""
        self._process.kill()
        self._process.wait()

    def words(self) -> str:
        """What it said."""
        with self._said.open("rb") as file:
            file.seek(self._skip)
            return file.read().decode(errors="replace")
