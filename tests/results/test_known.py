"""Events that were read are kept small and found again."""

from datetime import UTC, datetime, timedelta

from results.event_folds import Fold
from results.events import Event, EventKey, in_order, newest, to_table
from results.known import KnownEvents

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(trial_id, attempt, status, **values):
    at = NOW + timedelta(seconds=attempt)
    return Event(sweep="s", trial_id=trial_id, attempt=attempt, status=status, ts=at, **values)


FOLDED = [
    event("b", 0, "running"),
    event("b", 0, "failed", failure_class="diverged", detail="x"),
    event("a", 0, "running"),
]
LOOSE = [event("a", 0, "completed"), event("b", 1, "running"), event("aa", 300, "running")]


def known():
    found = KnownEvents()
    for one in LOOSE:
        found[one.key] = one
    found.take_fold(Fold.of(to_table(in_order(FOLDED))))
    return found


def test_folded_and_loose_events_are_known():
    found = known()
    assert in_order(found.values()) == in_order([*FOLDED, *LOOSE])
    assert all(one.key in found and found.get(one.key) == one for one in [*FOLDED, *LOOSE])
    assert [found.folded(one.key) for one in [*FOLDED, *LOOSE]] == [True] * 3 + [False] * 3
    absent = EventKey("b", 1, "end")
    assert absent not in found
    assert found.get(absent) is None


def test_a_table_of_all_is_in_order():
    table = known().table()
    assert Event.from_table(table) == in_order([*FOLDED, *LOOSE])
    assert KnownEvents().table().num_rows == 0


def test_a_fold_wins_over_loose_events_and_over_the_fold_before():
    found = known()
    found[FOLDED[1].key] = event("b", 0, "completed")
    found.take_fold(Fold.of(known().table()))
    assert in_order(found.values()) == in_order([*FOLDED, *LOOSE])
    assert all(found.folded(one.key) for one in [*FOLDED, *LOOSE])


def test_values_come_in_pieces(monkeypatch):
    monkeypatch.setattr("results.known._AT_A_TIME", 2)
    assert in_order(known().values()) == in_order([*FOLDED, *LOOSE])


def test_the_newest_of_each_trial_follows_what_is_taken_in():
    found = known()
    assert found.newest() == newest([*FOLDED, *LOOSE])
    later = event("a", 9, "running")
    found[later.key] = later
    assert found.newest()["a"] == later
    assert found.tried("a")
    assert not found.tried("z")
    assert found.folded_events == len(FOLDED)
