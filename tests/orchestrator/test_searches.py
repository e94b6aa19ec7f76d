"""What the methods on Optuna ask for: ranges, conditions, duplicates, failures, constraints."""

import math
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from orchestrator.region import Choice, Range, region_of
from orchestrator.search import Answer, Goal, Space
from orchestrator.search._draws import seed_of
from orchestrator.search._studies import _points
from orchestrator.spec import Grid
from workloads.kinds import load

UP = (Goal("total", True),)
TWO = (Goal("total", True), Goal("cost", False))


def region(parameters, *, name="g", **more):
    grid = Grid.model_validate({"name": name, "parameters": parameters} | more)
    return region_of(grid, workload={})


def space(parameters, *, goals=UP, seeds=(None,), **more):
    return Space(regions=(region(parameters, **more),), goals=goals, seeds=seeds)


def method(kind, **settings):
    return load("orchestrator.search", kind).model_validate(settings)


def answer(question, number, value, *, status="completed", seed=None, **metrics):
    return Answer(
        trial_id=f"{number:012x}",
        grid=question.grid,
        values=question.values,
        seed=question.seed if seed is None else seed,
        status=status,
        step=5,
        metrics={"total": value} | metrics if status in ("completed", "stopped") else {},
    )


def run(search, value, most, *, status=lambda values: "completed"):
    """A serial search, each question answered by a function of its values."""
    history = []
    while len(history) < most:
        questions = search.ask(history)
        if questions is None:
            break
        for question in questions:
            told = value(question.values)
            metrics = told if isinstance(told, dict) else {"total": told}
            history.append(
                answer(
                    question,
                    len(history),
                    **{"value": 0.0} | {"value": metrics["total"]},
                    status=status(question.values),
                    **{k: v for k, v in metrics.items() if k != "total"},
                )
            )
    return history


# Dimensions


@pytest.mark.parametrize(
    ("given", "dimension"),
    [
        ([3, 1, 2], Choice(("x",), ((3,), (1,), (2,)))),
        ([1, 2, 4], Choice(("x",), ((1,), (2,), (4,)), ordered=True)),
        (
            {"min": 0, "max": 0.3, "step": 0.1},
            Choice(("x",), ((0.0,), (0.1,), (0.2,), (0.3,)), True),
        ),
        (
            {"min": 1, "max": 100, "count": 3, "scale": "log"},
            Choice(("x",), ((1.0,), (10.0,), (100.0,)), True),
        ),
        ({"min": 0.1, "max": 0.9}, Range("x", 0.1, 0.9)),
        ({"min": 1e-4, "max": 1e-1, "scale": "log"}, Range("x", 1e-4, 1e-1, log=True)),
        ({"min": 4, "max": 64, "step": 1, "scale": "log"}, Range("x", 4, 64, log=True, whole=True)),
    ],
)
def test_an_axis_is_a_dimension(given, dimension):
    assert region({"x": given}).dimensions == (dimension,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"min": 1, "max": 0}, "max is at least min"),
        ({"min": 0, "max": 1, "scale": "log"}, "a log range begins above 0"),
        ({"min": 1, "max": 9, "step": 2, "scale": "log"}, "step 1 or none, got 2"),
        ({"min": 1.5, "max": 9, "step": 1, "scale": "log"}, "from one whole number to another"),
        ({"max": 9}, "an axis is a list or a range"),
    ],
)
def test_an_axis_that_cannot_be_searched_is_refused(given, message):
    with pytest.raises(KeyError) as caught:
        region({"x": given})
    assert caught.value.args[0] == "x"
    assert message in caught.value.args[1]


def test_zipped_axes_are_one_choice():
    found = region({"a": [1, 2], "b": [3, 4]}, zip=[["a", "b"]])
    assert found.dimensions == (Choice(("a", "b"), ((1, 3), (2, 4)), ordered=True),)


@pytest.mark.parametrize("kind", ["random", "sobol", "tpe"])
def test_what_is_drawn_lies_in_its_dimensions(kind):
    parameters = {
        "rate": {"min": 1e-4, "max": 1e-1, "scale": "log"},
        "width": {"min": 4, "max": 64, "step": 1, "scale": "log"},
        "share": {"min": 0.1, "max": 0.9},
        "depth": {"min": 0, "max": 0.3, "step": 0.1},
        "kind": ["a", {"kind": "b"}],
    }
    history = run(method(kind, trials=32).build(space(parameters)), lambda v: v["share"], 32)
    assert len(history) == 32
    for found in (a.values for a in history):
        assert 1e-4 <= found["rate"] <= 1e-1
        assert isinstance(found["width"], int)
        assert 4 <= found["width"] <= 64
        assert found["share"] == float(f"{found['share']:.6g}")
        assert found["depth"] in (0.0, 0.1, 0.2, 0.3)
        assert found["kind"] in ("a", {"kind": "b"})
    assert min(a.values["rate"] for a in history) < 1e-3  # Half of a log range lies below 3e-3.


