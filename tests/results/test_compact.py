"""Compaction changes no answer, whatever dies, vanishes or is damaged."""

import math
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from results.compact import compact, loose_trials
from results.errors import NewerSchemaError, StorageError
from results.ledger import Ledger
from results.query import VIEWS, open_stores
from results.store import Store
from tests.results.mortal import MortalStore
from tests.results.sweeps import begin, end, finish, plan, write

CONTENT = (
    *(f"SELECT * FROM {view} ORDER BY ALL" for view in ("metrics", "metrics_all", "finals")),
    "SELECT * FROM layers ORDER BY ALL",
    "SELECT * EXCLUDE (config, versions), config::VARCHAR, versions::VARCHAR FROM trials",
)


def everything(*stores, warnings=0):
    """All that the views show, as text so that NaN equals NaN."""
    with open_stores([store.root for store in stores]) as reader:
        content = [str(reader.trusted(text).to_pylist()) for text in CONTENT]
        assert len(reader.warnings) == warnings, reader.warnings
    return content


def sweep_late(store):
    """Deletes what is superseded, as a writer does long after."""
    newest = max(path.stat().st_mtime for path in store.root.rglob("*.parquet"))
    return Ledger(store, sweep=store.root.name, clock=lambda: newest + 61).sweep_superseded()


def fill(store, *, sweep="s"):
    """Trials of every fate: whole, resumed, started anew, failed without finals, running."""
    ids = ["a", "b", "c", "d", "e"]
    plan(store, [{"trial_id": id_, "metric": "m", "goal": "maximize"} for id_ in ids], sweep=sweep)
    layered = {"b0": {"m": 0.5, "share": 0.1}, "b1": {"m": math.nan}}
    begin(store, "a", sweep=sweep)
    write(store, "a", {0: {"m": 1.0, "é'\"": math.inf}, 9: ({"m": 2.0}, layered)}, sweep=sweep)
    end(store, "a", sweep=sweep)
    begin(store, "b", sweep=sweep)
    write(store, "b", {s: {"m": float(s)} for s in range(8)}, closed=False, sweep=sweep)
    end(store, "b", "failed", sweep=sweep, failure_class="preempted")
    begin(store, "b", attempt=1, sweep=sweep)
    later = {s: {"m": s + 0.5} for s in (4, 5)}
    write(store, "b", later, attempt=1, resumed_from=3, closed=False, sweep=sweep)
    end(store, "b", attempt=1, sweep=sweep)
    begin(store, "c", sweep=sweep)
    write(store, "c", {0: {"m": 7.0}, 3: {"m": 8.0}}, sweep=sweep)
    end(store, "c", "failed", sweep=sweep)
    begin(store, "c", attempt=1, sweep=sweep)
    write(store, "c", {0: {"m": 1.5}}, attempt=1, sweep=sweep)
    end(store, "c", "stopped", attempt=1, sweep=sweep)
    begin(store, "d", sweep=sweep)
    write(store, "d", {0: {"m": 0.0}}, sweep=sweep)


def test_no_answer_changes(store):
    fill(store)
    before = everything(store)
    done = compact(store, sweep="s")
    assert (done.trials, done.rows, done.files_after) == (3, 19, 3)
    assert everything(store) == before
    assert len(sweep_late(store)) == 8
    assert [name for name in store.list() if "metrics" in name] == ["metrics/d/a0.rnew.0-0.parquet"]
    assert store.list("finals/") == ["finals/d/a0.rnew.parquet"]
    assert everything(store) == before
    assert compact(store, sweep="s").name is None


def test_pieces_that_are_sorted_one_by_one_give_the_same_file(tmp_path, monkeypatch):
    contents = []
    for rows in (10_000_000, 3):
        monkeypatch.setattr("results.query_merge.PIECE_ROWS", rows)
        store = Store(tmp_path / str(rows) / "s")
        fill(store)
        done = compact(store, sweep="s")
        assert done.rows == 19
        table = pq.read_table(store.path(done.name)).drop_columns(["ts"])
        contents.append(str(table.to_pylist()))
    assert contents[0] == contents[1]


def test_only_what_ended_is_folded(store):
    plan(store, [{"trial_id": id_} for id_ in "abc"])
    for id_ in "abc":
        finish(store, id_, {"m": 1.0})
    assert Ledger(store, sweep="s").claim("b", 1)
    begin(store, "c", attempt=1)
    compact(store, sweep="s")
    sweep_late(store)
    assert {name.split("/")[1] for name in store.list("metrics/")} == {"b", "c"}
    assert loose_trials(store) == 2


def test_what_is_new_is_folded_with_what_is_small(store):
    plan(store, [{"trial_id": str(n)} for n in range(9)])
    for number in range(9):
        finish(store, str(number), {"m": float(number)})
        compact(store, sweep="s")
        sweep_late(store)
    assert 1 <= sum("finals" not in name for name in store.list("compact/")) <= 4
    assert not store.list("metrics/")
    before = everything(store)
    compact(store, sweep="s", everything=True)
    sweep_late(store)
    assert len(store.list("compact/")) == 2
    assert everything(store) == before


