"""The inline runner and Ray Tune write the same rows, and a worker's death costs one attempt."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from orchestrator import actions
from orchestrator.errors import Interrupted
from orchestrator.queue import TrialQueue
from tests.e2e.conftest import KINDS, Counted, rows, wait_for

pytestmark = pytest.mark.ray


def test_both_runners_write_the_same_rows(
    cluster: None, sweep_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sweep_file.parent
    (folder / "mlflow.py").write_text("raise AssertionError('Tune imports what nobody uses')")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    for runner, cores in (("inline", 1), ("ray_tune", 2)):
        heard = Counted()
        storage = str(folder / runner)
        summary = actions.run(sweep_file, storage=storage, runner=runner, listener=heard)
        assert summary.counts == {"completed": 3}
        # What Tune has pending is not under way: never more than there are cores.
        assert len(heard.running) == 3
        assert max(heard.running) <= cores

    inline, ray_tune = (rows(folder / name / "two_cells") for name in ("inline", "ray_tune"))
    assert len(inline) > 100
    assert inline == ray_tune


FAILING = """\
version: 1
name: failing
workload: {kind: failing, at: 1}
grids:
  - name: modes
    parameters: {mode: [raise, nan, inf, cuda_memory, kill]}
retry: {max: 1, backoff: 0s}
max_failed_trials: 5
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
        ("cuda_memory", "cuda_oom", 2),
        ("inf", "diverged", 1),
        ("kill", "worker_lost", 2),
        ("nan", "diverged", 1),
        ("raise", "user_error", 2),
    ]


HANGING = """\
version: 1
name: hanging
workload: {kind: failing, mode: hang, at: 2}
checkpoint: {every: 1 steps}
trial_timeout: TIMEOUT
grace: 500ms
max_failed_trials: 2
"""


def test_a_step_that_never_ends_is_killed_at_the_timeout(cluster: None, tmp_path: Path) -> None:
    path = tmp_path / "hanging.yaml"
    path.write_text(HANGING.replace("TIMEOUT", "1s"))
    summary = actions.run(path, storage=str(tmp_path), kinds=[str(KINDS)], runner="ray_tune")
    assert summary.counts == {"failed": 1}
    assert _ends(tmp_path) == [("failed", "timeout")]


def test_who_does_not_leave_within_its_grace_is_killed_and_goes_on_later(
    cluster: None, tmp_path: Path
) -> None:
    path = tmp_path / "hanging.yaml"
    path.write_text(HANGING.replace("TIMEOUT", "null"))
    stopping: list[threading.Thread] = []

    def stop_at_work(queue: TrialQueue) -> None:
        def stop() -> None:
            wait_for(lambda: any((tmp_path / "hanging").glob("checkpoints/*/a0-1")))
            queue.stop()

        stopping.append(threading.Thread(target=stop))
        stopping[0].start()

    with pytest.raises(Interrupted):
        actions.run(
            path,
            storage=str(tmp_path),
            kinds=[str(KINDS)],
            on_queue=stop_at_work,
        )
    stopping[0].join()
    assert _ends(tmp_path) == [("failed", "preempted")]
    assert any((tmp_path / "hanging").glob("checkpoints/*/a0-1"))


def _ends(storage: Path) -> list[tuple[str, str | None]]:
    text = "SELECT status, failure_class FROM events WHERE status <> 'running'"
    found = actions.sql("hanging", text, storage=str(storage)).to_pylist()
    return [(row["status"], row["failure_class"]) for row in found]


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
    with pytest.raises(RunnerError, match=r"cpu 1000 \(the most that one node has is 2\)"):
        actions.run(path, storage=str(tmp_path), kinds=[str(KINDS)], runner="ray_tune")
