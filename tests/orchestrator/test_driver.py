"""A sweep from its file to its rows with the inline runner, and what running it again does."""

import shutil
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from orchestrator import actions
from orchestrator.attempt import Outcome
from orchestrator.driver import Options, Summary, run_sweep
from orchestrator.errors import GateError, InputError, Interrupted, LeaseError
from orchestrator.expand import expand
from orchestrator.lease import LOST_AFTER_S, Lease
from orchestrator.paths import LEASE, newest_sweep_file
from orchestrator.runners.inline import Runner
from orchestrator.spec import Resources
from results.errors import StorageError
from results.ledger import Event, Ledger
from results.store import Store
from tests.orchestrator.sweeps import KINDS, cells, events, load, rows, trivial


class Listener:
    """Writes down what it hears."""

    def __init__(self):
        self.heard = []

    def changed(self, difference):
        self.heard += difference.sentences

    def planned(self, plan, left):
        self.heard.append(f"{plan.total} planned, {left} left")

    def started(self, tally, attempt):
        self.heard.append(f"{attempt.trial_id} {attempt.number} started")

    def ended(self, tally, outcome, verdict):
        self.heard.append(f"{outcome.trial_id} {outcome.number} {verdict}")


class Workplace:
    """A folder with a sweep file `t.yaml` and a storage root."""

    def __init__(self, folder, kinds):
        self.file = folder / "t.yaml"
        self.storage = folder / "runs"
        self.root = self.storage / "t"
        self.kinds = [str(kinds)]

    def run(self, text=None, **options):
        if text is not None:
            self.file.write_text(text)
        options = {"storage": str(self.storage), "kinds": self.kinds, "runner": "inline"} | options
        return actions.run(self.file, **options)

    def resume(self, **options):
        return actions.resume("t", storage=str(self.storage), runner="inline", **options)

    @property
    def ledger(self):
        return Ledger(Store(self.root), sweep="t")

    @property
    def attempts(self):
        """trial_id -> how each of its attempts ended."""
        ends = {}
        for trial_id, _, status, failure_class in events(self.root):
            if status != "running":
                ends.setdefault(trial_id, []).append(failure_class or status)
        return ends

    def values(self):
        """value -> how its attempts ended."""
        configs = {id_: row.config["value"] for id_, row in self.ledger.trials().items()}
        return {configs[id_]: ends for id_, ends in self.attempts.items()}


@pytest.fixture
def workplace(tmp_path, test_kinds):
    return Workplace(tmp_path, test_kinds)


def test_a_sweep_runs_every_cell_once(workplace):
    summary = workplace.run(trivial(values=[1.0, 2.0, 3.0]))
    assert (summary.sweep, summary.total, summary.trained, summary.retried) == ("t", 3, 3, 0)
    assert summary.counts == {"completed": 3}
    assert summary.exit_code == 0
    assert workplace.values() == {1.0: ["completed"], 2.0: ["completed"], 3.0: ["completed"]}
    assert {row.metric for row in workplace.ledger.trials().values()} == {"total"}
    assert not (workplace.root / LEASE).exists()


def test_running_it_again_trains_nothing_and_writes_nothing(workplace):
    workplace.run(trivial())
    before = Store(workplace.root).list()
    listener = Listener()
    summary = workplace.run(listener=listener)
    assert (summary.trained, summary.counts, summary.exit_code) == (0, {"completed": 2}, 0)
    assert listener.heard == ["2 planned, 0 left"]
    assert Store(workplace.root).list() == before


def test_one_more_value_trains_exactly_the_new_cells(workplace):
    workplace.run(trivial(values=[1.0, 2.0]))
    summary = workplace.run(trivial(values=[2.0, 3.0, 1.0]))
    assert (summary.trained, summary.total, summary.removed) == (1, 3, 0)
    assert workplace.values() == {1.0: ["completed"], 2.0: ["completed"], 3.0: ["completed"]}


def test_cells_that_are_asked_for_no_more_stay_unwanted_and_come_back(workplace):
    workplace.run(trivial(values=[1.0, 2.0]))
    summary = workplace.run(trivial(values=[2.0]))
    assert (summary.total, summary.removed, summary.trained) == (1, 1, 0)
    assert {r.config["value"]: r.wanted for r in workplace.ledger.trials().values()} == {
        1.0: False,
        2.0: True,
    }
    assert len(rows(workplace.root)) > 0
    summary = workplace.run(trivial(values=[1.0, 2.0]))
    assert (summary.total, summary.trained) == (2, 0)
    assert all(row.wanted for row in workplace.ledger.trials().values())


def test_a_planned_row_keeps_its_first_time_and_follows_the_file(workplace):
    workplace.run(trivial(values=[1.0]))
    ((id_, first),) = workplace.ledger.trials().items()
    workplace.run(trivial(values=[1.0], metric={"name": "value", "goal": "minimize"}))
    row = workplace.ledger.trials()[id_]
    assert (row.metric, row.goal) == ("value", "minimize")
    assert replace(row, metric="total", goal="maximize") == first


