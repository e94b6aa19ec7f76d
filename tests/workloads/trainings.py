"""Small trainings, run straight or in pieces, for all tests that compare them bit for bit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workloads.config import Progress, validate
from workloads.state import State, isolated

IMAGES = {"kind": "fashion_mnist", "train_size": 200, "validation_size": 50}
TOKENS = {"kind": "austen", "length": 16, "train_size": 200, "validation_size": 20}
SPEECH = {"kind": "speech", "length": 256, "window": 32, "hop": 16, "train_size": 200}
MLP = {"task": IMAGES, "model": {"kind": "mlp", "hidden": [16, 16]}}
Row = tuple[int, dict[str, float], Mapping[str, Mapping[str, float]]]


def row(progress: Progress) -> Row:
    """Returns what must repeat: everything but the clock."""
    kept = {name: value for name, value in progress.metrics.items() if not name.endswith("_s")}
    return progress.step, kept, progress.layers


def straight(values: dict[str, Any], *, threads: int = 1) -> list[Row]:
    with isolated(seed=values.get("seed", 0), threads=threads):
        return [row(p) for p in validate(values).build().train(State(threads=threads))]


def interrupted(
    values: dict[str, Any], stops: list[int], folder: Path, *, threads: int = 1
) -> list[Row]:
    """Trains in pieces, each in a fresh State, with another training in between."""
    rows: list[Row] = []
    last: Path | None = None
    for stop in [*stops, -1]:
        straight({**MLP, "activation": "gelu", "train": {"steps": 2}, "seed": 77})
        with isolated(seed=values.get("seed", 0), threads=threads):
            state = State(threads=threads, resume_from=last)
            for progress in validate(values).build().train(state):
                rows.append(row(progress))
                assert state.step == progress.step
                if progress.step == stop:
                    last = folder / str(stop)
                    last.mkdir()
                    state.save(last)
                    break
    return rows
