"""What the control of many trials costs: 10 000 trivial ones, and a plan of 100 000 cells.

    python tests/benchmarks/control.py [--quick] [--json FILE]

One sweep of trivial trials runs on 2 cores with real Ray. Beside it `status` is asked again and
again, and half-way its run directory is copied as a killed driver would leave it. Then `resume`
decides what is left of the finished and of the half-finished sweep, plain Ray Tune runs as many
trials (`reuse_actors`, its loggers off), and `plan` runs as a process. It asserts nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KINDS = HERE.parent / "kinds"
CHILD = HERE / "control_child.py"
COMMAND = "from orchestrator.cli.main import main; main()"
CORES = 2
NAME = "control"
MLP = {
    "task": "fashion_mnist",
    "model": {"kind": "mlp", "hidden": [256, 256]},
    "train": {"epochs": 1, "optimizer": {"kind": "adamw"}},
}


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    trials: int
    cells: int
    wave: int
    status_every_s: float


FULL = Size(trials=10_000, cells=100_000, wave=1_000, status_every_s=5.0)
QUICK = Size(trials=300, cells=10_000, wave=100, status_every_s=1.0)


def sweep_file(folder: Path, workload: dict[str, Any], parameters: dict[str, Any]) -> Path:
    """A sweep of one grid."""
    path = folder / f"{NAME}.yaml"
    grids = [{"name": "all", "parameters": parameters}]
    path.write_text(json.dumps({"version": 1, "name": NAME, "workload": workload, "grids": grids}))
    return path


def child(what: str, *arguments: object) -> subprocess.Popen[str]:
    """Starts one process of `control_child.py`, which prints JSON, a line each."""
    command = [sys.executable, str(CHILD), what, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def answers(process: subprocess.Popen[str]) -> list[Any]:
    """All that a child prints, once it has ended well."""
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args}: ended with {process.returncode}")
    return [json.loads(line) for line in told.splitlines() if line.startswith("{")]


def snapshot(source: Path, target: Path) -> None:
    """Links a run directory as it stands, events before rows; files that go meanwhile stay out."""
    for folder, folders, files in os.walk(source):
        folders.sort()
        here = target / Path(folder).relative_to(source)
        here.mkdir(parents=True)
        for name in files:
            if not name.startswith(".") and name != "lease.json":
                with contextlib.suppress(FileNotFoundError):
                    os.link(Path(folder, name), here / name)


def sweep(folder: Path, size: Size) -> dict[str, Any]:
    """Runs the sweep; looks at it meanwhile; copies it half-way."""
    axis = {"value": {"min": 1, "max": size.trials, "step": 1}}
    path = sweep_file(folder, {"kind": "trivial"}, axis)
    begun = time.perf_counter()
    driver = child("sweep", path, folder / "runs", KINDS, size.wave, size.trials // 2)
    looks = child("status", NAME, folder / "runs", size.status_every_s, driver.pid)
    samples = []
    assert driver.stdout is not None
    for line in driver.stdout:
        if line.startswith("{"):
            told = json.loads(line)
            if "half" in told:
                snapshot(folder / "runs" / NAME, folder / "half" / NAME)
            else:
                samples.append(told)
    if driver.wait():
        raise SystemExit(f"sweep: ended with {driver.returncode}")
    took = time.perf_counter() - begun
    status_s = [answer["s"] for answer in answers(looks)]
    return {"wall_s": took, "samples": samples, "status_s": status_s}


def growth(samples: list[dict[str, float]]) -> float:
    """Bytes a trial by which the driver grew from the end of the first wave on.

    The last sample is left out: it was taken when the sweep had been closed.
    """
    first, last = samples[0], samples[-2] if len(samples) > 1 else samples[-1]
    return (last["rss"] - first["rss"]) / max(1, last["started"] - first["started"])


def decision(storage: Path) -> float:
    """Seconds from the start of a process until `resume` knows what is left."""
    begun = time.perf_counter()
    process = child("resume", NAME, storage)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            took = time.perf_counter() - begun
    answers(process)
    return took


def plan(folder: Path, workload: dict[str, Any], parameters: dict[str, Any]) -> dict[str, float]:
    """Wall time and peak memory of `cliffsweep plan` as a process."""
    path = sweep_file(folder, workload, parameters)
    options = ["--storage", str(folder / "none"), "--kinds", str(KINDS)]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "plan", str(path), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"plan: ended with {process.returncode}")
    wall_s, cpu_s = time.perf_counter() - begun, used.ru_utime + used.ru_stime
    return {"wall_s": wall_s, "cpu_s": cpu_s, "peak_bytes": used.ru_maxrss * 1024}


def plans(folder: Path, cells: int) -> dict[str, dict[str, float]]:
    """A plan of trivial cells, and one of real ones."""
    seeds = {"seed": {"min": 0, "max": cells // 1000 - 1, "step": 1}}
    axis = {"min": 0.001, "max": 1.0, "count": 1000}
    return {
        "one trivial cell": plan(folder, {"kind": "trivial"}, {"seed": [0]}),
        "trivial": plan(folder, {"kind": "trivial"}, {"value": axis} | seeds),
        "supervised": plan(folder, MLP, {"train.optimizer.learning_rate": axis} | seeds),
    }


def measure(size: Size, parts: list[str]) -> dict[str, Any]:
    """All figures of the parts that were asked for."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="control-") as name:
        folder = Path(name)
        if "plan" in parts:
            found["plan"] = {"cells": size.cells} | plans(folder, size.cells)
        if "sweep" in parts:
            found["sweep"] = {"trials": size.trials} | sweep(folder, size)
            found["sweep"]["growth"] = growth(found["sweep"]["samples"])
            found["resume"] = {
                "finished_s": decision(folder / "runs"),
                "half_finished_s": decision(folder / "half"),
            }
        if "tune" in parts:
            (found["tune"],) = answers(child("tune", size.trials))
    return found


