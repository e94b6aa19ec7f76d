"""What travels to a cluster: all that the sweep needs, and nothing that shadows a module."""

import os

import pytest

from orchestrator.parcel import Order, digest, pack, read_order, unpacked_kinds, write_order
from orchestrator.spec_load import load_sweep

SWEEP = """\
version: 1
name: t
files: [train.py, parts]
kinds: [mine]
workload: {kind: command, run: [python, train.py], env: [PARCEL_SECRET]}
"""
ORDER = Order(version="1", sweep="t", storage="/s", file="t.yaml", only=("ab",))


@pytest.fixture
def loaded(tmp_path):
    folder = tmp_path / "here"
    (folder / "parts").mkdir(parents=True)
    (folder / "mine" / "activations").mkdir(parents=True)
    (folder / "t.yaml").write_text(SWEEP)
    (folder / "train.py").write_text("print(1)\n")
    (folder / "train.py").chmod(0o755)
    (folder / "parts" / "one.py").write_text("ONE = 1\n")
    (folder / "parts" / ".hidden").write_text("no")
    (folder / "mine" / "activations" / "cube.py").write_text("")
    (folder / "unasked.txt").write_text("stays")
    return load_sweep(folder / "t.yaml")


@pytest.fixture
def parcel(tmp_path, loaded):
    def make(name="parcel", order=ORDER):
        pack(tmp_path / name, order, loaded=loaded, kinds=[loaded.folder / "mine"])
        return tmp_path / name

    return make


def test_it_holds_the_file_its_files_and_kinds_and_no_more(parcel, monkeypatch):
    monkeypatch.setenv("PARCEL_SECRET", "a-value")
    folder = parcel()
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert found == {
        "parcel.json",
        "sweep/t.yaml",
        "sweep/train.py",
        "sweep/parts/one.py",
        "kinds/0/activations/cube.py",
    }
    assert os.access(folder / "sweep" / "train.py", os.X_OK)
    assert [path.name for path in unpacked_kinds(folder)] == ["0"]
    assert not any(b"a-value" in (folder / name).read_bytes() for name in found)


def test_the_order_comes_back(parcel):
    assert Order(**read_order(parcel())) == ORDER


def test_the_digest_tells_contents_apart_but_not_who_is_at_work(parcel, loaded):
    first, second = parcel("a"), parcel("b")
    assert digest(first) == digest(second)
    write_order(second, Order(**read_order(second) | {"take_over": True}))
    assert digest(first) == digest(second)
    write_order(second, Order(**read_order(second) | {"gpu": 1.0}))
    assert digest(first) != digest(second)
    (first / "sweep" / "train.py").write_text("print(2)\n")
    assert digest(first) != digest(parcel("c"))


def test_a_parcel_to_resume_holds_the_order_alone(tmp_path):
    pack(tmp_path / "p", Order(version="1", sweep="t", storage="/s"))
    assert [p.name for p in (tmp_path / "p").rglob("*") if p.is_file()] == ["parcel.json"]
    assert unpacked_kinds(tmp_path / "p") == []
