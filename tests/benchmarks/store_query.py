"""How long answers take: our views beside MLflow and Optuna, on the same rows.

Four times per question. *Process*: a whole command, Python's start and all imports included.
*Beyond imports*: the same in a fresh process, after everything that it imports is there. *Open*:
opening the store and the first answer, in a process that has answered before. *Warm*: asking again
with the store open.

A whole process that asks for the status is the command `status`, which opens no database and reads
the record anew. Open and warm, the status is asked in SQL like every other question, of a store
that is open as the peers' clients are. No answer is kept anywhere: each time it is computed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import store_data
from store_peers import CURVE, GROUPS, LASTS, STATUS, warm

SQL: Mapping[str, str] = {
    LASTS: ("SELECT trial_id, last FROM finals WHERE name = 'val_accuracy' AND layer IS NULL"),
    CURVE: (
        f"SELECT step, value FROM metrics WHERE trial_id = '{store_data.CURVE_OF}' "
        "AND name = 'train_loss' ORDER BY step"
    ),
    GROUPS: (
        "SELECT config.activation.kind AS activation, avg(val_accuracy) AS accuracy "
        "FROM trials GROUP BY ALL ORDER BY ALL"
    ),
    STATUS: "SELECT status, count(*) AS trials FROM trials WHERE wanted GROUP BY ALL ORDER BY ALL",
}
CLIFF = "the cliff"
QUESTIONS = (*SQL, CLIFF)
MOST_CLIFF_TRIALS = 100
"""A cliff is fitted to so many cells at most."""

_IMPORTS = (
    "import orchestrator.cli.main, orchestrator.actions, orchestrator.lease, results.ledger, "
    "results.standing, results.query, results.render, results.cliff, rich.table, pyarrow.compute"
)
_COMMAND = """
import sys, time
{imports}
from orchestrator.cli.main import main
begun = time.perf_counter()
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(f"\\nbeyond imports {{time.perf_counter() - begun}}\\n")
"""
_WHOLE = _COMMAND.format(imports="")
_BEYOND = _COMMAND.format(imports=_IMPORTS)


def words(question: str, root: Path) -> list[str]:
    """The command line that asks a question."""
    where = [root.name, "--storage", str(root.parent)]
    if question == STATUS:
        return ["status", *where]
    if question == CLIFF:
        return ["cliff", *where, "--no-pictures"]
    return ["sql", where[0], SQL[question], *where[1:], "--format", "csv"]


def asked(question: str, size: store_data.Size) -> bool:
    """Whether a sweep of this size is asked that."""
    return question != CLIFF or size.trials <= MOST_CLIFF_TRIALS


def measure_ours(
    root: Path, size: store_data.Size, *, times: int, processes: bool
) -> dict[str, dict[str, Any]]:
    """All times of every question, in seconds; why, where there is no answer.

    Args:
        root: the run directory.
        size: of the sweep in it.
        times: how often to repeat.
        processes: whether to take the times of whole processes as well.
    """
    from results.errors import ResultsError

    found: dict[str, dict[str, Any]] = {}
    for question in filter(lambda one: asked(one, size), QUESTIONS):
        command = words(question, root)
        try:
            found[question] = _processes(command, times=times) if processes else {}
            found[question] |= _inside(question, root, times=times)
        except (SystemExit, ResultsError) as failed:
            found[question] = {"failed": str(failed)}
    return found


def _processes(command: list[str], *, times: int) -> dict[str, Any]:
    beyond = [_seconds([sys.executable, "-c", _BEYOND, *command]) for _ in range(times)]
    whole = beyond  # Near enough where it has to be quick: it imports a little more.
    if times > 1:
        whole = [_seconds([sys.executable, "-c", _WHOLE, *command]) for _ in range(times)]
    return {
        "process_s": median(seconds for seconds, _ in whole),
        "beyond_imports_s": median(seconds for _, seconds in beyond),
    }


def _seconds(command: list[str]) -> tuple[float, float]:
    """Seconds of a whole process, and those that it says it took beyond its imports."""
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{' '.join(command[3:])}: {done.stderr[-2000:]}")
    return took, float(done.stderr.rpartition("beyond imports ")[2])


def _inside(question: str, root: Path, *, times: int) -> dict[str, float]:
    """Times within this process: opening and asking, then asking again."""
    from results.cliff import cliff
    from results.query import Reader, open_stores

    def answer(reader: Reader) -> int:
        if question == CLIFF:
            return len(cliff(reader))
        return int(reader.sql(SQL[question]).num_rows)

    with open_stores([root]) as reader:  # So that what happens once in a process is behind us.
        answer(reader)
    begun = time.perf_counter()
    with open_stores([root]) as reader:
        rows = answer(reader)
        open_s = time.perf_counter() - begun
        warm_s = warm(lambda: answer(reader), times=max(times, 3))
    return {"open_s": open_s, "warm_s": warm_s, "rows": rows}


def measure_peer(
    inner: Callable[..., dict[str, Any]], peer: str, file: Path, *, times: int
) -> dict[str, dict[str, float]]:
    """All times of a peer that it has.

    Args:
        inner: runs `ask_peer` in another process.
        peer: `mlflow` or `optuna`.
        file: its database.
        times: how often to repeat.
    """
    found = inner("ask", peer=peer, file=str(file), times=times)
    # Where it has to be quick, one question tells what a process costs.
    for question, figures in list(found.items())[: None if times > 1 else 1]:
        whole = []
        for _ in range(min(times, 2)):
            begun = time.perf_counter()
            inner("ask", peer=peer, file=str(file), question=question, times=1)
            whole.append(time.perf_counter() - begun)
        figures["process_s"] = median(whole)
    return found


def report(title: str, found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Prints one size: a block a question, a line a program, ratios to ours.

    Args:
        title: of the size.
        found: program -> question -> figures; ours is `cliffsweep`.
    """
    kinds = ("process_s", "beyond_imports_s", "open_s", "warm_s")
    print(f"\nQueries: {title}")
    print(f"  {'':44} {'process':>9} {'beyond':>9} {'open':>9} {'warm':>9}")
    failed = [
        f"{question}: {answers['failed']}"
        for question, answers in found["cliffsweep"].items()
        if "failed" in answers
    ]
    for question in QUESTIONS:
        ours = found["cliffsweep"].get(question, {})
        for program, answers in found.items():
            if question not in answers:
                continue
            figures = answers[question]
            cells = [_cell(figures.get(kind)) for kind in kinds]
            label = question if program == "cliffsweep" else f"  {program}"
            print(f"  {label:44} {' '.join(cells)}")
            ratios = [
                f"{figures[kind] / ours[kind]:7.1f} x" if kind in figures and kind in ours else ""
                for kind in kinds
            ]
            if program != "cliffsweep":
                print(f"  {'':44} {' '.join(f'{ratio:>9}' for ratio in ratios)}")
    for line in failed:
        print(f"  no answer to {line}")


def _cell(seconds: float | None) -> str:
    if seconds is None:
        return f"{'':>9}"
    return f"{seconds:7.3f} s" if seconds >= 0.01 else f"{1000 * seconds:6.2f} ms"


def inner(do: str, **values: Any) -> dict[str, Any]:
    """Runs a part of this benchmark in a process of its own.

    Args:
        do: what, see `store.py`.
        values: its arguments.
    """
    main = Path(__file__).with_name("store.py")
    command = [sys.executable, str(main), "--inner", json.dumps({"do": do, **values})]
    environment = os.environ | {
        **{"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{do} {values}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
