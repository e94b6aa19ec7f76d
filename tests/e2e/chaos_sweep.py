"""The sweep that burns, and what an undisturbed run of it stored.

Knows nothing of what is done to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator import actions
from results.query import open_stores
from results.store import Store, checkpoint_parts

__all__ = [
    "CELLS",
    "NAME",
    "STEPS",
    "Kept",
    "Verdict",
    "compare",
    "kept",
    "progress",
    "undisturbed",
]

NAME: Final = "chaos"
STEPS: Final = 720
CELLS: Final = 6
SWEEP: Final = f"""\
version: 1
name: {NAME}
workload:
  task: {{kind: fashion_mnist, train_size: 2560, validation_size: 500}}
  model: {{kind: mlp, hidden: [64]}}
  activation: relu
  train: {{epochs: 9, batch_size: 32, log_every: 10}}
grids:
  - name: mlp.activations
    parameters:
      activation: [relu, noisy_relu, {{kind: topk, base: gelu, share: 0.75}}]
replicates: {{seeds: [0, 1]}}
baseline: {{activation: relu}}
checkpoint: {{every: 30 steps}}
retry: {{max: 2, backoff: 0.2s}}
max_failed_trials: {CELLS}
max_consecutive_failures: {4 * CELLS}
"""

_ROWS: Final = (
    r"SELECT trial_id, step, layer, name, value FROM metrics WHERE name NOT LIKE '%\_s' ESCAPE '\'"
)
_FINALS: Final = (
    "SELECT trial_id, layer, name, last, minimum, maximum, count FROM finals"
    r" WHERE name NOT LIKE '%\_s' ESCAPE '\'"
)
_COMPLETED: Final = "SELECT trial_id FROM events WHERE status = 'completed'"
_COVERAGE: Final = (
    "SELECT sum(expected) AS expected, sum(completed) AS completed, sum(missing) AS missing"
    " FROM coverage"
)
_CLASSES: Final = (
    "SELECT coalesce(failure_class, status) AS class, detail FROM events WHERE status <> 'running'"
)

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a run directory answers.

    Attributes:
        rows: every metric row that counts, clocks aside, as often as it is there.
        finals: last, minimum, maximum and count of every series, likewise.
        completed: trial -> number of attempts that completed.
        coverage: (expected, completed, missing) over all grids.
        ends: (failure class or status, detail) of every attempt's end.
    """

    rows: Counter[Row]
    finals: Counter[Row]
    completed: Counter[object]
    coverage: Row
    ends: tuple[tuple[str, str], ...]


def undisturbed(folder: Path) -> tuple[Path, Kept]:
    """Writes the sweep file and runs it once in this process; returns it with what was stored."""
    file = folder / f"{NAME}.yaml"
    file.write_text(SWEEP)
    actions.run(file, storage=str(folder / "calm"), runner="inline")
    return file, kept(folder / "calm" / NAME)


def kept(run_directory: Path) -> Kept:
    """Asks a run directory as any user would, by SQL."""
    with open_stores([run_directory]) as reader:
        answers = {
            text: [tuple(map(_exact, row.values())) for row in reader.sql(text).to_pylist()]
            for text in (_ROWS, _FINALS, _COMPLETED, _COVERAGE, _CLASSES)
        }
    return Kept(
        rows=Counter(answers[_ROWS]),
        finals=Counter(answers[_FINALS]),
        completed=Counter(trial for (trial,) in answers[_COMPLETED]),
        coverage=answers[_COVERAGE][0],
        ends=tuple((str(name), str(detail or "")) for name, detail in answers[_CLASSES]),
    )


def _exact(value: object) -> object:
    """A value of which no two different ones are equal: floats by their bits, NaN among them."""
    return value.hex() if isinstance(value, float) else value


@dataclass(slots=True)
class Verdict:
    """What is wrong with a disturbed run.

    Attributes:
        rows: that the undisturbed run has.
        lost: rows, finals and cells that it lacks.
        doubled: rows and finals that it has beyond those, and completions beyond one of a cell.
        problems: a sentence each.
    """

    rows: int = 0
    lost: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is."""
        return not (self.lost or self.doubled or self.problems)


def compare(calm: Kept, burnt: Kept) -> Verdict:
    """Holds a disturbed run against the undisturbed one, bit for bit.

    A row with another value is one lost and one doubled.
    """
    verdict = Verdict(rows=sum(calm.rows.values()))
    for what, expected, found in (
        ("row", calm.rows, burnt.rows),
        ("final", calm.finals, burnt.finals),
        ("completed cell", calm.completed, burnt.completed),
    ):
        lost, doubled = expected - found, found - expected
        verdict.lost += lost.total()
        verdict.doubled += doubled.total()
        verdict.problems += _told(f"{what} lost", lost) + _told(f"{what} doubled", doubled)
    if burnt.coverage != (CELLS, CELLS, 0):
        verdict.problems.append(
            f"coverage: {CELLS} of {CELLS} and none missing, got {burnt.coverage}"
        )
    ours = {"completed", "preempted", "node_lost", "worker_lost", "storage"}
    for name, detail in burnt.ends:
        if name not in ours:
            verdict.problems.append(f"an attempt ended of {name}: {detail[:1500]}")
    return verdict


def _told(what: str, rows: Counter[Row] | Counter[object]) -> list[str]:
    return [f"{what}: {row}" for row in list(rows)[:3]]


def progress(run_directory: Path) -> dict[str, int]:
    """How far each trial has saved itself: trial -> largest step of a checkpoint there is."""
    found: dict[str, int] = {}
    for name in _checkpoints(Store(run_directory)):
        parts = checkpoint_parts(name)
        if parts is not None:
            found[parts[0]] = max(found.get(parts[0], 0), parts[2])
    return found


def _checkpoints(store: Store) -> Iterable[str]:
    return store.list("checkpoints/")
