"""Attempts taken for dead that write on: what they hide is in no summary either."""

from datetime import timedelta

import pytest

from results.compact import compact
from results.lasts import lasts
from results.listing import take
from results.query import open_stores
from results.writer import Writer
from tests.results.compacting import sweep_late
from tests.results.mortal import bury
from tests.results.sweeps import START, begin, end, plan

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


def test_an_attempt_that_wakes_after_a_compaction_says_nothing_of_what_was_reached(store):
    plan(store, [{"trial_id": "t"}])
    zombie = attempt(store, 0)
    end(store, "t", "failed", attempt=0)
    second = attempt(store, 1)
    write(second, {0: 2.0, 10: 1.0})
    second.close()
    end(store, "t", attempt=1)
    compact(store, sweep="s")
    sweep_late(store)
    write(zombie, {0: 7.0, 3: 7.0})
    zombie.close()
    assert summary(store) == (10, 1.0, 1.0, 2.0, 2)
    assert (lasts(store, ["t"])["t"].step, lasts(store, ["t"])["t"].metrics) == (10, {"m": 1.0})


def test_what_was_carried_over_a_compaction_is_not_a_zombies(store):
    plan(store, [{"trial_id": "t"}])
    first = attempt(store, 0)
    first.write(0, {"init": 100.0, "m": 0.0})
    first.write(60, {"m": 1.0})
    carried = first.carried()
    first.close()
    end(store, "t", "failed", attempt=0)
    zombie = attempt(store, 1)
    end(store, "t", "failed", attempt=1)
    compact(store, sweep="s")
    sweep_late(store)
    third = attempt(store, 2, resumed_from=60, carried=carried)
    zombie.write(0, {"init": -7.0, "m": 3.0})
    write(zombie, {70: 3.0})
    write(third, {80: 2.0})
    third.close()
    assert lasts(store, ["t"])["t"].metrics == {"init": -7.0, "m": 2.0}
    bury(zombie)


def test_of_an_earlier_moment_nothing_tells_what_was_written_later(store):
    now = [START.timestamp()]
    begin(store, "t")
    settings = {"sweep": "s", "trial_id": "t", "attempt": 0, "every_s": 3600}
    zombie = Writer(store, **settings, clock=lambda: now[0])
    write(zombie, {0: 1.0})
    end(store, "t", "failed", minute=2)
    now[0] += 600
    write(zombie, {1: 9.0})
    compact(store, sweep="s")
    for moment, expected in ((5, (0, 1.0, 1.0, 1.0, 1)), (15, (1, 9.0, 1.0, 9.0, 2))):
        with open_stores([store.root], as_of=START + timedelta(minutes=moment)) as reader:
            (row,) = reader.sql(f"SELECT {COLUMNS} FROM finals").to_pylist()
        assert tuple(row.values()) == expected
    bury(zombie)


def crashed_twice(store, first_rows, second_rows, *, saved_at, last):
    """Saves at step 50, goes on, is resumed there, saves again, and is resumed to its end."""
    plan(store, [{"trial_id": "t"}])
    first = attempt(store, 0)
    write(first, {50: 50.0})
    carried = first.carried()
    write(first, first_rows)
    second = attempt(store, 1, resumed_from=50, carried=carried)
    write(second, second_rows)
    if saved_at not in second_rows:
        second.write(saved_at)  # A step that has no rows.
    third = attempt(store, 2, resumed_from=saved_at, carried=second.carried())
    write(third, last)
    third.close()
    for writer in (first, second):
        bury(writer)


def test_two_crashes_whose_checkpoints_lie_behind_each_others_rows_keep_their_finals(store):
    """As where a process is killed while it saves."""
    crashed_twice(store, {100: 1.0}, {100: 2.0}, saved_at=100, last={150: 3.0})
    assert store.list("finals/") == ["finals/t/a2.r100.0-1.parquet"]
    assert [str(name) for name in take(store).finals] == store.list("finals/")
    assert summary(store) == (150, 3.0, 2.0, 50.0, 3)


def test_an_attempt_that_saved_and_stored_nothing_hides_nothing(store):
    crashed_twice(store, {57: 99.0}, {}, saved_at=60, last={61: 3.0})
    assert take(store).finals == ()
    assert summary(store) == (61, 3.0, 3.0, 99.0, 3)
