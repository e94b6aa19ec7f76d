"""A script of the user's own as a sweep: killed, resumed and cancelled like any other."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator import actions
from orchestrator.errors import InputError
from orchestrator.options import Options
from tests.e2e.conftest import COMMAND, rows, wait_for

SWEEP = """\
version: 1
name: mine
files: [train.py, parts]
workload:
  kind: command
  run: [python, train.py]
  parameters: {learning_rate: 0.1}
grids:
  - name: rates
    parameters: {parameters.learning_rate: [0.1, 0.2]}
metric: {name: loss, goal: minimize}
retry: {max: 0}
"""

SCRIPT = """\
import argparse, json, os, pathlib, time

from parts.model import loss_at

parser = argparse.ArgumentParser()
parser.add_argument("--learning_rate", type=float)
rate = parser.parse_args().learning_rate
kept = pathlib.Path(os.environ["CLIFFSWEEP_CHECKPOINT_DIR"]) / "weight.txt"
weight = float(kept.read_text()) if kept.exists() else 1.0
for step in range(int(os.environ.get("CLIFFSWEEP_RESUME_STEP", 0)) + 1, 21):
    time.sleep(PAUSE)
    weight -= rate * weight
    kept.write_text(repr(weight))
    print(json.dumps({"step": step, "loss": loss_at(weight), "checkpoint": True}), flush=True)
"""


def written(folder: Path, *, pause: float) -> Path:
    """The sweep file, its script and a module of the script's beside it."""
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "model.py").write_text("def loss_at(weight):\n    return weight**2\n")
    (folder / "train.py").write_text(SCRIPT.replace("PAUSE", str(pause)))
    (folder / "mine.yaml").write_text(SWEEP)
    return folder / "mine.yaml"


def test_a_killed_script_goes_on_from_its_own_checkpoint(tmp_path: Path) -> None:
    calm = written(tmp_path / "calm", pause=0.0)
    assert actions.run(calm, storage=str(tmp_path / "a"), runner="inline").exit_code == 0

    slow, storage = written(tmp_path / "slow", pause=0.1), tmp_path / "b"
    words = ["run", str(slow), "--storage", str(storage), "--inline", "--quiet"]
    driver = subprocess.Popen([*COMMAND, *words], stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list((storage / "mine/checkpoints").glob("*/a0-*"))) >= 1)
    driver.kill()
    driver.wait()
    shutil.rmtree(slow.parent)  # The run directory alone resumes.
    summary = actions.resume("mine", storage=str(storage), runner="inline")

    assert summary.counts == {"completed": 2}
    found = rows(storage / "mine")
    assert found == rows(tmp_path / "a" / "mine")
    assert len(found) == 40
    events = actions.sql(
        "mine", "SELECT resumed_from FROM events WHERE attempt = 1", storage=str(storage)
    )
    assert max(step or 0 for step in events["resumed_from"].to_pylist()) > 0


def test_a_missing_script_is_found_before_anything_starts(tmp_path: Path) -> None:
    sweep = written(tmp_path / "there", pause=0.0)
    sweep.write_text(SWEEP.replace("[train.py, parts]", "[parts]"))
    with pytest.raises(InputError, match=r"the script 'train.py' is needed"):
        actions.run(sweep, storage=str(tmp_path / "s"), runner="inline")
    sweep.write_text(SWEEP.replace("parts]", "other]"))
    with pytest.raises(InputError, match=r"files: a file or folder .* got 'other'"):
        actions.run(sweep, storage=str(tmp_path / "s"), runner="inline")
    (sweep.parent / "other").symlink_to("/etc")
    with pytest.raises(InputError, match=r"a link that leads out"):
        actions.run(sweep, storage=str(tmp_path / "s"), runner="inline")
    assert not (tmp_path / "s").exists()
    assert actions.validate(sweep)[1] == 2


def test_a_training_that_cannot_be_divided_takes_one_device(tmp_path: Path) -> None:
    sweep = "version: 1\nname: two\nworkload: {model: resnet, task: random_data}\n"
    (tmp_path / "two.yaml").write_text(sweep)
    with pytest.raises(InputError, match=r"resources.gpu: batchnorm lets the samples of a batch m"):
        actions.run(tmp_path / "two.yaml", storage=str(tmp_path / "s"), options=Options(gpu=2))
    assert not (tmp_path / "s").exists()


@pytest.mark.ray
def test_a_script_runs_on_workers_and_its_output_is_kept(cluster: None, tmp_path: Path) -> None:
    sweep = written(tmp_path / "there", pause=0.0)
    with (sweep.parent / "train.py").open("a") as script:
        script.write("print('good bye', rate)\n")
    summary = actions.run(sweep, storage=str(tmp_path), runner="ray_tune")
    assert summary.counts == {"completed": 2}
    logs = [path.read_text() for path in tmp_path.glob("mine/logs/*/a0.*.txt")]
    assert sorted(text for text in logs if text) == ["good bye 0.1\n", "good bye 0.2\n"]
