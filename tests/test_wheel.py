"""What is installed holds what ships: data with their licences, SQL, the page, the sweeps."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from workloads.data.build_speech import NAMES

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "workloads", "results")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling", reason="needs hatchling to build the wheel; there is none")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    with ZipFile(built) as opened:
        yield opened


def shipped():
    """Name in the wheel -> file here, of all that a user's machine must have."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found[path.relative_to(ROOT).as_posix()] = path
    for path in (ROOT / "sweeps").rglob("*.yaml"):
        found[f"orchestrator/{path.relative_to(ROOT).as_posix()}"] = path
    return found


def test_every_file_of_the_packages_is_in_it_byte_for_byte(wheel):
    expected = shipped()
    assert {Path(name).suffix for name in expected} >= {".py", ".sql", ".xz", ".gz", ".j2", ".yaml"}
    missing = expected.keys() - set(wheel.namelist())
    assert missing == set()
    assert [n for n, path in expected.items() if wheel.read(n) != path.read_bytes()] == []


def test_nothing_else_is_in_it(wheel):
    names = {n for n in wheel.namelist() if not n.split("/")[0].endswith(".dist-info")}
    assert names - shipped().keys() == set()


def test_the_data_in_it_are_read_as_they_ship(wheel, tmp_path):
    """With no other copy in sight: the hashes are checked where the files are read."""
    wheel.extractall(tmp_path)
    script = (
        "from workloads.data import build_austen as text, build_fashion_mnist as images\n"
        "from workloads.data import build_speech as speech\n"
        "from workloads.data.files import read_idx, read_text\n"
        "read_text(text.FILE, expected=text.SHA256, rebuild='')\n"
        "for name in images.NAMES:\n"
        "    file = images.FOLDER / f'{name}.gz'\n"
        "    read_idx(file, expected=images.SHIPPED[name], rebuild='')\n"
        "print(len(speech.read()), speech.__file__)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    clips, file = done.stdout.strip().split(" ", 1)
    assert Path(file).is_relative_to(tmp_path)
    assert int(clips) == len(NAMES)