def test_a_listener_hears_everything_in_order(workplace):
    listener = Listener()
    workplace.run(trivial(values=[1.0]), listener=listener)
    (id_,) = workplace.ledger.trials()
    assert listener.heard == ["1 planned, 1 left", f"{id_} 0 started", f"{id_} 0 completed"]


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


def test_a_sweep_that_is_stopped_saves_itself_and_resumes(workplace, tmp_path):
    queues = []

    class StopAtOnce(Listener):
        def started(self, tally, attempt):
            queues[0].stop()

    with pytest.raises(Interrupted, match="t: interrupted"):
        workplace.run(trivial(), on_queue=queues.append, listener=StopAtOnce())
    assert list(workplace.attempts.values()) == [["preempted"]]
    summary = workplace.resume()
    assert (summary.trained, summary.counts) == (2, {"completed": 2})
    undisturbed = Workplace(tmp_path / "undisturbed", KINDS)
    undisturbed.file.parent.mkdir()
    undisturbed.run(trivial())
    assert rows(workplace.root) == rows(undisturbed.root)


def test_only_the_trials_that_are_named_run(workplace):
    text = trivial(values=[1.0, 2.0, 3.0])
    chosen = cells(text)[1]
    summary = workplace.run(text, options=Options(only=(chosen.trial_id,)))
    assert (summary.trained, summary.counts) == (1, {"completed": 1, "planned": 2})
    assert summary.exit_code == 0
    assert list(workplace.attempts) == [chosen.trial_id]


def test_a_trial_that_the_sweep_does_not_have_cannot_run(workplace):
    with pytest.raises(InputError, match="--only: a trial of the sweep is needed, got 'abc'"):
        workplace.run(trivial(), options=Options(only=("abc",)))
    assert not workplace.root.exists()


def test_resources_from_the_command_line_replace_those_of_the_file():
    asked = Resources(cpu=2, gpu=0.5, memory="1GiB")
    assert Options().override(asked) == asked
    assert Options(gpu=0.0).override(asked) == Resources(cpu=2, gpu=0, memory="1GiB")
    assert Options(cpu=4.0).override(asked).cpu == 4


def test_resources_change_no_id(workplace):
    workplace.run(trivial())
    assert workplace.run(options=Options(cpu=2.0)).trained == 0


def _left_running(workplace, text):
    """The store of a driver that died just after a trial had begun."""
    cell = cells(text)[0]
    ledger = workplace.ledger
    ledger.claim(cell.trial_id, 0)
    ledger.record(Event(sweep="t", trial_id=cell.trial_id, attempt=0, status="running"))
    return cell.trial_id


def test_what_a_dead_driver_left_running_is_closed_and_run_again(workplace):
    text = trivial()
    id_ = _left_running(workplace, text)
    workplace.run(text)
    found = [event for event in workplace.ledger.events() if event.trial_id == id_]
    assert [(event.attempt, event.status, event.failure_class) for event in found] == [
        (0, "running", None),
        (0, "failed", "preempted"),
        (1, "running", None),
        (1, "completed", None),
    ]
    assert found[1].detail.startswith("the driver went away")


_DIES_ONCE = """\
if step == 5 and not Path(self.config.marker).exists():
            Path(self.config.marker).touch()
            os._exit(9)
"""

_DRIVE = """\
import sys
from orchestrator import actions
actions.run(sys.argv[1], storage=sys.argv[2], kinds=[sys.argv[3]], runner="inline")
"""


def test_a_sweep_goes_on_after_its_process_died(tmp_path, program):
    kinds = program("dies_once", _DIES_ONCE)
    workload = {"kind": "dies_once", "steps": 6, "marker": str(tmp_path / "marker")}
    grids = [{"name": "a", "parameters": {"seed": [0, 1]}}]
    text = trivial(workload=workload, grids=grids, checkpoint={"every": "2 steps"})
    workplace = Workplace(tmp_path, kinds)
    workplace.file.write_text(text)
    command = [sys.executable, "-c", _DRIVE, workplace.file, workplace.storage, kinds]
    assert subprocess.run(command).returncode == 9
    assert (workplace.root / LEASE).exists()

    summary = workplace.resume()

    assert (summary.trained, summary.counts) == (2, {"completed": 2})
    first = cells(text)[0].trial_id
    assert workplace.attempts[first] == ["preempted", "completed"]
    resumed = [e.resumed_from for e in workplace.ledger.events() if e.trial_id == first]
    assert resumed == [None, None, 4, None]
    assert rows(workplace.root, first) == [
        (step, None, "total", (1.5 * step).hex()) for step in range(7)
    ]


def test_a_second_driver_is_refused_and_touches_nothing(workplace):
    workplace.run(trivial())
    before = Store(workplace.root).list()
    with Lease(Store(workplace.root)), pytest.raises(LeaseError, match="one driver works"):
        workplace.run(trivial(values=[5.0]))
    assert Store(workplace.root).list() == before


