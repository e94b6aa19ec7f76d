"""A driver that is killed loses nothing and doubles nothing: resume ends with the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from orchestrator import actions
from tests.e2e.conftest import COMMAND, rows, wait_for


def start(*arguments: str, folder: Path) -> subprocess.Popen[bytes]:
    """Starts the command without waiting for it."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_at_work(process: subprocess.Popen[bytes], run_directory: Path, *, after: int) -> None:
    """SIGKILLs a driver once its trials have saved themselves a few times more."""
    seen: set[str] = set()
    folder = run_directory / "checkpoints"

    def saved_often() -> bool:
        assert process.poll() is None, "it ended before it could be killed"
        seen.update(path.name for path in folder.glob("*/a*"))
        return len(seen) >= after

    wait_for(saved_often)
    process.kill()
    process.wait()


def attempts(run_directory: Path) -> dict[str, list[tuple[int, str, int | None]]]:
    """(attempt, status, resumed from) of every event, by trial."""
    table = actions.sql(
        run_directory.name,
        "SELECT trial_id, attempt, status, resumed_from FROM events ORDER BY ALL",
        storage=str(run_directory.parent),
    )
    found: dict[str, list[tuple[int, str, int | None]]] = {}
    for row in table.to_pylist():
        found.setdefault(row["trial_id"], []).append(
            (row["attempt"], row["status"], row["resumed_from"])
        )
    return found


def test_three_kills_inline_end_with_the_undisturbed_bits(sweep_file: Path) -> None:
    folder = sweep_file.parent
    actions.run(sweep_file, storage=str(folder / "calm"), runner="inline")

    disturbed = folder / "disturbed" / "two_cells"
    options = ["--storage", str(disturbed.parent), "--inline", "--quiet"]
    process = start("run", str(sweep_file), *options, folder=folder)
    for _ in range(3):
        kill_at_work(process, disturbed, after=4)
        process = start("resume", "two_cells", *options, folder=folder)
    assert process.wait(timeout=120) == 0

    assert rows(disturbed) == rows(folder / "calm" / "two_cells")
    events = attempts(disturbed)
    assert sum(e[1] == "completed" for found in events.values() for e in found) == 3
    assert any(resumed for found in events.values() for _, _, resumed in found)


@pytest.mark.ray
def test_a_killed_ray_driver_leaves_no_process_and_resumes(sweep_file: Path) -> None:
    folder = sweep_file.parent
    actions.run(sweep_file, storage=str(folder / "calm"), runner="inline")

    disturbed = folder / "disturbed" / "two_cells"
    options = ["--storage", str(disturbed.parent), "--quiet"]
    process = start("run", str(sweep_file), *options, folder=folder)
    kill_at_work(process, disturbed, after=3)
    workers = {int(row["pid"]) for row in _running(disturbed)}
    assert workers
    wait_for(lambda: not any(_alive(pid) for pid in workers), seconds=60)
    assert start("resume", "two_cells", *options, folder=folder).wait(timeout=180) == 0

    assert rows(disturbed) == rows(folder / "calm" / "two_cells")


@pytest.mark.ray
def test_a_worker_told_to_end_saves_itself_and_costs_nothing(sweep_file: Path) -> None:
    folder = sweep_file.parent
    actions.run(sweep_file, storage=str(folder / "calm"), runner="inline")

    disturbed = folder / "disturbed" / "two_cells"
    options = ["--storage", str(disturbed.parent), "--quiet"]
    process = start("run", str(sweep_file), *options, folder=folder)
    wait_for(lambda: any(disturbed.glob("checkpoints/*/a*")))
    for row in _running(disturbed):
        os.kill(int(row["pid"]), signal.SIGTERM)
    assert process.wait(timeout=180) == 0

    assert rows(disturbed) == rows(folder / "calm" / "two_cells")
    ends = {e[1] for found in attempts(disturbed).values() for e in found}
    assert ends == {"running", "completed", "failed"}


def test_an_interrupt_saves_and_says_how_to_go_on(sweep_file: Path) -> None:
    folder = sweep_file.parent
    run_directory = folder / "runs" / "two_cells"
    process = subprocess.Popen(
        [*COMMAND, "run", str(sweep_file), "--inline", "--storage", "runs"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: any(run_directory.glob("checkpoints/*/a*")))
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "cliffsweep resume two_cells" in told
    ends = actions.sql(
        "two_cells",
        "SELECT failure_class FROM events WHERE status = 'failed'",
        storage=str(folder / "runs"),
    )
    assert ends.to_pylist() == [{"failure_class": "preempted"}]


def _running(run_directory: Path) -> list[dict[str, int]]:
    return actions.sql(
        "two_cells",
        "SELECT DISTINCT pid FROM events WHERE status = 'running'",
        storage=str(run_directory.parent),
    ).to_pylist()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
