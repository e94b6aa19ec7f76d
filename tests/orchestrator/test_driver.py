"""A sweep from its file to its rows with the inline runner, and what running it again does."""

import threading
from dataclasses import replace

import pytest

from orchestrator.driver import Options, Summary, run_sweep
from orchestrator.errors import InputError, LeaseError
from orchestrator.expand import expand
from orchestrator.lease import LOST_AFTER_S, Lease
from orchestrator.paths import LEASE
from orchestrator.runners.inline import Runner
from orchestrator.spec import Resources
from results.errors import StorageError
from results.store import Store
from tests.orchestrator.sweeps import cells, events, load, rows, trivial
from tests.orchestrator.workplace import Listener


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


def test_a_place_to_run_is_made_only_where_there_is_work(workplace):
    loaded = load(trivial(resources={"cpu": 3}))
    asked = []

    def make(demands):
        asked.append(demands)
        return Runner()

    for _ in range(2):
        run_sweep(loaded, expand(loaded), store=Store(workplace.root), make_runner=make)
    assert asked == [(Resources(cpu=3),)]


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
