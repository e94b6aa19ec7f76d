"""Files that vanish, are damaged, foreign, half written or too new, under a reader."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results.errors import NewerSchemaError
from results.query import VIEWS, open_stores
from results.query_child import answer
from tests.results.sweeps import begin, finish, plan, write


def test_a_file_that_vanishes_under_a_reader_leads_to_the_same_answer(store):
    plan(store, [{"trial_id": "a"}])
    write(store, "a", {s: {"m": float(s)} for s in range(3)}, closed=False)
    with open_stores([store.root]) as reader:
        (name,) = store.list("metrics/")
        write(store, "b", {s: {"m": float(s)} for s in range(3)}, closed=False)
        store.put("metrics/a/a0.rnew.0-9.parquet", store.read(name))
        store.delete(name)
        assert reader.sql("SELECT count(*) AS n FROM metrics").to_pylist() == [{"n": 6}]
        assert reader.warnings == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
@pytest.mark.parametrize(
    "name",
    [
        "metrics/z/a0.rnew.0-1.parquet",
        "finals/z/a0.rnew.parquet",
        "events/z.a0.run.parquet",
        "trials/000009.parquet",
    ],
)
def test_a_damaged_file_is_named_and_passed_over(store, name, content):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.0})
    store.put(name, content)
    with open_stores([store.root]) as reader:
        rows = reader.sql("SELECT t.status, t.m, count(*) AS n FROM trials t, metrics GROUP BY ALL")
        assert rows.to_pylist() == [{"status": "completed", "m": 1.0, "n": 2}]
        assert len(reader.warnings) == 1
        assert name in reader.warnings[0]


def test_a_newer_schema_is_refused_by_name(store, monkeypatch):
    monkeypatch.setattr("results.schema.SCHEMA_VERSION", 7)
    plan(store, [{"trial_id": "a"}])
    begin(store, "a")
    monkeypatch.undo()
    with pytest.raises(NewerSchemaError, match="at most 1, got 7"):
        open_stores([store.root])


@pytest.mark.parametrize(
    "name",
    [
        "metrics/z/a0.rnew.0-1.parquet",
        "finals/z/a0.rnew.parquet",
        "events/z.a0.run.parquet",
        "trials/000009.parquet",
    ],
)
def test_a_foreign_parquet_file_is_named_and_passed_over(store, tmp_path, name):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.0})
    foreign = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"value": ["not", "ours"]}), foreign)
    store.put(name, foreign.read_bytes())
    with open_stores([store.root]) as reader:
        assert reader.sql("SELECT m FROM trials").to_pylist() == [{"m": 1.0}]
        rows = reader.sql("SELECT name, value FROM metrics").to_pylist()
        assert rows == [{"name": "m", "value": 1.0}] * 2
        assert [name in warning for warning in reader.warnings] == [True]


def test_a_stray_parquet_file_is_named_once_and_passed_over(store):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.0})
    store.put("metrics/a/results.parquet", b"whatever")
    with open_stores([store.root]) as reader:
        for _ in range(2):
            assert reader.sql("SELECT count(*) AS n FROM metrics").to_pylist() == [{"n": 2}]
            assert reader.sql("SELECT m FROM trials").to_pylist() == [{"m": 1.0}]
        (warning,) = reader.warnings
    assert "metrics/a/results.parquet: must be named like a segment" in warning


def test_files_of_no_table_are_not_even_opened(store):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.0})
    for name in ("metrics/notes.txt", "events/hidden", "trials/1.parquet", "finals/a/b.parquet"):
        store.put(name, b"nothing of ours")
    with open_stores([store.root]) as reader:
        assert reader.sql("SELECT m FROM trials, metrics").num_rows == 2
        assert reader.warnings == []


@pytest.mark.parametrize("kind", ["metrics", "finals", "trials"])
def test_one_file_of_a_newer_version_is_refused_wherever_it_stands(store, monkeypatch, kind):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.0})
    monkeypatch.setattr("results.schema.SCHEMA_VERSION", 7)
    if kind == "trials":
        plan(store, [{"trial_id": "b"}])
    else:
        write(store, "b", {0: {"m": 1.0}}, closed=kind == "finals")
        begin(store, "b")
    monkeypatch.undo()
    with pytest.raises(NewerSchemaError, match="at most 1, got 7"):
        answer([store.root], "SELECT m FROM trials, metrics")


@pytest.mark.parametrize("view", VIEWS)
def test_a_store_that_is_only_a_folder_or_half_begun(store, view):
    store.root.mkdir()
    (store.root / "metrics").mkdir()
    (store.root / "metrics" / ".a0.rnew.0-1.parquet.tmp-1-2").write_bytes(b"PAR1")
    found = answer([store.root], f"SELECT * FROM {view}")
    assert (found.table.num_rows, found.warnings) == (0, ())
