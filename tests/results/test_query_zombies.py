"""Attempts taken for dead that write on: what they hide is in no summary either."""

import pytest

from results.compact import compact
from results.lasts import lasts
from results.query import open_stores
from results.writer import Writer
from tests.results.compacting import sweep_late
from tests.results.mortal import bury
from tests.results.sweeps import begin, end, plan

COLUMNS = "step, last, minimum, maximum, count"


def attempt(store, number, *, resumed_from=None, carried=None):
    begin(store, "t", attempt=number, minute=number)
    return Writer(
        store,
        sweep="s",
        trial_id="t",
        attempt=number,
        resumed_from=resumed_from,
        carried=carried,
        every_s=3600,
    )


def write(writer, values):
    for step, value in values.items():
        writer.write(step, {"m": value})
    writer.flush()


@pytest.fixture
def resumed(store):
    """A trial whose third attempt went on from its first, and its second one, not dead yet."""
    plan(store, [{"trial_id": "t"}])
    first = attempt(store, 0)
    write(first, {0: 100.0, 1: 1.0})
    carried = first.carried()
    end(store, "t", "failed", attempt=0)
    zombie = attempt(store, 1)
    end(store, "t", "failed", attempt=1)
    third = attempt(store, 2, resumed_from=1, carried=carried)
    write(third, {2: 2.0})
    third.close()
    end(store, "t", attempt=2)
    yield store, zombie
    for writer in (first, zombie):
        bury(writer)


def summary(store):
    with open_stores([store.root]) as reader:
        return tuple(reader.sql(f"SELECT {COLUMNS} FROM finals").to_pylist()[0].values())


def test_finals_of_a_resumed_trial_are_those_that_it_carried(resumed):
    store, _ = resumed
    assert summary(store) == (2, 2.0, 1.0, 100.0, 3)
    assert lasts(store, ["t"])["t"].metrics == {"m": 2.0}


@pytest.mark.parametrize("compacted", [False, True])
def test_what_a_zombie_hides_is_in_no_finals(resumed, compacted):
    store, zombie = resumed
    if compacted:
        compact(store, sweep="s")
        sweep_late(store)
        assert store.list("metrics/") == []
    write(zombie, {0: 5.0})
    assert summary(store) == (2, 2.0, 2.0, 5.0, 2)
    write(zombie, {1: 7.0})
    assert summary(store) == (2, 2.0, 2.0, 7.0, 3)
    assert lasts(store, ["t"])["t"].step == 2


def test_a_compaction_sums_up_what_counts_by_then(resumed):
    store, zombie = resumed
    write(zombie, {0: 5.0})
    compact(store, sweep="s")
    sweep_late(store)
    assert summary(store) == (2, 2.0, 2.0, 5.0, 2)
    write(zombie, {1: 7.0})
    assert summary(store) == (2, 2.0, 2.0, 7.0, 3)


def test_a_checkpoint_behind_the_last_rows_names_its_step(store):
    """So names tell whose it is, and finals are used: they are what a damaged segment leaves."""
    plan(store, [{"trial_id": "t"}])
    first = attempt(store, 0)
    write(first, {0: 100.0})
    first.write(9)
    carried = first.carried()
    assert store.list("metrics/")[-1] == "metrics/t/a0.rnew.9-9.parquet"
    second = attempt(store, 1, resumed_from=9, carried=carried)
    write(second, {10: 1.0})
    second.close()
    store.put("metrics/t/a0.rnew.0-0.parquet", b"damaged")
    assert summary(store) == (10, 1.0, 1.0, 100.0, 2)
    bury(first)
