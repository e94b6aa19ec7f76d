"""Trials, claims and events: each exists once, whoever writes it."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from results.errors import SchemaError
from results.ledger import Event, Ledger, TrialRow
from results.standing import planned
from results.store import Store
from results.writer import Writer


@pytest.fixture
def ledger(store, clock):
    return Ledger(store, sweep="s", clock=clock)


def _trial(trial_id, **values):
    return TrialRow(sweep="s", trial_id=trial_id, grid="g", config={"seed": 0}, **values)


def _event(trial_id, attempt, status, **values):
    return Event(sweep="s", trial_id=trial_id, attempt=attempt, status=status, **values)


def test_an_empty_record(ledger, store):
    assert ledger.trials() == {}
    assert ledger.events() == []
    assert ledger.latest() == {}
    assert ledger.attempts("t") == 0
    assert ledger.usable_checkpoint("t") is None
    assert not ledger.fold()
    assert ledger.sweep_superseded() == []
    ledger.add([])
    assert store.list() == []


def test_the_newest_row_of_a_trial_counts(ledger, store, clock):
    config = {"model": {"kind": "mlp", "width": 8}, "name": "größe", "rate": 1e-3, "none": None}
    row = replace(_trial("a", seed=3, dirty=False, versions={"torch": "2.11"}), config=config)
    ledger.add([row, _trial("b")])
    ledger.add([_trial("a", wanted=False)])
    assert store.list() == ["trials/000001.parquet", "trials/000002.parquet"]
    found = ledger.trials()
    assert list(found) == ["a", "b"]
    assert not found["a"].wanted
    ledger.add([row])
    again = ledger.trials()["a"]
    assert again == replace(row, created_at=datetime.fromtimestamp(clock.now, UTC))


def test_many_files_of_trials_fold_into_one_that_says_the_same(ledger, store, clock):
    for number in range(6):
        ledger.add([_trial(f"t{number}")])
        clock.forward(1)
    ledger.add([_trial("t2", wanted=False)])
    before = ledger.trials()
    assert not ledger.fold_trials(at=8)
    assert ledger.fold_trials(at=7)
    assert store.list() == ["trials/000008.parquet"]
    assert list(ledger.trials().items()) == list(before.items())
    ledger.add([_trial("t6")])
    assert list(ledger.trials()) == [*before, "t6"]


def test_files_of_trials_that_fold_while_they_are_read_are_read_again(ledger, store, monkeypatch):
    for number in range(3):
        ledger.add([_trial(f"t{number}")])
    read, folded = Store.read, []

    def fold_first(self, name):
        if not folded:
            folded.append(name)
            Ledger(self, sweep="s").fold_trials(at=1)
        return read(self, name)

    monkeypatch.setattr(Store, "read", fold_first)
    assert list(ledger.trials()) == ["t0", "t1", "t2"]
    monkeypatch.setattr(Store, "read", read)
    folded.clear()
    ledger.add([_trial("t3")])
    monkeypatch.setattr(Store, "read", fold_first)
    assert list(planned(store)) == ["t0", "t1", "t2", "t3"]


def test_a_claim_has_one_winner(ledger, store):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda _: ledger.claim("t", 0), range(32)))
    assert sum(won) == 1
    assert json.loads(store.read("claims/t.a0"))["pid"] == os.getpid()
    assert ledger.attempts("t") == 1


def test_an_attempt_has_one_event_per_side(ledger):
    assert ledger.record(_event("t", 0, "running", pid=1))
    assert not ledger.record(_event("t", 0, "running", pid=2))
    assert ledger.record(_event("t", 0, "failed", failure_class="worker_lost"))
    assert not ledger.record(_event("t", 0, "completed"))
    assert [(e.status, e.pid) for e in ledger.events()] == [("running", 1), ("failed", None)]
    assert ledger.attempts("t") == 1


def test_events_read_as_they_were_written(ledger, store, clock):
    event = _event(
        "t", 2, "failed", ts=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), host="h", pid=7,
        device="cuda:0", resumed_from=40, failure_class="diverged", detail="loss is nan\nat 3",
    )  # fmt: skip
    ledger.record(event)
    stamped = _event("u", 0, "running")
    ledger.record(stamped)
    fresh = Ledger(store, sweep="s", clock=clock)
    assert fresh.events() == [event, replace(stamped, ts=datetime.fromtimestamp(clock.now, UTC))]


@pytest.mark.parametrize("status", ["planned", "done", ""])
def test_other_statuses_are_no_events(status):
    with pytest.raises(ValueError, match="status must be running or one of"):
        _event("t", 0, status)


def test_the_highest_attempt_decides(ledger):
    ledger.record(_event("t", 0, "running"))
    ledger.record(_event("t", 1, "running"))
    assert ledger.latest()["t"].status == "running"
    ledger.record(_event("t", 0, "failed"))
    assert ledger.latest()["t"] == ledger.events()[2]
    ledger.record(_event("t", 1, "completed"))
    assert ledger.latest()["t"].status == "completed"
    assert ledger.attempts("t") == 2


def _many(ledger, count, start=0):
    for number in range(start, start + count):
        ledger.record(_event(f"t{number}", 0, "running"))
        ledger.record(_event(f"t{number}", 0, "completed"))


def _move(store, clock, seconds):
    """Moves the clock to that long after the newest file was written."""
    clock.now = max(store.modified(name) for name in store.list("events/")) + seconds


def test_folding_keeps_every_event_and_every_promise(ledger, store, clock):
    _many(ledger, 5)
    before = ledger.events()
    assert not ledger.fold(at=11)
    assert ledger.fold(at=10)
    assert not ledger.fold(at=1)
    assert ledger.events() == before
    assert Ledger(store, sweep="s", clock=clock).events() == before
    _move(store, clock, 59)
    assert ledger.sweep_superseded() == []
    _move(store, clock, 60)
    assert len(ledger.sweep_superseded()) == 10
    assert store.list("events/") == ["events/fold-000001.parquet"]
    fresh = Ledger(store, sweep="s", clock=clock)
    assert fresh.events() == before
    assert fresh.attempts("t3") == 1
    assert not fresh.record(_event("t3", 0, "failed")), "the fold remembers that it ended"
    _many(fresh, 3, start=5)
    assert fresh.fold(at=6)
    _move(store, clock, 61)
    fresh.fold()
    assert store.list("events/") == ["events/fold-000002.parquet"]
    assert len(Ledger(store, sweep="s", clock=clock).events()) == 16


def test_what_an_old_fold_replaced_goes_though_the_newest_is_young(
    ledger, store, clock, monkeypatch
):
    made = {}
    monkeypatch.setattr(Store, "modified", lambda self, name: made.setdefault(name, clock.now))
    for n in range(4):
        for trial in range(3):
            ledger.record(_event(f"t{n}{trial}", 0, "running"))
        assert ledger.fold(at=3)
        clock.now += 25
    # 100 s, 75 s, 50 s and 25 s old: what the first two replaced is due.
    ledger.fold()
    left = [f"events/t{n}{trial}.a0.run.parquet" for n in (2, 3) for trial in range(3)]
    folds = [f"events/fold-00000{n}.parquet" for n in (2, 3, 4)]
    assert store.list("events/") == sorted([*folds, *left])
    assert len(ledger.events()) == len(Ledger(store, sweep="s").events()) == 12


def test_a_fold_is_read_once_in_a_process(ledger, store, monkeypatch):
    for trial in range(5):
        ledger.record(_event(f"t{trial}", 0, "running"))
    assert ledger.fold(at=5)
    read, names = Store.read, []
    monkeypatch.setattr(Store, "read", lambda self, name: (names.append(name), read(self, name))[1])
    for _ in range(3):
        assert not Ledger(store, sweep="s").record(_event("t3", 0, "running"))
    assert names == ["events/fold-000001.parquet"]
    copy = Store(store.root)
    copy.put("events/fold-000001.parquet", b"another file of that name")
    with pytest.raises(SchemaError):
        Ledger(copy, sweep="s").events()


def test_a_reader_that_meets_a_fold_halfway_starts_again(ledger, store, clock):
    class Vanishing(Store):
        """Folds and deletes the loose events right after the first listing."""

        done = False

        def list(self, prefix=""):
            names = super().list(prefix)
            if prefix == "events/" and not self.done:
                self.done = True
                other = Ledger(store, sweep="s", clock=clock)
                other.fold(at=1)
                _move(store, clock, 61)
                other.fold()
            return names

    _many(ledger, 2)
    found = Ledger(Vanishing(store.root), sweep="s", clock=clock).events()
    assert found == ledger.events()


def test_a_newer_schema_is_refused(ledger, store, monkeypatch):
    monkeypatch.setattr("results.schema.SCHEMA_VERSION", 2)
    ledger.add([_trial("a")])
    monkeypatch.undo()
    with pytest.raises(SchemaError, match="version must be at most 1, got 2"):
        ledger.trials()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all" * 10])
def test_a_damaged_file_is_named(ledger, store, content):
    store.put("trials/000001.parquet", content)
    with pytest.raises(SchemaError, match="must be a whole Parquet file"):
        ledger.trials()


def _attempt(store, attempt, steps, resumed_from=None):
    with Writer(
        store, sweep="s", trial_id="t", attempt=attempt, resumed_from=resumed_from
    ) as writer:
        for step in steps:
            writer.write(step, {"loss": 1.0})


def test_rows_and_checkpoints_keep_their_attempt_taken(ledger, store):
    """A power cut may lose a claim and a start, but never rows that were flushed."""
    _attempt(store, 0, range(3))
    assert ledger.attempts("t") == 1
    store.put("checkpoints/t/a1-4/state.pt", b"")
    assert ledger.attempts("t") == 2
    ledger.claim("t", 2)
    assert ledger.attempts("t") == 3


def test_only_checkpoints_that_count_are_used(ledger, store):
    _attempt(store, 0, range(11))
    store.put("checkpoints/t/a0-4/state.pt", b"")
    store.put("checkpoints/t/a0-9/state.pt", b"")
    store.put("checkpoints/t/a0-10.partial/state.pt", b"")
    (store.root / "checkpoints/t/a0-11").mkdir()
    assert ledger.usable_checkpoint("t") == "checkpoints/t/a0-9"
    _attempt(store, 1, [5, 6], resumed_from=4)
    assert ledger.usable_checkpoint("t") == "checkpoints/t/a0-4"
    store.put("checkpoints/t/a1-6/state.pt", b"")
    assert ledger.usable_checkpoint("t") == "checkpoints/t/a1-6"
    _attempt(store, 2, [0])
    assert ledger.usable_checkpoint("t") is None


def test_sweeping_takes_old_superseded_segments(ledger, store, clock):
    writer = Writer(store, sweep="s", trial_id="t", attempt=0, every_s=3600)
    for step in range(3):
        writer.write(step, {"loss": 1.0})
        writer.flush()
    writer.close()
    assert len(store.list("metrics/")) == 4
    clock.now = store.modified("metrics/t/a0.rnew.0-2.parquet") + 59
    assert ledger.sweep_superseded() == []
    clock.forward(1)
    assert len(ledger.sweep_superseded()) == 3
    assert store.list("metrics/") == ["metrics/t/a0.rnew.0-2.parquet"]


def test_the_first_end_of_an_attempt_stands_and_can_be_asked_for(ledger, store, clock):
    assert ledger.end("t", 0) is None
    ledger.record(_event("t", 0, "running"))
    assert ledger.end("t", 0) is None
    assert Ledger(store, sweep="s", clock=clock).record(_event("t", 0, "completed"))
    assert not ledger.record(_event("t", 0, "failed", failure_class="node_lost"))
    assert ledger.end("t", 0).status == "completed"
    assert ledger.end("t", 1) is None
