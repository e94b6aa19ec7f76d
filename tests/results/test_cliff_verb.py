"""`cliffsweep cliff` refuses what is incomplete, and says what a partial fit goes without."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.results.sweeps import begin, end, finish, plan, write


@pytest.fixture
def cliff(store, typed):
    """The verb on this store: (exit code, standard output, standard error)."""

    def run(*words):
        root = Path(store.root)
        words = ("cliff", root.name, "--storage", str(root.parent), "--delta", "0.02", *words)
        return typed(*words, "--draws", "200", "--no-pictures")

    return run


def _trial(trial_id, grid="vit.topk"):
    scored = {"score_rule": "accuracy_ratio", "metric": "val_accuracy", "goal": "maximize"}
    config = {"model": {"kind": grid.partition(".")[0]}}
    return {"trial_id": trial_id, "grid": grid, "config": config, "baseline_id": "base", **scored}


@pytest.fixture
def sweep(store):
    """Twelve cells and their baseline."""
    x = np.linspace(0.05, 0.95, 14)
    noise = np.random.default_rng(4).normal(0, 0.004, 14)
    scores = 1 - np.maximum(x - 0.6, 0) + noise
    plan(store, [_trial("base", "base.base"), *(_trial(f"t{i:02d}") for i in range(14))])
    finish(store, "base", {"val_accuracy": 1.0, "val_loss": 2.3, "train_loss": 0.1})
    for i in range(14):
        finish(store, f"t{i:02d}", {"val_accuracy": scores[i], "sparsity": x[i], "train_loss": 0.3})
    return store


def test_a_complete_sweep_is_told_in_a_table_and_in_sentences(cliff, sweep):
    code, out, _ = cliff()
    assert code == 0
    table = {line.split()[0]: line.split() for line in out.splitlines()[:6]}
    assert float(table["vit.topk"][3]) == pytest.approx(0.6, abs=0.03)
    assert "vit: a straight line does worse (F = " in out
    assert "a straight fall fits best" in out
    assert "loss ≤ 0.02" in out
    assert "PARTIAL" not in out


def test_missing_cells_are_refused_by_name(cliff, sweep):
    plan(sweep, [_trial("later"), _trial("never", "vit.norms")])
    code, out, err = cliff()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "got 2 without a result: vit.norms never (planned), vit.topk later (planned)." in err
    assert "--partial" in err


def test_a_partial_fit_says_so_in_text_and_json(cliff, sweep):
    plan(sweep, [_trial("later")])
    code, out, _ = cliff("--partial")
    assert code == 0
    assert out.startswith("PARTIAL: 1 cells are missing, and the fits below go without them\n")
    assert "missing: later: vit.topk, planned" in out
    assert "14 of 15" in out
    assert "Partial: 1 cells are missing (1 planned)." in out
    document = json.loads(cliff("--partial", "--json")[1])
    assert document["partial"] is True
    assert document["missing"] == [{"trial_id": "later", "grid": "vit.topk", "status": "planned"}]
    partial = {fit["group"]: fit["partial"] for fit in document["fits"]}
    assert partial == {
        **{"base": False, "base.base": False},
        **{"vit": True, "vit.topk": True, "pooled": True},
    }


def test_cells_that_were_stopped_early_are_refused_and_counted(cliff, sweep):
    plan(sweep, [_trial("behind")])
    begin(sweep, "behind")
    write(sweep, "behind", {0: {"val_accuracy": 0.2, "sparsity": 0.9}})
    end(sweep, "behind", status="stopped")
    code, _, err = cliff()
    assert code == 2
    assert "got 1 without a result: vit.topk behind (stopped)." in err
    assert "runs them but the 1 that were stopped early" in err
    out = cliff("--partial")[1]
    assert out.startswith("PARTIAL: 1 cells are missing (1 stopped early, the worse ones), and")
    assert "missing: behind: vit.topk, stopped" in out
    assert "Partial: 1 cells are missing (1 stopped)." in out


def test_a_sweep_without_any_score(cliff, store):
    plan(store, [_trial("later")])
    assert cliff()[0] == 2
    code, out, _ = cliff("--partial")
    assert code == 0
    assert "no cell has a score yet" in out