def test_a_retry_after_a_compaction_cuts_and_replaces(store):
    fill(store)
    compact(store, sweep="s")
    sweep_late(store)
    begin(store, "b", attempt=2)
    write(store, "b", {s: {"m": -1.0} for s in (2, 3)}, attempt=2, resumed_from=1, closed=False)
    with open_stores([store.root]) as reader:
        rows = reader.sql("SELECT attempt, step FROM metrics WHERE trial_id = 'b' ORDER BY step")
        assert [tuple(row.values()) for row in rows.to_pylist()] == [(0, 0), (0, 1), (2, 2), (2, 3)]
        text = "SELECT last, count, minimum FROM finals WHERE trial_id = 'b'"
        assert reader.sql(text).to_pylist() == [{"last": -1.0, "count": 4, "minimum": -1.0}]
        text = "SELECT counted, count(*) AS n FROM metrics_all WHERE trial_id = 'b' GROUP BY ALL"
        assert {r["counted"]: r["n"] for r in reader.sql(text).to_pylist()} == {True: 4, False: 8}
    before = everything(store)
    end(store, "b", attempt=2)
    compact(store, sweep="s", everything=True)
    assert everything(store)[:4] == before[:4]
    assert len(sweep_late(store)) == 4
    assert everything(store)[:4] == before[:4]


def test_checkpoints_and_attempts_know_compacted_rows(store):
    plan(store, [{"trial_id": "t"}])
    begin(store, "t")
    write(store, "t", {s: {"m": 1.0} for s in range(9)})
    end(store, "t", "failed")
    store.put("checkpoints/t/a0-4/state.pt", b"")
    begin(store, "t", attempt=1)
    write(store, "t", {s: {"m": 2.0} for s in (3, 4)}, attempt=1, resumed_from=2)
    end(store, "t", "failed", attempt=1)
    compact(store, sweep="s")
    sweep_late(store)
    assert store.list("metrics/") == []
    ledger = Ledger(store, sweep="s")
    assert ledger.usable_checkpoint("t") is None, "attempt 1 computed step 4 again"
    store.put("checkpoints/t/a1-4/state.pt", b"")
    assert ledger.usable_checkpoint("t") == "checkpoints/t/a1-4"
    for name in [*store.list("events/"), *store.list("claims/")]:
        store.delete(name)
    assert Ledger(store, sweep="s").attempts("t") == 2


@pytest.mark.parametrize("operations", range(9))
def test_a_crash_anywhere_loses_and_doubles_nothing(tmp_path, operations):
    store = MortalStore(tmp_path / "s")
    fill(store)
    before = everything(store)
    with store.dying_after(operations) as alive:
        compact(store, sweep="s")
    assert alive[0] == (operations == 8)
    assert everything(store) == before
    with store.dying_after(operations):
        sweep_late(store)
    assert everything(store) == before
    compact(store, sweep="s")
    sweep_late(store)
    assert everything(store) == before


@pytest.mark.parametrize("place", range(8))
def test_two_at_once(tmp_path, place):
    store = MortalStore(tmp_path / "s")
    fill(store)
    before = everything(store)

    def other():
        begin(store, "e", minute=5)
        end(store, "e", "failed", minute=6)
        end(store, "d")
        compact(Store(store.root), sweep="s")

    store.meanwhile = (place, other)
    compact(store, sweep="s")
    assert store.meanwhile is None
    assert len(store.list("compact/")) > 3
    assert everything(store)[:4] == before[:4]
    sweep_late(store)
    assert everything(store)[:4] == before[:4]
    compact(store, sweep="s", everything=True)
    sweep_late(store)
    assert everything(store)[:4] == before[:4]
    assert len(store.list("compact/")) == 3


def test_the_same_twice_is_done_once(tmp_path):
    store = MortalStore(tmp_path / "s")
    fill(store)
    store.meanwhile = (0, lambda: compact(Store(store.root), sweep="s"))
    compact(store, sweep="s")
    assert len(store.list("compact/")) == 3


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
@pytest.mark.parametrize("part", ["", ".rest", ".finals"])
def test_a_damaged_file_is_named_and_what_it_replaced_answers(store, part, content):
    fill(store)
    before = everything(store)
    name = compact(store, sweep="s").name
    damaged = name.replace(".parquet", f"{part}.parquet")
    store.put(damaged, content)
    with open_stores([store.root]) as reader:
        answers = [str(reader.trusted(text).to_pylist()) for text in CONTENT]
        assert len(reader.warnings) == 1
        assert damaged in reader.warnings[0]
    assert [answers[0], *answers[2:]] == [before[0], *before[2:]]
    assert answers[1] == before[1] or part == ".rest"
    compact(store, sweep="s", everything=True)
    sweep_late(store)
    if not part:
        assert everything(store, warnings=1) == before, "folded again from what is still there"
        return
    store.delete(damaged)
    sweep_late(store)
    assert len(store.list("metrics/")) == 6, "what stands for them is not whole"
    with open_stores([store.root]) as reader:
        assert str(reader.sql(CONTENT[0]).to_pylist()) == before[0]
        assert "got removed. Put it back." in reader.warnings[0]


