"""A sweep that was stopped or killed goes on, from its run directory alone."""

import shutil
import subprocess
import sys

import pytest

from orchestrator import actions
from orchestrator.driver import Options, run_sweep
from orchestrator.errors import InputError, Interrupted
from orchestrator.expand import expand
from orchestrator.paths import LEASE, newest_sweep_file
from orchestrator.runners.inline import Runner
from results.ledger import Event
from results.store import Store
from tests.orchestrator.sweeps import KINDS, cells, load, rows, trivial
from tests.orchestrator.workplace import Workplace


def test_a_sweep_that_is_stopped_saves_itself_and_resumes(workplace, tmp_path):
    with pytest.raises(Interrupted, match="t: interrupted"):
        workplace.run(trivial(), stop_after=0)
    assert list(workplace.attempts.values()) == [["preempted"]]
    summary = workplace.resume()
    assert (summary.trained, summary.counts) == (2, {"completed": 2})
    undisturbed = Workplace(tmp_path / "undisturbed")
    undisturbed.run(trivial())
    assert rows(workplace.root) == rows(undisturbed.root)


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