# Conditions, unions, exclusions

CONDITIONAL = {
    "parameters": {
        "activation": ["relu", "topk", {"kind": "quantile", "q": 2}],
        "activation.share": {"min": 0.1, "max": 0.9},
    },
    "when": {"activation.share": {"activation.kind": ["topk", "quantile"]}},
}


@pytest.mark.parametrize("kind", ["random", "sobol", "tpe", "nsga2"])
def test_a_choice_brings_its_own_parameters(kind):
    goals = TWO if kind == "nsga2" else UP
    search = method(kind, trials=32).build(space(goals=goals, **CONDITIONAL))
    history = run(search, lambda v: {"total": v.get("activation.share", 0), "cost": 1.0}, 30)
    with_share = [a for a in history if "activation.share" in a.values]
    assert 0 < len(with_share) < len(history)
    assert all(a.values["activation"] != "relu" for a in with_share)
    # There is but one point without a share.
    assert sum(a.values["activation"] == "relu" for a in history) == 1


def test_a_union_of_grids_is_searched_as_one():
    two = Space(
        regions=(
            region({"x": {"min": 0, "max": 1}}, name="low"),
            region({"x": {"min": 5, "max": 6}, "y": [1, 2]}, name="high"),
        ),
        goals=UP,
    )
    history = run(method("tpe", trials=40).build(two), lambda v: v["x"], 40)
    grids = [a.grid for a in history]
    assert {"low", "high"} == set(grids)
    assert grids[20:].count("high") > 15  # It has learnt which grid is better.
    assert all(("y" in a.values) == (a.grid == "high") for a in history)


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_what_is_excluded_is_not_asked(kind):
    small = space({"a": [1, 2], "b": [1, 2, 3]}, exclude=[{"a": 1, "b": [2, 3]}])
    history = run(method(kind, trials=64).build(small), lambda v: v["a"], 64)
    assert sorted((a.values["a"], a.values["b"]) for a in history) == [
        (1, 1),
        (2, 1),
        (2, 2),
        (2, 3),
    ]


# Duplicates, enqueue, seeds


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_small_space_is_used_up_without_a_repetition(kind):
    history = run(method(kind, trials=64).build(space({"a": [1, 2, 3], "b": [1, 2]})), sum_of, 64)
    assert len(history) == len({str(a.values) for a in history}) == 6


def sum_of(values):
    return float(sum(values.values()))


@pytest.mark.parametrize("kind", ["random", "sobol", "tpe"])
def test_points_to_begin_with_come_first(kind):
    given = [{"x": 0.25, "kind": "b"}, {"x": 0.75}]
    search = method(kind, trials=8, enqueue=given).build(
        space({"x": {"min": 0, "max": 1}, "kind": ["a", "b"]})
    )
    first, second, *rest = run(search, lambda v: v["x"], 20)
    assert first.values == {"x": 0.25, "kind": "b"}
    assert second.values["x"] == 0.75
    assert len(rest) == (8 if kind == "sobol" else 6)  # A Sobol design stays whole.


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": 2}, "enqueue[0]: x lies from 0 to 1, got 2"),
        ({"y": 2}, "enqueue[0]: a point's names are axes of one grid, got ['y']"),
        ({"kind": "c"}, "enqueue[0]: kind has one of its own values"),
        ({"kind": "a", "z": 0.5}, "enqueue[0]: a point's axes exist under its other values"),
    ],
)
def test_a_point_outside_the_space_is_refused(given, message):
    parameters = {"x": {"min": 0, "max": 1}, "kind": ["a", "b"], "z": {"min": 0, "max": 1}}
    where = space(parameters, when={"z": {"kind": "b"}})
    with pytest.raises(ValueError) as caught:
        method("tpe", enqueue=[given]).build(where)
    assert str(caught.value).startswith(message)


def test_every_point_gets_all_seeds_and_counts_with_their_mean():
    search = method("tpe", trials=8).build(space({"x": {"min": 0, "max": 1}}, seeds=(3, 5)))
    questions = search.ask([])
    assert [q.seed for q in questions] == [3, 5]
    assert questions[0].values == questions[1].values
    history = [answer(q, i, float(i)) for i, q in enumerate(questions)]
    (point,) = _points(history, space({}, seeds=(3, 5)), [])
    assert point.metrics == {"total": 0.5}
    assert [q.seed for q in search.ask(history[:1])] == [5]


# What a sampler is told


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


# Sobol


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
