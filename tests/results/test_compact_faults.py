"""Compaction changes no answer, whatever dies, comes between or is damaged."""

import pytest

from results.compact import compact
from results.errors import NewerSchemaError, StorageError
from results.query import open_stores
from results.store import Store
from tests.results.compacting import CONTENT, everything, fill, sweep_late
from tests.results.mortal import MortalStore
from tests.results.sweeps import begin, end


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


def test_no_room_leaves_everything_as_it_was(store, monkeypatch):
    fill(store)
    before = everything(store)

    def full(_self, name, _fill):
        raise StorageError(f"{name}: no space")

    monkeypatch.setattr(Store, "create_from", full)
    with pytest.raises(StorageError):
        compact(store, sweep="s")
    assert everything(store) == before
