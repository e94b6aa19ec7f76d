"""The rows behind the figures: paired differences, labels, samples, curves."""

import statistics

import pytest

from results.query import open_stores
from results.report_figures import FIGURES, answer, collect, query, rows
from tests.results.reports import AS_OF, SHARED, row, small, train
from tests.results.sweeps import begin, end, finish, plan, write


def _rows(store, name):
    with open_stores([store.root]) as reader:
        found = answer(reader, name)
    return [dict(zip(found["columns"], values, strict=True)) for values in found["rows"]]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_says_what_it_shows_and_asks_once(name):
    text = query(name)
    assert text.startswith("-- ")
    assert text.splitlines()[0].endswith((".", ":"))
    assert ";" not in text.replace("--", "").splitlines()[-1]


def test_differences_are_paired_by_seed(store):
    seeds = range(4)
    plan(store, [row(f"resnet-relu-{s}", seed=s) for s in seeds])
    plan(store, [row(f"gelu-{s}", activation="gelu", seed=s) for s in seeds])
    base = [0.80, 0.70, 0.75, 0.85]
    gains = [0.010, 0.014, 0.012, 0.016]
    for s in seeds:
        train(store, f"resnet-relu-{s}", acc=base[s], sparsity=0.5)
        train(store, f"gelu-{s}", acc=base[s] + gains[s], sparsity=0.1 * s)
    gelu, relu = _rows(store, "ranking")
    assert (gelu["activation"], relu["activation"]) == ("gelu", "relu")
    assert gelu["seeds"] == 4
    assert gelu["gain"] == pytest.approx(statistics.mean(gains))
    half = 3.1824 * statistics.stdev(gains) / 2
    assert gelu["low"] == pytest.approx(gelu["gain"] - half)
    assert gelu["high"] == pytest.approx(gelu["gain"] + half)
    assert relu["is_baseline"]
    assert (relu["gain"], relu["low"]) == (0.0, None)


def test_one_seed_has_no_interval_and_less_loss_is_a_gain(store):
    settings = {**SHARED, "metric": "loss", "goal": "minimize", "score_rule": "exp_loss"}
    plan(store, [row("resnet-relu-0", **settings), row("a", activation="gelu", **settings)])
    finish(store, "resnet-relu-0", {"loss": 2.0})
    finish(store, "a", {"loss": 1.9})
    best = _rows(store, "ranking")[0]
    assert (best["activation"], best["seeds"]) == ("gelu", 1)
    assert best["gain"] == pytest.approx(0.1)
    assert (best["low"], best["high"]) == (None, None)


def test_only_cells_that_differ_in_the_activation_are_ranked(store):
    plan(
        store,
        [
            row("resnet-relu-0"),
            row("a", activation="gelu"),
            row("b", activation="gelu", config={"norm": {"kind": "layernorm"}}),
        ],
    )
    for trial_id in ("resnet-relu-0", "a", "b"):
        train(store, trial_id, acc=0.8, sparsity=0.5)
    assert len(_rows(store, "ranking")) == 2


def test_activations_with_other_values_stay_apart(store):
    kinds = [{"kind": "clip", "clip": c, "noise": 1.0} for c in (15.0, 50.0)]
    plan(store, [row("resnet-relu-0"), *(row(f"c{i}", activation=k) for i, k in enumerate(kinds))])
    for trial_id in ("resnet-relu-0", "c0", "c1"):
        train(store, trial_id, acc=0.8, sparsity=0.5)
    names = sorted(found["activation"] for found in _rows(store, "ranking"))
    assert names == ["clip, clip 15", "clip, clip 50", "relu"]


def test_a_cell_is_called_by_what_sets_it_apart_from_its_baseline(store):
    small(store)
    labels = {found["trial_id"]: found["label"] for found in _rows(store, "cells")}
    assert labels["resnet-relu-0"] == "relu"
    assert labels["resnet-gelu-0"] == "gelu"
    assert labels["topk-00"] == "topk, share 0.077"


def test_requested_sparsity_is_the_share_or_the_quantile(store):
    plan(
        store,
        [
            row("a", activation={"kind": "topk", "share": 0.5}),
            row("b", activation={"kind": "quantile_relu", "quantile": 0.25}),
            row("c", config={"norm": {"kind": "quantile_layernorm", "quantile": 0.9}}),
            row("d"),
        ],
    )
    for trial_id in "abcd":
        train(store, trial_id, acc=0.8, sparsity=0.4)
    found = {r["trial_id"]: (r["lever"], r["requested"]) for r in _rows(store, "requested")}
    assert found == {
        "a": ("topk", 0.5),
        "b": ("quantile_relu", 0.25),
        "c": ("quantile_layernorm", 0.9),
    }


def test_layers_of_many_cells_are_sampled_evenly(store):
    count = 45
    plan(store, [row(f"t{i:02d}", activation={"kind": "topk", "share": i}) for i in range(count)])
    for i in range(count):
        train(store, f"t{i:02d}", acc=0.8, sparsity=i / count)
    found = _rows(store, "layers")
    cells = sorted({r["trial_id"] for r in found})
    assert cells == [f"t{i:02d}" for i in range(0, count, 2)]
    assert len(found) == 2 * len(cells)


def test_curves_keep_medians_and_extremes_of_at_most_sixty_steps(store):
    plan(store, [row(f"t{i}", activation={"kind": "topk", "share": i}) for i in range(3)])
    for i in range(3):
        begin(store, f"t{i}")
        write(store, f"t{i}", {step: {"spike_max": float(i * step)} for step in range(0, 301, 2)})
        end(store, f"t{i}")
    found = _rows(store, "spikes")
    assert len(found) <= 61
    assert [r["step"] for r in found] == sorted({r["step"] for r in found})
    last = found[-1]
    assert (last["step"], last["cells"]) == (300, 3)
    assert (last["low"], last["median"], last["high"]) == (0.0, 300.0, 600.0)


NAMES = (
    *("number", "failed", "requested", "achieved", "label", "name", "value", "last", "layer"),
    *("microseconds", "sparsity", "own", "rest", "many", "tries", "cells", "leaf", "word", "path"),
    *("share", "level", "norm", "activation", "architecture", "mechanism", "identity", "seed_"),
    *("whole", "total", "rank", "detail", "count", "count()", "drift_z", "spike_max", "SELECT"),
)


def test_metrics_of_any_name_disturb_no_figure(store):
    plan(store, [row("resnet-relu-0"), row("a", activation="gelu")])
    for trial_id in ("resnet-relu-0", "a"):
        begin(store, trial_id)
        write(store, trial_id, {5: ({"acc": 0.5, **dict.fromkeys(NAMES, 7.0)}, {})})
        end(store, trial_id)
    assert len(_rows(store, "cells")) == 2
    assert [r["gain"] for r in _rows(store, "ranking")] == [0.0, 0.0]
    for name in FIGURES:
        _rows(store, name)


def test_a_document_is_plain_json_and_its_rows_have_names(store):
    small(store)
    with open_stores([store.root]) as reader:
        document = collect(
            reader, sweep="s", as_of=AS_OF, delta=0.01, partial=False, sweep_file=None
        )
    import json

    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert rows(document, "totals")[0]["expected"] == 14
    assert [fit["group"] for fit in document["fits"]][-1] == "pooled"
