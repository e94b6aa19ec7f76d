"""How fast rows go in: our writer beside MLflow, TensorBoard, Tune's loggers and plain CSV.

Each peer gets the same rows (one value each), in a process of its own. *Full speed* is rows a
second from the first one to the end of `close`. The *share of a step* is taken in a loop that
multiplies matrices for 10 ms a step, as a training does (one that sleeps would find cold caches at
each call): time inside the call that logs, plus processor time of the peer's other threads, of
10 ms. *cpu us* is processor time a step, of all threads; on a busy machine it is the surer figure.
Only cliffsweep and MLflow wait until the disk has the rows.
"""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import store_peers

VALUES = 10
"""Rows a step."""

STEP_S = 0.010

Log = Callable[[int, Mapping[str, float]], None]


class Sink(NamedTuple):
    """Where a peer's rows go."""

    log: Log
    close: Callable[[], None]


def open_cliffsweep(folder: Path) -> Sink:
    """Our writer with its defaults."""
    from results.store import Store
    from results.writer import Writer

    writer = Writer(Store(folder / "s"), sweep="s", trial_id="t0", attempt=0)
    return Sink(writer.write, writer.close)


def open_csv(folder: Path) -> Sink:
    """One line a value, flushed to the system at each step."""
    file = (folder / "rows.csv").open("w", newline="")
    writer = csv.writer(file)

    def log(step: int, metrics: Mapping[str, float]) -> None:
        now = time.time()
        writer.writerows([step, name, value, now] for name, value in metrics.items())
        file.flush()

    return Sink(log, file.close)


def open_tensorboard(folder: Path) -> Sink:
    """`torch.utils.tensorboard.SummaryWriter` with its defaults."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def log(step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)

    return Sink(log, writer.close)


def _tune(kind: str, folder: Path) -> Sink:
    """One of Tune's logger callbacks, driven as its loop does, without a cluster."""
    from ray.tune import logger

    class Trial(SimpleNamespace):
        __hash__ = object.__hash__

    nothing = {"config": {}, "evaluated_params": {}, "checkpoint": None, "trial_id": "t0"}
    trial = Trial(**nothing, local_path=str(folder), init_local_path=lambda: None)
    callback = getattr(logger, kind)()
    callback.log_trial_start(trial)

    def log(step: int, metrics: Mapping[str, float]) -> None:
        callback.log_trial_result(step, trial, {"training_iteration": step, **metrics})

    return Sink(log, lambda: callback.log_trial_end(trial))


def open_tune_csv(folder: Path) -> Sink:
    """`CSVLoggerCallback`."""
    return _tune("CSVLoggerCallback", folder)


def open_tune_json(folder: Path) -> Sink:
    """`JsonLoggerCallback`."""
    return _tune("JsonLoggerCallback", folder)


