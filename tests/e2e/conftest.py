"""What the end-to-end tests share: sweeps on real data, the command as a process, one cluster."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.attempt import Attempt
from orchestrator.queue import Tally
from results.query import open_stores

KINDS = Path(__file__).parents[1] / "kinds"

TWO_CELLS = """\
version: 1
name: two_cells
workload:
  task: {kind: fashion_mnist, train_size: 2560, validation_size: 500}
  model: {kind: mlp, hidden: [64]}
  activation: relu
  train: {epochs: 3, batch_size: 32, log_every: 10}
grids:
  - name: mlp.activations
    parameters:
      activation: [relu, noisy_relu, {kind: topk, base: gelu, share: 0.75}]
baseline: {activation: relu}
checkpoint: {every: 20 steps}
retry: {backoff: 0s}
"""
COMMAND = [sys.executable, "-c", "from orchestrator.cli.main import main; main()"]


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    """Three small real cells, a random activation among them."""
    path = tmp_path / "two_cells.yaml"
    path.write_text(TWO_CELLS)
    return path


@pytest.fixture
def cliffsweep(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in a process of its own, its storage below the test's folder."""

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=240,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """One Ray for all tests that need it."""
    from orchestrator.cluster import connect

    with connect(cpus=2):
        yield


class Counted:
    """Hears how many attempts are under way whenever one starts."""

    def __init__(self) -> None:
        self.running: list[int] = []

    def started(self, tally: Tally, attempt: Attempt) -> None:
        self.running.append(tally.running)

    def ignore(self, *heard: object) -> None:
        """Hears the rest and keeps nothing of it."""

    changed = planned = ended = warned = ignore


def rows(run_directory: Path) -> list[tuple[object, ...]]:
    """All rows that count, measures of a clock aside, in an order of their own."""
    with open_stores([run_directory]) as reader:
        table = reader.sql(
            "SELECT trial_id, step, layer, name, value FROM metrics"
            r" WHERE name NOT LIKE '%\_s' ESCAPE '\' ORDER BY ALL"
        )
    return [tuple(row.values()) for row in table.to_pylist()]


def wait_for(condition: Callable[[], bool], *, seconds: float = 120, every_s: float = 0.01) -> None:
    """Waits until another process has done something.

    Args:
        condition: whether it has.
        seconds: longest wait.
        every_s: between two looks; a look that computes should leave the cores to that process.

    Raises:
        TimeoutError: it did not.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("the other process did not get there")
        time.sleep(every_s)
