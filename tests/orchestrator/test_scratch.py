"""A temporary folder goes with its block, and after a kill with the next one's start."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.runners.choose import coming_up
from orchestrator.runners.scratch import scratch

HOLD = """
import sys
from orchestrator.runners.scratch import scratch
with scratch() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_it_goes_with_its_block(base):
    with scratch() as folder:
        (Path(folder) / "file").write_text("x")
        assert list(base.iterdir()) == [Path(folder)]
    assert list(base.iterdir()) == []


def test_that_of_a_killed_process_goes_with_the_next_and_that_of_a_living_one_stays(base):
    command = [sys.executable, "-c", HOLD]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as killed, subprocess.Popen(command, **pipes) as lives:
        left, held = (Path(process.stdout.readline().strip()) for process in (killed, lives))
        killed.kill()
        killed.wait()
        assert left.is_dir()
        with scratch() as own:
            assert sorted(base.iterdir()) == sorted([held, Path(own)])
        lives.communicate("")
    assert list(base.iterdir()) == []


def test_that_of_a_killed_process_goes_where_nothing_is_left_to_run(base):
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed:
        killed.stdout.readline()
        killed.kill()
    assert len(list(base.iterdir())) == 1
    with coming_up("ray_tune", address=None, fresh=False) as ahead:
        assert ahead is None
    assert list(base.iterdir()) == []
