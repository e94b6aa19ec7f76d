"""The break of a stored sweep: which cells count, what is left out and why, what is said of it."""

import json
import math

import numpy as np
import pytest

from results.cliff import Curve, cells, cliff, missing, to_json
from results.query import open_stores
from tests.results.simulated import broken
from tests.results.sweeps import begin, end, finish, plan


def _trials(rows):
    """Plans one trial a row: (trial_id, grid, sparsity, score, other final metrics)."""
    shared = {"score_rule": "accuracy_ratio", "metric": "val_accuracy", "goal": "maximize"}
    return [
        {
            "trial_id": trial_id,
            "grid": grid,
            "config": {"model": {"kind": grid.partition(".")[0]}},
            "baseline_id": "base",
            **shared,
        }
        for trial_id, grid, *_ in rows
    ]


def _sweep(store, rows):
    plan(store, _trials([("base", "other.base"), *rows]))
    finish(store, "base", {"val_accuracy": 1.0, "val_loss": 2.3, "train_loss": 0.1})
    for trial_id, _, sparsity, score, *rest in rows:
        extra = rest[0] if rest else {"train_loss": 0.3}
        finish(store, trial_id, {"val_accuracy": score, "sparsity": sparsity, **extra})


def _fits(store, **settings):
    with open_stores([store.root]) as reader:
        return {fit.group: fit for fit in cliff(reader, **{"draws": 200, **settings})}


def test_nothing_to_fit(store):
    assert _fits(store) == {}
    plan(store, _trials([("a", "resnet.topk")]))
    assert _fits(store) == {}


def test_too_few_cells_say_so(store):
    _sweep(store, [(f"t{i}", "resnet.topk", i / 10, 1.0) for i in range(5)])
    fit = _fits(store)["resnet.topk"]
    assert fit.break_ is None
    assert fit.reason == "too few cells: 5, a break needs 8"
    assert fit.cells == tuple(f"t{i}" for i in range(5))


def test_too_few_distinct_sparsities_say_so(store):
    _sweep(store, [(f"t{i:02d}", "resnet.topk", (i % 5) / 10, 1.0 - i / 50) for i in range(12)])
    fit = _fits(store)["resnet.topk"]
    assert fit.reason == "too few cells: 5 distinct sparsities, a break needs 3 on each side"


def test_a_break_per_architecture_mechanism_and_pooled(store):
    x = np.linspace(0.05, 0.95, 20)
    rows = []
    for grid, tau in (("resnet.topk", 0.6), ("resnet.norms", 0.6), ("vit.topk", 0.8)):
        y = broken(x, tau, sigma=0.004, seed=len(rows))
        rows += [
            (f"{grid[0]}{grid[-2]}{i:02d}", grid, *xy)
            for i, xy in enumerate(zip(x, y, strict=True))
        ]
    _sweep(store, rows)
    fits = _fits(store)
    assert list(fits) == [
        *("other", "other.base", "resnet", "resnet.norms", "resnet.topk", "vit", "vit.topk"),
        "pooled",
    ]
    for group, tau in (("resnet", 0.6), ("resnet.topk", 0.6), ("vit", 0.8), ("vit.topk", 0.8)):
        fit = fits[group]
        assert fit.break_ == pytest.approx(tau, abs=0.02)
        low, high = fit.interval
        assert low <= fit.break_ <= high
        assert high - low < 0.1
        assert fit.slope_after == pytest.approx(-1.02, abs=0.1)
        assert fit.slope_before == pytest.approx(-0.02, abs=0.03)
        assert fit.reason.startswith("a straight line does worse (F = ")
        assert fit.curve.at(fit.break_) == pytest.approx(1 - 0.02 * tau, abs=0.01)
        assert fit.loss_at == pytest.approx(0.05 + 0.01 / 0.02, abs=0.4)
    assert fits["resnet"].architecture == "resnet"
    assert fits["resnet"].mechanism is None
    assert (fits["vit.topk"].architecture, fits["vit.topk"].mechanism) == ("vit", "topk")
    assert fits["pooled"].n == 60, "the baseline measured no sparsity"
    assert fits["pooled"].left_out == (("base", "no score"),)


