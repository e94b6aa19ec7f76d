"""Statements that want to write, to read files, to change settings or to use up the machine."""

import time

import pytest

from results.errors import LimitError, QueryError
from results.query_child import answer
from tests.results.sweeps import hashes

REFUSED = [
    "COPY (SELECT 1) TO '{segment}'",
    "COPY (SELECT 1) TO '{segment}' (USE_TMP_FILE false)",
    "WITH x AS (COPY (SELECT 1) TO '{segment}' (USE_TMP_FILE false)) SELECT 1",
    "WITH x AS (COPY (SELECT 1) TO '{segment}' (USE_TMP_FILE false)) SELECT * FROM x",
    "SELECT (WITH x AS (COPY (SELECT 1) TO '{segment}' (USE_TMP_FILE false)) SELECT 1)",
    "SELECT * FROM trials WHERE EXISTS (WITH x AS (COPY trials TO '{segment}') SELECT 1)",
    "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL (WITH x AS (COPY trials TO '{segment}') "
    "SELECT a FROM r)) SELECT * FROM r",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{segment}'",
    "EXPLAIN SELECT 1",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT json_serialize_sql('SELECT 1')",
    "PRAGMA json_execute_serialized_sql('x')",
    "ATTACH '{folder}/x.db'",
    "ATTACH ':memory:' AS other",
    "DETACH memory",
    "USE memory",
    "PRAGMA version",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "SET threads = 1",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "SET VARIABLE x = 1",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('{segment}')",
    "SELECT * FROM read_parquet('{segment}')",
    "SELECT * FROM parquet_scan('{segment}')",
    "SELECT * FROM parquet_metadata('{segment}')",
    "SELECT * FROM system.main.read_parquet('{segment}')",
    "SELECT * FROM glob('/**')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM '{segment}'",
    'SELECT * FROM "{segment}"',
    "FROM '{segment}'",
    "SELECT * FROM 'https://example.org/x.parquet'",
    "SELECT * FROM trials, '{segment}'",
    "SELECT (SELECT count(*) FROM '{segment}')",
    "SELECT [x FOR x IN (SELECT list(step) FROM '{segment}')]",
    "SELECT * FROM trials ORDER BY (SELECT max(step) FROM '{segment}')",
    "SELECT * FROM trials LIMIT (SELECT count(*) FROM '{segment}')",
    'SELECT * FROM "{segment}" WHERE EXISTS (WITH "{segment}" AS (SELECT 1) SELECT 1)',
    'WITH a AS (SELECT * FROM "{segment}"), "{segment}" AS (SELECT 1) SELECT * FROM a',
    'WITH "{segment}" AS (SELECT * FROM "{segment}") SELECT * FROM "{segment}"',
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('trials')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_tables()",
    "SELECT * FROM which_secret('x', 'y')",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM kept.finals",
    "SELECT * FROM memory.main.trials",
    "SELECT * FROM python_arrow_scan(1, 2, 3)",
    "SELECT * FROM seq_scan(1)",
    "SELECT * FROM repeat(1, 10)",
    "SELECT getenv('HOME')",
    "SELECT current_setting('secret_directory')",
    "SELECT getvariable('x')",
    "SELECT nextval('x')",
    "SELECT write_log('x')",
    "SELECT sleep_ms(100000)",
    "SELECT pg_sleep(100000)",
    "SELECT main.sleep_ms(100000)",
    "SELECT (100000).sleep_ms()",
    "SELECT __internal_decompress_string('x')",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO f() AS 1",
    "CREATE VIEW v AS SELECT 1",
    "DROP VIEW trials",
    "DELETE FROM trials",
    "UPDATE trials SET status = 'completed'",
    "INSERT INTO trials VALUES (1)",
    "TRUNCATE trials",
    "MERGE INTO trials USING events ON true WHEN MATCHED THEN DELETE",
    "ALTER TABLE trials ADD COLUMN b INT",
    "WITH x AS (INSERT INTO trials VALUES (1) RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM trials RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE trials SET status = 'x' RETURNING *) SELECT * FROM x",
    "EXPORT DATABASE '{folder}'",
    "IMPORT DATABASE '{folder}'",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "COMMIT",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT 1; COPY (SELECT 1) TO '{segment}'",
    "SELECT 1; SELECT 2",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SELECT * FROM (SHOW DATABASES)",
    "DESCRIBE SELECT * FROM '{segment}'",
    "SUMMARIZE '{segment}'",
    "PIVOT trials ON status USING count(*)",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT " + "NOT " * 900 + "true",
    "SELECT " + "+".join(["1"] * 50_000),
    "\0",
    "SELECT 'unfinished",
    "SELECT * FROM (PIVOT trials ON status USING count(*))",
    "WITH x AS (EXPORT DATABASE '{folder}') SELECT 1",
    "WITH x AS (ATTACH '{folder}/x.db') SELECT 1",
    "SELECT * FROM (EXPLAIN ANALYZE SELECT 1)",
    "SELECT * FROM pragma_storage_info('trials')",
    "SELECT * FROM duckdb_functions()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM sql_auto_complete('SEL')",
    "SELECT * FROM sweep",
    "SELECT * FROM text",
    "SELECT * FROM read_text(['/etc/passwd', '{segment}'])",
    "FROM read_duckdb('{folder}/x.db')",
    "SELECT finalize(to_aggregate_state('x'::BLOB))",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "LOAD '{folder}/x.duckdb_extension'",
    "FORCE CHECKPOINT",
    "COMMENT ON VIEW trials IS 'x'",
    "SELECT 'a' || '\ud800'",
    "SELECT '" + "x" * 10_000_000 + "'",
]

