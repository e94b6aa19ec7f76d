"""The verb report as it is typed: what it writes, prints, verifies and refuses."""

import json

import pytest

from orchestrator.code import keep
from orchestrator.reporting import report, verify_report
from results.store import Store
from tests.results.reports import small

SWEEP = b"""\
version: 1
name: small
workload: {kind: trivial}
grids: [{name: g, parameters: {value: [1.0, 2.0]}}]
metric: {name: acc}
delta: 0.03
"""


@pytest.fixture
def storage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "runs" / "small")
    small(store)
    keep(store, SWEEP, [], now=1_750_000_000.0)
    return tmp_path / "runs"


def test_a_report_is_written_and_verified(storage, typed):
    code, out, err = typed("report", "small")
    assert code == 0
    assert "breaks off at" in out or "cliff" in out
    assert "wrote runs/small/report/index.html" in err
    page = storage / "small" / "report" / "index.html"
    assert "delta: 0.03" in page.read_text()
    assert "loss ≤ 0.03 up to" in page.read_text()
    code, out, err = typed("report", "--verify", str(page))
    assert (code, err) == (0, "")
    assert "holds" in out
    assert "12 figures and the fits" in out


def test_json_is_one_document(storage, typed):
    code, out, err = typed("report", "small", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["bytes"] < 3_000_000
    assert document["page"].endswith("small/report/index.html")
    assert {path.rpartition(".")[2] for path in document["figures"]} == {"csv", "png"}
    code, out, _ = typed("report", "--verify", document["page"], "--json")
    verdict = json.loads(out)
    assert (code, verdict["sweep"], verdict["differences"]) == (0, "small", [])


def test_a_changed_page_ends_with_1_and_names_figure_and_number(storage, typed):
    page = report("small").page
    page.write_text(page.read_text().replace("14 of 14</dd>", "99 of 99</dd>"))
    code, out, _ = typed("report", "--verify", str(page))
    assert code == 1
    assert "page: line " in out
    assert "99 of 99" in out
    assert out.splitlines()[-1] == f"{page}: 1 difference"


def test_a_page_elsewhere_finds_its_sweep_by_name(storage, typed, tmp_path):
    code, *_ = typed("report", "small", "-o", "out/my report.html")
    assert code == 0
    assert (tmp_path / "out" / "my report-figures" / "cells.csv").is_file()
    assert "my%20report-figures/cells.csv" in (tmp_path / "out" / "my report.html").read_text()
    verdict, root = verify_report(tmp_path / "out" / "my report.html")
    assert root.resolve() == (storage / "small").resolve()
    assert verdict.differences == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report"], "the name of a sweep is needed"),
        (["report", "smal"], "Did you mean 'small'?"),
        (["report", "small", "-o", "runs"], "a file is needed, got the folder 'runs'"),
        (["report", "--verify", "runs/nothing.html"], "the page of a report is needed"),
        (["report", "--verify", "x.html", "--partial"], "it writes no page"),
    ],
)
def test_wrong_input_ends_with_2_and_one_line(storage, typed, words, said):
    code, out, err = typed(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_store_that_was_never_started_here_has_a_report_too(storage, typed):
    for path in (storage / "small" / "sweep").iterdir():
        path.unlink()
    assert report("small").document["delta"] == 0.01
