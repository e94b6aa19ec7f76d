"""The page of a report: what it says of every kind of sweep, and that it needs nothing else."""

import csv
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from results.errors import ReportError
from results.report import verify, write
from results.report_page import document_of, render
from tests.results.pages import page_of
from tests.results.reports import row, small, train, written
from tests.results.sweeps import begin, end, finish, plan

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_page_says_all_that_a_reader_asks(store):
    small(store)
    report = written(store, sweep_file={"name": "sweep/1.yaml", "text": "name: s  # why\n"})
    page = page_of(report)
    assert report.page == store.root / "report" / "index.html"
    assert "A cliff for resnet" in page.text["top"] or "breaks off" in page.text["top"]
    assert "14 of 14" in page.text["top"]
    assert "95 % interval" in page.text["top"]
    assert "breaks off at 0." in page.text["cliff"]
    assert "score: acc / baseline’s" in page.text["cliff"]
    assert "topk, share 0.846 (resnet.topk)" in page.text["cliff"], "hover to the cell"
    assert (
        "Median distance between requested and measured sparsity: topk 0.000"
        in (page.text["requested"])
    )
    assert "There is one seed a cell, so no difference has an interval" in page.text["ranking"]
    assert "resnet from" in page.text["layers"]
    assert "negative in 2 of 2 groups" in page.text["drift"]
    assert "the largest activation of all is 9.0" in page.text["spikes"]
    assert "14 of 14 cells in 2 grids completed" in page.text["coverage"]
    assert "No attempt failed." in page.text["failures"]
    assert "28 min 00 s of attempts in 17 min 00 s" in page.text["time"]
    assert "laptop (cpu)" in page.text["provenance"]
    assert "Learning rate: resnet 0.008." in page.text["provenance"]
    assert "name: s # why" in page.text["provenance"]
    for section in page.text.keys() - {"top"}:
        assert "SELECT" in page.text[section], f"{section}: the SQL behind it"
    assert "1 January 2100, 12:00:00 UTC" in page.text["provenance"], "the footer's time"


def test_a_page_needs_nothing_else_and_is_small(store):
    small(store)
    report = written(store)
    page = page_of(report)
    outside = [link for link in page.links if re.match(r"[a-z]+:|//", link) and link != "data:,"]
    assert outside == []
    assert {link for link in page.links if link.startswith("#")} <= {f"#{id_}" for id_ in page.ids}
    beside = {link for link in page.links if link.startswith("figures/")}
    there = {f"figures/{path.name}" for path in report.figures}
    assert there <= beside
    assert {link for link in beside - there if not link.endswith(".png")} == set()
    assert "@import" not in report.page.read_text()
    assert not re.search(r"url\(", report.page.read_text())
    assert report.size == report.page.stat().st_size < 3_000_000


def test_structure_for_those_who_do_not_see_it(store):
    small(store)
    page = page_of(written(store))
    tags = [tag for tag, _ in page.tags]
    assert page.tags[0] == ("html", {"lang": "en"})
    assert tags.count("h1") == tags.count("main") == tags.count("header") == 1
    assert ("a", {"class": "skip", "href": "#main"}) in page.tags
    assert all(given.get("aria-label") for tag, given in page.tags if tag in ("svg", "nav"))
    assert all(given.get("scope") for tag, given in page.tags if tag == "th")
    assert tags.count("caption") == tags.count("table")
    drawings = tags.count("svg")
    assert drawings >= 6
    focus = [g["tabindex"] for tag, g in page.tags if tag == "g" and g.get("class") == "tip"]
    assert focus.count("0") == drawings, "one stop of the keyboard a drawing"


