"""A wall clock that jumps changes times of day in the record, and nothing that has a length."""

import itertools

import pytest

from orchestrator.attempt import Attempt
from orchestrator.driver import run_sweep
from orchestrator.quantities import Every
from orchestrator.runners.inline import Runner
from orchestrator.trial import run_trial
from results.ledger import Ledger
from results.query import open_stores
from tests.orchestrator.sweeps import KINDS, cells, load, trivial

JUMPS = [3600.0, -3600.0]


def jumping(by):
    """A wall clock that jumps at every look."""
    looks = itertools.count()
    return lambda: 1_750_000_000.0 + by * next(looks)


def attempt(store, **options):
    given = {"config": {"kind": "trivial", "steps": 40}, "kinds": (str(KINDS),)} | options
    return Attempt(root=str(store.root), sweep="t", trial_id="t", number=0, **given)


@pytest.mark.usefixtures("forget_kinds")
@pytest.mark.parametrize("by", JUMPS)
def test_no_timeout_and_no_checkpoint_comes_of_a_jump(store, clock, by):
    asked = attempt(store, timeout_s=60.0, checkpoint_every=Every(30, "s"))
    outcome = run_trial(asked, clock=jumping(by), monotonic=clock)
    assert outcome.status == "completed"
    assert store.list("checkpoints/") == []


@pytest.mark.usefixtures("forget_kinds")
@pytest.mark.parametrize("by", [0.0, *JUMPS])
def test_a_timeout_comes_all_the_same(store, by):
    ticks = itertools.count()
    asked = attempt(store, timeout_s=60.0)
    outcome = run_trial(asked, clock=jumping(by), monotonic=lambda: float(next(ticks)))
    assert outcome.failure_class == "timeout"


@pytest.mark.usefixtures("test_kinds")
@pytest.mark.parametrize("by", JUMPS)
def test_how_long_a_trial_and_a_run_took_is_not_told_by_that_clock(store, by):
    text = trivial(values=[1.0])
    summary = run_sweep(
        load(text),
        cells(text),
        store=store,
        make_runner=lambda demands: Runner(clock=jumping(by)),
        clock=jumping(by),
    )
    assert 0 < summary.wall_s < 600
    with open_stores([store.root]) as reader:
        ((took,),) = [tuple(r.values()) for r in reader.sql(DURATION).to_pylist()]
        ((trained,),) = [tuple(r.values()) for r in reader.sql(TRAINED).to_pylist()]
    (end,) = [event for event in Ledger(store, sweep="t").events() if event.seconds]
    assert took == pytest.approx(sum(end.seconds.values()))
    assert trained == end.seconds["train"]
    assert 0 < took < summary.wall_s


DURATION = "SELECT duration_s FROM trials"
TRAINED = "SELECT (seconds->>'$.train')::DOUBLE FROM events WHERE seconds IS NOT NULL"
