"""What stands on a store keeps its promises wherever that lies: claims, lease, checkpoints, SQL."""

from dataclasses import replace

import pytest

from orchestrator.checkpoints import Checkpoints, DamagedError
from orchestrator.code import folder_here, keep, newest_record
from orchestrator.errors import LeaseError
from orchestrator.lease import LOST_AFTER_S, Holder, Lease, holder_of
from orchestrator.mending import removal, remove
from orchestrator.paths import run_directories
from orchestrator.reading import find_sweep, ls, status
from results.compact import compact
from results.ledger import Event, Ledger
from results.place import place as place_of
from results.query import open_stores
from results.query_child import answer
from results.store import Store
from tests.results.sweeps import begin, end, finish, plan, write


def _sweep(store):
    """Finished trials, one resumed, one that runs."""
    store.put("sweep/20260501T120000000000-0123456789ab.yaml", b"version: 1\nname: s\n")
    plan(store, [{"trial_id": f"t{n}", "config": {"share": n / 4}} for n in range(4)])
    finish(store, "t0", {"loss": 0.5})
    begin(store, "t1")
    write(store, "t1", {n: {"loss": 1.0 + n} for n in range(6)}, closed=False)
    end(store, "t1", "failed", failure_class="worker_lost")
    begin(store, "t1", attempt=1, resumed_from=3, minute=2)
    write(store, "t1", {n: {"loss": 10.0 + n} for n in range(4, 7)}, attempt=1, resumed_from=3)
    end(store, "t1", attempt=1, minute=3)
    begin(store, "t2")
    write(store, "t2", {0: ({"loss": 3.0}, {"a": {"sparsity": 0.5}})}, closed=False)


QUESTIONS = (
    "SELECT trial_id, status, attempts, config.share, loss FROM trials ORDER BY ALL",
    "SELECT trial_id, attempt, step, layer, name, value FROM metrics ORDER BY ALL",
    "SELECT trial_id, attempt, step, value, counted FROM metrics_all ORDER BY ALL",
    "SELECT trial_id, layer, name, step, last, count FROM finals ORDER BY ALL",
    "SELECT * FROM coverage ORDER BY ALL",
    "SELECT trial_id, status FROM events ORDER BY ALL",
)


def _answers(store):
    with open_stores([store.root]) as reader:
        found = [reader.sql(question).to_pylist() for question in QUESTIONS]
        assert reader.warnings == []
    return found


def test_questions_have_the_same_answers_everywhere(store, tmp_path):
    here = Store(tmp_path / "here" / "s")
    for one in (store, here):
        _sweep(one)
    expected = _answers(here)
    assert [row["loss"] for row in expected[0]] == [0.5, 16.0, 3.0, None]
    assert [row["value"] for row in expected[1] if row["trial_id"] == "t1"] == [
        *(1.0, 2.0, 3.0, 4.0),
        *(14.0, 15.0, 16.0),
    ]
    assert _answers(store) == expected
    for one in (store, here):
        assert compact(one, sweep="s").trials == 2
    assert _answers(store) == _answers(here) == expected


def test_a_query_in_a_process_of_its_own_reads_what_it_needs_before_it_is_confined(store):
    _sweep(store)
    compact(store, sweep="s")
    for question in QUESTIONS:
        found = answer([store.root], question)
        assert found.table.num_rows > 0
        assert found.warnings == ()
    assert answer([store.root], None).table.num_rows > 50


def test_what_is_damaged_is_named_where_it_is_stored(store):
    _sweep(store)
    (segment,) = store.list("metrics/t2/")
    store.put(segment, b"damaged")
    with open_stores([store.root]) as reader:
        assert reader.sql("SELECT count(*) AS n FROM metrics").to_pylist() == [{"n": 9}]
        (warning,) = reader.warnings
    assert warning.startswith(f"{store.root}/{segment}: must be a whole Parquet file")


def test_events_fold_and_what_was_superseded_goes_when_it_is_old_enough(store):
    _sweep(store)
    ledger = Ledger(store, sweep="s", clock=lambda: 4e9)
    before = ledger.events()
    assert ledger.fold(at=1)
    compact(store, sweep="s")
    assert Ledger(store, sweep="s").events() == before
    gone = ledger.sweep_superseded()
    assert {name.split("/")[0] for name in gone} == {"events", "finals", "metrics"}
    assert Ledger(store, sweep="s").events() == before
    assert not set(gone).intersection(store.list())


