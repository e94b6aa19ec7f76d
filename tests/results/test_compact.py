"""Compaction changes no answer: what is folded, what is not, and how its files are laid out."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from results.compact import compact, loose_trials
from results.ledger import Ledger
from results.query import VIEWS, open_stores
from results.store import Store
from tests.results.compacting import CONTENT, everything, fill, sweep_late
from tests.results.sweeps import begin, end, finish, plan, write


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


def test_an_empty_store_and_a_statement_over_every_view(store):
    assert compact(store, sweep="s", everything=True).name is None
    assert not store.root.exists()
    fill(store)
    compact(store, sweep="s")
    with open_stores([store.root]) as reader:
        for view in VIEWS:
            assert reader.sql(f"SELECT count(*) AS n FROM {view}").to_pylist()[0]["n"] > 0


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of one process is read in /proc")
def test_it_stays_small(tmp_path):
    """Two million rows of 40 trials in less than 512 MB, all of the process counted.

    `ru_maxrss` would count what the process was before it became this one: a copy of ours.
    """
    code = """
import sys
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
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    assert 50_000 < int(done.stdout) < 512 * 1024  # Kilobytes.
