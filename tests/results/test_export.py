"""Exported folders read back by DuckDB, pandas and polars."""

import json
import math
import re

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

import results.export as exporting
from results.export_columns import TABLES, describe
from results.export_ranges import ranges
from tests.results.exports import ENDINGS, exported, read, same, table_rows
from tests.results.sweeps import begin, end, plan, write

ROWS = "SELECT trial_id, attempt, step, layer, name, value FROM metrics"
ORDER = " ORDER BY name, trial_id, step, layer NULLS FIRST"


def expected_rows(store):
    return table_rows(read(store, ROWS + ORDER))


def test_parquet_holds_the_rows_of_the_view_in_order(filled, tmp_path):
    done = exported(filled, tmp_path / "out")
    found = pq.read_table(tmp_path / "out" / "metrics.parquet")
    expected = read(filled, "SELECT * FROM metrics" + ORDER)
    assert found.schema.equals(expected.schema)
    assert same(table_rows(found), table_rows(expected))
    assert done.rows["metrics"] == found.num_rows == len(expected_rows(filled))


@pytest.mark.parametrize("output_format", ENDINGS)
@pytest.mark.parametrize("most", [1, 2, 5, 1_000_000])
def test_parts_make_no_difference(filled, tmp_path, monkeypatch, output_format, most):
    exported(filled, tmp_path / "whole", output_format)
    monkeypatch.setattr(exporting, "ranges", lambda sizes: ranges(sizes, most=most))
    exported(filled, tmp_path / "parts", output_format)
    name = f"metrics.{ENDINGS[output_format]}"
    files = [tmp_path / folder / name for folder in ("whole", "parts")]
    if output_format == "parquet":
        assert same(*(table_rows(pq.read_table(file)) for file in files))
    else:
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("output_format", ["parquet", "csv"])
def test_duckdb_reads_the_same_rows(filled, tmp_path, output_format):
    exported(filled, tmp_path / "out", output_format)
    file = tmp_path / "out" / f"metrics.{output_format}"
    found = duckdb.sql(ROWS.replace("metrics", f"'{file}'")).fetchall()
    assert same(found, expected_rows(filled))


@pytest.mark.parametrize("output_format", ["parquet", "csv"])
def test_duckdb_finds_what_is_not_finite(store, tmp_path, output_format):
    """It believes the statistics of Parquet files, in which NaN is neither minimum nor maximum."""
    plan(store, [{"trial_id": "t0"}])
    begin(store, "t0")
    write(store, "t0", {0: {"loss": 1.0}, 1: {"loss": math.nan}, 2: {"loss": 2.0}})
    end(store, "t0")
    exported(store, tmp_path / "out", output_format)
    for query in (
        "SELECT step FROM '{}/metrics.{}' WHERE isnan(value)",
        "SELECT step FROM '{}/metrics.{}' WHERE NOT isfinite(value)",
        "SELECT count(*) FROM '{}/metrics.{}' WHERE value > 2",
        "SELECT count(*) FROM '{}/finals.{}' WHERE isfinite(maximum)",
    ):
        found = duckdb.sql(query.format(tmp_path / "out", output_format)).fetchall()
        assert found == [(1,)], query


@pytest.mark.parametrize("output_format", ["parquet", "csv"])
def test_pandas_reads_the_same_rows(filled, tmp_path, output_format):
    exported(filled, tmp_path / "out", output_format)
    load = {"parquet": pd.read_parquet, "csv": pd.read_csv}[output_format]
    found = load(tmp_path / "out" / f"metrics.{output_format}")
    columns = ["trial_id", "attempt", "step", "layer", "name", "value"]
    rows = [
        (*row[:3], None if pd.isna(row[3]) else row[3], *row[4:])
        for row in found[columns].itertuples(index=False, name=None)
    ]
    if output_format == "csv":  # pandas turns missing texts and NaN into the same.
        assert found["value"].dtype == float
    assert same(rows, expected_rows(filled))
    assert len(load(tmp_path / "out" / f"trials.{output_format}")) == 4


