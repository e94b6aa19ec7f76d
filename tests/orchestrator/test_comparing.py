"""The verbs compare and export: what they print, what they refuse, and with which exit code."""

import json
import math
from pathlib import Path

import pytest

from results.store import Store
from tests.results.sweeps import finish, plan


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def sweep(root, *, shift=0.0, epochs=1, acts=("relu", "gelu"), ids="t", **row):
    """A sweep of one cell an activation, all of them ended."""
    store = Store(root)
    for place, act in enumerate(acts):
        trial_id = f"{ids}{place}{act}"
        config = {"activation": {"kind": act}, "train": {"epochs": epochs}}
        values = {"metric": "accuracy", "goal": "maximize", "grid": "g", **row}
        plan(store, [{"trial_id": trial_id, "config": config, **values}], sweep=root.name)
        accuracy = 0.5 + 0.1 * place + shift * (place + 1)
        finish(store, trial_id, {"accuracy": accuracy, "loss": 1.0}, sweep=root.name)


def test_two_sweeps_side_by_side(runs, typed):
    sweep(runs / "one", commit="abc")
    sweep(runs / "two", shift=0.1, commit="def", acts=("relu", "gelu", "topk"))
    code, out, err = typed("compare", "one", "two")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"A: one, 2 cells, 2 ended, in {Path('runs/one')}"
    assert "2 cells in common." in lines
    assert "1 cell only in B: t2topk" in lines
    (score,) = [line.split() for line in lines if line.startswith("score ")]
    assert score == ["score", "equal", "2", "0.55", "0.7", "0.15", "-0.48531", "…", "0.78531"]
    assert any(line.split() == ["activation.kind", '"topk"'] for line in lines)
    assert any(line.split() == ["commit", "abc", "def"] for line in lines)


def test_the_second_sweep_may_be_a_folder_of_the_same_name(runs, typed, tmp_path):
    sweep(runs / "s")
    sweep(tmp_path / "other" / "s", shift=0.1)
    code, out, _ = typed("compare", "s", "other/s", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["b"] == {"sweep": "s", "root": "other/s", "cells": 2, "ended": 2}
    assert found["matching"]["same"] == ["t0relu", "t1gelu"]
    (score,) = [d for d in found["differences"] if d["metric"] == "score" and d["grid"] is None]
    assert score["estimate"]["difference"] == pytest.approx(0.15)
    assert found["settings"] == found["facts"] == []


def test_cells_of_other_epochs_are_paired_and_it_says_so(runs, typed):
    sweep(runs / "one", ids="a")
    sweep(runs / "two", ids="b", epochs=2)
    code, out, _ = typed("compare", "one", "two")
    assert code == 0
    assert "2 pairs of cells differ in train.epochs alone." in out
    assert "0 cells in common." in out


def test_one_metric_alone(runs, typed):
    sweep(runs / "one")
    sweep(runs / "two")
    _, out, _ = typed("compare", "one", "two", "--metric", "loss", "--json")
    assert {one["metric"] for one in json.loads(out)["differences"]} == {"loss"}


def test_nothing_in_common_is_a_sentence(runs, typed):
    sweep(runs / "one", ids="a", acts=("relu", "gelu"))
    sweep(runs / "two", ids="b", acts=("topk", "silu"))
    code, out, _ = typed("compare", "one", "two")
    assert code == 0
    assert "No cell of A has a partner in B, so there is no difference to estimate." in out


def test_an_empty_sweep_is_a_sentence(runs, typed):
    sweep(runs / "one")
    (runs / "two" / "trials").mkdir(parents=True)
    code, out, _ = typed("compare", "one", "two")
    assert code == 0
    assert "B asks for no cell yet, so there is nothing to compare." in out
    assert typed("compare", "two", "one", "--json")[0] == 0


def test_scores_that_are_all_nan_are_told(runs, typed):
    for name in ("one", "two"):
        sweep(runs / name, shift=math.nan)
    code, out, _ = typed("compare", "one", "two", "--metric", "score")
    assert code == 0
    assert "2 times it is NaN or infinite on a side" in out


def test_a_damaged_file_is_named_and_the_rest_answers(runs, typed):
    for name in ("one", "two"):
        sweep(runs / name)
    Store(runs / "two").put("trials/000009.parquet", b"PAR1 not really PAR1")
    code, out, err = typed("compare", "one", "two")
    assert code == 0
    assert "2 cells in common." in out
    assert "000009.parquet: must be a whole Parquet file" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compare", "one", "tow"), "tow: a sweep in runs is needed"),
        (("compare", "one", "one"), "two different sweeps are needed"),
        (("compare", "one", "runs/one"), "two different sweeps are needed"),
        (("compare", "one", "nowhere/two"), "a sweep in nowhere is needed"),
        (("compare", "one", "two", "--metric", "los"), "Did you mean 'loss'?"),
        (("compare", "one", "two", "--metric", "zzz"), "Known: accuracy, loss, score."),
        (("export", "tow", "-o", "out"), "tow: a sweep in runs is needed"),
        (("export", "one", "-o", "full"), "full: a new or empty folder is needed"),
        (("export", "one", "-o", "full/file"), "full/file: a new or empty folder is needed"),
        (("export", "one", "-o", "full/file/x"), "full/file/x: a folder that can be written"),
        (("export", "one", "-o", "runs/one/out"), "a folder outside the sweep's own is needed"),
        (("export", "one", "-o", "out", "--format", "xls"), "--format"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(runs, typed, tmp_path, words, said):
    sweep(runs / "one")
    sweep(runs / "two")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    code, out, err = typed(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_export_says_what_it_wrote(runs, typed, tmp_path):
    sweep(runs / "one")
    code, out, err = typed("export", "one", "-o", "out", "-f", "csv")
    assert (code, out.splitlines()[:2]) == (0, ["trials: 2 rows", "metrics: 8 rows"])
    assert "wrote out" in err
    assert (tmp_path / "out" / "metrics.csv").read_bytes().count(b"\r\n") == 9


def test_export_of_a_folder_answers_in_json(runs, typed, tmp_path):
    sweep(tmp_path / "other" / "one")
    code, out, _ = typed("export", "other/one", "-o", "out", "--json")
    assert code == 0
    assert json.loads(out)["rows"]["trials"] == 2


def test_reading_writes_nothing(runs, typed, tmp_path):
    sweep(runs / "one")
    sweep(runs / "two")
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    typed("compare", "one", "two")
    typed("export", "one", "-o", "out")
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == before


def test_cells_that_fit_several_of_the_other_side_are_named(runs, typed):
    for name, seeds in (("one", (0, 1)), ("two", (2,))):
        for seed in seeds:
            config = {"activation": {"kind": "relu"}, "seed": seed}
            plan(Store(runs / name), [{"trial_id": f"t{seed}", "config": config}], sweep=name)
    code, out, _ = typed("compare", "one", "two")
    assert code == 0
    assert "2 of A and 1 of B would fit several of the other side without seed" in out
    assert "No cell of A has a partner in B" in out


def test_a_newer_store_is_refused_with_its_version(runs, typed, monkeypatch):
    import results.schema

    sweep(runs / "one")
    monkeypatch.setattr(results.schema, "SCHEMA_VERSION", 99)
    sweep(runs / "two")
    monkeypatch.undo()
    monkeypatch.chdir(runs.parent)
    code, out, err = typed("compare", "one", "two")
    assert (code, out) == (2, "")
    assert "schema version must be at most" in err
    assert typed("export", "two", "-o", "out")[0] == 2
    assert not (runs.parent / "out").exists()
