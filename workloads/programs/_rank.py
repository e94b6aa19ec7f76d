"""One process of a training over several devices, started by torch.distributed.run.

    torchrun ... --module workloads.programs._rank FOLDER

FOLDER holds `task.json`, what to train, how, and what to go on from. The leader prints a line of
progress after each step, and then all wait until it reads the next order from its standard input, a
line of JSON: `null` to go on, or the folder into which to save first, answered by one more line.
What a process raises stands in `failure`, the first one's; what the others notice of its end stands
in `heard`. All end at once when whoever holds the other end of that input does, or
torch.distributed.run. Must never know who that is.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import threading
import traceback
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from workloads.config import Progress
    from workloads.state import State
    from workloads.training.share import Share

_LONGEST: Final = timedelta(days=7)
"""A wait for the leader, which may evaluate meanwhile; a dead one is noticed otherwise."""
_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_TAIL: Final = 2000
"""Characters of a traceback that are told."""


def main(folder: Path) -> None:
    """Trains, or says why not."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    _end_with_parent()
    threading.Thread(target=_end_with_input, daemon=True).start()
    told = os.fdopen(os.dup(1), "w") if rank == 0 else None
    os.dup2(2, 1)  # Whatever else is printed is no progress.
    task = json.loads((folder / "task.json").read_text())
    if task["gpu"]:
        _see_one_device(rank)
    try:
        _train(task, _meet(folder, rank, size, gpu=task["gpu"]), told)
    except (Exception, SystemExit) as error:
        _tell(error, folder, rank)
        traceback.print_exc()
        os._exit(1)  # Whatever it raised, and without waiting for what connects the processes.


def _train(task: dict[str, Any], share: Share, told: TextIO | None) -> None:
    from workloads.config import validate
    from workloads.kinds import add_folder
    from workloads.state import State, isolated

    for kinds in task["kinds"]:
        add_folder(kinds)
    with isolated(seed=task["workload"]["seed"], threads=max(1, task["threads"] // share.size)):
        state = State(
            device="cuda:0" if task["gpu"] else "cpu",
            devices=share.size,
            share=share,
            threads=task["threads"],
            data_dir=Path(task["data_dir"]) if task["data_dir"] else None,
            resume_from=Path(task["resume_from"]) if task["resume_from"] else None,
        )
        for progress in validate(task["workload"]).build().train(state):
            if told is not None:
                _print(told, _line(progress))
            _obey(state, told)
    share.part_company()


def _end_with_input() -> None:
    """Ends this process when the last one that could write to its input is gone."""
    watch = select.poll()
    watch.register(0, 0)
    watch.poll()
    os._exit(1)


def _end_with_parent() -> None:
    """Has the kernel end this process with torch.distributed.run, even while it hangs."""
    with contextlib.suppress(AttributeError, OSError):  # Linux alone knows how.
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


def _see_one_device(rank: int) -> None:
    """Leaves one device in sight, before torch looks: no process then takes memory of another's."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = given.split(",")[rank] if given else str(rank)


def _tell(error: BaseException, folder: Path, rank: int) -> None:
    """Keeps what was raised, whole or not at all; of several the first."""
    told: dict[str, Any] = {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error))[-_TAIL:],
    }
    if isinstance(error, OSError) and error.errno is not None:
        told |= {"errno": error.errno, "message": error.strerror}
    beside = folder / f"raised-{rank}"
    beside.write_text(json.dumps(told))
    with contextlib.suppress(FileExistsError):
        os.link(beside, folder / ("heard" if _is_anothers(error) else "failure"))


def _is_anothers(error: BaseException) -> bool:
    """Whether it only says that the connection to another process is lost."""
    if not isinstance(error, RuntimeError):
        return False
    from torch import distributed

    text = str(error).lower()
    return isinstance(error, distributed.DistError) or "gloo" in text or "nccl" in text


def _meet(folder: Path, rank: int, size: int, *, gpu: bool) -> Share:
    """Waits for the others; they meet at a file, so that nothing listens beyond this machine."""
    from torch import distributed

    from workloads.training.share import Share

    distributed.init_process_group(
        "nccl" if gpu else "gloo",
        store=distributed.FileStore(str(folder / "meeting"), size),  # type: ignore[attr-defined]
        rank=rank,
        world_size=size,
    )
    control = distributed.new_group(backend="gloo", timeout=_LONGEST)
    return Share(rank, size, control=control)


def _line(progress: Progress) -> dict[str, Any]:
    return {**progress.metrics, "layers": progress.layers, "step": progress.step}


def _print(told: TextIO, line: dict[str, Any]) -> None:
    print(json.dumps(line), file=told, flush=True)


def _obey(state: State, told: TextIO | None) -> None:
    """Waits for orders until one says to go on."""
    while True:
        folder = None if told is None else _order()
        if not state.share.told(order=folder is not None):
            return
        state.save(Path(folder or os.devnull))
        if told is not None:
            _print(told, {"step": state.step, "checkpoint": True})


def _order() -> str | None:
    """The next order: a folder to save into, None to go on."""
    line = sys.stdin.readline()
    if not line:
        os._exit(1)  # Nobody is there any more.
    folder: str | None = json.loads(line)
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]))