def test_a_driver_that_may_have_lost_its_lease_starts_nothing(workplace, monkeypatch):
    monkeypatch.setattr(Lease, "lost", True)
    with pytest.raises(LeaseError, match="renews its lease every 5 s, got no renewal for 15 s"):
        workplace.run(trivial())
    assert events(workplace.root) == []
    assert LOST_AFTER_S == 15


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


def test_a_place_to_run_is_made_only_where_there_is_work(workplace):
    loaded = load(trivial(resources={"cpu": 3}))
    asked = []

    def make(demands):
        asked.append(demands)
        return Runner()

    for _ in range(2):
        run_sweep(loaded, expand(loaded), store=Store(workplace.root), make_runner=make)
    assert asked == [(Resources(cpu=3),)]


@pytest.fixture
def own_sweep(tmp_path, program):
    """A sweep of a program of the user's own, which stands beside the sweep file."""
    workplace = Workplace(tmp_path, program("mine", "pass"))
    grids = [{"name": "a", "parameters": {"seed": [0, 1]}}]
    text = trivial(workload={"kind": "mine"}, grids=grids, kinds=["my_kinds"])
    workplace.file.write_text(text)
    workplace.kinds = []
    return workplace


def test_the_run_directory_alone_resumes_a_sweep(own_sweep, tmp_path, forget_kinds):
    first = actions.plan(own_sweep.file, storage=str(own_sweep.storage))[0].cells[0].cell.trial_id
    own_sweep.run(options=Options(only=(first,)))
    shutil.rmtree(tmp_path / "my_kinds")
    own_sweep.file.unlink()
    forget_kinds()
    summary = own_sweep.resume()
    assert (summary.trained, summary.counts) == (1, {"completed": 2})
    assert sys.modules["workloads.programs.mine"].__file__.startswith(str(own_sweep.root / "code"))


def test_kinds_are_kept_once_a_version(own_sweep, tmp_path, forget_kinds):
    own_sweep.run()
    own_sweep.run()
    assert len(list((own_sweep.root / "code").iterdir())) == 1
    assert len(list((own_sweep.root / "sweep").glob("*.yaml"))) == 1
    forget_kinds()
    file = tmp_path / "my_kinds" / "programs" / "mine.py"
    file.write_text(file.read_text() + "# another version\n")
    assert own_sweep.run().trained == 0
    assert len(list((own_sweep.root / "code").iterdir())) == 2


def test_what_an_editor_hides_in_a_folder_of_kinds_is_not_kept(own_sweep, tmp_path):
    hidden = tmp_path / "my_kinds" / ".ipynb_checkpoints"
    hidden.mkdir()
    (hidden / "mine-checkpoint.py").write_text("1 / 0\n")
    own_sweep.run()
    assert [p.name for p in (own_sweep.root / "code").rglob("*.py")] == ["mine.py"]


def test_resume_takes_the_version_that_was_started_last_whatever_the_clock_said(workplace, clock):
    for values in ([1.0], [1.0, 2.0], [1.0]):
        loaded = load(trivial(values=values))
        run_sweep(
            loaded,
            expand(loaded),
            store=Store(workplace.root),
            make_runner=lambda _: Runner(),
            options=Options(kinds=(KINDS,)),
            clock=clock,
        )
        clock.forward(-3600)
    store = Store(workplace.root)
    assert store.read(newest_sweep_file(store)) == trivial(values=[1.0]).encode()
    assert len(list((workplace.root / "sweep").glob("*.yaml"))) == 3
    assert workplace.resume().total == 1


def test_resuming_what_never_was(workplace):
    workplace.run(trivial())
    with pytest.raises(InputError, match=r"tt: a sweep in .* Did you mean 't'\?"):
        actions.resume("tt", storage=str(workplace.storage))


def test_nothing_starts_before_the_whole_file_is_valid(workplace):
    with pytest.raises(InputError, match="greater than or equal to 0"):
        workplace.run(trivial(workload={"steps": -1}))
    assert not workplace.storage.exists()


def test_a_storage_that_cannot_be_written_is_told(workplace):
    workplace.storage.write_bytes(b"a file")
    with pytest.raises(StorageError, match="not a directory. A file stands where"):
        workplace.run(trivial())


def test_no_thread_outlives_a_run(workplace):
    before = set(threading.enumerate())
    workplace.run(trivial())
    new = [t.name for t in set(threading.enumerate()) - before]
    assert [name for name in new if name.startswith(("lease", "flush"))] == []


@pytest.mark.parametrize(("asked", "done", "code"), [(2, 2, 0), (1, 1, 0), (2, 1, 1), (2, 0, 1)])
def test_the_exit_code_says_whether_all_that_was_asked_for_is_done(asked, done, code):
    assert Summary(sweep="t", total=3, counts={}, asked=asked, done=done).exit_code == code
