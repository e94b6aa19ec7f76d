"""How long a submitted sweep takes from the command to its first row, beside a bare Ray job.

    python tests/benchmarks/cluster_submit.py [--quick] [--json FILE]

A head runs on this machine; the command is typed as a user types it, in a process of its own, and
the first row counts once a reader of the shared storage sees it. The peer is Ray's own client that
submits a job which prints one word. It prints and asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.head import ROOT, Head

CLIFFSWEEP = [sys.executable, "-c", "from orchestrator.cli.main import main; main()"]
SWEEP = """\
version: 1
name: first_row_{number}
workload:
  task: {{kind: fashion_mnist, data: shipped}}
  model: {{kind: mlp, hidden: [64]}}
  train: {{steps: 50, batch_size: 64}}
  seed: {number}
"""
JOB = """\
import sys, time
from ray.job_submission import JobSubmissionClient
client = JobSubmissionClient(sys.argv[1])
job = client.submit_job(entrypoint="echo word")
while "word" not in client.get_job_logs(job):
    time.sleep(0.05)
"""


def submit_to_first_row(folder: Path, head: Head, number: int) -> tuple[float, float]:
    """Seconds until the command returned, and until the sweep's first row can be read."""
    file, storage = folder / f"{number}.yaml", folder / "runs"
    file.write_text(SWEEP.format(number=number))
    begun = time.monotonic()
    words = ["submit", str(file), "--address", head.address, "--storage", str(storage)]
    subprocess.run([*CLIFFSWEEP, *words], env=environment(head), check=True, capture_output=True)
    returned = time.monotonic() - begun
    while not any((storage / f"first_row_{number}" / "metrics").rglob("*.parquet")):
        time.sleep(0.01)
    return returned, time.monotonic() - begun


def bare_job(head: Head) -> float:
    """Seconds until a job's only word has come back to Ray's own client."""
    begun = time.monotonic()
    words = [sys.executable, "-c", JOB, head.address]
    subprocess.run(words, env=environment(head), check=True, capture_output=True)
    return time.monotonic() - begun


def environment(head: Head) -> dict[str, str]:
    """Of the client."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return kept | head.client | {"RAY_AUTH_MODE": "token", "PYTHONPATH": str(ROOT)}


def measured(repetitions: int) -> list[tuple[str, float]]:
    """Medians, and the first of all, whose workers were not warm."""
    with tempfile.TemporaryDirectory(prefix="cliffsweep-") as folder:
        head = Head()
        try:
            first = submit_to_first_row(Path(folder), head, 0)
            bare_job(head)
            jobs, sweeps = [], []
            for number in range(1, repetitions + 1):
                jobs.append(bare_job(head))
                sweeps.append(submit_to_first_row(Path(folder), head, number))
        finally:
            head.stop()
    return [
        ("submit: the command returned, head just started", first[0]),
        ("submit: the first row could be read, head just started", first[1]),
        ("submit: the command returned", median(returned for returned, _ in sweeps)),
        ("submit: the first row could be read", median(row for _, row in sweeps)),
        ("a bare Ray job: its word came back", median(jobs)),
    ]


def show(found: list[tuple[str, float]], say: Callable[[str], object] = print) -> None:
    """Prints them."""
    for label, seconds in found:
        say(f"{label:<56}{seconds:6.1f} s")


def main(say: Callable[[str], object] = print) -> None:
    """Measures, prints a table and writes it where it is asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measured(1 if given.quick else 5)
    show(found, say)
    if given.json is not None:
        given.json.write_text(json.dumps(dict(found), indent=1))


if __name__ == "__main__":
    main()