def test_a_foreign_file_is_no_compacted_one(store):
    fill(store)
    before = everything(store)
    foreign = "compact/000009-0123456789abcdef.parquet"
    store.put(foreign, store.read("metrics/a/a0.rnew.0-9.parquet"))
    store.put("compact/readme.txt", b"")
    assert everything(store, warnings=1) == before
    assert compact(store, sweep="s").warnings[0].startswith(f"{store.root}/{foreign}: must name")
    assert everything(store, warnings=1) == before


def test_a_newer_one_is_refused(store, monkeypatch):
    fill(store)
    monkeypatch.setattr("results.schema.SCHEMA_VERSION", 7)
    compact(store, sweep="s")
    monkeypatch.undo()
    with pytest.raises(NewerSchemaError, match="at most 1, got 7"):
        open_stores([store.root])


def test_a_damaged_segment_stays_where_it_is(store):
    fill(store)
    store.put("metrics/a/a0.rnew.0-9.parquet", b"PAR1")
    before = everything(store, warnings=1)
    done = compact(store, sweep="s")
    assert "a0.rnew.0-9.parquet" in done.warnings[0]
    assert everything(store, warnings=1) == before
    assert all("/a/" not in name for name in sweep_late(store))


def test_several_sweeps_at_once(tmp_path):
    stores = [Store(tmp_path / name) for name in ("one", "two")]
    for store in stores:
        fill(store, sweep=store.root.name)
    before = everything(*stores)
    compact(stores[1], sweep="two")
    assert everything(*stores) == before


def test_the_order_and_the_statistics_let_a_reader_skip(store, monkeypatch):
    monkeypatch.setattr("results.query_merge.GROUP_ROWS", 64)
    ids = [f"t{n:02d}" for n in range(20)]
    plan(store, [{"trial_id": id_} for id_ in ids])
    for id_ in ids:
        begin(store, id_)
        write(store, id_, {s: {"m": float(s), "n": 0.0} for s in range(30)})
        end(store, id_)
    file = pq.ParquetFile(store.path(compact(store, sweep="s").name))
    table = file.read(["name", "trial_id", "step"]).to_pylist()
    assert [tuple(row.values()) for row in table] == sorted(tuple(row.values()) for row in table)
    first = file.metadata.row_group(0)
    columns = {first.column(place).path_in_schema: first.column(place) for place in range(8)}
    assert (columns["name"].statistics.min, columns["name"].statistics.max) == ("m", "m")
    assert columns["trial_id"].statistics.max < "t19"
    assert group_rows(file) == [66] * 8 + [72] + [66] * 8 + [72]
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert file.schema_arrow.field("value").nullable is False


def test_names_of_few_rows_share_a_row_group(store, monkeypatch):
    monkeypatch.setattr("results.query_merge.GROUP_ROWS", 64)
    plan(store, [{"trial_id": "a"}])
    begin(store, "a")
    write(store, "a", {s: {f"m{n}": 0.0 for n in range(6)} for s in range(30)})
    end(store, "a")
    file = pq.ParquetFile(store.path(compact(store, sweep="s").name))
    assert group_rows(file) == [90, 90]


def group_rows(file):
    return [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)]


def test_a_reader_that_listed_before_answers_after(store):
    fill(store)
    with open_stores([store.root]) as early:
        before = everything(store)
        compact(store, sweep="s")
        sweep_late(store)
        assert [str(early.sql(text).to_pylist()) for text in CONTENT] == before
        assert early.warnings == []


def test_no_room_leaves_everything_as_it_was(store, monkeypatch):
    fill(store)
    before = everything(store)

    def full(_self, name, _fill):
        raise StorageError(f"{name}: no space")

    monkeypatch.setattr(Store, "create_from", full)
    with pytest.raises(StorageError):
        compact(store, sweep="s")
    assert everything(store) == before


def test_an_empty_store_and_a_statement_over_every_view(store):
    assert compact(store, sweep="s", everything=True).name is None
    assert not store.root.exists()
    fill(store)
    compact(store, sweep="s")
    with open_stores([store.root]) as reader:
        for view in VIEWS:
            assert reader.sql(f"SELECT count(*) AS n FROM {view}").to_pylist()[0]["n"] > 0


@pytest.mark.long
def test_it_stays_small(tmp_path):
    """Two million rows of 40 trials in less than 512 MB, all of the process counted."""
    code = """
import resource, sys
from results.compact import compact
from results.store import Store
from tests.results.sweeps import begin, end, plan, write
store = Store(sys.argv[1])
plan(store, [{"trial_id": f"t{n}"} for n in range(40)])
for n in range(40):
    begin(store, f"t{n}")
    write(store, f"t{n}", {s: {f"m{k}": k / (s + 1) for k in range(10)} for s in range(5000)})
    end(store, f"t{n}")
assert compact(store, sweep="s").rows == 2_000_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    page = 1024 if sys.platform == "linux" else 1
    assert int(done.stdout) * page < 512 * 2**20
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
