"""Early stopping from the sweep file to the store: who is stopped, what is stored, what resumes."""

import json

import pytest

from orchestrator import actions
from orchestrator.errors import Interrupted
from orchestrator.judging import Judging
from orchestrator.rungs import Climb, Ladder, Rung
from results.ledger import Event, Ledger
from results.query import open_stores
from results.store import Store
from tests.orchestrator.sweeps import cells, load, rows, text_of
from workloads.config import Progress

LEVELS = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
"""The best first: with factor 2 whoever is worse than the median so far stops."""


def sweep(rule=None, *, levels=LEVELS, workload=None, **keys):
    given = {
        "workload": {"kind": "climbing"} | (workload or {}),
        "grids": [{"name": "levels", "parameters": {"level": levels}, **keys.pop("grid", {})}],
        "metric": {"name": "height"},
        "order": "as_written",
        "early_stopping": {"kind": "asha", "factor": 2, "first": 2, "unit": "step"} | (rule or {}),
        "checkpoint": {"every": "1 step"},
        "retry": {"max": 1, "backoff": "0s"},
    }
    return text_of(**given | keys)


def ends(workplace):
    """level -> (status, last step)."""
    with open_stores([workplace.root]) as reader:
        found = reader.sql("SELECT config.level AS level, status, step FROM trials").to_pylist()
    return {row["level"]: (row["status"], row["step"]) for row in found}


@pytest.mark.parametrize("unit", ["step", "epoch"])
def test_those_behind_are_stopped_and_say_so(workplace, unit):
    summary = workplace.run(sweep({"unit": unit, "first": 2 if unit == "step" else 1}))
    # The first is compared with nobody, the second with the first; both units mean step 2 here.
    found = ends(workplace)
    assert found[1.0] == ("completed", 12)
    assert all(found[level] == ("stopped", 2) for level in LEVELS[1:])
    assert summary.counts == {"completed": 1, "stopped": 7}
    assert (summary.exit_code, summary.done, summary.trained) == (0, 8, 8)


def test_rungs_stand_at_powers(workplace):
    """In the other order nobody is behind: each goes to its end, and is heard of at 2, 4, 8, 12."""
    workplace.run(sweep({"unit": "epoch", "first": 1}, levels=LEVELS[::-1]))
    assert set(ends(workplace).values()) == {("completed", 12)}
    with open_stores([workplace.root]) as reader:
        found = reader.sql("SELECT DISTINCT step, value FROM metrics WHERE name = 'epoch'")
    assert sorted(map(tuple, (row.values() for row in found.to_pylist()))) == [
        (2, 1.0),
        (4, 2.0),
        (8, 4.0),
    ]


def test_nothing_more_is_trained_and_finals_are_whole(workplace):
    workplace.run(sweep())
    before = Store(workplace.root).list()
    assert workplace.run().trained == 0
    assert Store(workplace.root).list() == before
    with open_stores([workplace.root]) as reader:
        found = reader.sql("SELECT height, score, detail FROM trials WHERE status = 'stopped'")
    for row in found.to_pylist():
        assert row["height"] == row["score"]
        assert row["detail"].startswith("stopped early at step 2 with ")


def test_every_aggregate_says_how_many_were_stopped(workplace, capsys):
    workplace.run(sweep())
    found = actions.status("t", storage=str(workplace.storage))
    assert found.counts == {"completed": 1, "stopped": 7}
    with open_stores([workplace.root]) as reader:
        (coverage,) = reader.sql("SELECT * FROM coverage").to_pylist()
    assert (coverage["completed"], coverage["stopped"], coverage["missing"]) == (1, 7, 0)


def test_a_grid_has_a_rule_of_its_own_and_baselines_none(workplace):
    text = sweep(
        grid={"early_stopping": {"kind": "median", "samples": 2, "unit": "step", "first": 2}},
        baseline={"level": 0.3},
    )
    workplace.run(text)
    found = ends(workplace)
    assert found[0.3] == ("completed", 12)  # The worst, and everybody's baseline.
    assert found[1.0] == found[0.9] == ("completed", 12)
    assert found[0.5][0] == "stopped"


def test_who_has_come_to_the_end_is_complete(workplace):
    """The rung is the last step, of a program that tells how many there are or does not."""
    for tells in (True, False):
        text = sweep({"first": 12}, workload={"tells_steps": tells, "steps": 12})
        workplace.run(text)
    assert set(ends(workplace).values()) == {("completed", 12)}


