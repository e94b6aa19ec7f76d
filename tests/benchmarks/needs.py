"""What driver, head and storage need for a sweep of 1 000 trials on a cluster of `ray start`.

    python tests/benchmarks/needs.py [--quick] [--json FILE]

Trivial trials run on a head of 2 cores on this machine, from a driver that joins it by its address,
as a submitted one does. Memory is what a process holds alone plus its part of what it shares (PSS),
looked at every second; the storage is counted at its largest and at the end, when the sweep has
folded its files. It asserts nothing.
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
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.e2e.head import Head  # noqa: E402

COMMAND = "from orchestrator.cli.main import main; main()"
NAME = "needs"
KINDS_OF_PROCESS = {
    "gcs_server": "head: gcs_server",
    "raylet/raylet": "node: raylet",
    "dashboard.py": "head: dashboard and job endpoint",
    "ray-dashboard": "head: dashboard and job endpoint",
    "ray::ResourceTrainable": "node: workers",
}
"""What a command line holds -> the line of the table; all else of Ray's is one more."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    trials: int
    steps: int


FULL = Size(trials=1_000, steps=20)
QUICK = Size(trials=200, steps=20)


def measure(size: Size, folder: Path) -> dict[str, Any]:
    """Runs the sweep, and returns megabytes by process, and the storage."""
    path = folder / f"{NAME}.yaml"
    grids = [{"name": "all", "parameters": {"value": [float(i) for i in range(size.trials)]}}]
    workload = {"kind": "trivial", "steps": size.steps}
    path.write_text(json.dumps({"version": 1, "name": NAME, "workload": workload, "grids": grids}))
    head = Head(cpus=2)
    try:
        return _run(path, folder / "runs", head, size)
    finally:
        head.stop()


def _run(path: Path, storage: Path, head: Head, size: Size) -> dict[str, Any]:
    idle = {line: sizes[-1] for line, sizes in _look(head.pid, defaultdict(list)).items()}
    words = ["run", str(path), "--address", f"127.0.0.1:{head.gcs_port}", "--quiet"]
    words += ["--storage", str(storage), "--kinds", str(ROOT / "tests" / "kinds")]
    begun = time.monotonic()
    driver = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        env=os.environ | head.client | {"RAY_AUTH_MODE": "token", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    seen: dict[str, list[float]] = defaultdict(list)
    most = (0, 0)
    while driver.poll() is None:
        seen["driver"].append(_megabytes(driver.pid))
        _look(head.pid, seen)
        most = max(most, _storage(storage))
        time.sleep(1)
    if driver.returncode:
        raise RuntimeError(f"the sweep ended with exit code {driver.returncode}")
    return {
        "trials": size.trials,
        "wall_s": time.monotonic() - begun,
        "megabytes": {line: (idle.get(line, 0.0), max(all_)) for line, all_ in seen.items()},
        "files_most": most[0],
        "files": _storage(storage)[0],
        "bytes": _storage(storage)[1],
        "rows": size.trials * (size.steps + 1) * 4,
    }


def _look(root: int, seen: dict[str, list[float]]) -> Mapping[str, list[float]]:
    """Adds the megabytes of the processes below one, by what they are."""
    now: dict[str, float] = defaultdict(float)
    for pid, command in _below(root):
        line = next((what for word, what in KINDS_OF_PROCESS.items() if word in command), None)
        now[line or "head: all else of Ray's"] += _megabytes(pid)
    for line, size in now.items():
        seen[line].append(size)
    return seen


def _below(root: int) -> Iterator[tuple[int, str]]:
    parents: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                parents[int(path.name)] = int(fields[1])
    for pid in parents:
        above: int | None = pid
        while above and above != root:
            above = parents.get(above)
        if above == root:
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                yield pid, command.replace(b"\0", b" ").decode(errors="replace")


def _megabytes(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    return 0.0


def _storage(folder: Path) -> tuple[int, int]:
    """Files and their bytes."""
    sizes = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                sizes.append(path.stat().st_size)
    return len(sizes), sum(sizes)


def _print(found: Mapping[str, Any]) -> None:
    print(f"{found['trials']} trials, {found['rows']} rows, {found['wall_s']:.0f} s")
    print(f"  {'':34}{'before':>10}{'most':>10}")
    for line, (idle, most) in sorted(found["megabytes"].items()):
        print(f"  {line:34}{idle:>7.0f} MB{most:>7.0f} MB")
    print(f"  storage: {found['files_most']} files at most, {found['files']} in the end,"
          f" {found['bytes'] / 1e6:.1f} MB")  # fmt: skip


def main() -> None:
    """Measures, prints a table, writes it where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cs-needs-") as folder:
        found = measure(QUICK if given.quick else FULL, Path(folder))
    _print(found)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
