"""Exported folders read back by DuckDB, pandas and polars; what is refused; what a crash leaves."""

import json
import math
import re

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import results.export as exporting
from results.errors import StorageError
from results.export import export
from results.export_columns import TABLES, describe
from results.export_ranges import Size, ranges
from results.export_text import csv_header, csv_lines, json_lines
from results.query import open_stores
from tests.results.sweeps import begin, end, finish, plan, write

ENDINGS = {"parquet": "parquet", "csv": "csv", "json": "jsonl"}


@pytest.fixture
def filled(store):
    """Two trials that ended, one of them in two attempts, and one that runs."""
    plan(
        store,
        [
            {"trial_id": name, "metric": "accuracy", "config": {"kind": 'a "b", ü', "n": place}}
            for place, name in enumerate(("t0", "t1", "t2", "t3"))
        ],
    )
    finish(store, "t0", {"accuracy": 0.1 + 0.2, "loss": math.nan})
    begin(store, "t1")
    write(store, "t1", {1: {"loss": 3.0}, 2: {"loss": 2.0}, 3: {"loss": 99.0}})
    end(store, "t1", "failed", failure_class="crash", detail="line one\nline, two")
    begin(store, "t1", attempt=1, minute=2)
    layers = {"block.0": {"sparsity": 1 / 3}, "block.1": {"sparsity": math.inf}}
    write(
        store,
        "t1",
        {3: ({"loss": -math.inf}, layers), 4: ({"loss": 1e-300, "accuracy": 1.0}, layers)},
        attempt=1,
        resumed_from=2,
    )
    end(store, "t1", attempt=1, minute=3)
    begin(store, "t2")
    write(store, "t2", {0: {"loss": 5.0}}, closed=False)
    return store


def read(store, query):
    with open_stores([store.root]) as reader:
        return reader.trusted(query)


def exported(store, folder, output_format="parquet"):
    with open_stores([store.root]) as reader:
        return export(reader, folder, sweep="s", output_format=output_format)


def same(left, right):
    """Equal rows; NaN is itself."""
    return [tuple(map(repr, row)) for row in left] == [tuple(map(repr, row)) for row in right]


def table_rows(table):
    return [tuple(row.values()) for row in table.to_pylist()]


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


def test_an_empty_store_gives_empty_tables(store, tmp_path):
    for output_format in ENDINGS:
        done = exported(store, tmp_path / output_format, output_format)
        assert set(done.rows.values()) == {0}
    assert pl.read_parquet(tmp_path / "parquet" / "metrics.parquet").height == 0
    assert pd.read_csv(tmp_path / "csv" / "metrics.csv").shape == (0, 8)


def test_a_folder_with_something_in_it_is_refused_and_left_alone(filled, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match="a new or empty folder is needed, got one that holds"):
        exported(filled, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(filled, tmp_path):
    (tmp_path / "out").mkdir()
    exported(filled, tmp_path / "out")
    assert (tmp_path / "out" / "metrics.parquet").exists()


def test_a_file_is_refused(filled, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StorageError, match="a new or empty folder is needed, got a file"):
        exported(filled, tmp_path / "out")


def test_a_place_that_cannot_be_written_is_told_in_one_line(filled, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        exported(filled, tmp_path / "file" / "out")
    assert str(caught.value).count("\n") == 0
    assert "Choose another with -o" in str(caught.value)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_export_that_breaks_off_leaves_nothing(filled, tmp_path, monkeypatch, error):
    def broken(*_arguments, **_values):
        raise error

    monkeypatch.setattr(exporting, "readme", broken)
    with pytest.raises(StorageError if error is OSError else error):
        exported(filled, tmp_path / "there" / "out")
    assert list((tmp_path / "there").iterdir()) == []


def test_while_it_is_written_nothing_stands_at_its_place(filled, tmp_path, monkeypatch):
    seen = []

    def looking(found):
        seen.append([path.name.startswith(".out.") for path in (tmp_path / "there").iterdir()])
        return ""

    monkeypatch.setattr(exporting, "readme", looking)
    exported(filled, tmp_path / "there" / "out")
    assert seen == [[True]]
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["out"]


def test_the_history_is_held_in_parts(store, tmp_path, monkeypatch):
    """No part is larger than asked, though one metric alone is."""
    plan(store, [{"trial_id": "t0"}, {"trial_id": "t1"}])
    for trial_id in ("t0", "t1"):
        begin(store, trial_id)
        write(store, trial_id, {step: {"loss": float(step), "x": 0.0} for step in range(100)})
        end(store, trial_id)
    parts = []
    kept = exporting._bare
    monkeypatch.setattr(exporting, "_bare", lambda part: parts.append(part.num_rows) or kept(part))
    monkeypatch.setattr(exporting, "ranges", lambda sizes: ranges(sizes, most=30))
    exported(store, tmp_path / "out")
    assert max(parts) <= 30
    assert (
        pl.read_parquet(tmp_path / "out" / "metrics.parquet")["step"].to_list() == [*range(100)] * 4
    )


sizes = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("tuv"), st.integers(1, 9)),
    max_size=9,
    unique_by=lambda size: size[:2],
)


@given(sizes, st.integers(1, 12))
def test_ranges_cover_every_row_once_and_in_order(found, most):
    rows = [
        (name, trial_id, step) for name, trial_id, count in sorted(found) for step in range(count)
    ]
    cut = ranges(
        (Size(name=n, trial_id=t, rows=count, step=count - 1) for n, t, count in sorted(found)),
        most=most,
    )
    covered = [
        [
            row
            for row in rows
            if (one.first_name, one.first_trial) <= row[:2] <= (one.last_name, one.last_trial)
            and one.first_step <= row[2] <= one.last_step
        ]
        for one in cut
    ]
    assert [row for part in covered for row in part] == rows
    assert all(len(part) <= most for part in covered)


values = st.one_of(st.none(), st.floats())
words = st.one_of(st.none(), st.text(st.characters(exclude_categories=("Cs",))))


@given(st.lists(st.tuples(values, words), max_size=20))
def test_text_gives_back_every_value(rows):
    columns = list(zip(*rows, strict=True)) or [(), ()]
    table = pa.table(
        {"x": pa.array(columns[0], pa.float64()), 'the "w", ü': pa.array(columns[1], pa.string())}
    )
    data = csv_header(table.schema) + b"".join(csv_lines(table))
    assert same(parsed(data.decode()), [('the "w", ü',), *rows][1:])
    lines = b"".join(json_lines(table)).decode().split("\n")[:-1]
    found = [tuple(json.loads(line).values()) for line in lines]
    plain = [(x if x is not None and math.isfinite(x) else None, word) for x, word in rows]
    assert same(found, plain)


def parsed(text):
    """Rows of a CSV file by RFC 4180 alone, a missing value told from an empty text."""
    field = re.compile(r'("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)')
    records, record, place = [], [], 0
    while place < len(text):
        match = field.match(text, place)
        word, end_ = match.groups()
        quoted = word.startswith('"')
        record.append(word[1:-1].replace('""', '"') if quoted else word or None)
        place = match.end()
        if end_ == "\r\n":
            records.append(record)
            record = []
    assert records[0] == ["x", 'the "w", ü']
    return [(None if x is None else float(x), word) for x, word in records[1:]]
