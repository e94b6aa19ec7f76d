"""The promises in the docstring of `results.store.Store`."""

import errno
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from results.errors import StorageError
from results.store import Store


def test_put_read_list_delete(store):
    assert store.list() == []
    store.put("trials/000001.parquet", b"one")
    store.put("metrics/t/a0.rnew.0-1.parquet", b"two")
    assert store.read("trials/000001.parquet") == b"one"
    assert store.list() == ["metrics/t/a0.rnew.0-1.parquet", "trials/000001.parquet"]
    assert store.list("trials/") == ["trials/000001.parquet"]
    assert store.list("metrics/t/a0") == ["metrics/t/a0.rnew.0-1.parquet"]
    assert store.list("nothing/here/") == []
    store.delete("trials/000001.parquet")
    store.delete("trials/000001.parquet")
    assert not store.exists("trials/000001.parquet")
    assert store.exists("metrics/t")


def test_put_replaces_and_leaves_nothing_beside(store):
    store.put("lease.json", b"1")
    store.put("lease.json", b"2")
    assert store.read("lease.json") == b"2"
    assert [path.name for path in store.root.iterdir()] == ["lease.json"]


def test_create_is_create_only(store):
    assert store.create("claims/t.a0", b"me")
    assert not store.create("claims/t.a0", b"you")
    assert store.read("claims/t.a0") == b"me"


def test_create_has_one_winner_among_many(store):
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda i: store.create("claims/t.a0", str(i).encode()), range(64)))
    assert sum(won) == 1
    assert store.read("claims/t.a0") == str(won.index(True)).encode()
    assert [path.name for path in (store.root / "claims").iterdir()] == ["t.a0"]


def test_create_without_hard_links(store, monkeypatch):
    def refused(*_args, **_kwargs):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert store.create("claims/t.a0", b"me")
    assert not store.create("claims/t.a0", b"you")
    assert store.read("claims/t.a0") == b"me"


@pytest.mark.parametrize(
    "name", ["../other", "/etc/passwd", "a/../../b", "a//b", ".hidden", "a/.b", "", "a\\b", "a\0b"]
)
def test_names_stay_inside(store, name):
    with pytest.raises(StorageError, match="plain parts"):
        store.put(name, b"")


def test_half_written_files_are_never_listed_and_get_tidied(store):
    store.put("events/x", b"")
    (store.root / "events" / ".y.123-abc.tmp").write_bytes(b"half")
    assert store.list() == ["events/x"]
    assert store.tidy(before=0) == 0
    assert store.tidy(before=store.modified("events/x") + 10) == 1
    assert store.modified("events/none") is None


def test_reading_what_is_not_there(store):
    with pytest.raises(StorageError, match="cannot read it, no such file"):
        store.read("trials/000001.parquet")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EROFS, "--storage"),
        (errno.EACCES, "--storage"),
        (errno.EIO, "Check that storage"),
    ],
)
def test_a_failed_write_names_path_and_remedy(store, monkeypatch, number, words):
    def refused(_handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(StorageError, match=words) as caught:
        store.put("a/b", b"c")
    assert str(store.root) in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert store.list() == []


def test_a_file_in_the_way_of_a_folder(store):
    store.put("metrics", b"")
    with pytest.raises(StorageError, match="cannot write it"):
        store.put("metrics/t/a", b"")


@pytest.mark.parametrize(
    "ask",
    [
        lambda store, name: store.exists(name),
        lambda store, name: store.modified(name),
        lambda store, name: store.create(name, b""),
        lambda store, name: store.read(name),
        lambda store, name: store.delete(name),
        lambda store, name: store.list(f"{name}/"),
    ],
    ids=["exists", "modified", "create", "read", "delete", "list"],
)
def test_a_storage_that_does_not_answer_is_told_by_its_name(store, ask):
    store.put("a", b"")
    with pytest.raises(StorageError, match="file name too long"):
        ask(store, "x" * 300)


def test_errors_survive_pickling(tmp_path):
    error = StorageError("x: no.", path=tmp_path)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == "x: no."
    assert copy.path == tmp_path


def test_relative_roots_survive_a_change_of_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store("runs/s")
    monkeypatch.chdir("/")
    store.put("a", b"1")
    assert (tmp_path / "runs/s/a").read_bytes() == b"1"
