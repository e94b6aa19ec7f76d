"""What measuring costs: the share of a default cell's time, per measure and architecture.

    python tests/benchmarks/measures.py [--quick] [--json FILE] [--model NAME]
                                        [--activation NAME] [--device cuda:0]

A default cell is the dense one of the 79-cell sweep (an MLP trains as its images do, MP-SENet as in
its own sweep; --quick leaves it out unless it is named): its training steps, and its evaluations
before the first step, at each interval and at the end. What a measure costs is the time of an
evaluation with it minus that of one without, of the same weights; the kinds of evaluation take
turns, and differences are medians over the turns. What needs gradients is measured at two
evaluations, the rest at each. The parts share passes (flatness needs derivatives and gradients
too), so they add up to more than all together. The bar is 15 % for all measures. On a CPU, where a
worker trains on one thread, time is that thread's own, which a busy machine disturbs less; on a GPU
it is the clock's. It prints and asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from workloads.config import validate
from workloads.measures import GROUPS, Weights, cheap, evaluate
from workloads.programs.supervised import Config
from workloads.state import State, isolated

BAR = 0.15
IMAGES: dict[str, Any] = {
    "task": {"kind": "fashion_mnist", "data": "shipped"},
    "train": {"epochs": 2, "batch_size": 64, "clip_grad_norm": 1.0},
}
TEXT: dict[str, Any] = {
    "task": {"kind": "austen", "length": 64, "validation_size": 256},
    "train": {"steps": 200, "batch_size": 16, "clip_grad_norm": 1.0, "evaluate_every": 100},
}
SPEECH: dict[str, Any] = {
    "task": {"kind": "speech", "data": "shipped", "length": 8192},
    "train": {"steps": 200, "batch_size": 4, "clip_grad_norm": 1.0, "evaluate_every": 100},
}
CELLS = {
    "mlp": IMAGES | {"model": "mlp"},
    "resnet": IMAGES | {"model": "resnet"},
    "vit": IMAGES | {"model": "vit"},
    "gpt_nano": TEXT | {"model": "gpt_nano"},
    "mp_senet": SPEECH | {"model": "mp_senet"},
}
NAMES = {
    "weights": "drift_z, negative_share, weight_mean",
    "activity": "sparsity, spike_max",
    "magnitudes": "near_sparsity, spike_ratio",
    "derivatives": "derivative_sparsity",
    "gradients": "preact_grad_mean",
    "flatness": "aug_flatness, flatness_ratio",
}


class Clock:
    """Seconds of the thread on a CPU, of the wall on a GPU once its work is done."""

    def __init__(self, device: str) -> None:
        self._device = device

    def __call__(self) -> float:
        if self._device == "cpu":
            return time.thread_time()
        torch.cuda.synchronize(self._device)
        return time.perf_counter()


def step_time(config: Config, clock: Clock, *, device: str, steps: int) -> float:
    """Returns the median seconds of a training step, evaluations apart."""
    training = config.build().train(State(device=device))
    next(training)
    took = []
    for _ in range(steps):
        begun = clock()
        next(training)
        took.append(clock() - begun)
    return median(took)


def evaluation_times(
    config: Config, clock: Clock, *, device: str, turns: int
) -> dict[str, list[float]]:
    """Returns seconds of an evaluation by what it measures, one a turn."""
    state = State(device=device)
    next(config.build().train(state))
    model = state._parts["model"]
    assert isinstance(model, nn.Module)
    weights, sites = Weights(model), model.sites
    split = config.task.build(seed=config.seed).to(device).validation
    ways: dict[str, tuple[Any, ...]] = {"scores": (), "activity": (), "all": GROUPS}
    ways |= {group: (group,) for group in GROUPS}
    times: dict[str, list[float]] = {way: [] for way in (*ways, "weights")}
    for _ in range(turns):
        begun = clock()
        weights.measure()
        times["weights"].append(clock() - begun)
        for way, groups in ways.items():
            model.sites = {} if way == "scores" else sites  # type: ignore[assignment]
            begun = clock()
            evaluate(
                model,
                config.task,
                split,
                batch_size=config.train.batch_size,
                device=device,
                groups=groups,
            )
            times[way].append(clock() - begun)
    return times


def measure(model: str, *, activation: str, device: str, turns: int, steps: int) -> dict[str, Any]:
    """Returns the seconds of a cell and of its parts, and the share of each measure."""
    clock = Clock(device)
    with isolated(seed=0, threads=1):
        config = validate(CELLS[model] | {"activation": activation})
        assert isinstance(config, Config)
        step = step_time(config, clock, device=device, steps=steps)
        times = evaluation_times(config, clock, device=device, turns=turns)
    pace = config.train.pace(config.task.samples[0])
    evaluations = 1 + sum(pace.evaluates(step) for step in range(1, pace.total + 1))

    def more(way: str, than: str) -> float:
        return median(a - b for a, b in zip(times[way], times[than], strict=True))

    costs = {"weights": median(times["weights"]), "activity": more("activity", "scores")}
    costs |= {group: more(group, "activity") for group in GROUPS}
    counts = dict.fromkeys(("weights", "activity", *cheap(GROUPS)), evaluations)
    seconds = {name: cost * counts.get(name, 2) for name, cost in costs.items()}
    always = costs["weights"] + more("magnitudes", "scores")
    together = evaluations * always + 2 * more("all", "magnitudes")
    cell = pace.total * step + evaluations * median(times["scores"]) + together
    return {
        "cell_s": cell,
        "step_s": step,
        "steps": pace.total,
        "evaluations": evaluations,
        "scores": evaluations * median(times["scores"]) / cell,
        "share": {name: cost / cell for name, cost in seconds.items()},
        "all": together / cell,
    }


def report(model: str, found: dict[str, Any]) -> None:
    """Prints one architecture's table."""
    print(
        f"\n{model}: {found['cell_s']:.2f} s, {found['steps']} steps of"
        f" {1000 * found['step_s']:.2f} ms and {found['evaluations']} evaluations"
    )
    print(f"  {'scores alone (no measure)':42} {found['scores']:7.1%}")
    for name, share in found["share"].items():
        print(f"  {NAMES[name]:42} {share:7.1%}")
    verdict = "within" if found["all"] <= BAR else "ABOVE"
    print(f"  {'all measures together':42} {found['all']:7.1%}  {verdict} {BAR:.0%}", flush=True)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few turns, within a minute")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--model", choices=CELLS, action="append", help="only this one")
    parser.add_argument("--activation", default="relu", help="of the cells, a kind's name")
    parser.add_argument("--device", default="cpu", help="torch's name of the device")
    given = parser.parse_args()
    turns, steps = (2, 20) if given.quick else (7, 60)
    found = {}
    short = [model for model in CELLS if model != "mp_senet"]
    for model in given.model or (short if given.quick else CELLS):
        found[model] = measure(
            model, activation=given.activation, device=given.device, turns=turns, steps=steps
        )
        report(model, found[model])
    if given.json:
        Path(given.json).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
