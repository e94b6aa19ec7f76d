"""Known breaks are found, none is claimed where there is none, and blown-up cells move nothing."""

import json
import math

import numpy as np
import pytest

from results.cliff import Curve, cells, cliff, to_json
from results.query import open_stores
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


def _broken(x, tau, *, before=-0.02, change=-1.0, sigma=0.01, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, len(x))
    return 1 + before * x + change * np.maximum(x - tau, 0) + noise


@pytest.fixture(scope="module")
def bench():
    """Many simulated sweeps fitted at once: each is a mechanism of one architecture."""
    with open_stores([]) as reader:
        yield lambda simulations, **settings: _together(reader, simulations, **settings)


def _together(reader, simulations, *, draws=100):
    x = np.concatenate([x for x, _ in simulations])
    y = np.concatenate([y for _, y in simulations])
    names = [f"m{i}" for i, (x, _) in enumerate(simulations) for _ in x]
    reader.trusted(
        "CREATE OR REPLACE TEMP TABLE simulated AS "
        "SELECT unnest($ids) AS id, unnest($grids) AS grid, unnest($x) AS x, unnest($y) AS y",
        {"ids": list(range(len(x))), "grids": names, "x": x.tolist(), "y": y.tolist()},
    )
    reader.trusted(
        "CREATE OR REPLACE TABLE trials AS SELECT 's' AS sweep, id AS trial_id, "
        "NULL AS baseline_id, {'model': {'kind': 'a'}} AS config, 'a.' || grid AS grid, "
        "y AS score, 'accuracy_ratio' AS score_rule, 'acc' AS metric, 'completed' AS status, "
        "NULL::VARCHAR AS failure_class, true AS wanted FROM simulated; "
        "DELETE FROM kept.finals; INSERT INTO kept.finals BY NAME "
        "SELECT 's' AS sweep, id AS trial_id, 'sparsity' AS name, x AS last FROM simulated"
    )
    fits = {fit.group: fit for fit in cliff(reader, draws=draws)}
    return [fits[f"a.m{i}"] for i in range(len(simulations))]


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
        y = _broken(x, tau, sigma=0.004, seed=len(rows))
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
    y = _broken(x, 0.7, sigma=0.005)
    rows = [(f"t{i:02d}", "resnet.topk", *xy) for i, xy in enumerate(zip(x, y, strict=True))]
    clean = [*rows]
    spoiled = [
        ("blown1", "resnet.topk", 0.38, 0.18),
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
        ("blown2", "fell alone"),
        ("nan", "no score"),
        ("stuck", "collapsed"),
        ("dense", "no score"),
    }
    assert fit.break_ == pytest.approx(0.7, abs=0.015)
    assert fit.n == 28
    assert fit.curve_with_all.n == 31
    with open_stores([store.root]) as reader:
        named = {cell.trial_id: cell.left_out for cell in cells(reader) if cell.left_out}
    assert named.items() >= dict(fit.left_out).items()


def test_a_mechanism_that_falls_early_keeps_its_cells(store):
    x = np.linspace(0.05, 0.95, 12)
    norms = _broken(x, 0.4, change=-0.8, sigma=0.003)
    rows = [(f"n{i:02d}", "resnet.norms", *xy) for i, xy in enumerate(zip(x, norms, strict=True))]
    rows += [(f"k{i:02d}", "resnet.topk", s, 1.0) for i, s in enumerate(x)]
    _sweep(store, rows)
    fits = _fits(store)
    assert fits["resnet.norms"].left_out == ()
    assert fits["resnet.norms"].break_ == pytest.approx(0.4, abs=0.02)
    assert fits["resnet.topk"].break_ is None


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (np.ones_like, "the score does not fall faster anywhere"),
        (lambda x: 1 - 0.3 * x, "the score does not fall faster anywhere"),
        (lambda x: 1 + np.maximum(x - 0.5, 0), "the score does not fall faster anywhere"),
        (lambda x: np.minimum(x, 0.6), "the score bends at 0.60 but does not fall behind it"),
        (lambda x: 1 - 0.02 * np.maximum(x - 0.6, 0), "within the 0.01 that count as no loss"),
    ],
)
def test_no_cliff_in_words(bench, scores, reason):
    x = np.linspace(0, 0.95, 40)
    (fit,) = bench([(x, scores(x))])
    assert fit.break_ is None
    assert fit.interval is None
    assert reason in fit.reason


@pytest.mark.parametrize("place", [0, 1, 9, 20])
def test_a_blown_up_cell_is_seen_wherever_others_follow(bench, place):
    x = np.linspace(0, 0.95, 28)
    y = _broken(x, 0.75, sigma=0.01)
    y[place] = 0.15
    (fit,) = bench([(x, y)])
    assert fit.left_out == ((place, "fell alone"),)
    assert fit.break_ == pytest.approx(0.75, abs=0.03)


