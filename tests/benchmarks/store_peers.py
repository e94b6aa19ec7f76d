"""The same runs in MLflow's and Optuna's SQLite stores, and the questions that they can answer.

What is there already is used again.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import store_data
from store_data import Size

LASTS, CURVE, GROUPS, STATUS = (
    "last value of every trial",
    "one curve",
    "group-by of config against a last value",
    "status",
)

WARM_S = 0.5
"""Seconds for which an answer is asked for again and again, at least."""

Answer = Callable[[], int]
"""Asks once; how many rows came back."""


def build_mlflow(folder: Path, size: Size) -> Path:
    """The same runs in MLflow's SQLite store.

    One run goes through MLflow's own functions; its rows are copied for all others, since that
    would take hours through `log_batch` (2 000 metrics a second).
    """
    file = folder / f"mlflow-{size.trials}x{size.steps}.db"
    if file.exists():
        return file
    half = Path(shutil.copy(mlflow_template(folder), file.with_suffix(".half")))
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(tracking_uri=f"sqlite:///{half}")
    run_id = client.create_run(client.create_experiment("s")).info.run_id
    params = [Param("model", "mlp"), Param("activation", "relu")]
    client.log_batch(run_id, [Metric(name, 1.0, 0, 0) for name in store_data.NAMES], params)
    client.set_terminated(run_id)
    with sqlite3.connect(half) as connection:
        connection.row_factory = sqlite3.Row
        _copy_runs(connection, run_id, size)
    connection.close()
    half.rename(file)
    return file


def mlflow_template(folder: Path) -> Path:
    """An MLflow store without runs; making its tables takes seconds."""
    file = folder / "mlflow-empty.db"
    if not file.exists():
        from mlflow import MlflowClient

        half = file.with_suffix(".half")
        MlflowClient(tracking_uri=f"sqlite:///{half}").search_experiments()
        half.rename(file)
    return file


def _copy_runs(connection: sqlite3.Connection, run_id: str, size: Size) -> None:
    (run,) = map(dict, connection.execute("SELECT * FROM runs"))
    (metric, *_) = map(dict, connection.execute("SELECT * FROM metrics"))
    (latest, *_) = map(dict, connection.execute("SELECT * FROM latest_metrics"))
    (param, *_) = map(dict, connection.execute("SELECT * FROM params"))
    for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
        connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", [run_id])
    for index in range(size.trials):
        uuid = f"{index:032x}"
        _insert(connection, "runs", [{**run, "run_uuid": uuid, "name": f"run-{index}"}])
        rows = [
            {**metric, "run_uuid": uuid, "key": name, "step": step, "value": value}
            for name, column in zip(
                store_data.NAMES, store_data.values(size, index).T.tolist(), strict=True
            )
            for step, value in enumerate(column)
        ]
        _insert(connection, "metrics", rows)
        lasts = [row for row in rows if row["step"] == size.steps - 1]
        _insert(connection, "latest_metrics", [{**latest, **row} for row in lasts])
        kinds = ((key, store_data.config(index)[key]["kind"]) for key in ("model", "activation"))
        params = [{**param, "run_uuid": uuid, "key": key, "value": value} for key, value in kinds]
        _insert(connection, "params", params)


def _insert(connection: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    places = ", ".join("?" * len(names))
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})",
        [[row[name] for name in names] for row in rows],
    )


def build_optuna(folder: Path, size: Size, *, seconds: float) -> tuple[Path, int]:
    """The same trials in Optuna's SQLite storage, training loss alone as intermediate values.

    Returns:
        The file, and how many trials fitted into the time.
    """
    file = folder / f"optuna-{size.trials}x{size.steps}.db"
    count = file.with_suffix(".json")
    if count.exists():
        return file, int(json.loads(count.read_text()))
    file.unlink(missing_ok=True)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="s", storage=f"sqlite:///{file}", direction="maximize")
    begun, done = time.monotonic(), 0
    for chunk in _chunks(size.trials):
        study.add_trials([_optuna_trial(size, index) for index in chunk])
        done += len(chunk)
        if time.monotonic() - begun > seconds:
            break
    count.write_text(json.dumps(done))
    return file, done


def _chunks(count: int) -> list[range]:
    return [range(start, min(start + 20, count)) for start in range(0, count, 20)]


def _optuna_trial(size: Size, index: int) -> Any:
    import optuna

    found = store_data.values(size, index)
    kinds = {"model": store_data.MODELS, "activation": store_data.ACTIVATIONS}
    distributions = optuna.distributions
    return optuna.trial.create_trial(
        params={key: store_data.config(index)[key]["kind"] for key in kinds},
        distributions={key: distributions.CategoricalDistribution(k) for key, k in kinds.items()},
        value=float(found[-1, 2]),
        intermediate_values=dict(enumerate(found[:, 0].tolist())),
    )


def mlflow_answers(file: Path) -> dict[str, Answer]:
    """The same questions to MLflow; there is no cliff."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{file}")
    client = mlflow.MlflowClient()
    ids = [one.experiment_id for one in client.search_experiments()]
    curve_of = f"{int(store_data.CURVE_OF, 16):032x}"

    def runs() -> list[Any]:
        found = client.search_runs(ids, max_results=10_000)
        everything = list(found)
        while found.token:
            found = client.search_runs(ids, max_results=10_000, page_token=found.token)
            everything += found
        return everything

    def grouped() -> int:
        frame = mlflow.search_runs(ids, max_results=50_000)
        return len(frame.groupby("params.activation")["metrics.val_accuracy"].mean())

    return {
        LASTS: lambda: len([run.data.metrics["val_accuracy"] for run in runs()]),
        CURVE: lambda: len(client.get_metric_history(curve_of, "train_loss")),
        GROUPS: grouped,
        STATUS: lambda: Counter(run.info.status for run in runs()).total(),
    }


