"""What a cell of each mechanism of the grid costs, for every architecture: a step, or all of it.

    python tests/benchmarks/cells.py [--whole] [--quick] [--json FILE] [--model NAME]
                                     [--cell NAME] [--device cuda:0]

By default it measures steps alone: batch, forward, backward, clip, update. With --whole it trains
default cells from beginning to end: weights, all steps, and the evaluations of the whole validation
set with all measures; data are read before. All cells of an architecture are alive at once and take
turns, a few steps each, so that whatever else the machine does hits them alike. The ratio of steps
is the median over the turns of a cell's time by that of the dense one in the same turn, that of
whole cells the one of their sums. Dense is ReLU; for Top-K over another activation the ratio to
that one alone is told beside. On a CPU, where a worker trains on one thread, time is that thread's
own, which a busy machine disturbs less; on a GPU it is the clock's. Sizes are those of the 79 cells
(an MLP trains as their images do), MP-SENet's those of its own sweep. --quick leaves that one out
unless it is named, and halves the lengths of whole cells. It prints and asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch

from workloads.config import Progress, validate
from workloads.state import State, isolated

Values = dict[str, Any]

FOR_EVER = 10**9
IMAGES: Values = {
    "task": {"kind": "fashion_mnist"},
    "train": {"epochs": 2, "batch_size": 64, "clip_grad_norm": 1.0},
}
TEXT: Values = {
    "task": {"kind": "austen", "length": 64, "validation_size": 256},
    "train": {"steps": 200, "batch_size": 16, "clip_grad_norm": 1.0, "evaluate_every": 100},
}
SPEECH: Values = {
    "task": {"kind": "speech", "length": 8192},
    "train": {"steps": 200, "batch_size": 4, "clip_grad_norm": 1.0, "evaluate_every": 100},
}
BASES: dict[str, Values] = {
    "mlp": IMAGES | {"model": "mlp"},
    "resnet": IMAGES | {"model": "resnet"},
    "vit": IMAGES | {"model": "vit"},
    "gpt_nano": TEXT | {"model": "gpt_nano"},
    "mp_senet": SPEECH | {"model": "mp_senet"},
}
FREEZE_AFTER = 100
"""Updates after which frozen centres stand still in whole cells; steps alone are frozen ones."""
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


def base_of(name: str) -> str:
    """Returns the dense cell of the same activation: of `topk 0.5 of gelu` that is `gelu`."""
    _, _, base = name.partition(" of ")
    return base or DENSE


def cells(model: str, *, only: Sequence[str] = (), freeze_after: int = 1) -> dict[str, Values]:
    """Returns what each cell of an architecture adds to its base, the dense one first.

    Args:
        model: The architecture.
        only: Names of cells that are wanted, besides the dense ones; none: all.
        freeze_after: Updates after which a frozen centre stands still.
    """
    if model in ("resnet", "mp_senet"):
        norms = {
            "quantile_batchnorm": _before("quantile_batchnorm"),
            "quantile_mean_batchnorm": _before("quantile_mean_batchnorm"),
            "quantile_batchnorm_frozen": _before(
                "quantile_batchnorm_frozen", freeze_after=freeze_after
            ),
        }
    else:
        norms = {
            "layernorm": _norm("layernorm"),
            "quantile_layernorm": _norm("quantile_layernorm", quantile=0.5),
            "quantile_layernorm_frozen": _norm(
                "quantile_layernorm_frozen", quantile=0.5, freeze_after=freeze_after
            ),
        }
        if model == "vit":
            norms["quantile_relu"] = {"activation": {"kind": "quantile_relu", "quantile": 0.5}}
    found = ACTIVATIONS | norms
    wanted = {DENSE, *only, *map(base_of, only)} if only else {*found}
    return {name: values for name, values in found.items() if name in wanted}


def lasting(values: Values, *, steps: int) -> Values:
    """Returns the same training with another length, evaluated half-way and at the end."""
    length = {"epochs": None, "steps": steps, "evaluate_every": max(1, steps // 2)}
    return values | {"train": values["train"] | length}


def endless(values: Values) -> Values:
    """Returns the same training without an end, and with hardly anything to evaluate before it."""
    return lasting(values, steps=FOR_EVER) | {"task": values["task"] | {"validation_size": 10}}


class Cell:
    """One training that goes on for as long as it is asked to."""

    def __init__(self, values: Values, *, device: str) -> None:
        """Leaves it before its evaluation at step 0."""
        config = validate(values)
        assert config.length is not None
        self.steps = config.length.steps
        self._device = device
        self._training: Iterator[Progress] = config.build().train(State(device=device))

    def take(self, steps: int) -> float:
        """Goes on by so many steps, the evaluation before the first being one; returns seconds."""
        begun = self._now()
        for _ in islice(self._training, steps):
            pass
        return self._now() - begun

    def _now(self) -> float:
        """Returns seconds, once all work is done."""
        if self._device == "cpu":
            return time.thread_time()
        torch.cuda.synchronize(self._device)
        return time.perf_counter()


def measure(
    model: str, *, only: Sequence[str], turns: int, steps: int, device: str
) -> dict[str, dict[str, float]]:
    """Returns, by cell, milliseconds a step and the ratio to the dense cell."""
    with isolated(seed=0, threads=1):
        alive = {
            name: Cell(endless(BASES[model] | more), device=device)
            for name, more in cells(model, only=only).items()
        }
        for cell in alive.values():
            cell.take(1 + steps)
        times: dict[str, list[float]] = {name: [] for name in alive}
        for _ in range(turns):
            for name, cell in alive.items():
                times[name].append(cell.take(steps) / steps)

    def ratio(one: str, other: str) -> float:
        return median(a / b for a, b in zip(times[one], times[other], strict=True))

    return {
        name: {
            "ms": 1000 * median(took),
            "ratio": ratio(name, DENSE),
            "ratio_to_base": ratio(name, base_of(name)),
        }
        for name, took in times.items()
    }


def measure_whole(
    model: str, *, only: Sequence[str], steps: int, device: str, halved: bool
) -> dict[str, dict[str, float]]:
    """Returns, by cell, seconds from its weights to its last evaluation, and the ratio."""
    with isolated(seed=0, threads=1):
        usual = Cell(BASES[model], device=device)
        usual.take(1)  # Data are read once a process.
        length = usual.steps // (2 if halved else 1)
        alive = {
            name: Cell(lasting(BASES[model] | more, steps=length), device=device)
            for name, more in cells(model, only=only, freeze_after=FREEZE_AFTER).items()
        }
        times = {name: cell.take(1) for name, cell in alive.items()}
        for _ in range(math.ceil(length / steps)):
            for name, cell in alive.items():
                times[name] += cell.take(steps)
    return {
        name: {
            "s": took,
            "ratio": took / times[DENSE],
            "ratio_to_base": took / times[base_of(name)],
        }
        for name, took in times.items()
    }


def report(model: str, found: dict[str, dict[str, float]]) -> None:
    """Prints one architecture's table."""
    of = (
        "cell, and how many dense cells"
        if "s" in found[DENSE]
        else "step, and how many dense steps"
    )
    print(f"\n{model}: one {of} it takes")
    for name, values in found.items():
        (unit, took), (_, ratio), (_, to_base) = values.items()
        beside = "" if base_of(name) == DENSE else f"   {to_base:.2f} x dense {base_of(name)}"
        print(f"  {name:28} {took:8.2f} {unit:2} {ratio:7.2f} x{beside}", flush=True)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few turns, steps within a minute")
    parser.add_argument("--whole", action="store_true", help="cells from beginning to end")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--model", choices=BASES, action="append", help="only this one")
    parser.add_argument("--cell", action="append", help="only this one and the dense ones")
    parser.add_argument("--device", default="cpu", help="torch's name of the device")
    given = parser.parse_args()
    turns, steps = (8, 3) if given.quick else (40, 5)
    models = given.model or [m for m in BASES if not (given.quick and m in LONG)]
    on = "one thread" if given.device == "cpu" else torch.cuda.get_device_name(given.device)
    print(f"torch {torch.__version__}, {given.device} ({on})")
    figures = {}
    for model in models:
        each = 1 if model in LONG else steps
        figures[model] = (
            measure_whole(
                model, only=given.cell or (), steps=each, device=given.device, halved=given.quick
            )
            if given.whole
            else measure(model, only=given.cell or (), turns=turns, steps=each, device=given.device)
        )
        report(model, figures[model])
    if given.json:
        Path(given.json).write_text(json.dumps({"device": given.device, "cells": figures}))


if __name__ == "__main__":
    main()
