"""`cliffsweep claims` over sweeps that were really run, and over none."""

import json

import pytest

TINY = """\
version: 1
name: tiny
workload:
  task: {kind: fashion_mnist, train_size: 512, validation_size: 64}
  model: {kind: mlp, hidden: [16]}
  activation: gelu
  train: {steps: 8, batch_size: 32, evaluate_every: 2}
grids:
  - name: mlp
    parameters:
      task.criterion: [cross_entropy, mse]
replicates: {seeds: [0, 1, 2]}
checkpoint: {every: null}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """An empty folder, but for a sweep file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)


def claimed(out):
    return {claim["id"]: claim for claim in json.loads(out)["claims"]}


def test_claims_of_a_sweep_that_was_run(typed):
    assert typed("run", "tiny.yaml", "--inline", "--quiet")[0] == 0
    code, out, _ = typed("claims", "tiny", "--json")
    assert code == 0
    parts = {part["part"]: part for part in claimed(out)["A1"]["parts"]}
    drift = parts["mlp, real data, gelu"]
    told = typed(
        "sql", "tiny", "--json",
        "SELECT avg(z) AS z FROM (SELECT median(value) AS z FROM metrics JOIN trials"
        " USING (trial_id) WHERE name = 'drift_z' AND layer IS NOT NULL AND metrics.step = 2"
        " AND config.task.criterion IS NULL GROUP BY trial_id)",
    )[1]  # fmt: skip
    assert drift["value"] == pytest.approx(json.loads(told)[0]["z"])
    assert drift["seeds"] == drift["cells"] == 3
    assert drift["interval"][0] < drift["value"] < drift["interval"][1]
    assert drift["scale"] == "mlp (hidden [16]) on fashion_mnist, 8 steps"
    assert parts["vit, real data, gelu"]["cells"] == 0


def test_claims_say_what_to_run_where_data_are_missing(typed):
    code, out, _ = typed("claims")
    assert code == 0
    assert out.count("not enough data") >= 16
    for sweep in ("drift", "cliff", "spikes", "relufication", "theorem", "flatness"):
        assert f"`cliffsweep run sweeps/{sweep}.yaml`" in out
    assert "mlp, random data, gelu" in typed("claims", "--all", "--parts")[1]
    document = claimed(typed("claims", "--json")[1])
    assert list(document) == ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "B"]
    wanted = {"id", "claim", "measured", "interval", "cells", "seeds", "scale", "verdict"}
    assert all(wanted <= claim.keys() for claim in document.values())


@pytest.mark.parametrize(
    ("words", "told"),
    [(("claims", "nope"), "nope: a sweep in runs is needed"), (("claims", "a", "--all"), "--all")],
)
def test_wrong_names_are_one_line_and_2(typed, words, told):
    code, out, err = typed(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err
