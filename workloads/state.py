"""Holds everything that one attempt must remember to go on bit for bit, and saves and loads it.

Must never know what a program trains, where checkpoints live, or when one is due.
"""

from __future__ import annotations

import gc
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from workloads import streams
from workloads.checkpoint_file import FILES, CheckpointError, differences, read, write
from workloads.stopwatch import Stopwatch
from workloads.training.share import Share

__all__ = ["CheckpointError", "Part", "State", "isolated", "reset_process"]


class Part(Protocol):
    """Anything with a state: modules, optimizers, a program's own running sums."""

    def state_dict(self) -> dict[str, Any]:
        """Returns tensors and builtins, nested in dicts, lists and tuples."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object:
        """Takes back what `state_dict` returned."""
        ...


class State:
    """The memory of one attempt, made by whoever iterates and handed to the program.

    The program sets `steps_per_epoch`, builds its parts, attaches them just before its loop, and
    raises `step` by one before each yield. Between two yields whoever iterates may call `save`;
    a fresh State with `resume_from` then goes on with the next step as if nothing had happened.

    Attributes:
        device: torch's name of the device to train on, such as `cpu` or `cuda:0`.
        devices: How many such devices one training is to use.
        share: Which part of it this process has; all, unless a program divided it up.
        threads: CPU threads to train with, of all its processes together; on resume those of the
            checkpoint.
        data_dir: Folder of the full data sets, or None.
        step: Optimizer updates done; 0 is before any.
        steps_per_epoch: Set by programs that have epochs.
        steps: Length of the whole training, set by programs that know it.
        resumed: Whether this attempt goes on from a checkpoint.
        resume_from: The folder of that checkpoint, or None.
        mismatches: One sentence for each way in which this machine differs from the one that
            saved; where it is empty, a CPU attempt goes on bit for bit.
        sources: Folder that holds what the sweep file lists under `files`, or None.
        files: A folder of files that the program keeps itself; each checkpoint holds a copy.
        resumed_files: The copy in the checkpoint that this attempt goes on from, or None.
        savable: Whether a checkpoint at this very step would be whole, set by programs that say
            when; None: at any step.
        written_by: What writes checkpoints instead, set by programs that have other processes
            train; None: this state does.
        leaving: Set by whoever iterates: such a program should save itself and end.
        stopwatch: Where seconds go; `with state.stopwatch("data"):` tells what a block is for.
            What a program does not tell of counts as `train`.
    """

    def __init__(
        self,
        *,
        device: str = "cpu",
        devices: int = 1,
        share: Share | None = None,
        threads: int = 1,
        data_dir: Path | None = None,
        sources: Path | None = None,
        resume_from: Path | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """Reads the checkpoint, if there is one, and takes over its step and thread count.

        Raises:
            CheckpointError: `resume_from` holds no checkpoint that can be read.
        """
        self.device = device
        self.devices = devices
        self.share = share or Share()
        self.threads = threads
        self.data_dir = data_dir
        self.sources = sources
        self.files: Path | None = None
        self.resumed_files: Path | None = None
        self.savable: bool | None = None
        self.written_by: Callable[[Path], None] | None = None
        self.leaving = False
        self.step = 0
        self.steps_per_epoch: int | None = None
        self.steps: int | None = None
        self.resumed = resume_from is not None
        self.resume_from = resume_from
        self.mismatches: list[str] = []
        self.stopwatch = stopwatch or Stopwatch()
        self._parts: dict[str, Part] = {}
        self._saved: dict[str, Any] | None = None
        if resume_from is not None:
            self._saved = read(resume_from)
            if (resume_from / FILES).is_dir():
                self.resumed_files = resume_from / FILES
            self.step = int(self._saved["step"])
            then = {"devices": 1, **self._saved["environment"]}  # Earlier versions did not say so.
            self.threads = int(then["threads"])
            self.mismatches = differences(then, self.environment())

    def attach(self, **parts: Part) -> None:
        """Makes parts belong to the state and, on resume, loads them and the RNG streams.

        It also puts the thread count in force. Call it in the thread that trains, when all parts
        are built and nothing more will draw random numbers before the first step: the streams are
        put back where they stood when the checkpoint was saved.

        Raises:
            CheckpointError: The checkpoint has no such part, or the part refuses it.
        """
        torch.set_num_threads(max(1, self.threads // self.share.size))
        self._parts |= parts
        if self._saved is None:
            return
        for name, part in parts.items():
            if name not in self._saved["parts"]:
                known = ", ".join(self._saved["parts"])
                raise CheckpointError(
                    f"checkpoint: every attached part was saved, got {name!r} and only {known}."
                    " Delete the checkpoint to train from the start."
                )
            try:
                part.load_state_dict(self._saved["parts"][name])
            except (KeyError, RuntimeError, TypeError, ValueError) as refused:
                raise CheckpointError(
                    f"checkpoint: part {name!r} takes what it saved, got: {refused}."
                    " Delete the checkpoint to train from the start."
                ) from refused
        streams.restore(self._saved["streams"])

    def part_streams(self, seed: int) -> None:
        """Gives each of several processes random streams of its own; call it behind `attach`.

        Args:
            seed: Of the workload.
        """
        saved = [] if self._saved is None else self._saved.get("shares", [])
        self.share.part_streams(saved, seed=seed, step=self.step)

    def save(self, directory: Path) -> None:
        """Writes the checkpoint into an existing directory; it is durable on return.

        The directory must be private to the caller until this returns: renaming it into its place
        is what makes the checkpoint appear whole. Of several processes that share a training all
        must ask; the first alone writes, and nobody looks at the others' directory.

        Raises:
            OSError: the disk is full, or refuses.
        """
        if self.written_by is not None:
            self.written_by(directory)
            return
        own = streams.snapshot(cuda=self.device.startswith("cuda"))
        content = {
            "step": self.step,
            "parts": {name: part.state_dict() for name, part in self._parts.items()},
            "streams": own,
            "shares": self.share.gathered(own) if self.share.size > 1 else [],
            "environment": self.environment(),
        }
        if self.share.leads:
            write(content, directory, files=self.files)

    def environment(self) -> dict[str, Any]:
        """Returns what the numbers depend on besides the workload; saved with the checkpoint."""
        cuda = self.device.startswith("cuda")
        return {
            "torch": str(torch.__version__),
            "devices": self.devices,
            "threads": self.threads,
            "cpu": _cpu_model(),
            "vectors": torch.backends.cpu.get_cpu_capability(),
            "device": torch.cuda.get_device_name(self.device) if cuda else "cpu",
        }


def _cpu_model() -> str:
    """Returns the processor's name, as the kernel tells it where there is one to ask."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "CPU part"):
            return value.strip()
    return platform.processor() or platform.machine()


def reset_process(*, seed: int, threads: int) -> None:
    """Puts the process where a fresh one would be, so that the order of trials changes nothing.

    Resets RNG streams, default dtype and device, thread count, gradient mode, determinism and
    precision flags, and CUDA memory. Call it in the thread that trains: the thread count of
    OpenMP belongs to the calling thread.

    Args:
        seed: Seed of all streams, any integer.
        threads: CPU threads of torch, at least 1.
    """
    streams.seed_all(seed)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_num_threads(threads)
    torch.set_grad_enabled(True)
    torch.set_float32_matmul_precision("highest")
    torch.set_flush_denormal(False)
    torch.use_deterministic_algorithms(False)
    torch.autograd.set_detect_anomaly(False)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


@contextmanager
def isolated(*, seed: int, threads: int) -> Iterator[None]:
    """Resets the process, and afterwards puts environment and working directory back.

    The streams are left where the trial left them: the next trial resets them.
    """
    environ, directory = dict(os.environ), Path.cwd()
    reset_process(seed=seed, threads=threads)
    try:
        yield
    finally:
        for name in os.environ.keys() - environ.keys():
            del os.environ[name]
        os.environ.update(environ)
        os.chdir(directory)
