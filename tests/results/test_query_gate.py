"""Nothing but reading the views gets past the gate, and what researchers write does."""

import duckdb
import pytest

from results.errors import QueryError
from results.query import VIEWS, open_stores
from results.query_gate import check
from tests.results.sweeps import hashes

FINE = [
    ("SELECT 1 AS a UNION ALL SELECT 2 ORDER BY a DESC LIMIT 1", [{"a": 2}]),
    ("WITH a AS (SELECT 3 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT x FROM b", [{"x": 4}]),
    ("WITH a AS MATERIALIZED (SELECT status FROM trials) SELECT count(*) AS n FROM a", [{"n": 2}]),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 4) "
        "SELECT sum(n)::INT AS n FROM r",
        [{"n": 10}],
    ),
    ("WITH trials AS (SELECT 7 AS x) SELECT x FROM trials", [{"x": 7}]),
    (
        "SELECT trial_id, row_number() OVER (PARTITION BY grid ORDER BY m DESC) AS n FROM trials "
        "QUALIFY n = 1",
        [{"trial_id": "b", "n": 1}],
    ),
    ("SELECT count(*) FILTER (m > 1.5) AS n FROM trials", [{"n": 1}]),
    ("SELECT [x * 2 FOR x IN [1, 2] IF x > 1] AS l, {'a': 1}.a AS a", [{"l": [4], "a": 1}]),
    ("SELECT list(m ORDER BY m)[1] AS first FROM trials", [{"first": 1.0}]),
    ("SELECT unnest([1, 2]) AS x", [{"x": 1}, {"x": 2}]),
    ("SELECT x FROM unnest([1, 2]) AS u(x) WHERE x IN (SELECT 2)", [{"x": 2}]),
    ("SELECT max(i)::INT AS i FROM range(3) AS r(i), generate_series(1, 2)", [{"i": 2}]),
    ("SELECT list_transform([1], lambda x: x + 1) AS l", [{"l": [2]}]),
    ("SELECT key FROM json_each('{\"a\": 1}')", [{"key": "a"}]),
    ("FROM trials SELECT max(config.share) AS s", [{"s": 0.5}]),
    ("VALUES (1)", [{"col0": 1}]),
    ("SELECT max(COLUMNS('^m$')) FROM trials", [{"m": 2.0}]),
    ("SELECT * EXCLUDE (seed) REPLACE (m + 1 AS m) FROM (SELECT seed, m FROM trials) LIMIT 0", []),
    ("SELECT grid, count(*) AS n FROM trials GROUP BY ALL ORDER BY ALL", [{"grid": "g", "n": 2}]),
    (
        "SELECT a.trial_id FROM trials a JOIN trials b ON a.m > b.m AND EXISTS (SELECT 1)",
        [{"trial_id": "b"}],
    ),
    ("SELECT c FROM trials t, LATERAL (SELECT t.m * 2 AS c) ORDER BY c LIMIT 1", [{"c": 2.0}]),
    (
        "SELECT * FROM (PIVOT (SELECT grid, trial_id, m FROM trials) ON trial_id IN ('a', 'b') "
        "USING any_value(m))",
        [{"grid": "g", "a": 1.0, "b": 2.0}],
    ),
    ("SELECT CASE WHEN true THEN 'x' END AS a, 1 BETWEEN 0 AND 2 AS b", [{"a": "x", "b": True}]),
    ("SELECT TRY_CAST('x' AS INT) AS a, coalesce(NULL, 1) AS b", [{"a": None, "b": 1}]),
    ("SELECT count(*) AS n FROM metrics WHERE ts > now() - INTERVAL 1000 YEAR", [{"n": 4}]),
    ("SELECT value FROM METRICS WHERE Name = 'm' AND trial_id = 'b' AND step = 10", [{"value": 2}]),
    ("SELECT column_name AS c FROM (DESCRIBE metrics) LIMIT 1", [{"c": "sweep"}]),
    ("SELECT count(*) AS n FROM (SUMMARIZE metrics)", [{"n": 8}]),
    ("SELECT 1 AS a -- a remark", [{"a": 1}]),
    ("SELECT 1 AS a;", [{"a": 1}]),
]


@pytest.mark.parametrize(("text", "rows"), FINE, ids=lambda value: str(value)[:50])
def test_what_researchers_write_is_answered(reader, text, rows):
    assert reader.sql(text).to_pylist() == rows


@pytest.mark.parametrize(
    "text",
    [
        "COPY (SELECT 1) TO '{segment}' (USE_TMP_FILE false)",
        "COPY (SELECT 1) TO '{folder}/new.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/passwd']",
        "ATTACH '{folder}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM reader",
    ],
)
def test_the_settings_hold_even_without_the_gate(sweep, text):
    segment = sweep.path(sweep.list("metrics/")[0])
    before = hashes(sweep)
    with open_stores([sweep.root]) as reader:
        reader.sql("SELECT count(*) FROM trials")
        with pytest.raises(duckdb.Error):
            reader._session.run(
                text.replace("{segment}", str(segment)).replace("{folder}", str(sweep.root)), None
            )
    assert hashes(sweep) == before


def test_unknown_nodes_are_refused():
    """A later DuckDB may learn statements that nobody here has thought of."""
    connection = duckdb.connect()
    text = connection.execute("SELECT json_serialize_sql('SELECT a FROM trials')").fetchall()[0][0]
    assert check(text, views=VIEWS).views == {"trials"}
    for old in ('"type":"SELECT_NODE"', '"type":"BASE_TABLE"', '"class":"COLUMN_REF"'):
        key = old.split(":", maxsplit=1)[0]
        with pytest.raises(QueryError, match="only reading is possible, got TELEPORT"):
            check(text.replace(old, f'{key}:"TELEPORT_NODE"'), views=VIEWS)
    connection.close()
