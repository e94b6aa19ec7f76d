"""The inline runner and Ray Tune write the same rows, and a worker's death costs one attempt."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator import actions
from tests.e2e.conftest import KINDS, rows

pytestmark = pytest.mark.ray


def test_both_runners_write_the_same_rows(
    cluster: None, sweep_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sweep_file.parent
    (folder / "mlflow.py").write_text("raise AssertionError('Tune imports what nobody uses')")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    for runner in ("inline", "ray_tune"):
        summary = actions.run(sweep_file, storage=str(folder / runner), runner=runner)
        assert summary.counts == {"completed": 3}

    inline, ray_tune = (rows(folder / name / "two_cells") for name in ("inline", "ray_tune"))
    assert len(inline) > 100
    assert inline == ray_tune


FAILING = """\
version: 1
name: failing
workload: {kind: failing, at: 1}
grids:
  - name: modes
    parameters: {mode: [raise, nan, exit]}
retry: {max: 1, backoff: 0s}
max_failed_trials: 3
"""


def test_every_failure_has_its_class_and_the_others_go_on(cluster: None, tmp_path: Path) -> None:
    path = tmp_path / "failing.yaml"
    path.write_text(FAILING)

    summary = actions.run(path, storage=str(tmp_path), kinds=[str(KINDS)], runner="ray_tune")

    assert summary.exit_code == 1
    found = actions.sql(
        "failing",
        "SELECT config.mode AS mode, failure_class, attempts FROM trials ORDER BY mode",
        storage=str(tmp_path),
    )
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("exit", "worker_lost", 2),
        ("nan", "diverged", 1),
        ("raise", "user_error", 2),
    ]


TOO_MUCH = """\
version: 1
name: too_much
workload: {kind: trivial}
resources: {cpu: 1000}
"""


def test_a_trial_that_fits_nowhere_is_refused(cluster: None, tmp_path: Path) -> None:
    from orchestrator.errors import RunnerError

    path = tmp_path / "too_much.yaml"
    path.write_text(TOO_MUCH)
    with pytest.raises(RunnerError, match=r"cpu 1000 \(the largest node has 2\)"):
        actions.run(path, storage=str(tmp_path), kinds=[str(KINDS)], runner="ray_tune")
