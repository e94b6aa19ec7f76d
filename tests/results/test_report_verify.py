"""Verifying a report: it holds as of its own time, and a number that was changed is found."""

import json
import re
from datetime import timedelta
from importlib import metadata

import pytest

from results.errors import ReportError
from results.report import verify
from results.report_page import document_of, render
from results.store import Store
from tests.results.reports import row, small, written
from tests.results.sweeps import START, begin, end, plan

DATA = re.compile(r'(<script type="application/json" id="data">)(.*?)(</script>)', re.DOTALL)


@pytest.fixture
def report(store):
    small(store)
    return written(store).page


def _tampered(page, change):
    """Changes the data block of a page and shows it as the page would be shown."""
    document, folder = document_of(page.read_text(), name=str(page))
    change(document)
    page.write_text(render(document, figures=folder))


def _figure(document, name):
    return next(figure for figure in document["figures"] if figure["name"] == name)


def test_a_page_holds(store, report):
    verdict = verify(report, root=store.root)
    assert verdict.differences == ()
    assert verdict.figures == 12
    assert verdict.numbers > 300


@pytest.mark.parametrize("factor", [1 + 2e-9, 1.01, -1.0])
def test_a_changed_number_is_named(store, report, factor):
    def change(document):
        figure = _figure(document, "cells")
        figure["rows"][3][figure["columns"].index("score")] *= factor

    _tampered(report, change)
    (difference,) = verify(report, root=store.root).differences
    assert (difference.figure, difference.place) == ("cells", "row 4, score")
    assert "cells: row 4, score: the page says" in str(difference)


def test_what_lies_beyond_nine_digits_is_no_difference(store, report):
    def change(document):
        figure = _figure(document, "cells")
        figure["rows"][3][figure["columns"].index("score")] *= 1 + 1e-12

    _tampered(report, change)
    assert verify(report, root=store.root).differences == ()


def test_a_changed_break_is_named(store, report):
    def change(document):
        document["fits"][0]["break"] += 0.1

    _tampered(report, change)
    (difference,) = verify(report, root=store.root).differences
    assert (difference.figure, difference.place) == ("fits", "resnet, break")


def test_a_number_changed_in_the_data_alone_is_found_twice(store, report):
    text = report.read_text()
    data = json.loads(DATA.search(text)[2])
    data["figures"][2]["rows"][0][0] += 1
    block = json.dumps(data)
    report.write_text(DATA.sub(lambda found: found[1] + block + found[3], text))
    found = {difference.figure for difference in verify(report, root=store.root).differences}
    assert {"page", "totals"} <= found


def test_a_number_changed_on_the_page_alone_is_found(store, report):
    text = report.read_text()
    assert text.count("14 of 14</dd>") == 1
    report.write_text(text.replace("14 of 14</dd>", "15 of 15</dd>"))
    (difference,) = verify(report, root=store.root).differences
    assert difference.figure == "page"
    assert "15 of 15" in str(difference.page)
    assert "14 of 14" in str(difference.store)


def test_added_and_removed_rows_are_found(store, report):
    def change(document):
        _figure(document, "cells")["rows"].pop()

    _tampered(report, change)
    places = {(d.figure, d.place) for d in verify(report, root=store.root).differences}
    assert ("cells", "number of rows") in places


def test_another_sql_is_named_and_never_run(store, report):
    def change(document):
        _figure(document, "time")["sql"] = "SELECT 1"
        document["fit_queries"][0]["sql"] = "SELECT 2"

    _tampered(report, change)
    found = [(d.figure, d.place) for d in verify(report, root=store.root).differences]
    assert found == [("time", "its SQL"), ("fits", "their SQL")]


def test_a_removed_figure_is_found(store, report):
    text = report.read_text()
    data = json.loads(DATA.search(text)[2])
    data["figures"] = [f for f in data["figures"] if f["name"] != "provenance"]
    report.write_text(DATA.sub(lambda found: found[1] + json.dumps(data) + found[3], text))
    with pytest.raises(ReportError, match="damaged"):
        verify(report, root=store.root)


def test_later_attempts_and_trials_are_left_out(store):
    small(store)
    written_ = written(store, as_of=None)
    before = verify(written_.page, root=store.root)
    plan(store, [row("later", activation="silu")])
    century = 60 * 24 * 365 * 100
    begin(store, "later", minute=century)
    begin(store, "topk-03", attempt=1, minute=century)
    end(store, "topk-03", "failed", attempt=1, minute=century + 1, failure_class="user_error")
    after = verify(written_.page, root=store.root)
    assert before.differences == after.differences == ()
    assert before.numbers == after.numbers
    now = written(store, as_of=START + timedelta(minutes=2 * century)).document
    assert _figure(now, "totals")["rows"] != _figure(written_.document, "totals")["rows"]


def test_the_sweep_file_is_compared(store):
    small(store)
    Store(store.root).put("sweep/1.yaml", b"name: s\n")
    page = written(store, sweep_file={"name": "sweep/1.yaml", "text": "name: s\n"}).page
    assert verify(page, root=store.root).differences == ()
    Store(store.root).put("sweep/1.yaml", b"name: t\n")
    (difference,) = verify(page, root=store.root).differences
    assert difference.place == "sweep file sweep/1.yaml"


def test_another_store_differs(store, report, tmp_path):
    verdict = verify(report, root=tmp_path / "nothing")
    assert {d.figure for d in verdict.differences} >= {"cells", "totals", "fits"}


@pytest.mark.parametrize(
    "data",
    ['{"format": 1}', '{"format": 1, "as_of": "x"}', "[]", "7", '{"format": 9}', '{"format": 1,'],
)
def test_damaged_data_are_refused_in_one_line(store, tmp_path, data):
    page = tmp_path / "page.html"
    page.write_text(f'<script type="application/json" id="data">{data}</script>')
    with pytest.raises(ReportError) as error:
        verify(page, root=store.root)
    assert str(error.value).startswith(f"{page}: ")
    assert "\n" not in str(error.value)


def test_a_page_of_another_version_names_it(store, report):
    def change(document):
        document["cliffsweep"] = "0.0.9"
        _figure(document, "time")["sql"] = "SELECT 1"

    assert verify(report, root=store.root).other_version is None
    _tampered(report, change)
    verdict = verify(report, root=store.root)
    assert [difference.place for difference in verdict.differences] == ["its SQL"]
    told = f"{report}: is verified by the version that wrote it, cliffsweep 0.0.9 with duckdb"
    assert verdict.other_version.startswith(told)
    assert f"got cliffsweep {metadata.version('cliffsweep')} with" in verdict.other_version


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"format": 9, "cliffsweep": "9.0"}', "got one of cliffsweep 9.0. Verify it with"),
        ('{"format": 1, "cliffsweep": "0\\n.1"}', "wrote it, cliffsweep 0 .1 with duckdb None"),
    ],
)
def test_a_page_whose_data_are_of_another_version_names_it(store, tmp_path, data, words):
    page = tmp_path / "page.html"
    page.write_text(f'<script type="application/json" id="data">{data}</script>')
    with pytest.raises(ReportError) as error:
        verify(page, root=store.root)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_page_is_refused(store, tmp_path):
    with pytest.raises(ReportError, match="got none: no such file"):
        verify(tmp_path / "missing.html", root=store.root)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReportError, match="got other bytes"):
        verify(tmp_path / "bytes", root=store.root)
