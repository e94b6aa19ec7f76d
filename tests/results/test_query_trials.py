"""The view `trials`: scores, attempts, and the configuration as a struct."""

import math

import pyarrow.parquet as pq
import pytest

from results.ledger import Ledger
from results.query import open_stores
from tests.results.sweeps import begin, end, finish, plan, write


def ask(store, text):
    with open_stores([store.root]) as reader:
        return reader.sql(text).to_pylist()


@pytest.mark.parametrize(
    ("rule", "goal", "own", "base", "score"),
    [
        ("accuracy_ratio", "maximize", 0.45, 0.9, 0.5),
        ("exp_loss", "minimize", 2.0, 1.0, math.exp(-1.0)),
        ("difference", "maximize", 3.0, 5.0, -2.0),
        ("difference", "minimize", 3.0, 5.0, 2.0),
        ("accuracy_ratio", "maximize", math.nan, 0.9, math.nan),
    ],
)
def test_scores_against_a_baseline(store, rule, goal, own, base, score):
    shared = {"score_rule": rule, "metric": "m", "goal": goal, "baseline_id": "base"}
    plan(store, [{"trial_id": "base", **shared}, {"trial_id": "a", **shared}])
    finish(store, "a", {"m": own})
    assert ask(store, "SELECT score FROM trials WHERE trial_id = 'a'") == [{"score": None}]
    finish(store, "base", {"m": base})
    (row,) = ask(store, "SELECT score FROM trials WHERE trial_id = 'a'")
    assert row["score"] == pytest.approx(score, nan_ok=True)


@pytest.mark.parametrize(("goal", "score"), [("maximize", 0.25), ("minimize", -0.25)])
def test_scores_without_a_baseline_are_the_metric(store, goal, score):
    plan(store, [{"trial_id": "a", "metric": "m", "goal": goal}])
    finish(store, "a", {"m": 0.25})
    assert ask(store, "SELECT score FROM trials") == [{"score": score}]


def test_a_running_trial_shows_values_but_no_score(store):
    plan(store, [{"trial_id": "a", "metric": "m", "goal": "maximize"}])
    begin(store, "a")
    write(store, "a", {0: {"m": 0.25}, 5: {"m": 0.5}}, closed=False)
    (row,) = ask(store, "SELECT status, step, m, score, duration_s FROM trials")
    assert row == {"status": "running", "step": 5, "m": 0.5, "score": None, "duration_s": None}


def test_attempts_and_failures(store):
    plan(store, [{"trial_id": "a"}])
    begin(store, "a", minute=0)
    end(store, "a", "failed", minute=1, failure_class="diverged", detail="loss is nan")
    begin(store, "a", attempt=1, minute=3)
    (row,) = ask(store, "FROM trials")
    assert (row["status"], row["failure_class"], row["attempts"]) == ("running", None, 2)
    assert row["duration_s"] == 60.0
    assert row["ended_at"] is None
    end(store, "a", "failed", attempt=1, minute=5, failure_class="user_error")
    (row,) = ask(store, "FROM trials")
    assert (row["failure_class"], row["detail"], row["duration_s"]) == ("user_error", None, 180.0)


def test_config_reads_as_a_struct_whatever_is_in_it(store):
    configs = {
        "a": {"activation": {"kind": "topk", "share": 0.5}, "p": {"lr": 1, "LR": 2}, "x": 1},
        "b": {"activation": {"kind": "relu"}, "x": "text", "big": 2**63, "e": {}, "n": None},
        "c": {"x": {"deep": [1, {"y": None}]}, 'it\'s "odd"': True, "": 1},
        "d": {"hidden": [64, 32], "seed": 3},
    }
    plan(store, [{"trial_id": t, "config": c} for t, c in configs.items() if t != "c"])
    rows = ask(
        store,
        "SELECT config.activation.share AS share, config.p->>'LR' AS lr, config.x, config.big, "
        "config.hidden[1] AS first, config.seed - 4 AS less, config.e, config.n "
        "FROM trials ORDER BY trial_id",
    )
    assert [row["share"] for row in rows] == [0.5, None, None]
    assert [row["lr"] for row in rows] == ["2", None, None]
    assert [row["x"] for row in rows] == ["1", '"text"', None]
    assert [row["big"] for row in rows] == [None, 2**63, None]
    assert [row["first"] for row in rows] == [None, None, 64]
    assert [row["less"] for row in rows] == [None, None, -1]
    plan(store, [{"trial_id": "c", "config": configs["c"]}])
    rows = ask(store, "SELECT config->>'$.activation.kind' AS k FROM trials ORDER BY trial_id")
    assert [row["k"] for row in rows] == ["topk", "relu", None, None]


def test_trials_of_versions_that_did_not_tell_who_asked_for_them(store):
    """Then no search did that looked at the break."""
    plan(store, [{"trial_id": "a"}, {"trial_id": "b", "adaptive": True}])
    path = store.path(store.list("trials/")[0])
    table = pq.read_table(path)
    older = table.drop_columns("adaptive").replace_schema_metadata(table.schema.metadata)
    pq.write_table(older, path)
    assert not any(row.adaptive for row in Ledger(store, sweep="s").trials().values())
    plan(store, [{"trial_id": "c", "adaptive": True}])
    rows = ask(store, "SELECT adaptive FROM trials")
    assert [row["adaptive"] for row in rows] == [False, False, True]