def test_blown_up_cells_are_named_and_move_nothing(store):
    x = np.linspace(0.02, 0.95, 28)
    y = broken(x, 0.7, sigma=0.005)
    rows = [(f"t{i:02d}", "resnet.topk", *xy) for i, xy in enumerate(zip(x, y, strict=True))]
    clean = [*rows]
    spoiled = [
        ("blown1", "resnet.topk", 0.38, 0.3),
        ("weak", "resnet.topk", 0.42, 0.9),
        ("blown2", "resnet.topk", 0.40, 0.11),
        ("nan", "resnet.topk", 0.5, math.nan),
        ("stuck", "resnet.topk", 0.93, 0.1, {"train_loss": 2.29}),
        ("dense", "resnet.topk", math.nan, 0.9),
    ]
    _sweep(store, [*clean, *spoiled])
    plan(store, _trials([("gone", "resnet.topk")]))
    begin(store, "gone")
    end(store, "gone", "failed", failure_class="diverged")
    fit = _fits(store)["resnet"]
    assert set(fit.left_out) == {
        ("gone", "diverged"),
        ("blown1", "fell alone"),
        ("weak", "fell alone"),
        ("blown2", "collapsed"),
        ("nan", "no score"),
        ("stuck", "collapsed"),
        ("dense", "no score"),
    }
    assert fit.break_ == pytest.approx(0.7, abs=0.015)
    assert fit.n == 28
    assert fit.curve_with_all.n == 32
    with open_stores([store.root]) as reader:
        named = {cell.trial_id: cell.left_out for cell in cells(reader) if cell.left_out}
    assert named.items() >= dict(fit.left_out).items()


def test_a_mechanism_that_falls_early_keeps_its_cells(store):
    x = np.linspace(0.05, 0.95, 12)
    norms = broken(x, 0.4, change=-0.8, sigma=0.003)
    rows = [(f"n{i:02d}", "resnet.norms", *xy) for i, xy in enumerate(zip(x, norms, strict=True))]
    rows += [(f"k{i:02d}", "resnet.topk", s, 1.0) for i, s in enumerate(x)]
    _sweep(store, rows)
    fits = _fits(store)
    assert fits["resnet.norms"].left_out == ()
    assert fits["resnet.norms"].break_ == pytest.approx(0.4, abs=0.02)
    assert fits["resnet.topk"].break_ is None


def test_only_completed_and_wanted_cells_count(store):
    x = np.linspace(0.05, 0.95, 12)
    _sweep(store, [(f"t{i:02d}", "vit.topk", s, 1.0) for i, s in enumerate(x)])
    unwanted = _trials([("t00", "vit.topk")])[0] | {"wanted": False}
    plan(store, [unwanted, *_trials([("later", "vit.topk")])])
    assert "t00" not in _fits(store)["vit"].cells
    assert "later" not in _fits(store)["pooled"].cells


def test_the_document_is_plain_json(store):
    x = np.linspace(0.05, 0.95, 20)
    y = broken(x, 0.7, sigma=0.004)
    _sweep(store, [(f"t{i:02d}", "vit.topk", *xy) for i, xy in enumerate(zip(x, y, strict=True))])
    with open_stores([store.root]) as reader:
        document = to_json(cliff(reader, draws=100))
    again = json.loads(json.dumps(document, allow_nan=False))
    fits = {fit["group"]: fit for fit in again["fits"]}
    assert {"group", "cells", "break", "interval", "reason"} <= set(fits["vit"])
    assert fits["vit"]["break"] == pytest.approx(0.7, abs=0.02)
    assert len(fits["vit"]["interval"]) == 2
    assert fits["other"]["break"] is None
    assert fits["other"]["interval"] is None


