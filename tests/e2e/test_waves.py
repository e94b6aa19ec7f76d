"""A sweep that takes several waves is one sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import actions
from orchestrator.runners import ray_tune
from tests.e2e.conftest import KINDS

pytestmark = pytest.mark.ray

SWEEP = """\
version: 1
name: waves
workload: {kind: failing, at: 1, steps: 2}
grids:
  - name: good
    set: {at: 9}
    parameters: {seed: [0, 1, 2, 3, 4, 5, 6]}
  - name: bad
    parameters: {mode: [raise]}
retry: {max: 1, backoff: 0s}
max_failed_trials: 1
"""


def test_trials_and_retries_go_on_from_wave_to_wave(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_tune, "WAVE_TRIALS", 3)
    monkeypatch.setattr(ray_tune, "WAVE_PER_SLOT", 1)
    waves = []
    fit = ray_tune._Wave.fit
    monkeypatch.setattr(ray_tune._Wave, "fit", lambda wave: (waves.append(wave), fit(wave)))
    path = tmp_path / "waves.yaml"
    path.write_text(SWEEP)

    summary = actions.run(path, storage=str(tmp_path), kinds=[str(KINDS)], runner="ray_tune")

    assert summary.counts == {"completed": 7, "failed": 1}
    assert len(waves) >= 3
    attempts = actions.sql(
        "waves",
        "SELECT grid, sum(attempts) AS n FROM trials GROUP BY ALL ORDER BY grid",
        storage=str(tmp_path),
    )
    assert attempts.to_pylist() == [{"grid": "bad", "n": 2}, {"grid": "good", "n": 7}]