def test_an_attempt_is_claimed_once_and_ends_once(store):
    ledgers = [Ledger(store, sweep="s") for _ in range(3)]
    assert [ledger.claim("t", 0) for ledger in ledgers] == [True, False, False]
    assert ledgers[2].attempts("t") == 1
    ended = Event(sweep="s", trial_id="t", attempt=0, status="completed")
    assert [ledger.record(ended) for ledger in ledgers] == [True, False, False]
    assert not ledgers[1].record(replace(ended, status="failed"))
    assert ledgers[1].end("t", 0).status == "completed"


def _dead(store, **differs):
    """A lease of a process of this boot that is gone."""
    import json
    from dataclasses import asdict

    holder = replace(Holder.this_process(), pid=2**22 - 3, process_start="1", **differs)
    store.put("lease.json", json.dumps(asdict(holder)).encode())


def test_one_driver_at_a_time_holds_the_lease(store):
    with Lease(store) as lease:
        assert holder_of(store).same_process(Holder.this_process())
        assert lease.beat()
        with pytest.raises(LeaseError, match="one driver works on a sweep"):
            Lease(store).acquire()
        assert lease.beat()
    assert holder_of(store) is None
    with Lease(store):
        assert holder_of(store).beat == 0
    assert holder_of(store) is None


def test_a_dead_drivers_lease_is_taken_over_and_a_living_one_notices_its_successor(store):
    _dead(store)
    now = [0.0]
    first = Lease(store, monotonic=lambda: now[0])
    with first:
        _dead(store, host="elsewhere")
        assert not first.beat()
        now[0] += LOST_AFTER_S + 1
        assert first.lost
    assert holder_of(store).host == "elsewhere"


def test_a_beat_that_stands_still_elsewhere_is_that_of_a_dead_driver(store):
    _dead(store, boot_id="another machine")
    now = [0.0]

    def wait(seconds):
        now[0] += seconds

    with Lease(store, monotonic=lambda: now[0], wait=wait):
        assert now[0] >= 30
        assert holder_of(store).same_process(Holder.this_process())


def _saved(checkpoints, attempt, step):
    def fill(folder):
        (folder / "state.pt").write_bytes(f"{attempt} {step}".encode())

    return checkpoints.save(attempt=attempt, step=step, fill=fill, carried=b"carried")


def test_checkpoints_are_whole_and_the_newest_stay(store):
    checkpoints = Checkpoints(store, trial_id="t")
    names = [_saved(checkpoints, attempt, step) for attempt, step in ((0, 5), (0, 10), (1, 12))]
    folder, carried = checkpoints.open(names[1])
    assert ((folder / "state.pt").read_bytes(), carried) == (b"0 10", b"carried")
    assert Ledger(store, sweep="s").usable_checkpoint("t") == names[2]
    checkpoints.prune(keep=2)
    assert Ledger(store, sweep="s").usable_checkpoints("t") == [names[2], names[1]]
    checkpoints.discard(names[2])
    assert Ledger(store, sweep="s").usable_checkpoint("t") == names[1]


def test_a_checkpoint_that_changed_is_told(store):
    checkpoints = Checkpoints(store, trial_id="t")
    name = _saved(checkpoints, 0, 5)
    folder, _ = checkpoints.open(name)
    (folder / "state.pt").write_bytes(b"0 6")
    with pytest.raises(DamagedError, match=r"state\.pt: must be as it was written"):
        checkpoints.open(name)


def test_the_users_code_is_found_on_every_machine(store, tmp_path):
    mine = tmp_path / "mine" / "programs"
    mine.mkdir(parents=True)
    (mine / "mine.py").write_text("1")
    kept = keep(store, b"name: s", [mine.parent], now=1e9)
    assert newest_record(store) == kept
    (copy,) = kept.kinds
    assert (folder_here(store, copy) / "programs" / "mine.py").read_text() == "1"


def test_sweeps_are_found_and_stand_as_they_stand(store):
    _sweep(store)
    base = str(store.root.parent)
    assert find_sweep("s", storage=base) == store.root
    assert run_directories(place_of(base)) == [store.root]
    found = status("s", storage=base)
    assert (found.total, found.counts) == (4, {"completed": 2, "running": 1, "planned": 1})
    assert [one.sweep for one in ls(storage=base)] == ["s"]


def test_a_sweep_is_removed_checkpoints_first_if_asked(store):
    _sweep(store)
    for trial in ("t0", "t2"):
        _saved(Checkpoints(store, trial_id=trial), 0, 5)
    base = str(store.root.parent)
    spent = removal("s", storage=base, checkpoints=True)
    assert [str(path) for path in spent.paths] == [f"{store.root}/checkpoints/t0"]
    assert spent.bytes > 0
    remove(spent)
    assert {name.split("/")[1] for name in store.list("checkpoints/")} == {"t2"}
    remove(removal("s", storage=base))
    assert store.list() == []
    assert run_directories(place_of(base)) == []