def _mlflow(folder: Path, *, batch: bool) -> Sink:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    file = shutil.copy(store_peers.mlflow_template(folder.parent), folder / "mlflow.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{file}")
    run_id = client.create_run(client.create_experiment("s")).info.run_id

    def log(step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            client.log_metric(run_id, name, value, step=step)

    def log_batch(step: int, metrics: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        client.log_batch(run_id, [Metric(n, v, now, step) for n, v in metrics.items()])

    return Sink(log_batch if batch else log, lambda: client.set_terminated(run_id))


def open_mlflow_metric(folder: Path) -> Sink:
    """`log_metric`, one call a value."""
    return _mlflow(folder, batch=False)


def open_mlflow_batch(folder: Path) -> Sink:
    """`log_batch`, one call a step."""
    return _mlflow(folder, batch=True)


PEERS: Mapping[str, tuple[str, str, Callable[[Path], Sink]]] = {
    "cliffsweep": ("cliffsweep's Writer", "results", open_cliffsweep),
    "csv": ("plain csv", "csv", open_csv),
    "tensorboard": ("TensorBoard SummaryWriter", "tensorboard", open_tensorboard),
    "tune_csv": ("Tune CSVLoggerCallback", "ray", open_tune_csv),
    "tune_json": ("Tune JsonLoggerCallback", "ray", open_tune_json),
    "mlflow_batch": ("MLflow log_batch, SQLite", "mlflow", open_mlflow_batch),
    "mlflow_metric": ("MLflow log_metric, SQLite", "mlflow", open_mlflow_metric),
}
"""Peer -> title, the package that it needs, how to open it."""


def is_there(peer: str) -> bool:
    """Whether its package is installed."""
    return find_spec(PEERS[peer][1]) is not None


def measure(peer: str, folder: Path, *, seconds: float) -> dict[str, float]:
    """Both figures of one peer.

    Args:
        peer: key of `PEERS`.
        folder: an empty one for it alone.
        seconds: about how long each of the two loops may take.
    """
    names = [f"metric_{place}" for place in range(VALUES)]
    steps = [dict.fromkeys(names, 1.0 / (step + 2)) for step in range(1000)]
    open_ = PEERS[peer][2]
    (folder / "full").mkdir()
    (folder / "paced").mkdir()
    found = full_speed(open_(folder / "full"), steps, seconds=seconds)
    # Long enough for a flush, which comes once a second.
    return found | paced(open_(folder / "paced"), steps, seconds=max(seconds, 1.2))


def full_speed(sink: Sink, steps: list[dict[str, float]], *, seconds: float) -> dict[str, float]:
    """Rows a second without a pause, `close` included."""
    sink.log(0, steps[0])  # What happens once is no part of the speed.
    count = 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        count += 1
        sink.log(count, steps[count % len(steps)])
    sink.close()
    took = time.perf_counter() - begun
    return {"rows": count * VALUES, "rows_per_s": count * VALUES / took}


def paced(sink: Sink, steps: list[dict[str, float]], *, seconds: float) -> dict[str, float]:
    """What logging takes of a training whose steps take 10 ms."""
    sink.log(0, steps[0])
    weights = np.ones((256, 256), dtype=np.float32)
    inside, inside_cpu, count = 0.0, 0.0, 0
    begun = time.perf_counter()
    others = time.process_time() - time.thread_time()
    while time.perf_counter() - begun < seconds:
        count += 1
        until = time.perf_counter() + STEP_S
        while time.perf_counter() < until:
            weights @ weights
        called, called_cpu = time.perf_counter(), time.thread_time()
        sink.log(count, steps[count % len(steps)])
        inside_cpu += time.thread_time() - called_cpu
        inside += time.perf_counter() - called
    others = time.process_time() - time.thread_time() - others
    sink.close()
    return {
        "call_us": 1e6 * inside / count,
        "call_cpu_us": 1e6 * inside_cpu / count,
        "others_cpu_us": 1e6 * others / count,
        "share": (inside + others) / count / STEP_S,
    }


def report(found: Mapping[str, Mapping[str, float] | None]) -> None:
    """Prints the table and how many times as fast we are."""
    print(f"\nIngest: {VALUES} values a step, one row each")
    heads = f"{'rows/s':>12} {'ours is':>10} {'us a call':>10} {'cpu us':>9} {'share of 10 ms':>15}"
    print(f"  {'':28} {heads}")
    ours = found["cliffsweep"] or {}
    for peer, figures in found.items():
        title = PEERS[peer][0]
        if figures is None:
            print(f"  {title:28} not installed (pip install 'cliffsweep[bench]')")
            continue
        ratio = ours.get("rows_per_s", float("nan")) / figures["rows_per_s"]
        print(
            f"  {title:28} {figures['rows_per_s']:12,.0f} {ratio:8.1f} x "
            f"{figures['call_us']:10.1f} "
            f"{figures['call_cpu_us'] + figures['others_cpu_us']:9.1f} {figures['share']:15.2%}"
        )
