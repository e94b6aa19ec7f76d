"""What the views show, while a sweep runs and after."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from results.errors import QueryError
from results.ledger import Ledger
from results.query import VIEWS, open_stores
from results.query_views import TRIAL_COLUMNS
from results.store import Store
from tests.results.sweeps import begin, end, finish, plan, write


def ask(store, text, parameters=None):
    with open_stores([store.root]) as reader:
        return reader.sql(text, parameters).to_pylist()


def test_an_empty_store_gives_empty_answers(store):
    with open_stores([store.root]) as reader:
        for view in VIEWS:
            assert reader.sql(f"SELECT * FROM {view}").num_rows == 0, view
        assert reader.sql("SELECT count(*) AS n FROM metrics").to_pylist() == [{"n": 0}]
        wanted = "SELECT trial_id, val_loss, config.model.kind FROM trials WHERE sparsity > 0.5"
        assert reader.sql(wanted).num_rows == 0
        assert reader.warnings == []
    assert not store.root.exists()


def test_no_store_at_all():
    with open_stores([]) as reader:
        assert reader.sql("SELECT * FROM trials").num_rows == 0


def test_planned_trials_before_anything_ran(store):
    plan(store, [{"trial_id": "a", "metric": "val_accuracy", "goal": "maximize"}])
    (row,) = ask(store, "SELECT * FROM trials")
    assert list(row) == [*TRIAL_COLUMNS, "val_accuracy"]
    assert (row["status"], row["attempts"], row["score"]) == ("planned", 0, None)
    assert row["config"] == {"model": {"kind": "mlp"}}
    assert ask(store, "SELECT loss FROM trials") == [{"loss": None}]


def test_a_finished_trial(store):
    plan(store, [{"trial_id": "a", "versions": {"torch": "2.11"}, "commit": "f00"}])
    begin(store, "a", host="h", device="cpu")
    write(store, "a", {0: {"loss": 2.0}, 8: ({"loss": 1.0, "acc": 0.5}, {"b0": {"sparsity": 0.7}})})
    end(store, "a", minute=2)
    (row,) = ask(store, "SELECT *, versions->>'torch' AS torch FROM trials")
    assert (row["status"], row["loss"], row["acc"], row["step"]) == ("completed", 1.0, 0.5, 8)
    assert (row["duration_s"], row["attempts"], row["torch"]) == (120.0, 1, "2.11")
    assert row["ended_at"].isoformat() == "2026-05-01T12:02:00+00:00"
    assert row["score"] is None, "no metric was named"
    assert ask(store, "SELECT layer, name, step, last FROM layers") == [
        {"layer": "b0", "name": "sparsity", "step": 8, "last": 0.7}
    ]
    finals = ask(store, "SELECT name, minimum, maximum, count FROM finals WHERE name = 'loss'")
    assert finals == [{"name": "loss", "minimum": 1.0, "maximum": 2.0, "count": 2}]
    assert [e["status"] for e in ask(store, "FROM events")] == ["running", "completed"]


def test_each_row_once_after_a_resumption_from_an_older_checkpoint(store):
    plan(store, [{"trial_id": "a"}])
    write(store, "a", {s: {"m": float(s)} for s in range(9)}, closed=False)
    write(store, "a", {s: {"m": s + 0.5} for s in (5, 6)}, attempt=1, resumed_from=4, closed=False)
    rows = ask(store, "SELECT attempt, step, value FROM metrics ORDER BY step")
    assert [(r["attempt"], r["step"]) for r in rows] == [
        *((0, step) for step in range(5)),
        *((1, step) for step in (5, 6)),
    ]
    assert ask(store, "SELECT m, step FROM trials") == [{"m": 6.5, "step": 6}]
    counted = ask(store, "SELECT counted, count(*) AS n FROM metrics_all GROUP BY ALL ORDER BY 1")
    assert counted == [{"counted": False, "n": 4}, {"counted": True, "n": 7}]
    write(store, "a", {0: {"m": -1.0}}, attempt=2)
    assert ask(store, "SELECT step, value FROM metrics") == [{"step": 0, "value": -1.0}]
    assert ask(store, "SELECT m FROM trials") == [{"m": -1.0}]


def test_finals_of_a_replaced_attempt_do_not_count(store):
    plan(store, [{"trial_id": "a"}])
    write(store, "a", {0: {"m": 1.0}, 5: {"m": 9.0}})
    write(store, "a", {1: {"m": 2.0}}, attempt=1, resumed_from=0, closed=False)
    assert ask(store, "SELECT last, maximum, count FROM finals") == [
        {"last": 2.0, "maximum": 2.0, "count": 2}
    ]


def test_nan_and_infinities_stay_what_they_are(store):
    plan(store, [{"trial_id": "a"}, {"trial_id": "b"}])
    values = {0: {"m": 1.0, "n": math.nan}, 1: {"m": -math.inf, "n": math.nan}, 2: {"m": math.nan}}
    write(store, "a", values)
    write(store, "b", values, closed=False)
    rows = ask(store, "SELECT * EXCLUDE trial_id FROM finals ORDER BY name, trial_id")
    for row in rows:
        assert math.isnan(row["last"])
        assert (row["minimum"] == -math.inf) == (row["name"] == "m")
        assert math.isnan(row["minimum"]) == (row["name"] == "n")
    assert str(rows[0]) == str(rows[1]), "finals and segments answer alike"


def test_questions_for_nan_find_it(store):
    """Statistics in Parquet files leave NaN out, so nobody may skip a file because of them."""
    plan(store, [{"trial_id": t} for t in "abc"])
    write(store, "a", {0: {"m": 0.5}, 1: {"m": math.nan}}, closed=False)
    write(store, "b", {0: {"m": 0.5}, 1: {"m": math.nan}, 2: {"m": 0.75}})
    write(store, "c", {0: {"m": math.nan}})
    for condition, rows in (
        ("isnan(value)", 3),
        ("NOT isfinite(value)", 3),
        ("value = 'NaN'", 3),
        ("value > 0.6", 4),  # NaN is the largest number.
        ("value = 0.5", 2),
        ("value <> 0.5", 4),
    ):
        (row,) = ask(store, f"SELECT count(*) AS n FROM metrics WHERE {condition}")
        assert row["n"] == rows, condition
    (row,) = ask(store, "SELECT max(value) AS top, min(value) AS least FROM metrics")
    assert math.isnan(row["top"])
    assert row["least"] == 0.5
    assert ask(store, "SELECT count(*) AS n FROM finals WHERE isnan(last)") == [{"n": 2}]


def test_coverage_counts_wanted_trials(store):
    plan(store, [{"trial_id": t} for t in "abcdefg"])
    plan(store, [{"trial_id": "g", "wanted": False}])
    for trial_id, status in (("a", "completed"), ("b", "failed"), ("c", "cancelled")):
        end(store, trial_id, status)
    begin(store, "d")
    end(store, "e", "stopped")
    end(store, "g")
    assert ask(store, "FROM coverage") == [
        {
            **{"sweep": "s", "grid": "g", "expected": 6, "completed": 1, "stopped": 1},
            **{"failed": 1, "running": 1, "missing": 2},
        }
    ]


def test_metrics_with_difficult_names(store):
    plan(store, [{"trial_id": "a"}])
    names = ["seed", "Score", 'a"b', "a'b", "a; DROP TABLE trials", "", "é", "x.y", "ACC", "acc"]
    write(store, "a", {0: {name: float(place) for place, name in enumerate(names)}})
    (row,) = ask(store, "FROM trials")
    assert list(row)[len(TRIAL_COLUMNS) :] == sorted({*names} - {"seed", "Score", "", "acc"})
    assert (row["seed"], row["score"]) == (0, None)
    assert row['a"b'] == 2.0
    assert ask(store, "SELECT last FROM finals WHERE name = 'acc'") == [{"last": 9.0}]


def test_an_edited_sweep_keeps_removed_trials_unwanted(store):
    plan(store, [{"trial_id": "a"}, {"trial_id": "b"}])
    plan(store, [{"trial_id": "a", "wanted": False, "grid": "h"}])
    assert ask(store, "SELECT trial_id, wanted, grid FROM trials ORDER BY 1") == [
        {"trial_id": "a", "wanted": False, "grid": "h"},
        {"trial_id": "b", "wanted": True, "grid": "g"},
    ]


def test_several_sweeps_at_once(tmp_path):
    stores = [Store(tmp_path / "one"), Store(tmp_path / "two")]
    for number, store in enumerate(stores):
        plan(store, [{"trial_id": "a"}], sweep=store.root.name)
        values = {s: {"m": float(number)} for s in range(4)}
        write(store, "a", values, sweep=store.root.name, closed=False)
    write(stores[1], "a", {2: {"m": 5.0}}, attempt=1, resumed_from=1, sweep="two")
    with open_stores([store.root for store in stores]) as reader:
        rows = reader.sql("SELECT sweep, count(*) AS n, max(value) AS m FROM metrics GROUP BY ALL")
        assert sorted(rows.to_pylist(), key=str) == [
            {"sweep": "one", "n": 4, "m": 0.0},
            {"sweep": "two", "n": 3, "m": 5.0},
        ]
        assert reader.sql("SELECT m FROM trials ORDER BY sweep").to_pylist() == [
            {"m": 0.0},
            {"m": 5.0},
        ]


def test_events_count_once_while_a_fold_and_loose_files_stand_together(store):
    plan(store, [{"trial_id": "a"}])
    begin(store, "a")
    end(store, "a")
    assert Ledger(store, sweep="s").fold(at=1)
    begin(store, "b")
    assert len(store.list("events/")) == 4
    rows = ask(store, "SELECT trial_id, status FROM events")
    assert [tuple(row.values()) for row in rows] == [
        ("a", "running"),
        ("a", "completed"),
        ("b", "running"),
    ]


def test_parameters_are_bound_never_pasted(store):
    plan(store, [{"trial_id": "a"}, {"trial_id": "b"}])
    hostile = "a' OR '1'='1"
    text = "SELECT trial_id FROM trials WHERE trial_id = $id AND seed < $most"
    assert ask(store, text, {"id": "a", "most": 5}) == [{"trial_id": "a"}]
    assert ask(store, text, {"id": hostile, "most": 5}) == []
    with pytest.raises(QueryError, match=r"sql: each \$name needs a value, got none for most"):
        ask(store, text, {"id": "a"})
    with pytest.raises(QueryError, match=r"sql: the statement has no \$more"):
        ask(store, text, {"id": "a", "most": 1, "more": 2})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT stauts FROM trials", 'got "stauts". Nearest: status.'),
        ("SELECT t.stauts FROM trials t", 'got "stauts". Nearest: status.'),
        ("SELECT config.model.knd FROM trials", 'no field "knd". Nearest: kind.'),
        ("SELECT x.status FROM trials", 'got "x". Known: trials.'),
        ("SELECT * FROM trails", "got 'trails'. Nearest: trials."),
        ("SELECT * FROM metric", "got 'metric'. Nearest: metrics."),
        ("SELECT flor(1)", "got flor. Nearest: floor."),
        ("SELECT 'a'::INT", "Could not convert string 'a'"),
        ("SELECT 1 +", "syntax error"),
        ("SELECT count(*) FROM trials GROUP BY", "syntax error at or near"),
        ("", "one statement at a time, got 0"),
        ("-- nothing", "one statement at a time, got 0"),
        ("SELECT status, count(*) FROM trials", "GROUP BY"),
    ],
)
def test_errors_are_one_line_with_the_nearest_name(store, text, words):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.0})
    with pytest.raises(QueryError) as caught:
        ask(store, text)
    message = str(caught.value)
    assert message.startswith("sql: ")
    assert words in message
    assert "\n" not in message
    assert caught.value.__cause__ is None


def test_schema_names_every_column(store):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.0})
    with open_stores([store.root]) as reader:
        table = reader.schema().to_pylist()
    views = {row["view"] for row in table}
    assert views == set(VIEWS)
    columns = [row["column"] for row in table if row["view"] == "trials"]
    assert columns == [*TRIAL_COLUMNS, "m"]
    metrics = [(row["column"], row["type"]) for row in table if row["view"] == "metrics"]
    assert metrics[3:5] == [("step", "BIGINT"), ("layer", "VARCHAR")]


def test_an_answer_after_an_error_and_after_another_view(store):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.0})
    with open_stores([store.root]) as reader:
        with pytest.raises(QueryError):
            reader.sql("SELECT nope FROM trials")
        assert reader.sql("SELECT m FROM trials").to_pylist() == [{"m": 1.0}]
        assert reader.sql("SELECT count(*) AS n FROM metrics").to_pylist() == [{"n": 2}]
        assert reader.sql("SELECT m FROM trials").to_pylist() == [{"m": 1.0}]
        assert reader.trusted("SELECT count(*) AS n FROM events").to_pylist() == [{"n": 2}]


def test_reading_and_writing_do_without_pandas(tmp_path):
    """It comes with Ray; pyarrow would import it at the first list it sees."""
    code = """
import sys
from tests.results.sweeps import finish, plan
from results.cliff import cliff
from results.ledger import Ledger
from results.query import open_stores
from results.render import to_bytes
from results.standing import standing
from results.store import Store
store = Store(sys.argv[1])
plan(store, [{"trial_id": "a"}])
finish(store, "a", {"m": 1.0})
Ledger(store, sweep="s").latest(), Ledger(store, sweep="s").trials(), standing(store)
with open_stores([store.root]) as reader:
    answer = reader.sql("FROM trials, events")
    [to_bytes(answer, kind) for kind in ("table", "csv", "json", "parquet")]
    cliff(reader)
print("pandas" in sys.modules)
"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


def test_importing_results_is_light():
    heavy = "{'duckdb', 'pyarrow', 'numpy', 'torch', 'ray', 'matplotlib'}"
    code = f"import sys, results; print(sorted({heavy} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]"
