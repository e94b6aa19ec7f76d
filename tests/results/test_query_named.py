"""The questions that come with the package, over stores with everything, little and nothing."""

import math

import pytest

from results.errors import QueryError
from results.query import open_stores
from results.query_named import load, names
from results.store import Store
from tests.results.sweeps import begin, end, finish, plan, write

ASKED_FOR = {
    *("leaderboard", "sparsity_accuracy", "sparsity_by_layer", "drift_over_steps", "spikes"),
    *("failures", "throughput", "coverage", "slowest_cells"),
}


def ask(name, *stores):
    with open_stores([store.root for store in stores]) as reader:
        return reader.sql(load(name).text).to_pylist()


def config(model="mlp", **activation):
    return {"model": {"kind": model}, "activation": {"kind": "relu", **activation}}


@pytest.fixture
def sweep(store):
    shared = {"metric": "acc", "goal": "maximize", "score_rule": "accuracy_ratio"}
    shared |= {"baseline_id": "base", "commit": "f00", "versions": {"torch": "2", "a.b": "1"}}
    cells = {
        "base": ("m.activations", 0, config()),
        "half": ("m.topk", 0, config(kind="topk", share=0.5)),
        "half2": ("m.topk", 1, config(kind="topk", share=0.5)),
        "lost": ("m.topk", 0, config(kind="topk", share=0.9)),
        "late": ("m.norms", 0, config()),
    }
    plan(
        store,
        [
            {"trial_id": t, "grid": g, "seed": s, "config": c | {"seed": s}, **shared}
            for t, (g, s, c) in cells.items()
        ],
    )
    for trial_id, score, sparsity in (
        ("base", 0.9, 0.1),
        ("half", 0.81, 0.5),
        ("half2", 0.72, 0.5),
    ):
        layers = {"b0": {"sparsity": sparsity, "spike_max": 2.0}, "b1": {"spike_max": 8 * score}}
        values = {"acc": score, "sparsity": sparsity, "spike_max": 10 * score, "step_time_s": 0.1}
        values |= {"drift_z": -score, "negative_share": 0.5}
        begin(store, trial_id, host="h", device="cpu")
        write(store, trial_id, {0: (values, layers), 8: (values, layers)})
        end(store, trial_id, minute=2)
    begin(store, "lost", host="h", device="cpu")
    write(store, "lost", {0: {"acc": 0.1}, 4: {"acc": math.nan}}, closed=False)
    end(store, "lost", "failed", minute=3, failure_class="diverged", detail="loss is nan\nat 4")
    return store


def test_each_has_a_title_and_is_found_by_name():
    assert set(names()) >= ASKED_FOR
    for name in names():
        found = load(name)
        assert found.text.startswith("-- "), name
        assert 10 < len(found.title) < 80, name
        assert "\n" not in found.title
    assert load("sparsity-accuracy").name == "sparsity_accuracy"
    with pytest.raises(QueryError, match=r"got 'leaderbord'\. Nearest: leaderboard\."):
        load("leaderbord")
    with pytest.raises(QueryError, match="Known: activations"):
        load("../cells")


@pytest.mark.parametrize("name", names())
def test_each_answers_over_an_empty_store(store, name):
    assert ask(name, store) == []
    assert ask(name) == []


@pytest.mark.parametrize("name", names())
def test_each_answers_without_the_metrics_it_asks_for(store, name):
    plan(store, [{"trial_id": "a", "config": {}}, {"trial_id": "b", "config": {"model": 1}}])
    finish(store, "a", {"other": 1.0})
    begin(store, "b")
    rows = ask(name, store)
    numbers = {"median", "drift_z", "spike_max", "sparsity"}
    assert all(row.get(word) is None for row in rows for word in numbers)


@pytest.mark.parametrize("name", names())
def test_each_answers_where_metrics_are_named_like_its_columns(sweep, name):
    words = "sweep name layer value last architecture mechanism x rank host score step cells metric"
    write(sweep, "late", {0: dict.fromkeys([*words.split(), "activation", "status"], 1.0)})
    before = ask(name, sweep)
    assert before or name in ("seed_spread", "not_finite")


@pytest.mark.parametrize("name", names())
def test_each_tells_several_sweeps_apart(sweep, tmp_path, name):
    other = Store(tmp_path / "other")
    plan(other, [{"trial_id": "base", "metric": "acc", "goal": "maximize"}], sweep="other")
    finish(other, "base", {"acc": 0.5, "sparsity": 0.9}, sweep="other")
    both = ask(name, sweep, other)
    for which, store in (("s", sweep), ("other", other)):
        rows = [row for row in both if row["sweep"] == which]
        assert str(rows) == str(ask(name, store)), which  # As text, since NaN is not equal to NaN.


