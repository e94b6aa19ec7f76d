"""One process of a training over several devices, started by torch.distributed.run.

    torchrun ... --module workloads.programs._rank FOLDER

FOLDER holds `task.json`, what to train and how, and `checkpoint`, what to go on from and where to
save. The leader prints a line of progress after each step, and then all wait until it reads the
next order from its standard input: `n` for next, `s` to save first, answered by one more line. What
a process raises stands in `failure`, the first one's. All end at once when whoever holds the other
end of that input does. Must never know who that is.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workloads.config import Progress
    from workloads.state import State
    from workloads.training.share import Share

_NEXT, _SAVE = b"n", b"s"
_LONGEST = timedelta(days=7)
"""A wait for the leader, which may evaluate meanwhile; a dead one is noticed otherwise."""


def main(folder: Path) -> None:
    """Trains, or says why not."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    threading.Thread(target=_end_with_input, daemon=True).start()
    if rank:
        os.dup2(2, 1)  # Only the leader's words are progress.
    task = json.loads((folder / "task.json").read_text())
    if task["gpu"]:
        _see_one_device(rank)
    try:
        _train(folder, task, _meet(folder, rank, size, gpu=task["gpu"]))
    except Exception as error:
        if not _is_anothers(error):
            with contextlib.suppress(FileExistsError), (folder / "failure").open("x") as file:
                json.dump({"type": type(error).__name__, "message": str(error)}, file)
        raise


def _train(folder: Path, task: dict[str, Any], share: Share) -> None:

    from workloads.config import validate
    from workloads.kinds import add_folder
    from workloads.state import State, isolated

    for kinds in task["kinds"]:
        add_folder(kinds)
    checkpoint = folder / "checkpoint"
    with isolated(seed=task["workload"]["seed"], threads=task["threads"]):
        state = State(
            device="cuda:0" if task["gpu"] else "cpu",
            threads=task["threads"],
            data_dir=Path(task["data_dir"]) if task["data_dir"] else None,
            resume_from=checkpoint if task["resumed"] else None,
            share=share,
        )
        for progress in validate(task["workload"]).build().train(state):
            _report(progress, share)
            _obey(state, share, checkpoint)
    share.part_company()


def _end_with_input() -> None:
    """Ends this process when the last one that could write to its input is gone."""
    watch = select.poll()
    watch.register(0, 0)
    watch.poll()
    os._exit(1)


def _see_one_device(rank: int) -> None:
    """Leaves one device in sight, before torch looks: no process then takes memory of another's."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = given.split(",")[rank] if given else str(rank)


def _is_anothers(error: Exception) -> bool:
    """Whether it only says that another process is gone."""
    from torch import distributed

    sign = isinstance(error, distributed.DistError) or "gloo" in str(error) or "NCCL" in str(error)
    return sign and isinstance(error, RuntimeError)


def _meet(folder: Path, rank: int, size: int, *, gpu: bool) -> Share:
    """Waits for the others; they meet at a file, so that nothing listens beyond this machine."""
    from torch import distributed

    from workloads.training.share import Share

    distributed.init_process_group(
        "nccl" if gpu else "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=size,
    )
    control = distributed.new_group(backend="gloo", timeout=_LONGEST)
    return Share(rank, size, control=control)


def _report(progress: Progress, share: Share) -> None:
    if share.leads:
        _print({**progress.metrics, "layers": progress.layers, "step": progress.step})


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _obey(state: State, share: Share, checkpoint: Path) -> None:
    """Waits for orders until one says to go on."""
    while True:
        order = share.told(ord(os.read(0, 1) or _NEXT) if share.leads else 0)
        if order != ord(_SAVE):
            return
        share.gather_streams(cuda=state.device != "cpu")
        if share.leads:
            checkpoint.mkdir(exist_ok=True)
            state.save(checkpoint)
            _print({"step": state.step, "checkpoint": True})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
