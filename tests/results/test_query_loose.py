"""Loose segments: a question about one trial opens that trial's files and no others."""

import pytest

from results.compact import compact
from results.query import open_stores
from tests.results.sweeps import begin, end, plan, write

CURVE = "SELECT step, value FROM {view} WHERE trial_id = 'd' AND name = 'm' ORDER BY step, value"


@pytest.fixture
def swept(store):
    """Four trials of two attempts each, the second one resumed from step 1."""
    plan(store, [{"trial_id": id_} for id_ in "abcd"])
    for id_ in "abcd":
        begin(store, id_)
        write(store, id_, {step: {"m": float(step)} for step in range(3)}, closed=False)
        begin(store, id_, attempt=1, minute=2)
        again = {step: {"m": 10.0 * step} for step in (2, 3)}
        write(store, id_, again, attempt=1, resumed_from=1, closed=False)
    return store


def blank_others(store):
    """Leaves nothing readable of the trials between the first, which gives types, and the last."""
    for name in store.list("metrics/"):
        if name.split("/")[1] in "bc":
            store.put(name, b"not to be opened")


@pytest.mark.parametrize(
    ("view", "values"),
    [("metrics", [0.0, 1.0, 20.0, 30.0]), ("metrics_all", [0.0, 1.0, 2.0, 20.0, 30.0])],
)
def test_only_the_files_of_the_trial_are_opened(swept, view, values):
    with open_stores([swept.root]) as reader:
        blank_others(swept)
        rows = reader.sql(CURVE.format(view=view)).to_pylist()
        assert reader.warnings == []
    assert [row["value"] for row in rows] == values


def test_the_others_are_opened_when_they_are_asked_for(swept):
    with open_stores([swept.root]) as reader:
        blank_others(swept)
        rows = reader.sql("SELECT DISTINCT trial_id AS t FROM metrics ORDER BY t").to_pylist()
        assert [row["t"] for row in rows] == ["a", "d"]
        assert len(reader.warnings) == 4


@pytest.mark.parametrize(
    "condition",
    [
        "trial_id IN ('b', 'd')",
        "trial_id LIKE '%b' OR trial_id > 'c'",
        "trial_id IN (SELECT trial_id FROM trials WHERE attempts = 2 AND trial_id IN ('b', 'd'))",
        "starts_with(trial_id, 'b') OR trial_id = $it",
        "trial_id NOT IN ('a', 'c')",
    ],
)
def test_however_trials_are_named(swept, condition):
    text = f"SELECT trial_id AS t, step FROM metrics WHERE {condition} ORDER BY ALL"
    with open_stores([swept.root]) as reader:
        rows = reader.sql(text, {"it": "d"} if "$it" in text else None).to_pylist()
    assert rows == [{"t": id_, "step": step} for id_ in "bd" for step in range(4)]


def test_loose_and_compacted_trials_together(swept):
    end(swept, "a", attempt=1, minute=3)
    end(swept, "b", attempt=1, minute=3)
    before = ask_everything(swept)
    assert compact(swept, sweep="s").trials == 2
    assert ask_everything(swept) == before
    assert len(before) == 16 + 20


def ask_everything(store):
    with open_stores([store.root]) as reader:
        return [
            row
            for view in ("metrics", "metrics_all")
            for row in reader.sql(f"FROM {view} ORDER BY ALL").to_pylist()
        ]


def test_rows_are_those_of_the_trial_whose_folder_they_lie_in(swept):
    """As names decide which rows count, they decide whose they are."""
    (first, *_) = swept.list("metrics/d/")
    swept.put(first.replace("metrics/d/", "metrics/e/"), swept.read(first))
    with open_stores([swept.root]) as reader:
        text = "SELECT count(*) AS n FROM metrics WHERE trial_id = 'e'"
        assert reader.sql(text).to_pylist() == [{"n": 3}]
        assert [row["value"] for row in reader.sql(CURVE.format(view="metrics")).to_pylist()] == [
            *(0.0, 1.0, 20.0, 30.0)
        ]
