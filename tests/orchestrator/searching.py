"""Runs a search alone, a function of its values in place of trials, for the tests of `search`."""

from orchestrator.region import region_of
from orchestrator.search import Answer, Goal, Space
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


def sum_of(values):
    return float(sum(values.values()))
