"""Trains one supervised workload over several devices of this machine, a process each.

Must never know what is trained, who iterates, or where progress goes.

The processes are started and watched by torch.distributed.run: if one dies, it ends them all, and
the training with them. They go one step at a time, at the pace of whoever iterates, and write
checkpoints as one process would, so that any number of devices goes on from them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

from workloads.checkpoint_file import CheckpointError
from workloads.config import Program, Progress
from workloads.data.files import DataError
from workloads.devices import check_count
from workloads.kinds import canonical, folders
from workloads.pace import Pace
from workloads.programs._lines import Line, Script
from workloads.state import State
from workloads.stopwatch import Stopwatch

__all__ = ["RankError", "RankLostError", "Several"]

_RANK: Final = "workloads.programs._rank"
_PREFIX: Final = "cliffsweep-"


class RankError(RuntimeError):
    """One of the processes raised something, which the text names."""


class RankLostError(RuntimeError):
    """One of the processes was ended from outside, or they lost each other."""


_SAME: Final[dict[str, type[Exception]]] = {
    each.__name__: each
    for each in (torch.OutOfMemoryError, MemoryError, CheckpointError, DataError)
}
"""What is raised here as it was there."""
_END: Final = Line(-1)
"""No line: there are no more."""


class Several:
    """A training whose work is done by other processes."""

    def __init__(self, config: Program, *, pace: Pace) -> None:
        """Takes what to train, and its length; nothing is started yet."""
        self._config, self._pace = config, pace

    def train(self, state: State) -> Iterator[Progress]:
        """Yields what the leader yields, and nothing new twice a second while it works.

        The stopwatch counts all until the first progress as `start`, what follows as training.

        Raises:
            RankError: A process failed, which ended the others.
            RankLostError: A process vanished, which ended the others.
            RuntimeError: There are fewer devices.
        """
        if state.device != "cpu":
            check_count(state.devices)
        state.steps_per_epoch, state.steps = self._pace.steps_per_epoch, self._pace.total
        # A process that is about to end may write there to the last.
        with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / "task.json").write_text(json.dumps(self._task(state)))
            script = Script(
                _words(folder, state.devices),
                folder=Path.cwd(),
                environment=_environment(state),
                told=True,
            )
            with script:
                ranks = _Ranks(script, folder)
                state.written_by = ranks.save
                yield from ranks.followed(state)
                status = script.status()
            if status:
                raise ranks.reason(status)

    def _task(self, state: State) -> dict[str, Any]:
        def place(path: Path | None) -> str | None:
            return None if path is None else str(path.absolute())

        return {
            "workload": canonical(self._config),
            "kinds": [str(folder) for folder in folders()],
            "gpu": state.device != "cpu",
            "threads": state.threads,
            "data_dir": place(state.data_dir),
            "resume_from": place(state.resume_from),
        }


class _Ranks:
    """The processes while they train."""

    def __init__(self, script: Script, folder: Path) -> None:
        self._script, self._folder = script, folder
        self._lines = script.lines()

    def followed(self, state: State) -> Iterator[Progress]:
        """Yields progress, and lets them go on once whoever iterates does."""
        last = state.step if state.resumed else -1
        for line in self._timed(state.stopwatch):
            # Between two steps nothing can be saved, at one everything.
            state.savable = None if line is not None else False
            if line is None:
                yield Progress(last)
                continue
            last = state.step = line.step
            yield Progress(line.step, line.metrics, line.layers)
            self._script.tell(b"null\n")

    def _timed(self, stopwatch: Stopwatch) -> Iterator[Line | None]:
        """Passes lines on; what comes before the first progress is no training."""
        phase = "start"
        while True:
            with stopwatch(phase):
                line = next(self._lines, _END)
            if line is _END:
                return
            phase = phase if line is None else "train"
            yield line

    def save(self, directory: Path) -> None:
        """Has them write a checkpoint into a directory.

        Raises:
            OSError: the disk is full, or refuses.
            RankError: one of them failed.
            RankLostError: one of them vanished.
        """
        self._script.tell(json.dumps(str(directory.absolute())).encode() + b"\n")
        if not any(line is not None and line.checkpoint for line in self._lines):
            raise self.reason(self._script.status())

    def reason(self, status: int) -> Exception:
        """What the process raised that failed first."""
        failure = self._told("failure")
        if failure is None:
            heard = self._told("heard") or {"message": self._script.last_words()}
            return RankLostError(
                f"the processes of a training end with status 0, got {status}: one vanished, or"
                " they lost each other. Look for a signal, and for a lack of memory or of /dev/shm."
                f" Last words: {heard['message']}"
            )
        kind, message = failure["type"], failure["message"]
        error: Exception = RankError(f"{kind}: {message}")
        if "errno" in failure:
            error = OSError(failure["errno"], message)
        elif kind in _SAME:
            error = _SAME[kind](message)
        error.add_note(failure["traceback"].rstrip())
        return error

    def _told(self, name: str) -> dict[str, Any] | None:
        """What a process left behind under that name."""
        try:
            found: dict[str, Any] = json.loads((self._folder / name).read_text())
        except FileNotFoundError:
            return None
        return found


def _words(folder: Path, devices: int) -> list[str]:
    """The command; the processes meet at files, so that nothing listens."""
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--nnodes", "1", "--nproc-per-node", f"{devices}", "--max-restarts", "0"),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"{folder}/rendezvous"),
        *("--rdzv-conf", "store_type=file", "--rdzv-id", "cliffsweep", "--local-addr", "127.0.0.1"),
        *("--log-dir", f"{folder}/logs", "--module", _RANK, str(folder)),
    ]


def _environment(state: State) -> dict[str, str]:
    """This process's, with its modules, and all traffic among the processes on this machine."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(max(1, state.threads // state.devices)),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "NCCL_SOCKET_IFNAME": "lo",
    }
