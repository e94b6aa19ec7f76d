"""What a training step of each cell costs: every architecture with each mechanism of the grid.

    python tests/benchmarks/cells.py [--quick] [--json FILE] [--model NAME] [--device cuda:0]

All cells of an architecture are alive at once and take turns, a few steps each, so that whatever
else the machine does hits them alike; a ratio is the median over the turns of a cell's time by that
of its dense cell in the same turn. On a CPU, where a worker trains on one thread, time is that
thread's own, which a busy machine disturbs less; on a GPU it is the clock's. Steps are whole steps
of the program: batch, forward, backward, clip, update. Sizes are those of the 79 cells, MP-SENet's
those of its own sweep; --quick leaves that one out unless it is named. It prints and asserts
nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch

from workloads.config import Progress, validate
from workloads.state import State, isolated

Values = dict[str, Any]

FOR_EVER = 10**9
TRAIN = {"steps": FOR_EVER, "evaluate_every": FOR_EVER, "clip_grad_norm": 1.0}
IMAGES = {
    "task": {"kind": "fashion_mnist", "validation_size": 10},
    "train": {**TRAIN, "batch_size": 64},
}
TEXT = {
    "task": {"kind": "austen", "length": 64, "validation_size": 10},
    "train": {**TRAIN, "batch_size": 16},
}
SPEECH = {
    "task": {"kind": "speech", "length": 8192, "validation_size": 10},
    "train": {**TRAIN, "batch_size": 4},
}
BASES: dict[str, Values] = {
    "mlp": IMAGES | {"model": "mlp"},
    "resnet": IMAGES | {"model": "resnet"},
    "vit": IMAGES | {"model": "vit"},
    "gpt_nano": TEXT | {"model": "gpt_nano"},
    "mp_senet": SPEECH | {"model": "mp_senet"},
}
LONG = ("mp_senet",)
"""Whose steps take long: one a turn, and only where it is named with --quick."""
DENSE = "relu"
ACTIVATIONS: dict[str, Values] = {
    DENSE: {},
    "gelu": {"activation": "gelu"},
    "noisy_relu": {"activation": "noisy_relu"},
    "sugar_bsilu": {"activation": "sugar_bsilu"},
    "relu2": {"activation": "relu2"},
    "gelu2": {"activation": "gelu2"},
    "relu2_clip 15": {"activation": {"kind": "relu2_clip", "clip": 15}},
    "topk 0.5 of relu": {"activation": {"kind": "topk", "base": "relu", "share": 0.5}},
    "topk 0.5 of gelu": {"activation": {"kind": "topk", "base": "gelu", "share": 0.5}},
    "topk 0.9 of gelu": {"activation": {"kind": "topk", "base": "gelu", "share": 0.9}},
}


def _norm(kind: str, *, site: str = "all", **values: object) -> Values:
    return {"norm": {"kind": kind, "site": site, **values}}


def _before(kind: str, **values: object) -> Values:
    return _norm(kind, site="pre_activation", quantile=0.5, **values)


def cells(model: str) -> dict[str, Values]:
    """Returns what each cell of an architecture adds to its base, the dense one first."""
    if model in ("resnet", "mp_senet"):
        norms = {
            "quantile_batchnorm": _before("quantile_batchnorm"),
            "quantile_mean_batchnorm": _before("quantile_mean_batchnorm"),
            "quantile_batchnorm_frozen": _before("quantile_batchnorm_frozen", freeze_after=1),
        }
    else:
        norms = {
            "layernorm": _norm("layernorm"),
            "quantile_layernorm": _norm("quantile_layernorm", quantile=0.5),
            "quantile_layernorm_frozen": _norm(
                "quantile_layernorm_frozen", quantile=0.5, freeze_after=1
            ),
        }
        if model == "vit":
            norms["quantile_relu"] = {"activation": {"kind": "quantile_relu", "quantile": 0.5}}
    return ACTIVATIONS | norms


class Cell:
    """One training that goes on for as long as it is asked to."""

    def __init__(self, values: Values, *, device: str) -> None:
        """Builds it and leaves it before its first update."""
        self._device = device
        self._steps: Iterator[Progress] = validate(values).build().train(State(device=device))
        next(self._steps)

    def take(self, steps: int) -> float:
        """Trains, and returns seconds a step."""
        begun = self._now()
        for _ in range(steps):
            next(self._steps)
        return (self._now() - begun) / steps

    def _now(self) -> float:
        """Returns seconds, once all work is done."""
        if self._device == "cpu":
            return time.thread_time()
        torch.cuda.synchronize(self._device)
        return time.perf_counter()


def measure(model: str, *, turns: int, steps: int, device: str) -> dict[str, dict[str, float]]:
    """Returns, by cell, milliseconds a step and the ratio to the dense cell."""
    with isolated(seed=0, threads=1):
        alive = {
            name: Cell(BASES[model] | more, device=device) for name, more in cells(model).items()
        }
        for cell in alive.values():
            cell.take(steps)
        times: dict[str, list[float]] = {name: [] for name in alive}
        for _ in range(turns):
            for name, cell in alive.items():
                times[name].append(cell.take(steps))
    return {
        name: {
            "ms": 1000 * median(took),
            "ratio": median(a / b for a, b in zip(took, times[DENSE], strict=True)),
        }
        for name, took in times.items()
    }


def report(model: str, found: dict[str, dict[str, float]]) -> None:
    """Prints one architecture's table."""
    print(f"\n{model}: one step, and how many dense steps it takes")
    for name, values in found.items():
        print(f"  {name:28} {values['ms']:8.2f} ms {values['ratio']:7.2f} x", flush=True)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few turns, within a minute")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--model", choices=BASES, action="append", help="only this one")
    parser.add_argument("--device", default="cpu", help="torch's name of the device")
    given = parser.parse_args()
    turns, steps = (8, 3) if given.quick else (40, 5)
    models = given.model or [m for m in BASES if not (given.quick and m in LONG)]
    on = "one thread" if given.device == "cpu" else torch.cuda.get_device_name(given.device)
    print(f"torch {torch.__version__}, {given.device} ({on})")
    figures = {}
    for model in models:
        figures[model] = measure(
            model, turns=turns, steps=1 if model in LONG else steps, device=given.device
        )
        report(model, figures[model])
    if given.json:
        Path(given.json).write_text(json.dumps({"device": given.device, "cells": figures}))


if __name__ == "__main__":
    main()
