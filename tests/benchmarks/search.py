"""What searches find and cost beside their peers, on the table of a real sweep.

    python tests/benchmarks/search.py [--quick] [--json FILE] [--part NAME]

Quality: random, tpe and nsga2 here and in plain Optuna, the same space, budget and number of seeds:
the best accuracy of a search, for two metrics the area that its front dominates. Cost: whole runs
of one search, ours with every trial stored durably, Optuna's in memory and in its SQLite storage.
Stopping: asha here and in plain Ray Tune over the same configurations. Cliff: the search for the
break beside a uniform grid, bisection and a design that knows the break, on simulated curves. It
prints and asserts nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import optuna
import search_cliff
import search_stopping
from search_table import table

from orchestrator.region import region_of
from orchestrator.search import Answer, Goal, Space
from orchestrator.spec import Grid
from workloads.kinds import load

HERE = Path(__file__).parent
KINDS = HERE / "kinds"
AXES = {
    "hidden": {"min": 8, "max": 128, "scale": "log"},
    "share": {"min": 0.3, "max": 0.97},
    "rate": {"min": 3e-4, "max": 3e-2, "scale": "log"},
}
GOALS = {
    "random": ("val_accuracy",),
    "tpe": ("val_accuracy",),
    "nsga2": ("val_accuracy", "sparsity"),
}
SETTINGS: dict[str, dict[str, int]] = {"random": {}, "tpe": {}, "nsga2": {"population": 10}}

PARTS = ("quality", "cost", "stopping", "cliff")

Found = dict[str, float]


def reached(values: Mapping[str, float]) -> Found:
    """What the last epoch of a training reaches."""
    found = table()
    accuracy, sparsity = found.at(values["hidden"], values["share"], values["rate"], found.epochs)
    return {"val_accuracy": accuracy, "sparsity": sparsity}


def quality(kind: str, trials: Sequence[Found]) -> float:
    """The best accuracy; for two metrics the area of the unit square below the front."""
    if kind != "nsga2":
        return max(trial["val_accuracy"] for trial in trials)
    area, best = 0.0, 0.0
    for trial in sorted(trials, key=lambda t: -t["sparsity"]):
        if trial["val_accuracy"] > best:
            area += trial["sparsity"] * (trial["val_accuracy"] - best)
            best = trial["val_accuracy"]
    return area


def ours(kind: str, *, seed: int, trials: int) -> list[Found]:
    """Our search, asked as the driver asks it: from the history alone."""
    goals = tuple(Goal(name, True) for name in GOALS[kind])
    region = region_of(Grid.model_validate({"name": "g", "parameters": AXES}), workload={})
    config: Any = load("orchestrator.search", kind)
    search = config.model_validate({"trials": trials, "seed": seed} | SETTINGS[kind]).build(
        Space(regions=(region,), goals=goals)
    )
    history: list[Answer] = []
    while (questions := search.ask(history)) is not None:
        for question in questions:
            history.append(
                Answer(
                    trial_id=f"{len(history):012x}",
                    grid=question.grid,
                    values=question.values,
                    seed=None,
                    status="completed",
                    step=table().epochs,
                    metrics=reached(question.values),
                )
            )
    return [dict(answer.metrics) for answer in history]


def suggest(trial: optuna.Trial) -> dict[str, float]:
    """The same space in Optuna's words."""
    return {
        name: trial.suggest_float(
            name, float(axis["min"]), float(axis["max"]), log=axis.get("scale") == "log"
        )
        for name, axis in AXES.items()
    }


def study(kind: str, *, seed: int, storage: str | None = None) -> optuna.Study:
    """A plain Optuna study of a kind."""
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=10),
    }
    return optuna.create_study(
        directions=["maximize"] * len(GOALS[kind]), sampler=samplers[kind](), storage=storage
    )


def plain(kind: str, *, seed: int, trials: int, storage: str | None = None) -> list[Found]:
    """Optuna's own loop."""
    found: list[Found] = []

    def objective(trial: optuna.Trial) -> Any:
        found.append(reached(suggest(trial)))
        values = [found[-1][name] for name in GOALS[kind]]
        return values if len(values) > 1 else values[0]

    study(kind, seed=seed, storage=storage).optimize(objective, n_trials=trials)
    return found


