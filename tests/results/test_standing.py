"""How trials stand: what few columns say is what the whole record says."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results.errors import NewerSchemaError, SchemaError
from results.events import newest
from results.ledger import Ledger
from results.standing import Standing, planned, standing
from results.store import Store
from tests.results.sweeps import begin, end, finish, plan


def from_the_record(store):
    """The same from every trial and event as Python objects."""
    ledger = Ledger(store, sweep="s")
    wanted = {id_: row for id_, row in ledger.trials().items() if row.wanted}
    events = ledger.events()
    latest = {id_: event for id_, event in newest(events).items() if id_ in wanted}
    grids = {}
    for id_, row in wanted.items():
        status = latest[id_].status if id_ in latest else "planned"
        grids.setdefault(row.grid, Counter())[status] += 1
    times = [event.ts for event in events]
    return Standing(
        total=len(wanted),
        counts=dict(sum(grids.values(), Counter())),
        grids={grid: dict(counts) for grid, counts in grids.items()},
        running=sorted(id_ for id_, event in latest.items() if event.status == "running"),
        failures=[
            (id_, e.attempt, e.failure_class or "", (e.detail or "").partition("\n")[0])
            for id_, e in latest.items()
            if e.status == "failed"
        ],
        seconds=(max(times) - min(times)).total_seconds() if times else None,
    )


def test_nothing_planned(store):
    expected = Standing(total=0, counts={}, grids={}, running=[], failures=[], seconds=None)
    assert standing(store) == from_the_record(store) == expected


def test_a_sweep_under_way(store):
    plan(store, [{"trial_id": id_, "grid": grid} for id_, grid in zip("dcba", "hggg", strict=True)])
    finish(store, "a", {"m": 1.0})
    begin(store, "b", minute=2)
    end(store, "b", "failed", minute=3, failure_class="diverged", detail="loss is nan\nat step 3")
    begin(store, "c", minute=4)
    assert standing(store) == Standing(
        total=4,
        counts={"planned": 1, "running": 1, "failed": 1, "completed": 1},
        grids={"h": {"planned": 1}, "g": {"running": 1, "failed": 1, "completed": 1}},
        running=["c"],
        failures=[("b", 0, "diverged", "loss is nan")],
        seconds=240.0,
    )
    assert list(planned(store)) == ["d", "c", "b", "a"]
    plan(store, [{"trial_id": "c", "wanted": False}])
    assert standing(store).running == []
    assert standing(store) == from_the_record(store)


ATTEMPTS = st.lists(
    st.sampled_from(["running", "completed", "stopped", "failed", "cancelled"]), max_size=3
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    trials=st.lists(st.tuples(ATTEMPTS, st.booleans(), st.sampled_from("gh")), max_size=4),
    fold_after=st.integers(0, 12),
)
def test_whatever_happened(tmp_path_factory, trials, fold_after):
    store = Store(tmp_path_factory.mktemp("stores") / "s")
    ids = [f"{9 - place}t" for place in range(len(trials))]
    plan(store, [{"trial_id": id_, "grid": t[2]} for id_, t in zip(ids, trials, strict=True)])
    recorded = 0
    for id_, (ends, wanted, _) in zip(ids, trials, strict=True):
        for attempt, status in enumerate(ends):
            begin(store, id_, attempt=attempt, minute=recorded)
            if status != "running":
                end(store, id_, status, attempt=attempt, minute=recorded + 1)
            recorded += 1
            if recorded == fold_after:
                assert Ledger(store, sweep="s").fold(at=1)
        if not wanted:
            plan(store, [{"trial_id": id_, "wanted": False}])
    assert standing(store) == from_the_record(store)


def test_an_event_that_is_folded_and_deleted_meanwhile(store):
    plan(store, [{"trial_id": "a"}])
    begin(store, "a")
    end(store, "a")
    (first, second) = store.list("events/")
    before = standing(store)

    class Late(Store):
        """Between its listing and the reading of what it names, a driver folds and sweeps."""

        def list(self, prefix=""):
            names = super().list(prefix)
            if first in names:
                Ledger(store, sweep="s").fold(at=1)
                store.delete(first)
                store.delete(second)
            return names

    assert standing(Late(store.root)) == before
    assert first not in store.list("events/")


def test_an_event_that_is_folded_counts_as_the_fold_has_it(store):
    plan(store, [{"trial_id": "a"}])
    begin(store, "a")
    end(store, "a", "failed", failure_class="timeout")
    (name, _) = store.list("events/")
    assert Ledger(store, sweep="s").fold(at=1)
    store.put(name, b"no longer read")
    assert standing(store).failures == [("a", 0, "timeout", "")]


@pytest.mark.parametrize("name", ["events/a.a0.run.parquet", "trials/000002.parquet"])
def test_what_cannot_be_read_is_named(store, monkeypatch, name):
    plan(store, [{"trial_id": "a"}])
    with monkeypatch.context() as later:
        later.setattr("results.schema.SCHEMA_VERSION", 7)
        other = Store(store.root.parent / "later")
        plan(other, [{"trial_id": "a"}])
        begin(other, "a")
    made = "events/a.a0.run.parquet" if name.startswith("events") else "trials/000001.parquet"
    store.put(name, other.read(made))
    with pytest.raises(NewerSchemaError, match="at most 1, got 7"):
        standing(store)
    store.put(name, b"PAR1")
    with pytest.raises(SchemaError, match=name):
        standing(store)
