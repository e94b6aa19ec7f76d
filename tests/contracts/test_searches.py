"""Every search is a pure function of its history: a fresh one asks what the first one asked."""

from dataclasses import replace

import pytest

from orchestrator.region import region_of
from orchestrator.search import Answer, Goal, Method, Space
from orchestrator.spec import Grid
from workloads.kinds import load, names

SEARCHES = [
    name
    for name in names("orchestrator.search")
    if issubclass(load("orchestrator.search", name), Method)
]
GRID = {
    "name": "topk",
    "set": {"activation": {"kind": "topk"}},
    "parameters": {
        "activation.share": {"min": 0.05, "max": 0.95, "step": 0.05},
        "model.width": {"min": 4, "max": 64, "step": 1, "scale": "log"},
        "train.rate": {"min": 1e-4, "max": 1e-1, "scale": "log"},
        "norm": ["batchnorm", "layernorm"],
        "norm.eps": {"min": 1e-6, "max": 1e-3},
    },
    "when": {"norm.eps": {"norm.kind": "layernorm"}},
}
"""A list, a stepped, a log and a whole range, and one that exists only sometimes."""


def space_of(method, grid=GRID, **more):
    """The space of one grid, with as many goals as a method needs; only lists for a cliff."""
    only = {"activation.share": grid["parameters"]["activation.share"]}
    chosen = grid if not method.reads_cliff else grid | {"parameters": only, "when": {}}
    goals = (Goal("val_accuracy", True), Goal("sparsity", True))[: method.goals[0]]
    region = region_of(Grid.model_validate(chosen), workload={"model": {"kind": "resnet"}})
    return Space(regions=(region,), goals=goals, **more)


def answered(question, number, *, status="completed"):
    """What a trial of a question reached: a score that falls beyond a sparsity of 0.6."""
    share = question.values["activation.share"]
    score = 1.0 - max(0.0, share - 0.6) - 0.001 * (number % 3)
    return Answer(
        trial_id=f"{number:012x}",
        grid=question.grid,
        values=question.values,
        seed=question.seed or 0,
        status=status,
        step=10,
        metrics={"val_accuracy": 0.8 * score, "sparsity": share, "val_loss": 1 - score},
        score=score,
        config={"activation": {"kind": "topk", "share": share}, "model": {"kind": "resnet"}},
    )


def asked(search, history, most):
    """The questions of a search that is answered at once, one after the other."""
    found = list(history)
    while len(found) < most:
        questions = search.ask(found)
        if not questions:
            break
        found += [answered(q, len(found) + i) for i, q in enumerate(questions)]
    return found[:most]


def build(name, **settings):
    method = load("orchestrator.search", name).model_validate({"trials": 16} | settings)
    return method.build(space_of(type(method)))


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_replays_to_the_same_question(name):
    whole = asked(build(name), [], 16)
    assert len(whole) > 4
    for kept in (0, 1, 7, len(whole) - 1):
        resumed = build(name)
        assert asked(resumed, whole[:kept], len(whole)) == whole
        assert resumed.ask(whole[:kept]) == build(name).ask(whole[:kept])


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_does_not_ask_twice_for_what_is_under_way(name):
    search = build(name)
    first = search.ask([])
    waiting = [replace(answered(q, i), status="planned") for i, q in enumerate(first)]
    again = search.ask(waiting) or []
    known = {(str(q.values), q.seed or 0) for q in first}
    assert not known & {(str(q.values), q.seed or 0) for q in again}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_bears_trials_that_failed_and_ends(name):
    search = build(name)
    history = []
    for _ in range(200):
        questions = search.ask(history)
        if questions is None:
            break
        for question in questions:
            history.append(
                replace(
                    answered(question, len(history), status="failed"),
                    metrics={},
                    score=None,
                    failure_class="diverged",
                )
            )
    assert search.ask(history) is None