def test_neither_cliffs_nor_rising_scores_leave_cells_out(bench):
    designs = [np.linspace(0, 0.95, n) for n in (8, 12, 28)]
    shapes = [
        *[(x, 1 - 2 * np.maximum(x - 0.6, 0)) for x in designs],
        *[(x, np.where(x > 0.7, 0.2, 1.0)) for x in designs],
        *[(x, 0.3 + x) for x in designs],
        *[(x, 1 - np.maximum(x - 0.3, 0) ** 2) for x in designs],
    ]
    assert [fit.left_out for fit in bench(shapes)] == [()] * len(shapes)


def test_only_completed_and_wanted_cells_count(store):
    x = np.linspace(0.05, 0.95, 12)
    _sweep(store, [(f"t{i:02d}", "vit.topk", s, 1.0) for i, s in enumerate(x)])
    unwanted = _trials([("t00", "vit.topk")])[0] | {"wanted": False}
    plan(store, [unwanted, *_trials([("later", "vit.topk")])])
    assert "t00" not in _fits(store)["vit"].cells
    assert "later" not in _fits(store)["pooled"].cells


def test_the_document_is_plain_json(store):
    x = np.linspace(0.05, 0.95, 20)
    y = _broken(x, 0.7, sigma=0.004)
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


def test_the_same_data_give_the_same_answer(bench):
    x = np.linspace(0, 0.95, 28)
    y = _broken(x, 0.6, change=-0.3, sigma=0.02)
    first, second = bench([(x, y)]), bench([(x, y)])
    assert first == second


def test_the_loss_that_counts_as_none(bench):
    x = np.linspace(0, 1, 41)
    (flat,) = bench([(x, np.ones_like(x))])
    assert flat.loss_at == 1.0
    (falling,) = bench([(x, 1 - 0.1 * x)])
    assert falling.loss_at == pytest.approx(0.1, abs=1e-6)
    (late,) = bench([(x, 1 - np.maximum(x - 0.6, 0) * 0.5)])
    assert late.break_ == 0.6
    assert late.loss_at == pytest.approx(0.62, abs=0.001)


def test_a_curve_without_cells_says_nothing():
    curve = Curve(
        **{"n": 0, "lowest": 0.0, "highest": 0.0, "break_": None, "interval": None},
        **{"level": None, "slope_before": None, "slope_after": None, "reason": "too few cells"},
    )
    assert curve.at(0.5) is None


def _lines(count, *, n, seed=0):
    random = np.random.default_rng(seed)
    x = random.uniform(0, 0.95, (count, n))
    return [(xs, 1 - 0.1 * xs + random.normal(0, 0.01, n)) for xs in x]


def _breaks(count, *, n, tau, change, sigma, seed=0):
    random = np.random.default_rng(seed)
    designs = random.uniform(0, 0.95, (count, n))
    return [
        (x, _broken(x, tau, change=change, sigma=sigma, seed=seed + i))
        for i, x in enumerate(designs)
    ]


def _check_found(fits, tau, *, error, coverage):
    found = [fit.break_ for fit in fits if fit.break_ is not None]
    assert len(found) >= 0.95 * len(fits)
    assert np.median(np.abs(np.array(found) - tau)) <= error
    inside = [fit.interval[0] <= tau <= fit.interval[1] for fit in fits if fit.interval]
    assert np.mean(inside) >= coverage


def test_few_breaks_are_claimed_on_straight_lines(bench):
    fits = bench(_lines(100, n=20))
    assert sum(fit.break_ is not None for fit in fits) <= 0.08 * len(fits)


@pytest.mark.parametrize(
    ("tau", "change", "sigma", "error"),
    [(0.4, -1.0, 0.01, 0.015), (0.7, -0.5, 0.01, 0.025), (0.7, -2.0, 0.005, 0.005)],
)
def test_known_breaks_are_recovered(bench, tau, change, sigma, error):
    fits = bench(_breaks(20, n=28, tau=tau, change=change, sigma=sigma))
    _check_found(fits, tau, error=error, coverage=0.8)


@pytest.mark.long
def test_few_breaks_are_claimed_on_a_thousand_straight_lines(bench):
    fits = [fit for seed in range(20) for fit in bench(_lines(50, n=28, seed=seed), draws=400)]
    assert sum(fit.break_ is not None for fit in fits) <= 0.06 * len(fits)


@pytest.mark.long
@pytest.mark.parametrize("n", [28, 79])
@pytest.mark.parametrize("tau", [0.3, 0.5, 0.7])
def test_known_breaks_are_recovered_at_length(bench, n, tau):
    settings = {"n": n, "tau": tau, "change": -1.0, "sigma": 0.01}
    fits = [
        fit
        for seed in range(0, 300, 50)
        for fit in bench(_breaks(50, seed=1000 * seed, **settings))
    ]
    _check_found(fits, tau, error=0.02, coverage=0.9)
