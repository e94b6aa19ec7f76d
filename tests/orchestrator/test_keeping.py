"""The verb `compact`, and compactions by themselves beside a sweep and at its end."""

import json
import subprocess
import sys

import pytest

from orchestrator import keeping
from orchestrator.cli.main import main
from orchestrator.driver import Options, run_sweep
from orchestrator.errors import InputError
from orchestrator.expand import expand
from orchestrator.runners.inline import Runner
from results import compact_child
from results.compact import Compacted
from results.errors import StorageError
from results.query import open_stores
from results.store import Store
from tests.orchestrator.sweeps import KINDS, load, trivial
from tests.results.sweeps import finish, plan


@pytest.fixture
def storage(tmp_path):
    store = Store(tmp_path / "s")
    plan(store, [{"trial_id": id_} for id_ in "abc"])
    for id_ in "abc":
        finish(store, id_, {"m": 1.0})
    return str(tmp_path)


def call(*arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return left.value.code or 0


def test_the_verb_says_what_it_did(storage, capsys):
    assert call("compact", "s", "--storage", storage) == 0
    told = capsys.readouterr().out
    assert told.startswith("s: folded 3 finished trials; 6 rows, 6 → 2 files, ")
    assert call("compact", "s", "--storage", storage) == 0
    assert "nothing to fold" in capsys.readouterr().out
    assert call("compact", "s", "--storage", storage, "--json") == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 0


def test_an_unknown_sweep_is_named(storage):
    with pytest.raises(InputError, match="ss: a sweep in"):
        keeping.compact("ss", storage=storage)


def keeper(storage, said, **options):
    return keeping.Keeper(Store(f"{storage}/s"), sweep="s", warn=said.append, **options)


def test_many_loose_trials_are_folded_beside_the_sweep(storage):
    said = []
    kept = keeper(storage, said, loose=3)
    assert not Store(f"{storage}/s").list("compact/"), "three are not more than three"
    kept.ended()
    kept.finish()
    assert len(Store(f"{storage}/s").list("compact/")) == 2
    assert said == []


def test_a_compaction_that_fails_is_said_and_no_more(storage, monkeypatch):
    def full(*_, **__):
        raise StorageError("/s/compact/x: cannot write it, no space left on device.")

    monkeypatch.setattr("results.compact.compact", full)
    said = []
    keeper(storage, said).finish()
    assert said == ["s: not compacted, /s/compact/x: cannot write it, no space left on device."]


def test_a_compaction_beside_the_sweep_that_fails_is_said(storage):
    store = Store(f"{storage}/s")
    broken = next(name for name in store.list("events/") if "end" in name)
    store.path(broken).write_bytes(b"PAR1 no more")
    said = []
    kept = keeper(storage, said, loose=3)
    kept.ended()
    kept.finish()
    assert said
    assert "s: not compacted, " in said[0]
    assert broken in said[0]


def test_a_compaction_beside_the_sweep_says_what_it_cannot_read(storage):
    store = Store(f"{storage}/s")
    store.path(store.list("metrics/a/")[0]).write_bytes(b"PAR1 no more")
    said = []
    kept = keeper(storage, said, loose=3)
    kept.ended()
    kept.finish()
    assert "damaged" in said[0]
    assert not said[0].startswith("s: not compacted")


def test_a_compaction_beside_the_sweep_leaves_with_its_driver(storage):
    words = [sys.executable, "-c", compact_child._PROGRAM, f"{storage}/s", "s", *sys.path]
    store = Store(f"{storage}/s")
    orphan = subprocess.run(words, stdin=subprocess.DEVNULL, check=False, capture_output=True)
    assert orphan.returncode == 1
    assert not [name for name in store.list("compact/") if name.count(".") == 1]


def test_what_cannot_be_read_is_said(storage, monkeypatch):
    told = Compacted(warnings=("x: damaged.",))
    monkeypatch.setattr("results.compact.compact", lambda *_, **__: told)
    said = []
    keeper(storage, said).finish()
    assert said == ["x: damaged."]


def test_a_sweep_leaves_one_file_that_answers_for_all(tmp_path, test_kinds, monkeypatch):
    monkeypatch.setattr(keeping, "LOOSE", 1)
    loaded = load(trivial())
    store = Store(tmp_path / loaded.sweep.name)
    options = Options(kinds=(KINDS,))
    wanted = expand(loaded)
    run_sweep(loaded, wanted, store=store, make_runner=lambda _: Runner(), options=options)
    assert store.list("compact/")
    with open_stores([store.root]) as reader:
        rows = reader.sql("SELECT trial_id, step, layer, name FROM metrics")
        text = "SELECT count(*) AS n FROM trials WHERE status = 'completed' AND step IS NOT NULL"
        assert reader.sql(text).to_pylist() == [{"n": len(wanted)}]
    assert len({tuple(row.values()) for row in rows.to_pylist()}) == rows.num_rows > 0


def test_the_last_end_folds_while_the_runner_closes(storage, monkeypatch):
    folds = []
    monkeypatch.setattr("results.compact.compact", lambda *_, **__: folds.append(1) or Compacted())
    kept = keeper(storage, [])
    kept.ended()
    assert folds == []
    kept.ended(last=True)
    kept.finish()
    assert folds == [1], "nothing ended since"
    kept.ended()
    kept.finish()
    assert folds == [1, 1]
