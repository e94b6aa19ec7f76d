"""A sweep run from a notebook, in a real kernel: the same progress, the same rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import orchestrator
from tests.e2e.conftest import KINDS, rows

ROOT = Path(orchestrator.__file__).parents[1]
SPEC = {
    "version": 1,
    "name": "noted",
    "workload": {"kind": "trivial", "steps": 3},
    "grids": [{"name": "values", "parameters": {"value": [1.0, 2.0, 3.0]}}],
    "metric": {"name": "total"},
    "retry": {"backoff": "0s"},
}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def executed(folder: Path, *cells: str) -> list[Any]:
    """The outputs of each cell, run one after another by a kernel of its own."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})
    return [cell.outputs for cell in notebook.cells]


def test_a_sweep_runs_in_a_notebook(tmp_path: Path) -> None:
    outputs = executed(
        tmp_path,
        "import orchestrator, signal\n"
        f"spec = {SPEC!r}\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        f"done = orchestrator.run(spec, storage='noted', runner='inline', kinds=[{str(KINDS)!r}])\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
        "done.counts",
        "orchestrator.sql('noted', 'SELECT count(*) AS n FROM trials', storage='noted')"
        ".to_pylist()",
        f"orchestrator.run(spec, storage='noted', runner='inline', kinds=[{str(KINDS)!r}]).trained",
    )
    first = outputs[0]
    (bar,) = [one for one in first if one.output_type == "display_data"]
    assert "noted  3/3  3 completed" in bar.data["text/plain"]
    assert "█" * 40 in bar.data["text/html"]
    told = "".join(one.text for one in first if one.get("name") == "stderr")
    assert "noted: 3 cells, 0 done, 3 to run" in told
    assert first[-1].data["text/plain"] == "{'completed': 3}"
    assert outputs[1][-1].data["text/plain"] == "[{'n': 3}]"
    assert outputs[2][-1].data["text/plain"] == "0"

    orchestrator.run(SPEC, storage=str(tmp_path / "here"), runner="inline", kinds=[str(KINDS)])
    assert rows(tmp_path / "noted" / "noted") == rows(tmp_path / "here" / "noted")


@pytest.mark.long
def test_a_sweep_runs_in_a_notebook_on_ray(tmp_path: Path) -> None:
    """One bar, whatever Ray and Tune would show beside it, and the same rows."""
    (first,) = executed(
        tmp_path,
        "import orchestrator\n"
        f"spec = {SPEC!r}\n"
        f"orchestrator.run(spec, storage='noted', kinds=[{str(KINDS)!r}]).counts",
    )
    (bar,) = [one for one in first if one.output_type == "display_data"]
    assert "noted  3/3  3 completed" in bar.data["text/plain"]
    assert first[-1].data["text/plain"] == "{'completed': 3}"
    orchestrator.run(SPEC, storage=str(tmp_path / "here"), runner="inline", kinds=[str(KINDS)])
    assert rows(tmp_path / "noted" / "noted") == rows(tmp_path / "here" / "noted")


def test_what_is_wrong_is_told_in_one_line() -> None:
    with pytest.raises(orchestrator.errors.SpecError, match="the spec.*: only known keys, got 'x'"):
        orchestrator.run({**SPEC, "x": 1}, runner="inline")
