"""The programs of tests/kinds, which the orchestrator's tests rest on, do what they say."""

import math
from pathlib import Path
from typing import Any

import pytest

from workloads.config import Progress, validate
from workloads.kinds import add_folder
from workloads.state import State

pytestmark = pytest.mark.usefixtures("_kinds")


@pytest.fixture
def _kinds() -> None:
    add_folder(Path(__file__).parents[1] / "kinds")


def run(values: dict[str, Any], state: State | None = None) -> list[Progress]:
    return list(validate(values).build().train(state or State()))


def test_trivial_counts() -> None:
    rows = run({"kind": "trivial", "value": 0.5, "steps": 3, "seed": 2})
    assert [(p.step, p.metrics["total"]) for p in rows] == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5)]
    assert rows[-1].metrics["seed"] == 2.0
    assert validate({"kind": "trivial"}).score_rule == "difference"


def test_trivial_resumes(tmp_path: Path) -> None:
    config, state = validate({"kind": "trivial", "steps": 4}), State()
    for progress in config.build().train(state):
        if progress.step == 2:
            break
    state.save(tmp_path)
    rows = list(config.build().train(State(resume_from=tmp_path)))
    assert [(p.step, p.metrics["total"]) for p in rows] == [(3, 3.0), (4, 4.0)]


def test_sleeping_takes_its_time_in_steps() -> None:
    rows = run({"kind": "sleeping", "seconds": 0.0, "steps": 3})
    assert [p.step for p in rows] == [0, 1, 2, 3]


@pytest.mark.parametrize(("mode", "error"), [("raise", RuntimeError), ("memory", MemoryError)])
def test_failing_raises_at_its_step(mode: str, error: type[Exception]) -> None:
    training = validate({"kind": "failing", "at": 2, "mode": mode}).build().train(State())
    assert [next(training).step for _ in range(2)] == [0, 1]
    with pytest.raises(error, match="failing at step 2, as asked"):
        next(training)


def test_failing_diverges_at_its_step() -> None:
    rows = run({"kind": "failing", "at": 1, "mode": "nan", "steps": 2})
    assert [math.isnan(p.metrics["val_loss"]) for p in rows] == [False, True, False]