@pytest.mark.parametrize("output_format", ["parquet", "csv"])
def test_polars_reads_the_same_rows(filled, tmp_path, output_format):
    exported(filled, tmp_path / "out", output_format)
    load = {"parquet": pl.read_parquet, "csv": pl.read_csv}[output_format]
    found = load(tmp_path / "out" / f"metrics.{output_format}")
    rows = found.select("trial_id", "attempt", "step", "layer", "name", "value").rows()
    assert same(rows, expected_rows(filled))


def test_json_lines_have_null_where_a_value_is_not_finite(filled, tmp_path):
    exported(filled, tmp_path / "out", "json")
    file = tmp_path / "out" / "metrics.jsonl"
    expected = [
        (*row[:5], row[5] if math.isfinite(row[5]) else None) for row in expected_rows(filled)
    ]
    keys = ("trial_id", "attempt", "step", "layer", "name", "value")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [tuple(line[key] for key in keys) for line in lines] == expected
    assert duckdb.sql(ROWS.replace("metrics", f"'{file}'")).fetchall() == expected
    assert pd.read_json(file, lines=True)["step"].tolist() == [row[2] for row in expected]
    assert pl.read_ndjson(file)["value"].to_list() == [row[5] for row in expected]


@pytest.mark.parametrize("output_format", ENDINGS)
def test_every_table_is_there_with_its_rows(filled, tmp_path, output_format):
    done = exported(filled, tmp_path / "out", output_format)
    document = json.loads((tmp_path / "out" / "schema.json").read_text())
    assert list(document["tables"]) == list(done.rows) == list(TABLES)
    for table, about in document["tables"].items():
        file = tmp_path / "out" / about["file"]
        ((count,),) = duckdb.sql(f"SELECT count(*) FROM '{file}'").fetchall()
        assert count == about["rows"] == done.rows[table]
        assert count == read(filled, f"SELECT count(*) AS n FROM {table}").to_pylist()[0]["n"]
        columns = [column["name"] for column in about["columns"]]
        assert columns == duckdb.sql(f"SELECT * FROM '{file}'").columns
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(about["file"] for about in document["tables"].values()),
        "schema.json",
        "README.txt",
    }


def test_trials_keep_their_configuration_and_events_their_lines(filled, tmp_path):
    exported(filled, tmp_path / "out", "csv")
    trials = pd.read_csv(tmp_path / "out" / "trials.csv").set_index("trial_id")
    assert json.loads(trials.loc["t1", "config"]) == {"kind": 'a "b", ü', "n": 1}
    assert trials.loc["t0", "score"] == 0.1 + 0.2
    assert trials.loc["t0", "status"] == "completed"
    events = duckdb.sql(f"SELECT detail FROM '{tmp_path}/out/events.csv' WHERE detail IS NOT NULL")
    assert events.fetchall() == [("line one\nline, two",)]
    started = duckdb.sql(f"SELECT started_at FROM '{tmp_path}/out/trials.csv' LIMIT 1")
    assert started.types == ["TIMESTAMP WITH TIME ZONE"]


def test_what_the_readme_says_is_what_works(filled, tmp_path, monkeypatch):
    for output_format in ENDINGS:
        folder = tmp_path / output_format
        exported(filled, folder, output_format)
        monkeypatch.chdir(folder)
        text = (folder / "README.txt").read_text()
        how = dict(re.findall(r"^(DuckDB|pandas|polars)  (.+)$", text, re.MULTILINE))
        assert duckdb.sql(how["DuckDB"]).to_arrow_table().num_rows == 4
        assert len(eval(how["pandas"], {"pandas": pd})) == 4
        assert len(eval(how["polars"], {"polars": pl})) == 4


def test_every_column_of_every_view_is_described(filled):
    metrics = {"accuracy", "loss"}
    for table in TABLES:
        names = read(filled, f"SELECT * FROM {table} LIMIT 0").schema.names
        undescribed = {name for name in names if describe(table, name) is None}
        assert undescribed == (metrics if table == "trials" else set())
