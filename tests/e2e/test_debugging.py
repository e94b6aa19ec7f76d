"""`run --only TRIAL --inline --debug`: one cell under a debugger, and its rows count once."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import actions
from tests.e2e.conftest import COMMAND

PROGRAM = """\
from pathlib import Path
from workloads.config import Program, Progress


class Config(Program):
    size: int = 1
    marker: str = ""

    def build(self):
        return self

    def train(self, state):
        state.attach()
        if not state.resumed:
            yield Progress(0, {"total": 0.0})
        for step in range(state.step + 1, 7):
            a_local_name = 1000 * self.size + step
            if step == 4 and self.size == 2 and not Path(self.marker).exists():
                raise ValueError("the cause")
            state.step = step
            yield Progress(step, {"total": float(a_local_name)})
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two cells, of which one fails until a file is there."""
    (tmp_path / "kinds" / "programs").mkdir(parents=True)
    (tmp_path / "kinds" / "programs" / "raising.py").write_text(PROGRAM)
    file = tmp_path / "broken.yaml"
    file.write_text(
        "version: 1\nname: broken\nkinds: [kinds]\ncheckpoint: {every: 1 steps}\n"
        f"workload: {{kind: raising, marker: {tmp_path / 'mended'}}}\n"
        "grids: [{name: sizes, parameters: {size: [1, 2]}}]\nmax_failed_trials: 1\n"
    )
    return file


def typed(sweep: Path, words: list[str], keys: bytes) -> tuple[int, str]:
    """Types a command at a terminal, then keys; gives exit code and all that was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, cwd=sweep.parent
    )
    os.close(theirs)
    os.write(ours, keys)
    shown = bytearray()
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:  # How a terminal tells that nobody is at its other end any more.
        pass
    finally:
        os.close(ours)
    return process.wait(timeout=60), shown.decode()


def trial(sweep: Path, size: int) -> str:
    """The id of a cell."""
    plan, _ = actions.plan(sweep, kinds=[str(sweep.parent / "kinds")])
    (found,) = [p.cell.trial_id for p in plan.cells if p.cell.config["size"] == size]
    return found


def events(sweep: Path) -> list[tuple[object, ...]]:
    text = "SELECT attempt, status, failure_class, resumed_from FROM events ORDER BY ALL"
    found = actions.sql("broken", text, storage=str(sweep.parent / "runs")).to_pylist()
    return [tuple(row.values()) for row in found]


def test_a_failed_trial_is_looked_at_where_it_failed_and_its_rows_count_once(
    sweep: Path, cliffsweep: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    words = ["run", str(sweep), "--only", trial(sweep, 2)[:8], "--inline", "--debug"]
    code, shown = typed(sweep, words, b"p a_local_name\nq\n")
    assert code == 1
    assert "ValueError: the cause" in shown
    assert "2004" in shown  # What the frame that raised holds under that name.
    assert events(sweep) == [(0, "failed", "user_error", None), (0, "running", None, None)]

    done = cliffsweep(*words, check=False)
    assert done.returncode == 1
    assert "a debugger needs a terminal, got none" in done.stderr

    (sweep.parent / "mended").touch()
    assert "1 completed, 1 planned of 2" in cliffsweep(*words).stdout
    assert [event for event in events(sweep) if event[1] == "running"] == [
        (0, "running", None, None),
        *((number, "running", None, 3) for number in (1, 2)),
    ]
    text = "SELECT step, value FROM metrics ORDER BY ALL"
    found = actions.sql("broken", text, storage=str(sweep.parent / "runs")).to_pylist()
    assert [(row["step"], row["value"]) for row in found] == [
        (0, 0.0),
        *((step, 2000.0 + step) for step in range(1, 7)),
    ]