def optuna_answers(file: Path) -> dict[str, Answer]:
    """The same questions to Optuna's data frame; a study keeps its trials after the first look."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def study() -> Any:
        return optuna.load_study(study_name="s", storage=f"sqlite:///{file}")

    def grouped() -> int:
        frame = study().trials_dataframe()
        return len(frame.groupby("params_activation")["value"].mean())

    return {
        LASTS: lambda: len(study().trials_dataframe()["value"]),
        CURVE: lambda: len(study().trials[int(store_data.CURVE_OF, 16)].intermediate_values),
        GROUPS: grouped,
        STATUS: lambda: len(study().trials_dataframe()["state"].value_counts()),
    }


def ask_peer(peer: str, file: Path, *, question: str | None, times: int) -> dict[str, Any]:
    """What a process of a peer's own measures.

    Args:
        peer: `mlflow` or `optuna`.
        file: its database.
        question: that one alone, once; None for all of them, opening and warm.
        times: how often to ask again.
    """
    make = {"mlflow": mlflow_answers, "optuna": optuna_answers}[peer]
    begun = time.perf_counter()
    answers = make(file)
    if question is not None:
        rows = answers[question]()
        return {question: {"rows": rows, "beyond_imports_s": time.perf_counter() - begun}}
    found = {}
    for name, answer in answers.items():
        open_s, rows = timed(answer)
        found[name] = {"open_s": open_s, "warm_s": warm(answer, times=times), "rows": rows}
    return found


def warm(answer: Answer, *, times: int) -> float:
    """Seconds of an answer asked for again and again: the median, of half a second at least.

    Of answers in milliseconds the first few are slower, those of every program.
    """
    taken = [timed(answer)[0] for _ in range(times)]
    while sum(taken) < WARM_S:
        taken.append(timed(answer)[0])
    return median(taken)


def timed(answer: Answer) -> tuple[float, int]:
    """Seconds of one answer, and its rows."""
    begun = time.perf_counter()
    rows = answer()
    return time.perf_counter() - begun, rows
