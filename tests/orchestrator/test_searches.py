"""What the methods on Optuna ask for: seeds, failures, constraints, parallel questions, designs."""

import math
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from orchestrator.search._draws import seed_of
from orchestrator.search._studies import _points
from tests.orchestrator.searching import TWO, UP, answer, method, run, space


def test_every_point_gets_all_seeds_and_counts_with_their_mean():
    search = method("tpe", trials=8).build(space({"x": {"min": 0, "max": 1}}, seeds=(3, 5)))
    questions = search.ask([])
    assert [q.seed for q in questions] == [3, 5]
    assert questions[0].values == questions[1].values
    history = [answer(q, i, float(i)) for i, q in enumerate(questions)]
    (point,) = _points(history, space({}, seeds=(3, 5)), [])
    assert point.metrics == {"total": 0.5}
    assert [q.seed for q in search.ask(history[:1])] == [5]


def told(history, goals=UP, limits=()):
    return list(_points(history, space({}, goals=goals), limits))


def question(**values):
    from orchestrator.search import Question

    return Question(grid="g", values=values)


@pytest.mark.parametrize(
    ("status", "value", "state"),
    [
        ("completed", 0.5, TrialState.COMPLETE),
        ("completed", math.nan, TrialState.FAIL),
        ("stopped", 0.5, TrialState.PRUNED),
        ("failed", 0.5, TrialState.FAIL),
        ("cancelled", 0.5, TrialState.FAIL),
        ("running", 0.5, TrialState.RUNNING),
        ("planned", 0.5, TrialState.RUNNING),
    ],
)
def test_a_trial_is_told_as_what_became_of_it(status, value, state):
    (point,) = told([answer(question(x=1), 0, value, status=status)])
    assert point.state is state
    assert point.metrics == ({"total": 0.5} if state in KNOWN else {})


KNOWN = (TrialState.COMPLETE, TrialState.PRUNED)


def test_failures_do_not_draw_a_search_near():
    """A part of the space where everything diverges is neither good nor told as a number."""

    def status(values):
        return "failed" if values["x"] > 0.5 else "completed"

    search = method("tpe", trials=40).build(space({"x": {"min": 0, "max": 1}}))
    history = run(search, lambda v: v["x"], 40, status=status)
    best = max(a.values["x"] for a in history if a.status == "completed")
    assert 0.4 < best <= 0.5
    assert all(not a.metrics for a in history if a.status == "failed")


def test_tpe_beats_chance_on_the_same_number_of_trials():
    def value(values):
        return -((values["x"] - 0.3) ** 2) - (values["y"] - 0.7) ** 2

    parameters = {"x": {"min": 0, "max": 1}, "y": {"min": 0, "max": 1}}
    best = {}
    for kind in ("random", "tpe"):
        runs = [
            run(method(kind, trials=40, seed=seed).build(space(parameters)), value, 40)
            for seed in range(5)
        ]
        best[kind] = np.median([max(a.metrics["total"] for a in found) for found in runs])
    assert best["tpe"] > best["random"] / 2


def test_constraints_hold_a_search_back():
    """The best value lies where it costs too much."""
    limits = [{"name": "cost", "max": 0.5}]
    search = method("tpe", trials=50, constraints=limits).build(space({"x": {"min": 0, "max": 1}}))
    history = run(search, lambda v: {"total": v["x"], "cost": v["x"]}, 50)
    late = [a.values["x"] for a in history[25:]]
    assert np.mean([x <= 0.5 for x in late]) > 0.5
    assert max(x for x in late if x <= 0.5) > 0.45


@pytest.mark.parametrize(
    ("kind", "sampler"),
    [("random", optuna.samplers.RandomSampler), ("tpe", optuna.samplers.TPESampler)],
)
def test_a_search_asks_what_optuna_asks_in_a_study_that_is_never_taken_apart(kind, sampler):
    """The same seeds, a study that lives on: what is rebuilt from the history is the same study."""

    def value(values):
        return {"total": values["x"] - values["y"], "cost": values["x"] + values["y"]}

    parameters = {"x": {"min": 0, "max": 1}, "y": {"min": 1e-3, "max": 1, "scale": "log"}}
    history = run(method(kind, trials=40, seed=9).build(space(parameters)), value, 40)
    study = optuna.create_study(direction="maximize")
    known = []
    for number, found in enumerate(history):
        for tried in range(100):  # A point that is known is not trained again.
            study.sampler = sampler(seed=seed_of(9, number, tried))
            trial = study.ask()
            x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 1e-3, 1, log=True)
            drawn = {"x": float(f"{x:.6g}"), "y": float(f"{y:.6g}")}
            if drawn not in known:
                break
            study.tell(trial, state=TrialState.FAIL)
        known.append(drawn)
        assert found.values == pytest.approx(drawn, rel=1e-4), number
        study.tell(trial, value(drawn)["total"])


def test_nsga2_walks_towards_the_front():
    """Two metrics that pull apart: x is good for one of them, y is bad for both."""

    def value(values):
        return {"total": values["x"] - values["y"], "cost": values["x"] + values["y"]}

    parameters = {"x": {"min": 0, "max": 1}, "y": {"min": 0, "max": 1}}
    search = method("nsga2", trials=160, population=20).build(space(parameters, goals=TWO))
    history = run(search, value, 160)
    late = [a.values["y"] < 0.25 for a in history[-60:]]
    assert np.mean(late) > 0.4  # A quarter by chance; half of all genes are drawn anew.


def test_a_sobol_design_is_even_in_every_dimension():
    parameters = {"x": {"min": 0, "max": 1}, "y": {"min": 0, "max": 1}, "k": list("abcd")}
    questions = method("sobol", trials=32, seed=7).build(space(parameters)).ask([])
    for axis in ("x", "y"):
        parts = sorted(int(q.values[axis] * 32) for q in questions)
        assert parts == list(range(32))
    kinds = [q.values["k"] for q in questions]
    assert {kind: kinds.count(kind) for kind in "abcd"} == dict.fromkeys("abcd", 8)
    other = method("sobol", trials=32, seed=8).build(space(parameters)).ask([])
    assert [q.values for q in other] != [q.values for q in questions]


def test_the_first_points_of_a_longer_sobol_design_are_the_shorter_one():
    parameters = {"x": {"min": 0, "max": 1}}
    short = method("sobol", trials=8).build(space(parameters)).ask([])
    long = method("sobol", trials=32).build(space(parameters)).ask([])
    assert long[:8] == short


@pytest.mark.parametrize(
    ("trials", "seeds", "way"), [(50, (None,), "32 or 64"), (9, (0, 1), "8 or 16")]
)
def test_a_sobol_design_of_another_size_is_refused(trials, seeds, way):
    with pytest.raises(ValueError, match=f"got {trials}. Write {way}."):
        method("sobol", trials=trials).build(space({"x": {"min": 0, "max": 1}}, seeds=seeds))


def test_parallel_questions_differ():
    """Eight workers ask before any of them answers."""
    search = method("tpe", trials=64).build(space({"x": {"min": 0, "max": 1}}))
    history = run(search, lambda v: v["x"], 20)
    for _ in range(8):
        (asked,) = search.ask(history)
        history.append(answer(asked, len(history), 0.0, status="planned"))
    assert len({a.values["x"] for a in history[20:]}) == 8
    assert replace(history[0], status="planned") != history[0]
    assert optuna.__version__.startswith("5.")
