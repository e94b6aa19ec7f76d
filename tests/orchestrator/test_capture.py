"""What a worker prints is kept in pieces, whoever prints it."""

import os
import subprocess
import sys

import pytest

from orchestrator import capture
from orchestrator.capture import captured, pieces
from results.store import Store

_PRINT = """
import os, subprocess, sys, time
from orchestrator.capture import captured
from results.store import Store
store = Store(sys.argv[1])
print("before")
with captured(store, trial_id="abc", attempt=int(sys.argv[2])):
    print("from Python")
    print("and its errors", file=sys.stderr)
    os.write(1, b"from below\\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"])
print("behind")
"""


def printed(folder, attempt=0):
    command = [sys.executable, "-c", _PRINT, str(folder), str(attempt)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def text(folder, attempt):
    store = Store(folder)
    found = [store.read(p.name) for p in pieces(store, "abc") if p.attempt == attempt]
    return b"".join(found).decode()


def test_all_that_is_printed_inside_is_kept_and_nothing_else(tmp_path):
    done = printed(tmp_path)
    assert (done.stdout, done.stderr) == ("before\nbehind\n", "")
    lines = text(tmp_path, 0).splitlines()
    assert sorted(lines) == ["and its errors", "from Python", "from a child", "from below"]


def test_each_attempt_has_its_own_in_order(tmp_path):
    printed(tmp_path, 10)
    printed(tmp_path, 9)
    assert [piece.attempt for piece in pieces(Store(tmp_path), "abc")] == [9, 10]


def test_a_silent_attempt_leaves_no_file(tmp_path):
    with captured(Store(tmp_path), trial_id="abc", attempt=0):
        pass
    assert pieces(Store(tmp_path), "abc") == []


def test_endless_output_is_cut_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(capture, "LIMIT", 1000)
    with captured(Store(tmp_path), trial_id="abc", attempt=0):
        os.write(1, b"x" * 5000)
        os.write(1, b"y" * 5000)
    kept = text(tmp_path, 0)
    assert kept.startswith("x" * 1000 + "\n[cliffsweep: output beyond")
    assert kept.count("cliffsweep") == 1
    assert "yy" not in kept


def test_what_cannot_be_kept_fails_nothing(tmp_path):
    (tmp_path / "logs").write_text("a file in the way")
    with captured(Store(tmp_path), trial_id="abc", attempt=0):
        os.write(1, b"lost\n")
    assert (tmp_path / "logs").read_text() == "a file in the way"
    assert printed(tmp_path).stdout == "before\nbehind\n"


@pytest.mark.parametrize("name", ["a0.1.txt", "notes.txt", "ax.000001.txt", "deeper/a0.000001.txt"])
def test_foreign_files_are_passed_over(tmp_path, name):
    store = Store(tmp_path)
    store.put(f"logs/abc/{name}", b"x")
    assert pieces(store, "abc") == []
