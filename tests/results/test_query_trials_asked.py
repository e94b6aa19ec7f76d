"""Which trials a statement asks for is read off its tree, and doubted wherever it is not plain."""

import json

import duckdb
import pytest

from results.compact import compact
from results.query import open_stores
from results.query_trials import AskedTrials, asked_trials
from results.query_views import Views
from tests.results.sweeps import begin, end, plan, write


def asked(text):
    ((serialized,),) = duckdb.execute("SELECT json_serialize_sql($1::VARCHAR)", [text]).fetchall()
    return asked_trials(json.loads(serialized)["statements"][0])


PLAIN = [
    ("SELECT value FROM metrics WHERE trial_id = 'a'", "a", ""),
    ("FROM METRICS WHERE 'a' = Trial_ID", "a", ""),
    ("SELECT value FROM metrics AS m WHERE m.trial_id IN ('a', $t) AND (name = 'x')", "a", "t"),
    ("SELECT max(value) FROM metrics_all WHERE name = 'x' AND step > 3 AND trial_id = $t", "", "t"),
    (
        "WITH one AS (SELECT * FROM metrics WHERE trial_id = 'a'), "
        "two AS (SELECT * FROM metrics_all WHERE metrics_all.trial_id = 'b') "
        "SELECT * FROM one JOIN two USING (step) JOIN trials ON trials.trial_id = 'c'",
        "ab",
        "",
    ),
    ("SELECT * FROM metrics WHERE trial_id = 'a' UNION SELECT * FROM metrics WHERE 'b' = trial_id",
     "ab", ""),
    ("SELECT (SELECT max(value) FROM metrics WHERE trial_id = 'a') FROM trials", "a", ""),
]  # fmt: skip

NOT_PLAIN = [
    "SELECT * FROM trials WHERE trial_id = 'a'",
    "SELECT * FROM metrics",
    "SELECT * FROM metrics WHERE trial_id <> 'a'",
    "SELECT * FROM metrics WHERE trial_id = 'a' OR name = 'x'",
    "SELECT * FROM metrics WHERE NOT (trial_id = 'a')",
    "SELECT * FROM metrics WHERE (trial_id = 'a') IS NOT TRUE",
    "SELECT * FROM metrics WHERE trial_id NOT IN ('a')",
    "SELECT * FROM metrics WHERE trial_id = NULL",
    "SELECT * FROM metrics WHERE trial_id = 5",
    "SELECT * FROM metrics WHERE trial_id = upper('a')",
    "SELECT * FROM metrics WHERE trial_id IN ('a', name)",
    "SELECT * FROM metrics WHERE trial_id COLLATE NOCASE = 'A'",
    "SELECT * FROM metrics WHERE upper(trial_id) = 'A'",
    "SELECT * FROM metrics AS m(trial_id, sweep) WHERE trial_id = 's'",
    "SELECT * FROM metrics WHERE trial_id = 'a' USING SAMPLE 2 ROWS",
    "SELECT * FROM metrics TABLESAMPLE 50% WHERE trial_id = 'a'",
    "SELECT * FROM metrics JOIN trials USING (trial_id) WHERE trial_id = 'a'",
    "SELECT * FROM metrics, trials WHERE metrics.trial_id = 'a'",
    "SELECT * FROM metrics WHERE trial_id = 'a' UNION ALL SELECT * FROM metrics",
    "SELECT * FROM trials t WHERE EXISTS (FROM metrics WHERE t.trial_id = 'a')",
    "SELECT count(*) FILTER (trial_id = 'a') FROM metrics",
    "SELECT trial_id FROM metrics GROUP BY ALL HAVING trial_id = 'a'",
    "SELECT * FROM metrics QUALIFY trial_id = 'a'",
    "SELECT * FROM (SELECT * FROM metrics) WHERE trial_id = 'a'",
]


@pytest.mark.parametrize(("text", "named", "parameters"), PLAIN, ids=lambda value: str(value)[:60])
def test_what_is_plain(text, named, parameters):
    assert asked(text) == AskedTrials(frozenset(named), frozenset(filter(None, [parameters])))


@pytest.mark.parametrize("text", NOT_PLAIN, ids=lambda text: text[:60])
def test_what_is_not(text):
    assert asked(text) is None


def test_parameters_need_their_values():
    trials = AskedTrials(frozenset("a"), frozenset("t"))
    assert trials.given({"t": "b"}) == {"a", "b"}
    assert trials.given({"t": 5}) is None
    assert trials.given(None) is None
    assert AskedTrials(frozenset("a"), frozenset()).given(None) == {"a"}


@pytest.fixture
def swept(store, monkeypatch):
    """Four trials of two attempts each, the first two of them compacted; no file is too few."""
    monkeypatch.setattr("results.query_views._FEW_SEGMENTS", 0)
    plan(store, [{"trial_id": id_} for id_ in "abcd"])
    for id_ in "abcd":
        begin(store, id_)
        write(store, id_, {step: {"m": float(step)} for step in range(3)}, closed=False)
        begin(store, id_, attempt=1, minute=2)
        again = {step: {"m": 10.0 * step} for step in (2, 3)}
        write(store, id_, again, attempt=1, resumed_from=1, closed=False)
    for id_ in "ab":
        end(store, id_, attempt=1, minute=3)
    compact(store, sweep="s")
    return store


@pytest.mark.parametrize("view", ["metrics", "metrics_all"])
def test_answers_are_those_of_the_whole_view(swept, view):
    text = f"SELECT * EXCLUDE ts FROM {view} WHERE trial_id {{}} ORDER BY ALL"
    conditions = ["= 'a'", "= 'd'", "IN ('b', 'c')", "= 'z'", "= $t", "= E'\\x61'", "= $$b$$"]
    with open_stores([swept.root]) as reader:
        for condition in conditions:
            values = {"t": "c"} if "$t" in condition else None
            narrow = reader.sql(text.format(condition), values).to_pylist()
            wide = reader.sql(text.format(condition + " OR trial_id IS NULL"), values).to_pylist()
            assert narrow == wide, condition
            assert bool(narrow) == (condition != "= 'z'")


def test_statements_take_turns(swept):
    one = "SELECT count(*) AS n FROM metrics WHERE trial_id = '{}'"
    every = "SELECT count(DISTINCT trial_id) AS n FROM metrics"
    with open_stores([swept.root]) as reader:
        for _ in range(2):
            assert reader.sql(one.format("a")).to_pylist() == [{"n": 4}]
            assert reader.sql(every).to_pylist() == [{"n": 4}]
            assert reader.sql(one.format("d")).to_pylist() == [{"n": 4}]
            assert reader.trusted(every).to_pylist() == [{"n": 4}]


def test_a_view_is_not_made_again_for_the_same_trials(swept, monkeypatch):
    made = []
    show = Views._show_rows

    def noting(self, view):
        before = dict(self._shown)
        show(self, view)
        if self._shown != before:
            made.append(self._shown[view])

    monkeypatch.setattr(Views, "_show_rows", noting)
    with open_stores([swept.root]) as reader:
        for text in (
            "SELECT status FROM trials",  # Files of rows are readable from the next one on.
            "SELECT value FROM metrics WHERE trial_id = 'c'",
            "SELECT step FROM metrics WHERE trial_id = 'c' AND name = 'm'",
            "SELECT status FROM trials",
            "SELECT ts FROM metrics WHERE trial_id IN ('c')",
            "SELECT max(value) FROM metrics",
        ):
            reader.sql(text)
    assert made == [frozenset("c"), None]