def test_epochs_of_a_program_without_any_are_refused(workplace):
    text = sweep({"unit": "epoch", "first": 1}, levels=[1.0], workload={"steps_per_epoch": None})
    summary = workplace.run(text + json.dumps("max_failed_trials") + ": 1\n")
    assert summary.counts == {"failed": 1}
    (found,) = actions.status("t", storage=str(workplace.storage)).failures
    assert "early_stopping: epochs are known of this program, got none" in found[3]


def test_rungs_survive_a_resume(workplace, tmp_path):
    """Half of it now, half later: who comes later is compared with who came first."""
    with pytest.raises(Interrupted):
        workplace.run(sweep(), stop_after=1)
    assert workplace.run().counts == {"completed": 1, "stopped": 7}
    assert all(end == ("stopped", 2) for level, end in ends(workplace).items() if level < 1)


def test_who_died_before_it_heard_that_it_stops_does_not_go_on(workplace):
    """Rows and a checkpoint of its rung are there, and the end of its attempt is not."""
    workplace.run(sweep(levels=[1.0, 0.5]))
    store, ledger = Store(workplace.root), Ledger(Store(workplace.root), sweep="t")
    (trial_id,) = (id_ for id_, row in ledger.trials().items() if row.config["level"] == 0.5)
    before = rows(workplace.root, trial_id)
    store.delete(f"events/{trial_id}.a0.end.parquet")
    assert workplace.run().counts == {"completed": 1, "stopped": 1}
    assert rows(workplace.root, trial_id) == before
    last = ledger.latest()[trial_id]
    assert (last.attempt, last.status) == (1, "stopped")


def judging(**rule):
    loaded = load(sweep(rule))
    return Judging(loaded.sweep), cells(sweep(rule))


def test_who_was_told_to_stop_is_told_so_again(test_kinds):
    judge, (best, worst, *_) = judging()
    assert not judge.stops(best, Rung(2, 2.0, 0.9))
    assert judge.stops(worst, Rung(2, 2.0, 0.1))
    assert judge.stopped(worst)
    assert judge.stops(worst, Rung(2, 2.0, 0.1))


def test_a_rung_that_is_taken_again_after_a_crash_counts_once(test_kinds):
    judge, (first, second, *_) = judging()
    assert not judge.stops(first, Rung(2, 2.0, 0.5))
    assert not judge.stops(first, Rung(2, 2.0, 0.1))
    assert not judge.stops(second, Rung(2, 2.0, 0.5))


class State:
    steps_per_epoch = 4
    steps = 40


def climbed(ladder, *, resumed_from=None):
    climb = Climb(ladder, resumed_from=resumed_from)
    progress = [Progress(step, {"loss": 1.0} if step % 2 == 0 else {}) for step in range(1, 41)]
    found = [climb.rung(p, State()) for p in progress if p.step > (resumed_from or 0)]
    return [(rung.step, rung.time) for rung in found if rung is not None]


@pytest.mark.parametrize(
    ("ladder", "times"),
    [
        # Where a rung falls between two values it hears of the next one.
        ({"first": 3, "factor": 3}, [4, 10, 28]),
        ({"first": 3, "factor": 3, "last": 20}, [4, 10]),
        ({"first": 36}, [36, 38, 40]),
        ({"first": 1, "metric": "else"}, []),
    ],
)
def test_a_ladder_in_steps(ladder, times):
    found = climbed(Ladder(**{"metric": "loss", "unit": "step"} | ladder))
    assert found == [(time, float(time)) for time in times]


def test_a_ladder_in_epochs_and_none():
    ladder = Ladder(metric="loss", unit="epoch", first=1, factor=3)
    assert climbed(ladder) == [(4, 1.0), (12, 3.0), (36, 9.0)]
    assert climbed(ladder, resumed_from=12) == [(36, 9.0)]
    assert climbed(None) == []


def test_events_know_the_status(tmp_path):
    ledger = Ledger(Store(tmp_path), sweep="t")
    ledger.record(Event(sweep="t", trial_id="a" * 12, attempt=0, status="stopped"))
    assert ledger.latest()["a" * 12].status == "stopped"
