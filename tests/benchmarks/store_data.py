"""Sweeps of a benchmark's size, written through our own writer.

What is there already is used again. Waiting for the disk is left out while building, nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("train_loss", "val_loss", "val_accuracy", "sparsity")
MODELS = ("mlp", "resnet", "vit", "gpt_nano")
ACTIVATIONS = ("gelu", "topk")
CURVE_OF = "000000000003"
"""The trial whose curve is asked for."""

BEGUN = datetime(2026, 5, 1, 12, tzinfo=UTC)
CORES = 2
SWEEP_FILE = """\
version: 1
name: NAME
workload:
  task: {kind: fashion_mnist}
  model: {kind: mlp}
grids:
  - name: mlp.activations
    parameters: {activation: [relu, gelu]}
"""


@dataclass(frozen=True)
class Size:
    """A sweep to build: so many trials of so many steps, `NAMES` at each of them."""

    name: str
    trials: int
    steps: int

    @property
    def run(self) -> str:
        """Name of the sweep and its folder."""
        return f"{self.name}-{self.trials}x{self.steps}"

    @property
    def title(self) -> str:
        """What the tables call it."""
        rows = self.trials * self.steps * len(NAMES)
        trials, rows_ = (f"{number:,}".replace(",", " ") for number in (self.trials, rows))
        return f"{trials} trials, {rows_} rows"


def trial_id(index: int) -> str:
    """As long as a real one."""
    return f"{index:012x}"


def config(index: int) -> dict[str, Any]:
    """The workload of one trial."""
    return {
        "model": {"kind": MODELS[index % len(MODELS)]},
        "activation": {"kind": ACTIVATIONS[index // len(MODELS) % len(ACTIVATIONS)]},
        "train": {"epochs": 1},
        "seed": index,
    }


def values(size: Size, index: int) -> np.ndarray:
    """(steps, names) of one trial: curves with noise, in the 24 bits of a float32 as torch has it.

    Sparsity grows from trial to trial and accuracy breaks off at 0.6.
    """
    draw = np.random.default_rng(index)
    decay = np.exp(-3 * np.arange(size.steps) / size.steps)
    sparsity = index / size.trials
    accuracy = 0.9 - max(0.0, sparsity - 0.6) + draw.normal(0, 0.005)
    noise = draw.normal(0, 0.01, size=(size.steps, 3))
    found = np.empty((size.steps, len(NAMES)), dtype=np.float32)
    found[:, 0] = 2.3 * decay + 0.3 + noise[:, 0]
    found[:, 1] = 2.3 * decay + 0.4 + noise[:, 1]
    found[:, 2] = accuracy * (1 - 0.8 * decay) + 0.1 * noise[:, 2]
    found[:, 3] = sparsity
    return found


def _no_waiting() -> None:
    os.fsync = lambda _handle: None


def _write(root: Path, size: Size, indices: range) -> None:
    """Writes the rows of some trials."""
    from results.store import Store
    from results.writer import Writer

    store = Store(root)
    for index in indices:
        rows = values(size, index).tolist()
        with Writer(
            store, sweep=root.name, trial_id=trial_id(index), attempt=0, every_s=3600
        ) as writer:
            for step, row in enumerate(rows):
                writer.write(step, dict(zip(NAMES, row, strict=True)))


def _plan(root: Path, size: Size) -> None:
    """Writes trials and events: all completed, events folded as a driver leaves them."""
    from orchestrator.code import keep
    from results.events import Event, fold_name, in_order, to_table
    from results.ledger import Ledger, TrialRow
    from results.schema import encode
    from results.store import Store

    store = Store(root)
    rows, events = [], []
    for index in range(size.trials):
        baseline = index % len(MODELS)
        rows.append(
            TrialRow(
                sweep=root.name,
                trial_id=trial_id(index),
                grid=f"{MODELS[baseline]}.{config(index)['activation']['kind']}",
                config=config(index),
                seed=index,
                baseline_id=None if index == baseline else trial_id(baseline),
                score_rule=None if index == baseline else "accuracy_ratio",
                metric="val_accuracy",
                goal="maximize",
                versions={"torch": "2.13.0"},
            )
        )
        who = {"sweep": root.name, "trial_id": trial_id(index), "attempt": 0, "host": "here"}
        begun = BEGUN + timedelta(seconds=index)
        events.append(Event(**who, status="running", ts=begun))
        events.append(Event(**who, status="completed", ts=begun + timedelta(seconds=9)))
    Ledger(store, sweep=root.name).add(rows)
    store.create(fold_name(1), encode(to_table(in_order(events)), kind="events"))
    keep(store, SWEEP_FILE.replace("NAME", root.name).encode(), [], now=BEGUN.timestamp())


def build(folder: Path, size: Size) -> Path:
    """The run directory of a sweep whose files lie loose: one segment and one finals a trial."""
    root = folder / "loose" / size.run
    if (root / "built").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    shares = [range(start, size.trials, CORES) for start in range(CORES)]
    with ProcessPoolExecutor(
        CORES, mp_context=get_context("spawn"), initializer=_no_waiting
    ) as pool:
        for done in [pool.submit(_write, root, size, share) for share in shares]:
            done.result()
    _plan(root, size)
    (root / "built").write_text("")
    return root


def build_compacted(folder: Path, size: Size, *, keep: bool) -> Path | None:
    """The same sweep compacted, the loose files gone; None as long as nothing can compact.

    Args:
        folder: where run directories stand.
        size: of the sweep.
        keep: whether the loose sweep stays beside it; else its place is taken.
    """
    if find_spec("results.compact") is None:
        return None
    loose, root = folder / "loose" / size.run, folder / "compacted" / size.run
    if (root / "built").exists():
        return root
    build(folder, size)
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(exist_ok=True)
    if keep:
        shutil.copytree(loose, root, copy_function=os.link)
    else:
        loose.rename(root)
    (root / "built").unlink()
    _compact(root)
    (root / "built").write_text("")
    return root


_COMPACTING = """
import re, sys, time
from results.compact import compact
from results.store import Store
begun = time.perf_counter()
done = compact(Store(sys.argv[1]), sweep=sys.argv[2])
took = time.perf_counter() - begun
held = re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())
print(f"compacted {done.rows:,} rows in {took:.1f} s, {int(held[1]) / 1024:.0f} MiB at most")
"""


def _compact(root: Path) -> None:
    """Compacts and deletes what that superseded, as a call a minute later would.

    In a process of its own, which says how long it took and how much memory it held at most.
    """
    from results.ledger import Ledger
    from results.store import Store

    words = [sys.executable, "-c", _COMPACTING, str(root), root.name]
    paths = {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(words, check=True, env=os.environ | paths)
    later = Ledger(Store(root), sweep=root.name, clock=lambda: time.time() + 120)
    later.sweep_superseded()
