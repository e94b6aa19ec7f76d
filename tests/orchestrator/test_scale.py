"""A plan of many cells stays small."""

import gc
import tracemalloc

from orchestrator.expand import expand
from orchestrator.planning import make_plan
from tests.orchestrator.sweeps import MLP, load, text_of

CELLS = 20_000
MOST_BYTES = 1_500
"""Of one cell: its own dictionary of seven values, its id and its standing; no part of its own."""


def test_a_cell_of_a_large_plan_takes_little_memory():
    rates = {"min": 0.001, "max": 0.2, "count": 200}
    seeds = {"min": 0, "max": CELLS // 200 - 1, "step": 1}
    workload = MLP | {"train": {"steps": 1, "optimizer": {"kind": "adamw"}}}
    axes = {"train.optimizer.learning_rate": rates, "seed": seeds}
    loaded = load(text_of(workload=workload, grids=[{"name": "all", "parameters": axes}]))
    gc.collect()
    tracemalloc.start()
    try:
        plan = make_plan("t", expand(loaded), {})
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert plan.total == CELLS
    assert most / CELLS < MOST_BYTES
    trains = {id(planned.cell.config["train"]) for planned in plan.cells}
    assert len(trains) == 200
