"""What asha costs and saves here and in plain Ray Tune, over the same configurations."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search_table import table

KINDS = Path(__file__).parent / "kinds"
FACTOR = 2

Points = Sequence[Mapping[str, float]]


def here(axes: Mapping[str, object], points: Points, folder: str) -> dict[str, float]:
    """Ours on Ray: every epoch stored, a trial that is stopped is stopped."""
    from orchestrator import actions
    from results.query import open_stores

    sweep = {
        "version": 1,
        "name": "halved",
        "workload": {"kind": "tabular"},
        "grids": [
            {
                "name": "g",
                "parameters": {name: [point[name] for point in points] for name in axes},
                "zip": [list(axes)],
            }
        ],
        "metric": {"name": "val_accuracy"},
        "order": "as_written",
        "early_stopping": {"kind": "asha", "first": 1, "factor": FACTOR},
        "checkpoint": {"every": None},
    }
    path = Path(folder) / "halved.yaml"
    path.write_text(json.dumps(sweep))
    begun = time.perf_counter()
    actions.run(path, storage=folder, kinds=[str(KINDS)])
    seconds = time.perf_counter() - begun
    with open_stores([Path(folder) / "halved"]) as reader:
        (row,) = reader.sql(
            "SELECT max(val_accuracy) AS best, sum(step) AS epochs,"
            " count(*) FILTER (status = 'stopped') AS stopped FROM trials"
        ).to_pylist()
    return {"seconds": seconds, **row}


def plain(axes: Mapping[str, object], points: Points, folder: str, *, loggers: bool) -> Any:
    """Ray Tune by itself, with its loggers or without."""
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "0" if loggers else "1"
    found = table()

    def trial(config: dict[str, Any]) -> None:
        point = config["point"]
        for epoch in range(1, found.epochs + 1):
            accuracy, _ = found.at(point["hidden"], point["share"], point["rate"], epoch)
            tune.report({"val_accuracy": accuracy, "epoch": epoch})

    begun = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        results = tune.Tuner(
            trial,
            param_space={"point": tune.grid_search([dict(point) for point in points])},
            tune_config=tune.TuneConfig(
                scheduler=ASHAScheduler(
                    time_attr="epoch",
                    metric="val_accuracy",
                    mode="max",
                    max_t=found.epochs,
                    grace_period=1,
                    reduction_factor=FACTOR,
                )
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
    finally:
        ray.shutdown()
    last = [result.metrics or {} for result in results]
    return {
        "seconds": time.perf_counter() - begun,
        "best": max(metrics["val_accuracy"] for metrics in last),
        "epochs": sum(metrics["epoch"] for metrics in last),
        "stopped": sum(metrics["epoch"] < found.epochs for metrics in last),
    }


def compare(axes: Mapping[str, object], points: Points) -> dict[str, Any]:
    """Both stop the worse ones and keep as good a best one."""
    peers = {
        "here": lambda folder: here(axes, points, folder),
        "Ray Tune": lambda folder: plain(axes, points, folder, loggers=True),
        "Ray Tune, no loggers": lambda folder: plain(axes, points, folder, loggers=False),
    }
    figures = {}
    full = table().epochs * len(points)
    print(f"\nasha over {len(points)} configurations of {table().epochs} epochs, 2 cores")
    for name, run in peers.items():
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = found = run(folder)
        print(
            f"  {name:22} best {found['best']:.4f}   {found['stopped']} stopped,"
            f" {found['epochs']} of {full} epochs   {len(points) / found['seconds']:.2f} trials/s"
        )
    return figures