def report(found: dict[str, Any]) -> None:
    """Prints the figures beside their bars."""
    if "plan" in found:
        print(f"\nplan of {found['plan']['cells']} cells (under 6 s and 600 MB)")
        for what, figures in found["plan"].items():
            if what != "cells":
                wall, cpu, peak = (figures[key] for key in ("wall_s", "cpu_s", "peak_bytes"))
                print(f"  {what:20} {wall:6.1f} s  ({cpu:.1f} s of CPU)  {peak / 1e6:6.0f} MB")
    if "sweep" in found:
        trials, wall = found["sweep"]["trials"], found["sweep"]["wall_s"]
        print(f"\n{trials} trivial trials on {CORES} cores")
        print(f"  cliffsweep run         {wall:8.1f} s  {trials / wall:6.1f} trials/s")
        for sample in found["sweep"]["samples"]:
            print(
                f"    driver after {sample['started']:6} trials {sample['rss'] / 1e6:8.1f} MB"
                f"  {sample['s']:8.1f} s"
            )
        print(
            f"  driver's growth        {found['sweep']['growth'] / 1e3:8.2f} KB a trial (under 2)"
        )
        looks = found["sweep"]["status_s"]
        slowest = max(looks, default=float("nan"))
        print(
            f"  status                 {slowest:8.2f} s at most of {len(looks)} looks (under 0.5)"
        )
        for what, took in found["resume"].items():
            words = what.removesuffix("_s").replace("_", "-")
            print(f"  resume, {words:14} {took:8.2f} s until it is decided (under 5)")
    if "tune" in found:
        tune = found["tune"]
        rate = tune["trials"] / tune["wall_s"]
        print(f"  plain Ray Tune, tuned  {tune['wall_s']:8.1f} s  {rate:6.1f} trials/s")
        print(f"    its driver           {tune['growth'] / 1e3:8.2f} KB a trial")


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="300 trials, within a minute")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--trials", type=int, help="instead of 10 000")
    parser.add_argument("--parts", default="plan,sweep,tune", help="which of plan, sweep, tune")
    given = parser.parse_args()
    size = QUICK if given.quick else FULL
    if given.trials:
        size = replace(size, trials=given.trials)
    found = measure(size, given.parts.split(","))
    report(found)
    if given.json:
        Path(given.json).write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
