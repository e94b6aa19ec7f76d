"""What a failed trial does to its sweep: it is tried again, and too many of them stop it."""

import pytest

from orchestrator.attempt import Outcome
from orchestrator.driver import run_sweep
from orchestrator.errors import GateError
from orchestrator.expand import expand
from orchestrator.paths import LEASE
from results.store import Store
from tests.orchestrator.sweeps import load, trivial
from tests.orchestrator.workplace import Workplace

_FAILS_ONCE = """\
if step == 2 and not Path(self.config.marker).exists():
            Path(self.config.marker).touch()
            raise RuntimeError("once")
"""


@pytest.fixture
def fails_once(tmp_path, program):
    """A sweep of one trial whose first attempt fails at step 2."""
    workplace = Workplace(tmp_path, program("fails_once", _FAILS_ONCE))
    workload = {"kind": "fails_once", "steps": 3, "marker": str(tmp_path / "marker")}
    workplace.file.write_text(trivial(workload=workload, grids=[{"name": "a"}]))
    return workplace


def test_a_failure_is_tried_again_and_then_goes_well(fails_once):
    summary = fails_once.run()
    assert (summary.trained, summary.retried, summary.exit_code) == (1, 1, 0)
    assert list(fails_once.attempts.values()) == [["user_error", "completed"]]


def test_a_failed_cell_does_not_stop_the_others(workplace):
    text = trivial(
        workload={"kind": "failing"},
        grids=[{"name": "a", "parameters": {"at": [1, 9], "mode": ["nan"]}}],
    )
    summary = workplace.run(text)
    assert summary.counts == {"completed": 1, "failed": 1}
    assert (summary.trained, summary.exit_code) == (1, 1)


def test_a_failed_cell_is_run_again_by_the_next_run(workplace):
    text = trivial(workload={"kind": "failing", "mode": "nan"}, grids=[{"name": "a"}])
    assert workplace.run(text).exit_code == 1
    assert workplace.resume().counts == {"failed": 1}
    assert list(workplace.attempts.values()) == [["diverged", "diverged"]]


def _all_fail(**keys):
    grids = [{"name": "a", "parameters": {"seed": {"min": 0, "max": 9, "step": 1}}}]
    return trivial(workload={"kind": "failing", "mode": "nan"}, grids=grids, **keys)


def test_too_many_failures_stop_the_sweep(workplace):
    with pytest.raises(GateError, match=r"max_failed_trials: at most 2 .* got 3 .*diverged"):
        workplace.run(_all_fail(max_failed_trials=2))
    assert len(workplace.attempts) == 3
    assert not (workplace.root / LEASE).exists()


def test_a_tenth_of_the_trials_may_fail_by_default(workplace):
    with pytest.raises(GateError, match="at most 1 trials may fail, got 2"):
        workplace.run(_all_fail())


def test_failures_in_a_row_stop_the_sweep(workplace):
    with pytest.raises(GateError, match="max_consecutive_failures: fewer than 4"):
        workplace.run(_all_fail(max_failed_trials="100%", max_consecutive_failures=4))
    assert len(workplace.attempts) == 4


class Deadly:
    """A place whose workers die before they write how they ended."""

    def __init__(self, demands):
        pass

    def run(self, source):
        while (attempt := source.take()) is not None:
            ended = {"status": "failed", "failure_class": "worker_lost", "recorded": False}
            source.done(Outcome(trial_id=attempt.trial_id, number=attempt.number, **ended))


def test_an_attempt_that_the_worker_could_not_end_is_ended_by_the_driver(workplace):
    loaded = load(trivial(retry={"max": 0}, max_failed_trials=9))
    store = Store(workplace.root)
    summary = run_sweep(loaded, expand(loaded), store=store, make_runner=Deadly)
    assert summary.counts == {"failed": 2}
    assert list(workplace.attempts.values()) == [["worker_lost"]] * 2
