"""Where run directories stand, and under which names a sweep's files are kept."""

import pytest

from orchestrator.code import keep, kinds_folders, newest_record
from orchestrator.errors import InputError
from orchestrator.paths import (
    code_name,
    newest_sweep_file,
    run_directories,
    run_directory,
    shipped_sweeps,
    storage_root,
    sweep_file_name,
)
from orchestrator.provenance import Code, code_version, host, package_versions
from orchestrator.reading import find_sweep
from results.errors import StorageError
from results.store import Store


@pytest.mark.parametrize(
    ("given", "environ", "in_file", "root"),
    [
        ("a", {"CLIFFSWEEP_STORAGE": "b"}, "c", "a"),
        (None, {"CLIFFSWEEP_STORAGE": "b"}, "c", "b"),
        (None, {}, "c", "c"),
        (None, {"CLIFFSWEEP_STORAGE": ""}, None, "runs"),
    ],
)
def test_the_flag_comes_before_the_environment_before_the_file(given, environ, in_file, root):
    assert str(storage_root(given, in_file=in_file, environ=environ)) == root


def test_a_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert str(storage_root("~/runs", environ={})) == "/somewhere/runs"


def test_a_storage_may_be_a_prefix_of_a_bucket():
    root = run_directory(storage_root("s3://lab/sweeps/"), "smoke")
    assert str(root) == "s3://lab/sweeps/smoke"
    assert root.name == "smoke"
    assert str(root.parent.parent) == "s3://lab"


@pytest.mark.parametrize(
    "url", ["gs://lab/x", "s3:///x", "s3://lab/../x", "s3://lab/x?y", "s3://key:secret@lab/x"]
)
def test_a_url_that_no_backend_reads_is_refused(url):
    with pytest.raises(InputError, match=r"storage: a .* is needed, got .*--storage") as caught:
        storage_root(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "/etc", "a\n", "x" * 101, "a b"])
def test_a_name_never_leaves_the_storage_root(tmp_path, name):
    with pytest.raises(InputError, match="name: a sweep's name is letters"):
        run_directory(tmp_path, name)


def test_run_directories_are_those_that_hold_a_sweep(tmp_path):
    for name in ("b/sweep", "a/sweep", "other"):
        (tmp_path / name).mkdir(parents=True)
    assert [path.name for path in run_directories(tmp_path)] == ["a", "b"]
    assert run_directories(tmp_path / "nowhere") == []


def test_a_version_comes_behind_the_one_before_whatever_the_clock_says(store):
    first = sweep_file_name(b"first", 2e9)
    second = sweep_file_name(b"second", 1e9, after=first)
    third = sweep_file_name(b"first", 3e9, after=second)
    assert first < second < third
    for name in (second, third, first):
        store.put(name, b"")
    store.put("sweep/notes.yaml", b"")
    assert newest_sweep_file(store) == third


def test_code_is_named_by_what_it_is():
    files = [("0/a/b.py", b"1"), ("0/a/c.py", b"2")]
    assert code_name(files) == code_name(list(files))
    assert code_name(files) != code_name([("0/a/b.py", b"2"), ("0/a/c.py", b"1")])
    assert code_name([("ab", b"c")]) != code_name([("a", b"bc")])


def _kinds(folder, text):
    (folder / "programs").mkdir(parents=True, exist_ok=True)
    (folder / "programs" / "mine.py").write_text(text)
    return folder


def test_what_was_kept_is_found_again(store, tmp_path):
    assert newest_record(store) is None
    folder = _kinds(tmp_path / "mine", "1")
    script = tmp_path / "train.py"
    script.write_text("print()")
    files = [("train.py", script), ("mine", folder)]
    kept = keep(store, b"name: t", [folder], files=files, now=1e9)
    record = newest_record(store)
    assert record == kept
    assert record.data == b"name: t"
    (copy,) = record.kinds
    assert (store.folder(copy) / "programs" / "mine.py").read_text() == "1"
    assert (store.folder(record.files) / "train.py").read_text() == "print()"
    assert (store.folder(record.files) / "mine" / "programs" / "mine.py").read_text() == "1"


def test_what_did_not_change_is_kept_once(store, tmp_path):
    folder = _kinds(tmp_path / "mine", "1")
    keep(store, b"name: t", [folder], now=1e9)
    before = store.list()
    keep(store, b"name: t", [folder], now=2e9)
    keep(store, b"name: t", [store.folder(copy) for copy in newest_record(store).kinds], now=3e9)
    assert store.list() == before
    keep(store, b"name: t", [_kinds(folder, "2")], now=4e9)
    assert len(store.list("sweep/")) == 4
    assert newest_record(store).kinds[0].split("/")[1] != before[0].split("/")[1]


def test_folders_of_kinds_stand_beside_the_file_and_are_named_once(tmp_path):
    mine = _kinds(tmp_path / "mine", "1")
    found = kinds_folders(["mine"], base=tmp_path, given=[str(mine)])
    assert found == [mine]
    with pytest.raises(InputError, match=r"kinds: a folder .*other'?, which is not there"):
        kinds_folders(["mine", "other"], base=tmp_path)


def test_every_shipped_sweep_is_named_after_its_file():
    sweeps = shipped_sweeps()
    assert "smoke" in sweeps
    for name, path in sweeps.items():
        assert f"\nname: {name}\n" in path.read_text()


def test_code_outside_a_repository_has_no_version(tmp_path):
    assert code_version(tmp_path) == Code(None, None)


def test_code_where_git_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_version(tmp_path) == Code(None, None)


def test_results_say_what_they_come_from():
    assert {"python", "torch", "numpy", "pydantic"} <= package_versions().keys()
    assert host()


def test_a_storage_that_cannot_be_looked_at_is_told_of_in_a_sentence():
    with pytest.raises(StorageError, match="cannot list it, file name too long"):
        run_directories(storage_root("a" * 300))


def test_a_run_directory_that_cannot_be_looked_at_is_told_of_in_a_sentence(tmp_path):
    with pytest.raises(StorageError, match="cannot read it, file name too long"):
        Store(tmp_path).holds("a" * 300)
    with pytest.raises(StorageError, match="cannot list it, file name too long"):
        find_sweep("t", storage="a" * 300)
