"""Answers as text, CSV, JSON and Parquet, with the values that break formats."""

import csv
import io
import json
import math
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results.query import open_stores
from results.render import numeric, to_bytes, to_csv, to_json, to_parquet, to_rows, to_table


@pytest.fixture
def answer():
    return pa.table(
        {
            "name": ["a", "b,c", 'd"\ne', None],
            "value": [0.1, math.nan, math.inf, -math.inf],
            "n": pa.array([1, None, 3, 10**12]),
            "ok": [True, False, None, True],
            "ts": pa.array([datetime(2026, 5, 1, 12, tzinfo=UTC)] * 4, pa.timestamp("us", "UTC")),
            "config": [{"k": 1, "x": math.nan}, {"k": None, "x": 2.0}, None, {"k": 3, "x": 0.5}],
            "sum": pa.array([Decimal(7), Decimal(8), None, Decimal(9)], pa.decimal128(38, 0)),
        }
    )


def test_json_is_valid_and_complete(answer):
    rows = json.loads(to_json(answer), parse_constant=pytest.fail)
    assert rows[0] == {
        **{"name": "a", "value": 0.1, "n": 1, "ok": True, "ts": "2026-05-01T12:00:00+00:00"},
        **{"config": {"k": 1, "x": None}, "sum": 7},
    }
    assert [row["value"] for row in rows] == [0.1, None, None, None]
    assert rows[2]["name"] == 'd"\ne'


def test_csv_reads_back(answer):
    rows = list(csv.DictReader(io.StringIO(to_csv(answer))))
    assert [row["value"] for row in rows] == ["0.1", "NaN", "Infinity", "-Infinity"]
    assert [row["name"] for row in rows] == ["a", "b,c", 'd"\ne', ""]
    assert [row["n"] for row in rows] == ["1", "", "3", "1000000000000"]
    assert json.loads(rows[0]["config"]) == {"k": 1, "x": None}
    assert [row["ok"] for row in rows] == ["true", "false", "", "true"]


def test_parquet_reads_back(answer):
    again = pq.read_table(pa.BufferReader(to_parquet(answer)))
    assert again.schema.names == answer.schema.names
    assert str(again.to_pylist()) == str(answer.to_pylist())


def test_plain_text_is_aligned(answer):
    text = to_table(answer.select(["name", "value", "n"]))
    assert text.splitlines() == [
        "name       value              n",
        "-----  ---------  -------------",
        "a            0.1              1",
        "b,c          NaN",
        'd"\\ne   Infinity              3',
        "       -Infinity  1000000000000",
    ]


def test_each_format_as_bytes(answer):
    assert to_bytes(answer, "json") == to_json(answer).encode()
    assert to_bytes(answer, "csv") == to_csv(answer).encode()
    assert to_bytes(answer, "table") == to_table(answer).encode()
    assert to_bytes(answer, "parquet")[:4] == b"PAR1"


def test_rows_for_a_terminal(answer):
    columns, rows = to_rows(answer.select(["name", "n"]))
    assert columns == ["name", "n"]
    assert rows[1] == ["b,c", ""]
    assert numeric(answer) == ["value", "n"]


def test_empty_answers_keep_their_columns():
    empty = pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())})
    assert to_json(empty) == "[]\n"
    assert to_csv(empty) == "a,b\n"
    assert to_table(empty) == "a  b\n-  -\n"
    assert pq.read_table(pa.BufferReader(to_parquet(empty))).num_rows == 0


def test_columns_of_the_same_name_are_all_written():
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert json.loads(to_json(twice)) == [{"a": 1, "a_1": 2}]
    assert to_csv(twice) == "a,a_1\n1,2\n"
    assert pq.read_table(pa.BufferReader(to_parquet(twice))).to_pylist() == [{"a": 1, "a_1": 2}]


def test_floats_keep_every_digit():
    value = 0.1 + 0.2
    table = pa.table({"v": [value]})
    assert float(to_csv(table).split()[1]) == value
    assert json.loads(to_json(table))[0]["v"] == value


def test_what_duckdb_answers_can_be_written_in_every_format():
    text = (
        "SELECT 1::UTINYINT AS a, sum(i) AS b, '{\"x\": 1}'::JSON AS c, [1, 2] AS d, "
        "map {'k': 1.5} AS e, now() AS f, current_date AS g, INTERVAL 1 DAY AS h, uuid() AS i, "
        "'x'::BLOB AS j, 1.25::DECIMAL(5, 2) AS k, TIME '12:00' AS l, NULL AS m, 2::HUGEINT AS n "
        "FROM range(3) AS r(i)"
    )
    with open_stores([]) as reader:
        table = reader.sql(text)
    (row,) = json.loads(to_json(table))
    assert (row["b"], row["k"], row["n"], row["m"]) == (3, 1.25, 2, None)
    assert row["d"] == [1, 2]
    assert to_csv(table).count("\n") == 2
    assert to_table(table).count("\n") == 3
