"""Searches and stopping rules on Ray Tune: what they ask and whom they stop is as it is inline."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import actions
from results.query import open_stores
from tests.e2e.conftest import KINDS, Counted, rows

pytestmark = pytest.mark.ray

SEARCH = """\
version: 1
name: found
workload: {kind: trivial, steps: 2}
method: tpe
search: {trials: 7, startup: 3}
grids: [{name: g, parameters: {value: {min: 0, max: 1}}}]
metric: {name: total}
"""

STOPPING = """\
version: 1
name: stopping
workload: {kind: climbing, steps: 12}
grids: [{name: g, parameters: {level: [1.0, 0.9, 0.8, 0.7, 0.6]}}]
metric: {name: height}
order: as_written
early_stopping: {kind: asha, factor: 2, first: 1}
"""


def run(path: Path, runner: str, text: str, **more: object) -> Path:
    """Runs a sweep and returns its run directory."""
    path.write_text(text)
    storage = path.parent / runner
    actions.run(path, storage=str(storage), kinds=[str(KINDS)], runner=runner, **more)  # type: ignore[arg-type]
    return storage / path.stem


def test_a_search_on_one_slot_asks_what_it_asks_inline(cluster: None, tmp_path: Path) -> None:
    path = tmp_path / "found.yaml"
    one = SEARCH + "max_concurrent_trials: 1\n"
    inline, ray_tune = (run(path, runner, one) for runner in ("inline", "ray_tune"))
    assert rows(inline) == rows(ray_tune)


def test_a_search_is_not_asked_ahead_of_free_places(cluster: None, tmp_path: Path) -> None:
    heard = Counted()
    root = run(tmp_path / "found.yaml", "ray_tune", SEARCH, listener=heard)
    with open_stores([root]) as reader:
        # Each of the first two was planned before any had ended, and none of the others.
        first_end = "(SELECT min(ts) FROM events WHERE status = 'completed')"
        early = reader.sql(f"SELECT count(*) AS n FROM trials WHERE created_at < {first_end}")
    assert early.to_pylist()[0]["n"] <= 2
    assert max(heard.running) <= 2


def test_both_runners_stop_the_same_trials(cluster: None, tmp_path: Path) -> None:
    path = tmp_path / "stopping.yaml"
    one = STOPPING + "max_concurrent_trials: 1\n"
    inline, ray_tune = (run(path, runner, one) for runner in ("inline", "ray_tune"))
    assert rows(inline) == rows(ray_tune)
    with open_stores([ray_tune]) as reader:
        found = reader.sql("SELECT status, count(*) AS n FROM trials GROUP BY ALL ORDER BY ALL")
    assert found.to_pylist() == [{"status": "completed", "n": 1}, {"status": "stopped", "n": 4}]
