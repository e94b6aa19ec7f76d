"""Trains one supervised workload over several devices of this machine, a process each.

Must never know what is trained, who iterates, or where progress goes.

The processes are started and watched by torch.distributed.run: if one dies, it ends them all, and
the training with them. They go one step at a time, at the pace of whoever iterates, and save
themselves into the folder that every checkpoint takes a copy of.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

from workloads.config import Program, Progress
from workloads.data.files import DataError
from workloads.kinds import canonical, folders
from workloads.pace import Pace
from workloads.programs._lines import Line, Script
from workloads.state import CheckpointError, State

__all__ = ["RankError", "RankLostError", "Several"]

_RANK = "workloads.programs._rank"


class RankError(RuntimeError):
    """One of the processes raised something, which the text names."""


class RankLostError(RuntimeError):
    """One of the processes was ended from outside."""


_SAME: Final[dict[str, type[Exception]]] = {
    each.__name__: each
    for each in (torch.OutOfMemoryError, MemoryError, CheckpointError, DataError)
}
"""What is raised here as it was there."""


class Several:
    """A training whose work is done by other processes."""

    def __init__(self, config: Program, *, pace: Pace) -> None:
        """Takes what to train, and its length; nothing is started yet."""
        self._config, self._pace = config, pace

    def train(self, state: State) -> Iterator[Progress]:
        """Yields what the leader yields, and nothing new while it works.

        Raises:
            RankError: A process failed, which ended the others.
            RankLostError: A process vanished, which ended the others.
        """
        state.steps_per_epoch, state.steps = self._pace.steps_per_epoch, self._pace.total
        with tempfile.TemporaryDirectory(prefix="cliffsweep-") as name:
            folder = Path(name)
            state.files = folder / "checkpoint"
            if state.resumed_files is not None:
                shutil.copytree(state.resumed_files, state.files)
            (folder / "task.json").write_text(json.dumps(self._task(state)))
            script = Script(
                _words(folder, state.devices),
                folder=folder,
                environment=_environment(state),
                told=True,
            )
            with script:
                lines = script.lines()
                state.attach(ranks=_Ranks(script, lines))
                yield from self._followed(script, lines, state)
                status = script.status()
            if status:
                raise _reason(folder, script, status)

    def _followed(
        self, script: Script, lines: Iterator[Line | None], state: State
    ) -> Iterator[Progress]:
        last = state.step if state.resumed else -1
        for line in lines:
            # Between two steps nothing can be saved, at one everything.
            state.savable = None if line is not None else False
            if line is None:
                yield Progress(last)
                continue
            last = state.step = line.step
            yield Progress(line.step, line.metrics, line.layers)
            script.tell(b"n")

    def _task(self, state: State) -> dict[str, Any]:
        return {
            "workload": canonical(self._config),
            "kinds": [str(folder) for folder in folders()],
            "gpu": state.device != "cpu",
            "threads": max(1, state.threads // state.devices),
            "data_dir": str(state.data_dir) if state.data_dir else None,
            "resumed": state.resumed,
        }


def _reason(folder: Path, script: Script, status: int) -> Exception:
    """What the process raised that failed first."""
    try:
        failure = json.loads((folder / "failure").read_text())
    except FileNotFoundError:
        return RankLostError(
            f"the processes of a training end with status 0, got {status}: one vanished. Look for"
            f" a signal or a lack of memory. Last words: {script.last_words()}"
        )
    name, message = failure["type"], failure["message"]
    return _SAME[name](message) if name in _SAME else RankError(f"{name}: {message}")


class _Ranks:
    """What a checkpoint needs of the processes: that they save themselves."""

    def __init__(self, script: Script, lines: Iterator[Line | None]) -> None:
        self._script, self._lines = script, lines

    def state_dict(self) -> dict[str, Any]:
        """Has them save themselves; what they wrote is among the checkpoint's files."""
        self._script.tell(b"s")
        if not any(line is not None and line.checkpoint for line in self._lines):
            raise RankError(
                f"processes save themselves, got their end: {self._script.last_words()}"
            )
        return {}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Takes nothing: they find their checkpoint in its folder."""


def _words(folder: Path, devices: int) -> list[str]:
    """The command; the processes meet at files, so that nothing listens."""
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--nnodes", "1", "--nproc-per-node", f"{devices}", "--max-restarts", "0"),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"{folder}/rendezvous"),
        *("--rdzv-conf", "store_type=file", "--rdzv-id", "cliffsweep", "--local-addr", "127.0.0.1"),
        *("--module", _RANK, str(folder)),
    ]


def _environment(state: State) -> dict[str, str]:
    """This process's, with all traffic among the processes kept on this machine."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(max(1, state.threads // state.devices)),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "NCCL_SOCKET_IFNAME": "lo",
    }
