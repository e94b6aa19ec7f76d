"""Known breaks are found, none is claimed where there is none, and blown-up cells move nothing."""

import json
import math
import warnings

import numpy as np
import pytest

from results.cliff import Curve, cells, cliff, missing, to_json
from results.query import open_stores
from tests.results.simulated import Setting, fit_all, place, sweeps
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
def reader():
    """Without a store: simulations stand where its trials would."""
    with open_stores([]) as reader:
        yield reader


@pytest.fixture
def bench(reader):
    """Curves of many simulated sweeps, fitted at once."""

    def fit(simulations, *, draws=200, delta=0.01):
        return [curve for curve, _ in fit_all(reader, simulations, draws=draws, delta=delta)]

    return fit


@pytest.fixture
def whole(reader):
    """The fit of one simulated sweep, as the verb sees it."""

    def fit(x, y, **settings):
        place(reader, [(x, y)])
        return cliff(reader, **{"draws": 200, **settings})[0]

    return fit


@pytest.fixture
def left_out(reader):
    """[(place in the sweep, reason)] of each simulated sweep."""

    def find(simulations):
        place(reader, simulations)
        ends = np.cumsum([len(x) for x, _ in simulations])
        starts = [0, *ends[:-1]]
        rows = [(int(cell.trial_id), cell.left_out) for cell in cells(reader) if cell.left_out]
        return [
            [(row - start, reason) for row, reason in rows if start <= row < end]
            for start, end in zip(starts, ends, strict=True)
        ]

    return find


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


@pytest.mark.parametrize("index", [0, 1, 9, 20])
def test_a_blown_up_cell_is_seen_wherever_others_follow(left_out, whole, index):
    x = np.linspace(0, 0.95, 28)
    y = _broken(x, 0.75, sigma=0.01)
    y[index] = 0.25
    assert left_out([(x, y)]) == [[(index, "fell alone")]]
    assert whole(x, y).break_ == pytest.approx(0.75, abs=0.03)


def test_neither_cliffs_nor_rising_scores_leave_cells_out(left_out):
    designs = [np.linspace(0, 0.95, n) for n in (8, 12, 28)]
    shapes = [
        *[(x, 1 - 2 * np.maximum(x - 0.6, 0)) for x in designs],
        *[(x, np.where(x > 0.7, 0.3, 1.0)) for x in designs],
        *[(x, 0.3 + x) for x in designs],
        *[(x, 1 - np.maximum(x - 0.3, 0) ** 2) for x in designs],
    ]
    assert left_out(shapes) == [[]] * len(shapes)


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


def test_the_loss_that_counts_as_none(whole):
    x = np.linspace(0, 1, 41)
    assert whole(x, np.ones_like(x)).loss_at == 1.0
    falling = whole(x, 1 - 0.1 * x)
    assert falling.loss_at == pytest.approx(0.1, abs=1e-6)
    late = whole(x, 1 - np.maximum(x - 0.6, 0) * 0.5)
    assert late.break_ == 0.6
    assert late.loss_at == pytest.approx(0.62, abs=0.001)
    assert whole(x, 1 - np.maximum(x - 0.6, 0) * 0.5, delta=0.1).loss_at == pytest.approx(0.8)
    assert whole(x, 1 - 0.1 * x, delta=0).loss_at == 0


def test_a_curve_without_cells_says_nothing():
    curve = Curve(
        **{"n": 0, "lowest": 0.0, "highest": 0.0, "break_": None, "interval": None},
        **{"level": None, "slope_before": None, "slope_after": None, "reason": "too few cells"},
    )
    assert curve.at(0.5) is None


def _error(curves, tau):
    return float(np.median([abs(curve.break_ - tau) for curve in curves]))


def _coverage(curves, tau):
    inside = [c.interval[0] - 1e-9 <= tau <= c.interval[1] + 1e-9 for c in curves]
    return float(np.mean(inside))


def test_few_breaks_are_claimed_on_straight_lines(bench):
    setting = Setting(28, None, -0.1, design="uneven")
    curves = bench(sweeps(setting, 60, seed=11), draws=1000)
    # With a rate of 4 %, 7 or more of 60 come in 1 of 100 cases.
    assert sum(curve.break_ is not None for curve in curves) <= 6


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        (Setting(28, 0.4, -1.0), 0.016),
        (Setting(28, 0.7, -0.5, design="uneven"), 0.035),
        (Setting(28, 0.7, -2.0, sigma=0.005), 0.01),
        (Setting(28, 0.4, -4.0, 2.0, sigma=0.005), 0.03),
        (Setting(28, 0.4, -4.0, classes=10), 0.01),
    ],
)
def test_known_breaks_are_recovered(bench, setting, error):
    curves = [c for c in bench(sweeps(setting, 30, seed=5)) if c.break_ is not None]
    assert len(curves) >= 28
    assert _error(curves, setting.tau) <= error
    assert _coverage(curves, setting.tau) >= 0.83


