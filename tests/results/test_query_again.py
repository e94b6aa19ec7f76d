"""The same statement asked again of an open reader: answered anew, over what it read at first."""

import os

import pytest

from results import query_settings
from results.compact import compact
from results.errors import LimitError, QueryError
from results.query import open_stores
from results.query_views import Views
from tests.results.sweeps import finish, plan


def test_an_answer_is_computed_each_time(store):
    with open_stores([store.root]) as reader:
        first, second = (reader.sql("SELECT random() AS r").to_pylist() for _ in range(2))
    assert first != second


def test_a_statement_outlives_a_table_that_was_made_again(store):
    plan(store, [{"trial_id": "a"}])
    with open_stores([store.root]) as reader:
        everything = "SELECT * FROM trials"
        assert "loss" not in reader.sql(everything).column_names
        assert reader.sql("SELECT loss FROM trials").to_pylist() == [{"loss": None}]
        assert "loss" in reader.sql(everything).column_names
        assert reader.sql(everything).num_rows == 1


def test_small_tables_are_looked_at_once(store, monkeypatch):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"loss": 0.5})
    looks = []
    monkeypatch.setattr(Views, "_strings", _told(Views._strings, looks))
    with open_stores([store.root]) as reader:
        for text in ("SELECT loss FROM trials", "SELECT status, loss AS other FROM trials") * 2:
            assert reader.sql(text).num_rows == 1
            with pytest.raises(QueryError, match="lost"):
                reader.sql("SELECT lost FROM trials")
    assert len(looks) == 2


def test_little_is_read_by_one_thread_and_much_by_all(store, monkeypatch):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"loss": 0.5})
    threads = "SELECT current_setting('threads') AS threads, (SELECT count(*) FROM metrics) AS rows"
    with open_stores([store.root]) as reader:
        assert reader.trusted(threads).to_pylist() == [{"threads": 1, "rows": 2}]
    monkeypatch.setattr(query_settings, "_SMALL_BYTES", 0)
    with open_stores([store.root]) as reader:
        all_threads = reader.trusted("SELECT current_setting('threads') AS n").to_pylist()[0]["n"]
        found = reader.trusted(threads).to_pylist()[0]
    assert all_threads == 1  # It read nothing at all.
    assert found["threads"] == len(os.sched_getaffinity(0))


def test_reads_of_many_files_are_not_gathered_and_one_trial_is_told_as_a_constant(store):
    names = [f"t{n}" for n in range(20)]
    plan(store, [{"trial_id": name} for name in names])
    for name in names:
        finish(store, name, {"loss": 0.5})
    setting = "SELECT current_setting('disable_parquet_prefetching') AS off"
    with open_stores([store.root]) as reader:
        read = reader.trusted(f"{setting}, (SELECT count(*) FROM metrics) AS rows").to_pylist()
        assert read == [{"off": True, "rows": 40}]
    for wanted in (["t7"], ["t7", "t8"]):
        given = ", ".join(f"'{name}'" for name in wanted)
        text = f"SELECT DISTINCT trial_id FROM metrics WHERE trial_id IN ({given}) ORDER BY ALL"
        with open_stores([store.root]) as reader:
            assert reader.sql(text)["trial_id"].to_pylist() == wanted


def _told(call, looks):
    def noting(self, query):
        looks.append(query)
        return call(self, query)

    return noting


def test_values_are_those_of_this_time(store):
    plan(store, [{"trial_id": "a"}, {"trial_id": "b"}])
    text = "SELECT trial_id AS t FROM trials WHERE trial_id = $t"
    with open_stores([store.root]) as reader:
        found = [reader.sql(text, {"t": value}).to_pylist() for value in ("a", "b", "c")]
    assert found == [[{"t": "a"}], [{"t": "b"}], []]


def test_a_statement_asked_again_after_its_file_went(store):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"loss": 0.5})
    text = "SELECT step, value FROM metrics ORDER BY step"
    with open_stores([store.root]) as reader:
        before = reader.sql(text).to_pylist()
        assert compact(store, sweep="s").trials == 1
        for name in store.list("metrics/"):
            store.delete(name)
        assert reader.sql(text).to_pylist() == before
    assert [row["step"] for row in before] == [0, 10]


def test_a_statement_asked_again_after_it_passed_a_limit(store):
    text = "SELECT * FROM range(10)"
    with open_stores([store.root]) as reader:
        for _ in range(2):
            with pytest.raises(LimitError):
                reader.sql(text, max_rows=5)
            assert reader.sql(text, max_rows=10).num_rows == 10


def test_more_statements_than_are_kept(store):
    with open_stores([store.root]) as reader:
        for _ in range(2):
            found = [reader.sql(f"SELECT {n} AS n").to_pylist()[0]["n"] for n in range(130)]
    assert found == list(range(130))
