"""The verbs as a user types them: what they print, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import COMMAND, KINDS

TRIVIAL = """\
version: 1
name: trivial
workload: {kind: trivial, steps: 3}
grids:
  - name: values
    parameters: {value: [1.0, 2.0, 3.0]}
baseline: {value: 1.0}
metric: {name: total}
retry: {backoff: 0s}
"""

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, but for a sweep file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trivial.yaml").write_text(TRIVIAL)


RUN = ("run", "trivial.yaml", "--inline", "--kinds", str(KINDS))


def test_a_sweep_from_plan_to_rows(typed: Type) -> None:
    code, out, _ = typed("plan", "trivial.yaml", "--kinds", str(KINDS), "--json")
    planned = json.loads(out)
    assert (code, planned["total"]) == (0, 3)
    assert {cell["state"] for cell in planned["cells"]} == {"new"}
    assert list(planned["cells"][0]) == ["trial_id", "grid", "config", "state"]

    code, out, err = typed(*RUN)
    assert (code, "3 completed of 3" in out, "3 cells, 0 done, 3 to run" in err) == (0, True, True)
    code, out, _ = typed(*RUN, "--quiet")
    assert (code, out) == (
        0,
        "trivial: nothing to train, all 3 cells are done (3 completed)\n",
    )

    code, out, _ = typed("status", "trivial", "--json")
    assert (code, json.loads(out)["counts"]) == (0, {"completed": 3})
    code, out, _ = typed("ls", "--json")
    assert [sweep["sweep"] for sweep in json.loads(out)["sweeps"]] == ["trivial"]


def test_sql_in_every_format(typed: Type, tmp_path: Path) -> None:
    assert typed(*RUN, "--quiet")[0] == 0
    query = "SELECT config.value AS value, score FROM trials ORDER BY value"

    assert typed("sql", "trivial", query)[1].split() == [
        "value",
        "score",
        "1",
        "0",
        "2",
        "3",
        "3",
        "6",
    ]
    out = typed("sql", "trivial", query, "--format", "csv")[1]
    assert list(csv.reader(io.StringIO(out)))[1:] == [
        ["1.0", "0.0"],
        ["2.0", "3.0"],
        ["3.0", "6.0"],
    ]
    out = typed("sql", "trivial", query, "--format", "json")[1]
    assert [row["score"] for row in json.loads(out)] == [0.0, 3.0, 6.0]
    assert typed("sql", "trivial", query, "-f", "parquet", "-o", "rows.parquet")[0] == 0
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == 3


def test_show_tells_the_file_and_a_trial(typed: Type) -> None:
    assert typed(*RUN, "--quiet")[0] == 0
    assert typed("show", "trivial")[1] == TRIVIAL
    first = json.loads(typed("sql", "trivial", "SELECT trial_id FROM trials", "--json")[1])[0]
    code, out, _ = typed("show", "trivial", first["trial_id"][:8], "--json")
    found = json.loads(out)
    assert (code, [event["status"] for event in found["events"]]) == (0, ["running", "completed"])
    assert {"name": "total", "value": found["config"]["value"] * 3} in found["last"]


def test_a_failing_program_fails_alone(typed: Type, tmp_path: Path) -> None:
    text = "version: 1\nname: f\nworkload: {kind: failing, at: 2}\nretry: {max: 1, backoff: 0s}\n"
    grids = "grids:\n  - {name: g, parameters: {at: [2, 99]}}\nmax_failed_trials: 1\n"
    (tmp_path / "f.yaml").write_text(text + grids)
    code, out, err = typed("run", "f.yaml", "--inline", "--kinds", str(KINDS))
    assert code == 1
    assert "1 completed, 1 failed of 2" in out
    assert "user_error: RuntimeError: failing at step 2" in err
    assert "Traceback" not in err
    assert "failing at step 2" in typed("status", "f")[2]


def test_init_writes_what_validates(typed: Type) -> None:
    assert typed("init")[0] == 0
    assert typed("validate", "my_sweep.yaml")[1] == "my_sweep.yaml: valid, 3 cells\n"
    code, _, err = typed("init")
    assert (code, err.count("\n")) == (2, 1)
    assert typed("init", "smoke")[0] == 0
    assert typed("validate", "smoke.yaml")[1] == "smoke.yaml: valid, 4 cells\n"
    assert typed("init", "../x")[0] == 2


def test_the_grid_of_the_paper(typed: Type) -> None:
    assert typed("init", "sparsity_accuracy")[0] == 0
    cells = json.loads(typed("plan", "sparsity_accuracy.yaml", "--json")[1])["cells"]
    models = [cell["config"]["model"]["kind"] for cell in cells]
    assert len({cell["trial_id"] for cell in cells}) == 79
    assert Counter(models) == {"gpt_nano": 23, "resnet": 28, "vit": 28}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rnu",), "Did you mean 'run'"),
        (("run", "nope.yaml"), "nope.yaml: a sweep file is needed"),
        (("status", "trivail"), "Sweeps there: none"),
        (("resume", "../etc"), "a sweep's name is"),
        (("sql", "trivial", "SELECT 1"), "a sweep in runs is needed"),
        (("kinds", "modles"), "one of programs"),
        (("plan", "trivial.yaml", "--kinds", "nowhere"), "which is not there"),
        (("run", "trivial.yaml", "--gpu", "-1"), "--gpu"),
        (("run", "trivial.yaml", "--storage", "s3://bucket/x"), "credentials are needed"),
    ],
)
def test_wrong_input_is_one_line_and_2(typed: Type, words: tuple[str, ...], told: str) -> None:
    code, out, err = typed(*words)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert told in err


def test_sql_refuses_what_writes(typed: Type, tmp_path: Path) -> None:
    assert typed(*RUN, "--quiet")[0] == 0
    segment = str(next((tmp_path / "runs/trivial/metrics").rglob("*.parquet")))
    before = Path(segment).read_bytes()
    for statement in (f"COPY (SELECT 1) TO '{segment}'", f"SELECT * FROM '{segment}'"):
        code, _, err = typed("sql", "trivial", statement)
        assert (code, err.count("\n")) == (2, 1)
    assert Path(segment).read_bytes() == before


def test_kinds_and_their_keys(typed: Type) -> None:
    assert "Top-K" in typed("kinds", "activations")[1]
    fields = json.loads(typed("kinds", "activations", "topk", "--json")[1])["fields"]
    assert {field["key"] for field in fields} == {"base", "share", "rank", "level", "scope"}


def test_cliff_without_scores_says_so(typed: Type) -> None:
    assert typed(*RUN, "--quiet")[0] == 0
    code, out, _ = typed("cliff", "trivial", "--json")
    assert code == 0
    assert all(fit["break"] is None for fit in json.loads(out)["fits"])


def test_help_loads_nothing_slow() -> None:
    program = (
        "import sys, orchestrator.cli.main;"
        "print([m for m in ('torch', 'ray', 'duckdb', 'pyarrow', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([COMMAND[0], "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
