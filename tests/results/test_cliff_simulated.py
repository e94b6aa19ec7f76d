"""On simulated sweeps known breaks are found, and none is claimed where there is none."""

import warnings

import numpy as np
import pytest

from results.cliff import cells, cliff
from results.query import open_stores
from tests.results.simulated import Setting, broken, fit_all, place, sweeps


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
    y = broken(x, 0.75, sigma=0.01)
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


def test_the_same_data_give_the_same_answer(bench):
    x = np.linspace(0, 0.95, 28)
    y = broken(x, 0.6, change=-0.3, sigma=0.02)
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