def spread(values: Sequence[float]) -> str:
    """Median and quartiles."""
    low, middle, high = quantiles(values, n=4)
    return f"{middle:.4f} [{low:.4f}, {high:.4f}]"


def compare_quality(*, seeds: int, trials: int) -> dict[str, Any]:
    """Both find equally good points, within the spread over seeds."""
    print(f"\nThe best of {trials} trials, median [quartiles] over {seeds} seeds")
    figures = {}
    for kind in GOALS:
        both = {
            name: [quality(kind, run(kind, seed=seed, trials=trials)) for seed in range(seeds)]
            for name, run in (("here", ours), ("Optuna", plain))
        }
        print(f"  {kind:8} here {spread(both['here'])}   Optuna {spread(both['Optuna'])}")
        figures[kind] = both
    return figures


def sweep_file(kind: str, trials: int, **more: object) -> str:
    """One search as a sweep file."""
    goals = [{"name": name} for name in GOALS[kind]]
    sweep = {
        "version": 1,
        "name": "searched",
        "workload": {"kind": "tabular"},
        "method": kind,
        "search": {"trials": trials} | SETTINGS[kind],
        "grids": [{"name": "g", "parameters": AXES}],
        "metric": goals[0] if len(goals) == 1 else goals,
        "checkpoint": {"every": None},
    }
    return json.dumps(sweep | more)


@contextlib.contextmanager
def timed(found: dict[str, float], name: str) -> Any:
    """Notes the seconds of a block."""
    begun = time.perf_counter()
    yield
    found[name] = time.perf_counter() - begun


def run_here(text: str, folder: str, runner: str) -> Any:
    """A whole run of a sweep file."""
    from orchestrator import actions

    path = Path(folder) / "searched.yaml"
    path.write_text(text)
    return actions.run(path, storage=folder, kinds=[str(KINDS)], runner=runner)


def compare_cost(*, trials: int, repetitions: int) -> dict[str, Any]:
    """Trials per second of whole runs; the peers take turns."""
    times: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        run_here(sweep_file("random", 2), folder, "inline")  # Imports what all runs need.
    for _ in range(repetitions):
        for kind in GOALS:
            took: dict[str, float] = {}
            with tempfile.TemporaryDirectory() as folder, timed(took, "here, inline"):
                run_here(sweep_file(kind, trials), folder, "inline")
            with timed(took, "Optuna, in memory"):
                plain(kind, seed=0, trials=trials)
            with (
                tempfile.TemporaryDirectory() as folder,
                contextlib.suppress(ImportError),
                timed(took, "Optuna, SQLite"),
            ):
                plain(kind, seed=0, trials=trials, storage=f"sqlite:///{folder}/optuna.db")
            for name, seconds in took.items():
                times.setdefault(kind, {}).setdefault(name, []).append(seconds)
    print(f"\nTrials per second, {trials} trials a run, median of {repetitions} runs")
    for kind, found in times.items():
        told = "   ".join(f"{name} {trials / median(t):.1f}" for name, t in found.items())
        print(f"  {kind:8} {told}")
    return times


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few seeds and trials, a minute")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--part", choices=PARTS, help="only this one")
    given = parser.parse_args()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Ray's workers look for the table beside this file.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    quick = given.quick
    parts: dict[str, Callable[[], Any]] = {
        "quality": lambda: compare_quality(seeds=4 if quick else 20, trials=24 if quick else 64),
        "cost": lambda: compare_cost(trials=16 if quick else 64, repetitions=1 if quick else 3),
        "stopping": lambda: search_stopping.compare(AXES, configurations(8 if quick else 32)),
        "cliff": lambda: search_cliff.compare(count=20 if quick else 200, batch=2)[0],
    }
    figures = {name: run() for name, run in parts.items() if given.part in (None, name)}
    if given.json:
        Path(given.json).write_text(json.dumps(figures, indent=2))


def configurations(count: int) -> list[dict[str, float]]:
    """Points drawn once, the same for all."""
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [suggest(drawn.ask()) for _ in range(count)]


if __name__ == "__main__":
    main()