BOMBS = {
    "one long text": "SELECT length(repeat('x', 3000000000))",
    "texts in texts": "SELECT length(repeat(repeat('x', 30000), 100000))",
    "a long list": "SELECT len(list_resize([1], 2000000000))",
    "lists of lists": "SELECT list_transform(range(100000), lambda x: range(100000))",
    "one text of many": "SELECT string_agg(range::VARCHAR, ',') FROM range(1000000000)",
    "one list of many": "SELECT list(range) FROM range(10000000000)",
    "a cross join": "SELECT count(*) FROM range(100000000000) a, range(100000000) b WHERE a <> b",
    "a sorted cross join": "SELECT * FROM range(1000000000) a, range(1000) b ORDER BY hash(a, b)",
    "distinct values": "SELECT count(DISTINCT hash(range)) FROM range(100000000000)",
    "many groups": "SELECT range, count(*) FROM range(100000000000) GROUP BY 1 ORDER BY 2 LIMIT 1",
    "an endless recursion": "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r) "
    "SELECT count(*) FROM r",
    "a doubling recursion": "WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) "
    "SELECT max(length(s)) FROM r",
    "a widening recursion": "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL "
    "SELECT n + i FROM r, range(10) AS t(i)) SELECT sum(n) FROM r",
    "a regular expression": "SELECT count(*) FROM range(100000000) "
    "WHERE regexp_matches(repeat('a', 10000 + range % 2), '(a{1,9}){1,9}(a|b)*c')",
    "a window over all": "SELECT max(s) FROM (SELECT sum(a) OVER (ORDER BY hash(a)) AS s "
    "FROM range(10000000000) t(a))",
    "a long number": "SELECT sum(factorial((range % 30)::INT)) FROM range(1000000000000)",
    "rows without end": "SELECT * FROM range(1000000000000)",
    "a padded text": "SELECT length(lpad('x', 2000000000, 'y') || rpad('x', 2000000000, 'y'))",
    "metrics by metrics": "SELECT count(*) FROM metrics a, metrics b, metrics c, metrics d, "
    "metrics e, metrics f, range(1000000000) WHERE a.step <> f.step OR random() < 2",
}


def _filled(text, store):
    segment = store.path(store.list("metrics/")[0])
    return text.replace("{segment}", str(segment)).replace("{folder}", str(store.root))


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:50])
def test_hostile_statements_are_refused_in_one_line(sweep, reader, text):
    before = hashes(sweep)
    with pytest.raises(QueryError) as caught:
        reader.sql(_filled(text, sweep))
    message = str(caught.value)
    assert message.startswith("sql: ")
    assert "\n" not in message
    assert len(message) < 400
    assert hashes(sweep) == before
    assert reader.sql("SELECT count(*) AS n FROM trials").to_pylist() == [{"n": 2}]


@pytest.mark.parametrize(
    "text", [text for text in REFUSED if "COPY" in text or "execute_serialized" in text]
)
def test_a_process_of_its_own_changes_nothing_either(sweep, text):
    before = hashes(sweep)
    with pytest.raises(QueryError, match="^sql: ") as caught:
        answer([sweep.root], _filled(text, sweep))
    assert not isinstance(caught.value, LimitError)
    assert hashes(sweep) == before


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_use_up_the_machine_is_stopped_by_a_limit(sweep, name):
    before = hashes(sweep)
    began = time.monotonic()
    with pytest.raises(LimitError) as caught:
        answer([sweep.root], BOMBS[name], memory=300_000_000, timeout=2.0, max_rows=1000)
    assert time.monotonic() - began < 20
    message = str(caught.value)
    assert message.startswith("sql: ")
    assert any(flag in message for flag in ("--memory", "--timeout", "--max-rows"))
    assert "\n" not in message
    assert hashes(sweep) == before
    assert answer([sweep.root], "SELECT count(*) AS n FROM trials").table.to_pylist() == [{"n": 2}]
