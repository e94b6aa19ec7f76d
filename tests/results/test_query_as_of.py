"""A store as it was: what later rows, attempts, edits and compactions must not change."""

import os
import shutil
from datetime import timedelta, timezone

import pytest

from results.compact import compact
from results.ledger import Ledger, TrialRow
from results.query import open_stores
from results.query_child import answer
from results.store import Store
from results.writer import Writer
from tests.results.sweeps import START, begin, end

QUESTIONS = {
    "metrics": "SELECT * EXCLUDE (ts) FROM metrics ORDER BY ALL",
    "metrics_all": "SELECT * EXCLUDE (ts) FROM metrics_all ORDER BY ALL",
    "finals": "SELECT * FROM finals ORDER BY ALL",
    "layers": "SELECT * FROM layers ORDER BY ALL",
    "events": "SELECT * EXCLUDE (ts) FROM events ORDER BY ALL",
    "coverage": "SELECT * FROM coverage ORDER BY ALL",
    "trials": "SELECT trial_id, grid, status, wanted, attempts, duration_s, failure_class, step, "
    "score, loss FROM trials ORDER BY ALL",
}


def at(minute):
    return START + timedelta(minutes=minute)


def look(store, **options):
    with open_stores([store.root], **options) as reader:
        reader.sql(f"SELECT loss FROM {', '.join(QUESTIONS)} LIMIT 0")  # One session for all.
        return {view: reader.sql(text).to_pylist() for view, text in QUESTIONS.items()}


def plan(store, minute, *rows):
    same = {"sweep": "s", "config": {"a": 1}, "seed": 0, "metric": "loss", "goal": "minimize"}
    ledger = Ledger(store, sweep="s", clock=lambda: at(minute).timestamp())
    ledger.add([TrialRow(**{**same, "grid": "g", **row}) for row in rows])


class Attempt:
    """One attempt whose clock is the minute that the test says."""

    def __init__(self, store, trial_id, *, attempt=0, minute=0, resumed_from=None):
        self._names = {"attempt": attempt, "sweep": "s"}
        self._store, self._trial_id, self._minute = store, trial_id, minute
        begin(store, trial_id, minute=minute, resumed_from=resumed_from, **self._names)
        self._writer = Writer(
            store,
            trial_id=trial_id,
            resumed_from=resumed_from,
            every_s=3600,
            clock=lambda: at(self._minute).timestamp(),
            **self._names,
        )

    def write(self, minute, *steps):
        self._minute = minute
        for step in steps:
            value = step + self._names["attempt"] / 10
            self._writer.write(step, {"loss": value}, {"b0": {"sparsity": value / 100}})
        self._writer.flush()
        return self

    def end(self, minute, status="completed", **values):
        self._minute = minute
        self._writer.close()
        end(self._store, self._trial_id, status, minute=minute, **self._names, **values)


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """A store after half an hour, and what it looked like at some minutes of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        store = Store(tmp_path_factory.mktemp("runs") / "s")
        return store, _live(store)


@pytest.fixture(scope="module")
def folded(past, tmp_path_factory):
    """The same store, after its events were folded and its trials compacted."""
    store, seen = past
    copy = Store(tmp_path_factory.mktemp("runs") / "s")
    shutil.copytree(store.root, copy.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        assert Ledger(copy, sweep="s", clock=lambda: at(60).timestamp()).fold(at=1)
        compact(copy, sweep="s")
    assert copy.list("compact/")
    return copy, seen


def _live(store):
    seen = {}

    def remember(minute):
        seen[minute] = look(store)

    remember(-5)
    plan(store, 0, {"trial_id": "a"}, {"trial_id": "b"})
    remember(1)
    first = Attempt(store, "a", minute=2).write(3, 0, 1, 2)
    remember(4)
    first.write(5, 3, 4, 5)
    remember(6)
    first.end(7, "failed", failure_class="crashed")
    remember(8)
    # The second attempt took over up to step 3, and has no rows for a while.
    second = Attempt(store, "a", attempt=1, minute=9, resumed_from=3)
    remember(10)
    second.write(11, 4, 5)
    remember(12)
    Attempt(store, "b", minute=13).write(14, 0, 10).end(15)
    remember(16)
    plan(store, 17, {"trial_id": "b", "wanted": False}, {"trial_id": "c", "grid": "h"})
    remember(18)
    second.write(19, 6, 7).end(20)
    remember(21)
    # A third one starts anew: nothing of the earlier ones counts any more.
    Attempt(store, "a", attempt=2, minute=22).write(23, 0, 1).end(24, "stopped")
    remember(25)
    return seen


MINUTES = [-5, 1, 4, 6, 8, 10, 12, 16, 18, 21, 25]


@pytest.mark.parametrize("minute", MINUTES)
def test_the_store_as_it_was(past, minute):
    store, seen = past
    assert sorted(seen) == MINUTES
    assert look(store, as_of=at(minute)) == seen[minute]


@pytest.mark.parametrize("minute", MINUTES)
def test_a_fold_and_a_compaction_since_change_nothing(folded, minute):
    store, seen = folded
    assert look(store, as_of=at(minute)) == seen[minute]


def test_what_follows_changes_the_present_alone(past, folded):
    for store, seen in (past, folded):
        assert look(store) == seen[25] == look(store, as_of=at(10_000))
        assert seen[25] != seen[21] != seen[18]


def test_the_moment_itself_is_included_in_any_time_zone(past):
    store, _ = past
    there = timezone(timedelta(hours=-9, minutes=-30))
    for minute, rows in ((3, 3), (2.999, 0)):
        moments = [at(minute), at(minute).astimezone(there), at(minute).replace(tzinfo=None)]
        for moment in moments:
            with open_stores([store.root], as_of=moment) as reader:
                found = reader.sql("SELECT count(*) AS n FROM metrics WHERE layer IS NULL")
            assert found.to_pylist() == [{"n": rows}]


def test_a_process_of_its_own_is_told_the_moment(past):
    store, _ = past
    text = "SELECT status, loss FROM trials WHERE trial_id = 'a'"
    assert answer([store.root], text, as_of=at(10)).table.to_pylist() == [
        {"status": "running", "loss": 5.0}
    ]
    assert answer([store.root], text).table.to_pylist() == [{"status": "stopped", "loss": 1.2}]


def test_two_sweeps_with_the_same_trial_limit_only_themselves(tmp_path, store):
    other = Store(tmp_path / "other")
    for one in (store, other):
        plan(one, 0, {"trial_id": "a"})
        Attempt(one, "a", minute=1).write(2, 0, 1, 2).end(3, "failed")
    Attempt(store, "a", attempt=1, minute=4, resumed_from=0).write(5, 1).end(6)
    Attempt(other, "a", attempt=1, minute=14, resumed_from=1).write(15, 2).end(16)
    for root, steps in ((store.root, [(0, 0), (1, 1)]), (other.root, [(0, 0), (0, 1), (0, 2)])):
        with open_stores([root], as_of=at(10)) as reader:
            rows = reader.sql("SELECT attempt, step FROM metrics WHERE layer IS NULL ORDER BY step")
        assert [tuple(row.values()) for row in rows.to_pylist()] == steps
