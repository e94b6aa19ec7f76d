"""A sweep is forecast by a probe, runs, and the forecast is judged; nothing of the probe stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.expand import expand
from orchestrator.probing import most_held
from orchestrator.spec_load import load_sweep

SWEEP = """\
version: 1
name: small
workload:
  task: {kind: random_data, train_size: 640, validation_size: 64}
  model: {kind: mlp, hidden: [16]}
  train: {epochs: 8, batch_size: 16}
grids:
  - name: mlp
    parameters: {activation: [relu, gelu, relu2], model.hidden: [[16], [64, 64]]}
"""

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, but for a sweep file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SWEEP)


def test_a_probe_a_run_and_what_was_right(typed: Type, tmp_path: Path) -> None:
    code, _, told = typed("plan", "small.yaml")
    assert (code, "No forecast: no cell like these has finished." in told) == (0, True)

    code, out, _ = typed("plan", "small.yaml", "--probe", "--inline", "--json")
    ahead = json.loads(out)["forecast"]
    cells = expand(load_sweep("small.yaml"))
    assert (code, ahead["cells"], ahead["known"], ahead["probed"]) == (0, 6, 4, True)
    assert set(ahead["seconds"]) == {cell.trial_id for cell in cells}
    assert 0 < ahead["low_s"] < ahead["wall_s"] < ahead["high_s"]
    assert ahead["at_a_time"] == 1
    assert ahead["memory"] > 50_000_000  # torch alone takes more
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".forecasts"]

    code, out, _ = typed("run", "small.yaml", "--inline", "--quiet", "--json")
    judged = json.loads(out)["forecast"]
    assert (code, judged["cells"], judged["wall_s"]) == (0, 6, ahead["wall_s"])
    assert judged["took_s"] > 0
    assert 0 <= judged["median_error"] <= judged["worst_error"]

    code, _, told = typed("plan", "small.yaml", "-P", "seed=0,1")
    assert code == 0
    assert "Forecast for 6 cells" in told
    assert "from 6 finished cells" in told
    code, _, told = typed("run", "small.yaml", "-P", "seed=0,1", "--inline", "--quiet")
    assert code == 0
    assert "its error for a cell:" in told


def test_cells_of_other_sweeps_tell_too(typed: Type, tmp_path: Path) -> None:
    one = SWEEP.replace("[relu, gelu, relu2]", "[relu]").replace("small", "first")
    (tmp_path / "first.yaml").write_text(one)
    assert typed("run", "first.yaml", "--inline", "--quiet")[0] == 0
    told = typed("plan", "small.yaml", "--at-a-time", "3")[2]
    assert "Forecast for 6 cells, 3 at a time, from 2 finished cells" in told


def test_a_program_that_does_not_say_its_length_cannot_be_probed(
    typed: Type, tmp_path: Path
) -> None:
    text = "version: 1\nname: own\nworkload: {kind: command, run: [python, train.py]}\n"
    (tmp_path / "own.yaml").write_text(text + "files: [train.py]\n")
    (tmp_path / "train.py").write_text('print(\'{"step": 1, "loss": 0.5}\')\n')
    code, _, told = typed("plan", "own.yaml", "--probe", "--inline")
    assert code == 2
    assert "--probe: the program says beforehand how long it trains, got 'command'" in told
    assert typed("run", "own.yaml", "--inline", "--quiet")[0] == 0
    told = typed("plan", "own.yaml", "-P", "parameters.x=1,2")[2]
    assert "from 1 finished cells" in told


def test_a_process_that_is_gone_held_nothing_that_is_known() -> None:
    assert most_held(2**22 + 1) is None