def test_a_curve_without_cells_says_nothing():
    curve = Curve(
        **{"n": 0, "lowest": 0.0, "highest": 0.0, "break_": None, "interval": None},
        **{"level": None, "slope_before": None, "slope_after": None, "reason": "too few cells"},
    )
    assert curve.at(0.5) is None


def test_missing_cells_are_named_in_every_fit_that_lacks_them(store):
    x = np.linspace(0.05, 0.95, 12)
    rows = [(f"k{i:02d}", "vit.topk", s, 1.0) for i, s in enumerate(x)]
    rows += [(f"n{i:02d}", "vit.norms", s, 1.0) for i, s in enumerate(x)]
    _sweep(store, rows)
    plan(store, _trials([("later", "vit.topk"), ("broken", "vit.topk")]))
    begin(store, "broken")
    end(store, "broken", "failed", failure_class="crashed")
    with open_stores([store.root]) as reader:
        absent = missing(reader)
        fits = {fit.group: fit for fit in cliff(reader, draws=200)}
    assert absent == [("broken", "vit.topk", "failed"), ("later", "vit.topk", "planned")]
    assert [group for group, fit in fits.items() if fit.partial] == ["vit", "vit.topk", "pooled"]
    assert fits["vit"].partial_note == "Partial: 2 cells are missing (1 failed, 1 planned)."
    assert fits["vit.norms"].partial_note == ""
    document = to_json(list(fits.values()))
    assert document["partial"]
    assert [cell["trial_id"] for cell in document["missing"]] == ["broken", "later"]
    assert to_json([])["partial"] is False


def test_a_cell_without_its_baseline_says_which(store):
    _sweep(store, [(f"t{i}", "vit.topk", i / 10, 1.0) for i in range(3)])
    plan(store, [_trials([("alone", "vit.topk")])[0] | {"baseline_id": "gone"}])
    finish(store, "alone", {"val_accuracy": 0.9, "sparsity": 0.5})
    fit = _fits(store)["vit"]
    assert fit.left_out == (("alone", "no baseline: gone is not in the sweep"),)


def test_all_scores_nan_one_cell_and_a_metric_that_only_some_have(store):
    rows = [(f"t{i}", "vit.topk", i / 10, math.nan) for i in range(9)]
    _sweep(store, rows)
    fits = _fits(store)
    assert fits["vit"].reason == "too few cells: 0, a break needs 8"
    assert fits["vit"].loss_at is None
    assert len(fits["vit"].left_out) == 9
    plan(store, _trials([("one", "mlp.topk"), ("other", "mlp.topk")]))
    finish(store, "one", {"val_accuracy": 0.9, "sparsity": 0.5})
    finish(store, "other", {"val_loss": 0.3})
    fits = _fits(store)
    assert fits["mlp"].cells == ("one",)
    assert fits["mlp"].left_out == (("other", "no score"),)
    assert fits["mlp"].reason == "too few cells: 1, a break needs 8"
    json.dumps(to_json(list(fits.values())), allow_nan=False)


def test_an_interval_that_a_search_looked_at_pays_for_the_looks(store):
    """One cell that it asked for is enough; break and loss stay what they are."""
    x = np.linspace(0, 0.95, 24)
    rows = [
        (f"t{i:02d}", grid, *xy)
        for grid in ("resnet.topk", "vit.topk")
        for i, xy in enumerate(zip(x, broken(x, 0.6, sigma=0.02), strict=True))
    ]
    rows = [(f"{grid[0]}{trial_id}", grid, *rest) for trial_id, grid, *rest in rows]
    _sweep(store, rows)
    plan(store, [{**_trials(rows)[5], "adaptive": True}])
    fits = _fits(store, draws=1000)
    searched, chosen = fits["resnet"], fits["vit"]
    assert (searched.break_, searched.loss_at) == (chosen.break_, chosen.loss_at)
    assert searched.interval[0] < chosen.interval[0]
    assert searched.interval[1] > chosen.interval[1]
    assert "chosen by a search that looked at the interval" in searched.reason
    assert "search" not in chosen.reason