def test_a_picture_and_a_table_of_each_figure_lie_beside_the_page(store):
    small(store)
    report = written(store, pictures=True)
    names = {path.name for path in report.figures}
    assert {"cells.csv", "layers.csv", "failures.csv", "provenance.csv"} <= names
    pictures = [path for path in report.figures if path.suffix == ".png"]
    assert {path.stem for path in pictures} == {
        *("cliff", "requested", "ranking", "layers", "drift", "spikes", "time")
    }
    assert all(path.read_bytes().startswith(PNG) for path in pictures)
    with (store.root / "report" / "figures" / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert {row["label"] for row in rows} >= {"relu", "gelu", "topk, share 0.077"}


def test_another_place_gets_its_figures_beside_it(store, tmp_path):
    small(store)
    report = written(store, output=tmp_path / "out" / "mine.html")
    assert report.page == tmp_path / "out" / "mine.html"
    assert (tmp_path / "out" / "mine-figures" / "cells.csv").is_file()
    assert "mine-figures/cells.csv" in report.page.read_text()
    assert not (store.root / "report").exists()


def test_the_same_store_at_the_same_time_gives_the_same_bytes(store):
    small(store)
    first = written(store).page.read_bytes()
    assert written(store).page.read_bytes() == first


def test_an_empty_store_has_a_page(store):
    report = written(store)
    page = page_of(report)
    assert "No fit" in page.text["top"]
    assert "The sweep has no cell yet." in page.text["top"]
    assert "0 of 0" in page.text["top"]
    assert verify(report.page, root=store.root).differences == ()


def test_a_sweep_without_models_sparsity_and_baselines(store):
    rows = [{"trial_id": f"t{i}", "config": {"parameters": {"rate": i}}} for i in range(3)]
    plan(store, [{**given, "metric": "loss", "goal": "minimize"} for given in rows])
    for i in range(3):
        finish(store, f"t{i}", {"loss": 1.0 + i})
    page = page_of(written(store))
    assert "No fit" in page.text["top"]
    assert "No completed cell has both a finite score and a measured sparsity." in page.text["top"]
    assert "No completed cell names the sparsity that it wants." in page.text["requested"]
    assert "differs from its baseline in the activation alone" in page.text["ranking"]
    assert "No completed cell has measured" in page.text["layers"]
    assert "No drift was recorded." in page.text["drift"]
    assert "rate 2" in page.text["cliff"], "cells are called by what differs"


def test_one_cell(store):
    plan(store, [row("resnet-relu-0")])
    train(store, "resnet-relu-0", acc=0.8, sparsity=0.5)
    page = page_of(written(store))
    assert "No cliff" in page.text["top"]
    assert "too few cells: 1" in page.text["cliff"]


def test_scores_that_are_not_numbers(store):
    plan(store, [row("resnet-relu-0"), row("a", activation="gelu"), row("b", activation="silu")])
    for trial_id in ("resnet-relu-0", "a", "b"):
        train(store, trial_id, acc=float("nan"), sparsity=float("nan"), spike=float("inf"))
    report = written(store, pictures=True)
    page = page_of(report)
    assert "No fit" in page.text["top"]
    assert "NaN" in page.text["cliff"]
    json.loads(re.search(r'id="data">(.*?)</script>', report.page.read_text())[1])
    assert verify(report.page, root=store.root).differences == ()


def test_a_running_sweep_says_so_and_fits_only_when_told_to(store):
    small(store)
    plan(store, [row("later", activation="silu"), row("under-way", activation="elu")])
    begin(store, "under-way", minute=30)
    page = page_of(written(store))
    assert "still running when this was written: 1 cell under way" in page.text["top"]
    assert "No fit" in page.text["top"]
    assert "2 of 16 cells are missing" in page.text["top"]
    assert "report --partial fits what there is" in page.text["top"]
    assert "not fitted" in page.text["cliff"]
    partial = written(store, partial=True)
    page = page_of(partial)
    assert "breaks off" in page.text["top"]
    assert "Partial: 2 of 16 cells have no result" in page.text["top"]
    assert "Partial" in page.text["cliff"]
    assert verify(partial.page, root=store.root).differences == ()


def test_failures_are_told(store):
    small(store)
    plan(store, [row("bad", activation="silu"), row("well", activation="elu")])
    said = {"failure_class": "user_error", "detail": "ValueError: <b>no</b> & never\nat line 3"}
    for trial_id in ("bad", "well"):
        begin(store, trial_id, minute=20)
        end(store, trial_id, "failed", minute=21, **said)
    begin(store, "well", attempt=1, minute=22)
    end(store, "well", attempt=1, minute=23)
    report = written(store)
    page = page_of(report)
    assert (
        "2 attempts failed (user_error); 1 of 2 cells concerned completed later."
        in (page.text["failures"])
    )
    assert "ValueError: <b>no</b> & never" in page.text["failures"]
    assert "at line 3" not in page.text["failures"]
    assert "2 min 00 s went into attempts that failed." in page.text["time"]
    assert "<b>no</b>" not in report.page.read_text()


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028{{7*7}}$x$"


def test_what_users_wrote_stays_words(store):
    plan(
        store,
        [
            row("resnet-relu-0", grid=HOSTILE),
            row("bad", activation={"kind": HOSTILE, "share": 0.5}, grid=HOSTILE),
        ],
    )
    train(store, "resnet-relu-0", acc=0.8, sparsity=0.5, layers=(HOSTILE,))
    begin(store, "bad", host=HOSTILE, device=HOSTILE)
    end(store, "bad", "failed", failure_class="user_error", detail=HOSTILE)
    report = written(
        store, sweep_file={"name": "sweep/1.yaml", "text": HOSTILE}, pictures=True, partial=True
    )
    text = report.page.read_text()
    page = page_of(report)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 2, "the data and the script of the page"
    assert "img" not in tags
    assert "49" not in page.text["failures"]
    assert not [given for _, given in page.tags if any(key.startswith("on") for key in given)]
    document, _ = document_of(text, name="page")
    failures = next(f for f in document["figures"] if f["name"] == "failures")
    assert HOSTILE in failures["rows"][0]
    assert verify(report.page, root=store.root).numbers > 20


def _grown(document, name, most):
    """The document with a figure that has as many rows as its SQL ever gives."""
    figure = next(figure for figure in document["figures"] if figure["name"] == name)
    place = figure["columns"].index("trial_id")
    rows = figure["rows"]
    figure["rows"] = [
        [*row[:place], f"{number:012x}", *row[place + 1 :]]
        for number, row in enumerate((rows * (most // len(rows) + 1))[:most])
    ]


def test_the_largest_sweep_stays_a_small_page(store):
    small(store)
    document = written(store).document
    for name in ("cells", "requested"):
        _grown(document, name, 1500)
    totals = next(figure for figure in document["figures"] if figure["name"] == "totals")
    totals["rows"][0][totals["columns"].index("completed")] = 10_000
    text = render(document, figures="figures")
    assert len(text.encode()) < 3_000_000
    assert "Drawn are 1,500 of 10,000 cells, evenly by sparsity; the fits use all." in text
    assert "The first 400 of 1500 rows; the CSV holds all." in text


def test_a_page_of_another_format_is_refused(tmp_path):
    for text in ("", "<html></html>", '<script type="application/json" id="data">{}</script>'):
        with pytest.raises(ReportError, match="a page that `cliffsweep report`"):
            document_of(text, name="x.html")


def test_without_a_time_it_is_now(store):
    small(store)
    report = write(store.root, pictures=False)
    when = datetime.fromisoformat(report.document["as_of"])
    assert timedelta(0) <= datetime.now(UTC) - when < timedelta(minutes=5)
