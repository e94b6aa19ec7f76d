"""What a trial costs whose rows go to a bucket, beside one whose rows go to a folder.

    python tests/benchmarks/cluster_storage.py [--quick] [--json FILE]

Trivial trials run on a Ray of two workers, once with the run directory in a folder and once in a
bucket of moto's server on the loopback address, turn by turn. Counted is the steady time between
the end of the sixth trial, by when both workers are warm, and that of the last. The server is
Python and shares the cores of this machine: a real one answers more slowly and takes no core here.
It prints and asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from results.ledger import Ledger
from results.store import Store
from tests.bucket import Proxy, new_bucket, s3_service

ROOT = Path(__file__).parents[2]
CLIFFSWEEP = [sys.executable, "-c", "from orchestrator.cli.main import main; main()"]
CPUS = 2
WARM = 3 * CPUS
TRIALS, QUICK_TRIALS = 120, 40
REPETITIONS = 3
KEYS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
"""Of a bucket that is gone when this process is."""


def milliseconds(storage: str, file: Path, *, name: str) -> float:
    """Runs a sweep, and returns its steady milliseconds a trial."""
    words = ["run", str(file), "--kinds", str(ROOT / "tests" / "kinds"), "--storage", storage]
    subprocess.run([*CLIFFSWEEP, *words, "--quiet"], check=True, capture_output=True, env=_env())
    events = Ledger(Store(f"{storage}/{name}"), sweep=name).events()
    ends = sorted(event.ts for event in events if event.status == "completed")
    return 1000 * (ends[-1] - ends[WARM - 1]).total_seconds() / (len(ends) - WARM)


def _env() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def sweep(folder: Path, *, name: str, trials: int) -> Path:
    """Writes the file of a sweep of trivial trials."""
    grids = [{"name": "all", "parameters": {"value": [float(n) for n in range(trials)]}}]
    workload = {"kind": "trivial", "steps": 20}
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({"version": 1, "name": name, "workload": workload, "grids": grids}))
    return path


def measured(*, quick: bool) -> dict[str, Any]:
    """Medians of both, and how many requests a trial of the bucket makes."""
    found: dict[str, list[float]] = {"folder": [], "bucket": []}
    trials = QUICK_TRIALS if quick else TRIALS
    with tempfile.TemporaryDirectory(prefix="cs-") as name, s3_service() as address:
        folder = Path(name)
        copies = {"CLIFFSWEEP_CACHE": str(folder / "copies")}
        os.environ |= KEYS | copies | {"AWS_ENDPOINT_URL": address}
        bucket = new_bucket(address)
        for number in range(1 if quick else REPETITIONS):
            called = f"t{number}"
            file = sweep(folder, name=called, trials=trials)
            for place, storage in (("folder", str(folder / "runs")), ("bucket", bucket)):
                found[place].append(milliseconds(storage, file, name=called))
        with Proxy(address) as proxy:
            os.environ["AWS_ENDPOINT_URL"] = proxy.address
            counts = [_requests(proxy, folder, bucket, trials=n) for n in (2, 22)]
    medians = {place: median(values) for place, values in found.items()}
    return medians | {"requests": (counts[1] - counts[0]) / 20, "trials": trials}


def _requests(proxy: Proxy, folder: Path, bucket: str, *, trials: int) -> int:
    """Requests of a whole run; its driver and workers alike."""
    before = len(proxy.seen)
    file = sweep(folder, name=f"counted{trials}", trials=trials)
    words = ["run", str(file), "--kinds", str(ROOT / "tests" / "kinds"), "--storage", bucket]
    subprocess.run([*CLIFFSWEEP, *words, "--quiet"], check=True, capture_output=True, env=_env())
    return len(proxy.seen) - before


def show(found: dict[str, Any], say: Callable[[str], object] = print) -> None:
    """Prints them."""
    folder, bucket = found["folder"], found["bucket"]
    say(f"trivial trials on {CPUS} workers, {found['trials']} a run")
    say(f"  rows to a folder {folder:10.1f} ms a trial")
    say(f"  rows to a bucket {bucket:10.1f} ms a trial, {found['requests']:.1f} requests each")
    say(f"  a bucket costs {bucket - folder:.1f} ms more, {bucket / folder:.2f} times a folder")


def main() -> None:
    """Measures, prints and writes it where it is asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measured(quick=given.quick)
    show(found)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