def test_cells_that_fall_for_another_reason_move_no_break(bench):
    setting = Setting(28, 0.7, -0.5, sigma=0.005)
    clean = bench(sweeps(setting, 40, seed=3))
    spoiled = bench(sweeps(Setting(28, 0.7, -0.5, sigma=0.005, blown=3), 40, seed=3))
    assert all(curve.break_ is not None for curve in spoiled)
    assert _error(spoiled, 0.7) <= 1.5 * _error(clean, 0.7) + 0.0025
    assert _coverage(spoiled, 0.7) >= 0.85


def test_a_curved_fall_is_named_and_its_interval_covers(bench):
    setting = Setting(79, 0.4, -4.0, 2.0, sigma=0.005)
    curves = bench(sweeps(setting, 10, seed=1))
    assert [curve.shape for curve in curves] == [2.0] * 10
    assert "a fall by the power 2 fits best" in curves[0].reason
    assert "with a straight fall" in curves[0].reason
    x = np.linspace(0, 0.95, 20)
    expected = 1 - 0.02 * x - 4 * np.maximum(x - 0.4, 0) ** 2
    assert [curves[0].at(s) for s in x] == pytest.approx(expected, abs=0.02)


def test_what_pwlf_finds(reader):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pwlf
    setting = Setting(40, 0.6, -1.0)
    simulations = sweeps(setting, 20, seed=21)
    straight = 0
    for (curve, row), (x, y) in zip(
        fit_all(reader, simulations, draws=200), simulations, strict=True
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            second = pwlf.PiecewiseLinFit(x, y, seed=1)
            second.fit(2)
        # The grid is 0.0025 wide; a curved shape may have won, the straight one is known as well.
        assert row["shapes"][0]["tau"] == pytest.approx(second.fit_breaks[1], abs=0.0025)
        if curve.shape == 1:
            straight += 1
            assert curve.slope_before == pytest.approx(second.slopes[0], abs=0.01)
            assert curve.slope_after == pytest.approx(second.slopes[1], abs=0.05)
    assert straight >= 16


def test_the_interval_of_the_loss_covers(reader):
    setting = Setting(28, 0.6, -1.0)
    rows = [row for _, row in fit_all(reader, sweeps(setting, 40, seed=9), draws=200)]
    # 0.02 · 0.5 = 0.01: the loss reaches delta at 0.5 exactly.
    inside = [row["loss_low"] - 0.0025 <= 0.5 <= row["loss_high"] + 0.0025 for row in rows]
    assert np.mean(inside) >= 0.8
    assert all(row["loss_low"] <= row["loss_at"] <= row["loss_high"] for row in rows)


def test_a_score_that_drops_to_chance_between_two_cells(whole):
    x = np.linspace(0.05, 0.95, 19)
    y = np.where(x > 0.72, 0.11, 1.0) + np.random.default_rng(0).normal(0, 0.004, 19)
    fit = whole(x, y)
    assert fit.interval == pytest.approx((0.7, 0.75))
    assert fit.break_ == pytest.approx(0.725)
    assert fit.reason.startswith("all 5 cells from 0.75 on are at chance level, none of the 14")
    assert {reason for _, reason in fit.left_out} == {"at the floor"}
    assert fit.loss_at == pytest.approx(0.7)
    assert fit.curve.at(0.75) == pytest.approx(0.11, abs=0.02)


def test_cells_at_the_floor_do_not_flatten_the_fall(whole):
    setting = Setting(28, 0.4, -3.0, sigma=0.003, classes=10)
    ((x, y),) = sweeps(setting, 1, seed=2)
    fit = whole(x, y)
    assert fit.break_ == pytest.approx(0.4, abs=0.01)
    assert fit.curve.shape == 1
    assert fit.slope_after == pytest.approx(-3.02, abs=0.15)
    assert [reason for _, reason in fit.left_out] == ["at the floor"] * sum(y < 0.2)


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


@pytest.mark.long
def test_few_breaks_are_claimed_on_a_thousand_straight_lines(bench):
    curves = [
        curve
        for n in (28, 79)
        for design in ("even", "uneven")
        for curve in bench(sweeps(Setting(n, None, -0.1, design=design), 250, seed=n), draws=2000)
    ]
    assert sum(curve.break_ is not None for curve in curves) <= 60


@pytest.mark.long
@pytest.mark.parametrize("n", [28, 79])
@pytest.mark.parametrize("tau", [0.3, 0.5, 0.7])
def test_known_breaks_are_recovered_at_length(bench, n, tau):
    setting = Setting(n, tau, -1.0)
    curves = bench(sweeps(setting, 300, seed=n))
    assert all(curve.break_ is not None for curve in curves)
    assert _error(curves, tau) <= max(0.01, 1.5 * 0.67 * setting.error())
    assert 0.88 <= _coverage(curves, tau) <= 0.99