def test_the_leaderboard_ranks_by_score(sweep):
    rows = ask("leaderboard", sweep)
    assert [(r["rank"], r["trial_id"], r["score"]) for r in rows] == [
        (1, "base", 1.0),
        (2, "half", 0.9),
        (3, "half2", 0.8),
    ]
    assert (rows[1]["activation"], rows[1]["value"], rows[1]["above"]) == (
        "topk share 0.5",
        0.81,
        0.5,
    )


def test_sparsity_beside_what_was_asked_for(sweep):
    rows = {row["trial_id"]: row for row in ask("sparsity_accuracy", sweep)}
    assert set(rows) == {"base", "half", "half2", "lost", "late"}
    half, lost = rows["half"], rows["lost"]
    assert (half["requested"], half["sparsity"], half["lost"]) == (0.5, 0.5, 0.1)
    assert (lost["requested"], lost["sparsity"], lost["score"]) == (0.9, None, None)


def test_sparsity_by_layer_and_spikes(sweep):
    rows = ask("sparsity_by_layer", sweep)
    assert [(r["mechanism"], r["layer"], r["cells"], r["median"]) for r in rows] == [
        ("activations", "b0", 1, 0.1),
        ("topk", "b0", 2, 0.5),
    ]
    spikes = {row["trial_id"]: row for row in ask("spikes", sweep)}
    assert (spikes["half"]["spike_max"], spikes["half"]["layer"]) == (pytest.approx(8.1), "b1")
    assert (spikes["half"]["against_baseline"], spikes["base"]["against_baseline"]) == (0.9, 1.0)


def test_drift_over_steps(sweep):
    rows = ask("drift_over_steps", sweep)
    assert [(r["step"], r["cells"], r["drift_median"], r["drifting_down"]) for r in rows] == [
        (0, 3, -0.81, 1.0),
        (8, 3, -0.81, 1.0),
    ]


def test_failures_and_what_is_not_finite(sweep):
    (row,) = ask("failures", sweep)
    assert (row["trial_id"], row["lost_s"], row["detail"]) == ("lost", 180.0, "loss is nan")
    assert (row["standing"], row["mended"]) == ("failed", False)
    (row,) = ask("not_finite", sweep)
    assert (row["trial_id"], row["name"], row["first_step"]) == ("lost", "acc", 4)
    begin(sweep, "lost", attempt=1, minute=4)
    end(sweep, "lost", attempt=1, minute=5)
    assert ask("failures", sweep)[0]["mended"]


def test_throughput_and_the_slowest(sweep):
    rows = ask("throughput", sweep)
    assert [(r["architecture"], r["attempts"], r["done"]) for r in rows] == [
        ("mlp", 4, 3),
        ("(all)", 4, 3),
    ]
    assert (rows[1]["busy_s"], rows[1]["span_s"], rows[1]["at_once"]) == (540.0, 180.0, 3.0)
    slowest = ask("slowest_cells", sweep)
    assert [row["trial_id"] for row in slowest] == ["lost", "base", "half", "half2"]
    assert slowest[0]["against_grid_median"] == 1.5


def test_coverage_names_what_lacks(sweep):
    rows = {row["grid"]: row for row in ask("coverage", sweep)}
    assert (rows["m.topk"]["lacking"], rows["m.topk"]["done"]) == (["lost"], 0.667)
    assert (rows["m.norms"]["lacking"], rows["m.norms"]["scored"]) == (["late"], 0)


def test_seeds_activations_provenance_and_what_is_stored(sweep):
    (row,) = ask("seed_spread", sweep)
    assert (row["seeds"], row["score"], row["deviation"]) == (2, 0.85, 0.0707)
    assert row["trials"] == ["half", "half2"]
    (row,) = ask("activations", sweep)
    assert (row["activation"], row["difference"], row["sparsity"]) == ("relu", 0.0, 0.1)
    facts = {row["fact"]: (row["value"], row["trials"]) for row in ask("provenance", sweep)}
    assert facts["version of a.b"] == ("1", 5)
    assert facts["host"] == ("h", 4)
    stored = {row["name"]: row for row in ask("stored", sweep)}
    assert (stored["acc"]["trials"], stored["acc"]["not_finite"]) == (4, 1)
    assert (stored["sparsity"]["layers"], stored["sparsity"]["whole_model"]) == (1, True)
