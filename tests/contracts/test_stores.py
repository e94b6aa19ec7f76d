"""The promises of `results.store.Store`, kept by every backend: a folder, and a bucket."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from results.errors import StorageError
from results.store import Store


def test_what_is_put_is_listed_read_and_deleted(store):
    assert store.list() == []
    store.put("trials/000001.parquet", b"one")
    store.put("metrics/t/a0.rnew.0-1.parquet", b"")
    assert store.read("trials/000001.parquet") == b"one"
    assert store.list() == ["metrics/t/a0.rnew.0-1.parquet", "trials/000001.parquet"]
    assert store.exists("trials/000001.parquet")
    assert store.holds("metrics/t")
    store.delete("trials/000001.parquet")
    store.delete("trials/000001.parquet")
    assert not store.exists("trials/000001.parquet")
    assert not store.holds("nothing")
    assert store.list() == ["metrics/t/a0.rnew.0-1.parquet"]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", ["a/b/c", "a/bc", "a/fold-1", "a/fold-2", "ab"]),
        ("a", ["a/b/c", "a/bc", "a/fold-1", "a/fold-2", "ab"]),
        ("a/", ["a/b/c", "a/bc", "a/fold-1", "a/fold-2"]),
        ("a/b", ["a/b/c", "a/bc"]),
        ("a/b/", ["a/b/c"]),
        ("a/fold-", ["a/fold-1", "a/fold-2"]),
        ("a/fold-1", ["a/fold-1"]),
        ("b", []),
        ("none/", []),
    ],
)
def test_a_prefix_is_the_beginning_of_a_name(store, prefix, found):
    for name in ("ab", "a/fold-2", "a/fold-1", "a/bc", "a/b/c"):
        store.put(name, b"")
    assert store.list(prefix) == found


def test_put_replaces(store):
    store.put("lease.json", b"1")
    store.put("lease.json", b"22")
    assert store.read("lease.json") == b"22"
    assert store.list() == ["lease.json"]


def test_create_has_one_winner_among_many(store):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: store.create("claims/t.a0", str(i).encode()), range(24)))
    assert sum(won) == 1
    assert store.read("claims/t.a0") == str(won.index(True)).encode()
    assert not store.create("claims/t.a0", str(won.index(True)).encode())
    assert store.list() == ["claims/t.a0"]


def test_a_large_file_is_created_once(store):
    assert store.create_from("compact/x", lambda path: path.write_bytes(b"x" * 100_000))
    assert not store.create_from("compact/x", lambda path: path.write_bytes(b"y"))
    assert store.read("compact/x") == b"x" * 100_000


def test_a_file_whose_writing_fails_is_not_there(store):
    def fill(path):
        path.write_bytes(b"half")
        raise RuntimeError("full")

    with pytest.raises(RuntimeError):
        store.create_from("compact/x", fill)
    assert store.list() == []


def test_nobody_writes_between_a_look_and_the_update_that_rests_on_it(store):
    store.put("count", b"0")
    start = threading.Barrier(6)

    def count(_):
        start.wait()
        return store.update("count", lambda seen: str(int(seen) + 1).encode())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(count, range(6)))
    assert store.read("count") == b"6"


def test_an_update_may_leave_things_as_they_are(store):
    assert not store.update("lease.json", lambda seen: b"new")
    assert not store.exists("lease.json")
    store.put("lease.json", b"1")
    assert not store.update("lease.json", lambda seen: None)
    assert store.read("lease.json") == b"1"


def test_an_update_to_nothing_leaves_nothing_that_means_anything(store):
    store.put("lease.json", b"1")
    assert store.update("lease.json", lambda seen: b"")
    assert not store.exists("lease.json") or store.read("lease.json") == b""


def test_what_is_not_there_is_told_by_its_name(store):
    with pytest.raises(StorageError, match=r"s/trials/1: cannot read it, no such") as caught:
        store.read("trials/1")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert store.modified("trials/1") is None
    for ask in (store.stamp, store.open):
        with pytest.raises(FileNotFoundError):
            _read(ask("trials/1"))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.path) == (str(caught.value), caught.value.path)


def _read(source):
    with source.open("rb") if isinstance(source, Path) else source as file:
        return file.read()


def test_many_are_read_in_their_order(store):
    names = [f"events/{n}" for n in range(40)]
    for name in names:
        store.put(name, name.encode())
    assert [*store.read_all(names[::-1])] == [name.encode() for name in names[::-1]]
    with pytest.raises(StorageError, match="no such"):
        list(store.read_all([*names, "events/none"]))


def test_size_and_stamp_change_with_the_content(store):
    store.put("a", b"12")
    first = store.stamp("a")
    assert first[0] == 2
    assert store.stamp("a") == first
    store.put("a", b"345")
    store.list()
    assert store.stamp("a")[0] == 3
    assert store.modified("a") > 1.7e9


def test_a_file_is_fetched_once_and_again_when_it_was_replaced(store):
    store.put("compact/1", b"old")
    store.put("compact/2", b"two")
    store.fetch(store.list("compact/"))
    assert store.path("compact/1").read_bytes() == b"old"
    store.put("compact/1", b"new")
    store.fetch([*store.list("compact/"), "compact/gone"])
    assert store.path("compact/1").read_bytes() == b"new"
    assert store.path("compact/2").read_bytes() == b"two"
    assert not store.path("compact/gone").exists()


@pytest.mark.parametrize("fetched", [False, True])
def test_parts_of_a_file_can_be_read(store, fetched):
    data = bytes(range(256)) * 4000
    store.put("compact/1", data)
    if fetched:
        store.fetch(store.list())
    source = store.open("compact/1")
    with source.open("rb") if isinstance(source, Path) else source as file:
        file.seek(-1000, 2)
        assert file.read() == data[-1000:]
        file.seek(300_000)
        assert file.read(400_000) == data[300_000:700_000]
        assert file.tell() == 700_000


def _fill(folder):
    (folder / "state.pt").write_bytes(b"state" * 1000)
    (folder / "below").mkdir()
    (folder / "below" / "x.txt").write_text("x")


def test_a_folder_appears_whole_and_goes_whole(store):
    store.create_folder("checkpoints/t/a0-12", _fill)
    folder = store.folder("checkpoints/t/a0-12")
    assert (folder / "state.pt").read_bytes() == b"state" * 1000
    assert (folder / "below" / "x.txt").read_text() == "x"
    with pytest.raises(StorageError, match="a0-12: cannot write it"):
        store.create_folder("checkpoints/t/a0-12", _fill)
    store.drop_folder("checkpoints/t/a0-12")
    store.drop_folder("checkpoints/t/a0-12")
    assert store.list() == []


def test_a_folder_whose_filling_fails_is_not_there(store):
    def fill(folder):
        _fill(folder)
        raise RuntimeError("diverged")

    with pytest.raises(RuntimeError):
        store.create_folder("checkpoints/t/a0-12", fill)
    assert store.list() == []
    store.create_folder("checkpoints/t/a0-12", _fill)


def test_files_put_one_by_one_make_a_folder_too(store):
    store.put("code/abc/0/programs/mine.py", b"1")
    store.put("code/abc/0/norms/mine.py", b"2")
    folder = store.folder("code/abc/0")
    assert (folder / "programs" / "mine.py").read_bytes() == b"1"
    assert (folder / "norms" / "mine.py").read_bytes() == b"2"


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "a//b", ".hidden", "a/.b", "", "a\\b"])
def test_names_stay_inside(store, name):
    for ask in (store.read, store.exists, store.folder, store.drop_folder, store.path):
        with pytest.raises(StorageError, match="plain parts"):
            ask(name)
    with pytest.raises(StorageError, match="plain parts"):
        store.create(name, b"")


def test_stores_of_one_place_are_equal(place):
    assert Store(place) == Store(place)
    assert hash(Store(place)) == hash(Store(place))
    assert Store(place) != Store(Store(place).root / "other")


@pytest.mark.long
def test_many_names_are_all_listed(store):
    names = sorted(f"metrics/t{n:05d}/a0.rnew.0-1.parquet" for n in range(2005))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(name, b""), names))
    assert store.list("metrics/") == names
    assert store.list("metrics/t010") == [name for name in names if name[8:12] == "t010"]
    store.delete(*names)
    assert store.list() == []
