"""What a sweep costs beside its peers: 79 small real trainings, and as many trivial ones.

    python tests/benchmarks/overhead.py [--quick] [--json FILE]

Every peer runs the same trainings (one epoch of a small MLP on the shipped Fashion-MNIST, another
seed each) on the same cores with one thread a training, at the same niceness. Times are of whole
processes, start-up included. It prints and asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median

CORES = 2
KINDS = Path(__file__).parents[1] / "kinds"
PEERS = ("loop", "processes", "joblib", "tune", "cliffsweep", "ray start")
TITLES = {
    "loop": "a plain loop, one process",
    "processes": "two bare processes",
    "joblib": "joblib, two workers",
    "tune": "Ray Tune, its defaults",
    "cliffsweep": "cliffsweep run",
    "ray start": "(Ray's start and end alone)",
}


def training(index: int) -> dict[str, object]:
    """The workload of one small real training, about 0.4 s on one core."""
    return {
        "kind": "supervised",
        "task": {"kind": "fashion_mnist", "data": "shipped"},
        "model": {"kind": "mlp", "hidden": [256, 256]},
        "train": {"epochs": 1, "batch_size": 64},
        "seed": index,
    }


def trivial(index: int) -> dict[str, object]:
    """The workload of one trial that does nothing."""
    return {"kind": "trivial", "value": float(index)}


def train(workload: dict[str, object]) -> dict[str, float]:
    """Trains one workload with nothing around it and returns its last metrics."""
    from workloads.config import validate
    from workloads.kinds import add_folder
    from workloads.state import State, isolated

    add_folder(KINDS)
    last: dict[str, float] = {}
    with isolated(seed=0, threads=1):
        for progress in validate(workload).build().train(State(threads=1)):
            last |= progress.metrics
    return last


def run_loop(workloads: list[dict[str, object]]) -> None:
    """One after another."""
    for workload in workloads:
        train(workload)


def run_joblib(workloads: list[dict[str, object]]) -> None:
    """joblib's process pool."""
    from joblib import Parallel, delayed

    Parallel(n_jobs=CORES)(delayed(train)(workload) for workload in workloads)


def run_tune(workloads: list[dict[str, object]]) -> None:
    """Ray Tune as its documentation begins: a function and a grid search."""
    import ray
    from ray import tune

    def trial(config: dict[str, object]) -> None:
        tune.report(train(config["workload"]))

    ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False)
    tune.Tuner(
        trial,
        param_space={"workload": tune.grid_search(workloads)},
        run_config=tune.RunConfig(storage_path=os.environ["BENCH_FOLDER"], verbose=0),
    ).fit()
    ray.shutdown()


def run_ray_start(workloads: list[dict[str, object]]) -> None:
    """A local cluster comes and goes, with nothing of ours."""
    import ray

    ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False)
    ray.shutdown()


def sweep_file(workload: dict[str, object], axis: str, count: int) -> str:
    """The same trainings as a sweep file."""
    sweep = {
        "version": 1,
        "name": "overhead",
        "workload": {k: v for k, v in workload.items() if k != axis},
        "grids": [{"name": "all", "parameters": {axis: {"min": 0, "max": count - 1, "step": 1}}}],
    }
    return json.dumps(sweep)


def command(peer: str, what: str, count: int, folder: Path) -> list[list[str]]:
    """The processes that a peer is made of, started together."""
    here = [sys.executable, __file__, "--count", str(count), "--what", what]
    if peer == "processes":
        return [[*here, "--peer", "loop", "--share", str(core)] for core in range(CORES)]
    if peer == "cliffsweep":
        make, axis = (training, "seed") if what == "training" else (trivial, "value")
        (folder / "overhead.yaml").write_text(sweep_file(make(0), axis, count))
        program = "from orchestrator.cli.main import main; main()"
        options = ["--storage", str(folder), "--kinds", str(KINDS), "--quiet"]
        return [[sys.executable, "-c", program, "run", str(folder / "overhead.yaml"), *options]]
    return [[*here, "--peer", peer]]


def seconds(peer: str, what: str, count: int) -> float:
    """Wall time of one run of a peer."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"BENCH_FOLDER": folder, "OMP_NUM_THREADS": "1"}
        begun = time.perf_counter()
        started = [
            subprocess.Popen(
                one, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            for one in command(peer, what, count, Path(folder))
        ]
        for process in started:
            _, problem = process.communicate()
            if process.returncode:
                raise SystemExit(f"{peer}: {problem.decode()[-2000:]}")
        return time.perf_counter() - begun


def measure(what: str, count: int, repetitions: int) -> dict[str, float | None]:
    """Median seconds of each peer; the peers take turns, so that drift hits them alike."""
    found: dict[str, list[float]] = {peer: [] for peer in PEERS}
    for _ in range(repetitions):
        for peer in PEERS:
            if peer == "joblib" and find_spec("joblib") is None:
                continue
            found[peer].append(seconds(peer, what, count))
    return {peer: median(times) if times else None for peer, times in found.items()}


def report(what: str, count: int, found: dict[str, float | None]) -> None:
    """Prints the table and the two ratios that matter."""
    print(f"\n{count} {what} trials on {CORES} cores")
    bare = found["processes"] or float("nan")
    for peer in PEERS:
        took = found[peer]
        if took is None:
            print(f"  {TITLES[peer]:32}  not installed (pip install 'cliffsweep[bench]')")
            continue
        each = 1000 * took / count
        print(
            f"  {TITLES[peer]:32} {took:8.1f} s  {each:8.1f} ms a trial  {took / bare:6.2f} x bare"
        )
    ours, tune, start = found["cliffsweep"], found["tune"], found["ray start"]
    if ours and tune and start:
        print(f"  cliffsweep / (two bare processes + Ray's start) = {ours / (bare + start):.2f}")
        print(f"  Ray Tune's defaults / cliffsweep                = {tune / ours:.1f}")


def main() -> None:
    """Runs one peer (when called by itself) or the whole comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="8 trials, within a minute")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--what", choices=("training", "trivial"), help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=79, help=argparse.SUPPRESS)
    parser.add_argument("--share", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        make = training if given.what == "training" else trivial
        workloads = [make(index) for index in range(given.count)]
        if given.share is not None:
            workloads = workloads[given.share :: CORES]
        run = {
            "loop": run_loop,
            "joblib": run_joblib,
            "tune": run_tune,
            "ray start": run_ray_start,
        }[given.peer]
        run(workloads)
        return
    count, repetitions = (8, 1) if given.quick else (79, given.repetitions)
    figures = {}
    for what in ("training", "trivial"):
        figures[what] = measure(what, count, repetitions)
        report(what, count, figures[what])
    if given.json:
        Path(given.json).write_text(json.dumps({"count": count, "seconds": figures}, indent=2))


if __name__ == "__main__":
    main()
