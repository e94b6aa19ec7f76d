"""A statement in a process of its own: what it is told, what it may use, how it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from results.errors import LimitError, NewerSchemaError, QueryError, SchemaError
from results.query_child import Child, answer
from results.query_messages import Limits, Reply, Request
from tests.results.sweeps import begin, finish, plan


def rows(store, text, parameters=None, **limits):
    return answer([store.root], text, parameters, **limits).table.to_pylist()


def test_an_answer_with_values_of_every_kind(store):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.5})
    text = "SELECT m, $i AS i, $f AS f, $s AS s, $b AS b, $n AS n, $l AS l, $t AS t FROM trials"
    moment = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    values = {"i": -(2**40), "f": 0.1, "s": "it's; --", "b": True, "n": None, "l": [1, 2]}
    (row,) = rows(store, text, {**values, "t": moment})
    assert row == {"m": 1.5, **values, "t": moment}


def test_types_arrive_as_they_are(store):
    found = answer(
        [store.root],
        "SELECT 1::TINYINT AS i, 'a' AS s, [1.5, NULL] AS l, {'a': DATE '2026-05-01'} AS d, "
        "1::HUGEINT AS h, 'NaN'::DOUBLE AS nan, 'x'::BLOB AS b FROM range(3)",
    )
    assert found.table.num_rows == 3
    kinds = {field.name: field.type for field in found.table.schema}
    assert kinds["i"] == pa.int8()
    assert kinds["l"].value_type == pa.float64() or pa.types.is_decimal(kinds["l"].value_type)
    assert pa.types.is_struct(kinds["d"])
    assert found.table.column("nan").to_pylist()[0] != found.table.column("nan").to_pylist()[0]


def test_without_a_statement_the_columns_of_all_views(store):
    table = answer([store.root], None).table
    assert table.column_names == ["view", "column", "type"]
    assert "trials" in table.column("view").to_pylist()


@pytest.mark.parametrize("value", [b"x", object(), {"a": 1}, {1}])
def test_values_that_no_column_has_are_refused(store, value):
    with pytest.raises(QueryError, match=r"sql: \$x must be a number, text"):
        answer([store.root], "SELECT $x", {"x": value})


def test_errors_arrive_as_what_they_are(store, monkeypatch):
    with pytest.raises(QueryError, match=r"got 'trails'. Nearest: trials"):
        answer([store.root], "SELECT * FROM trails")
    with pytest.raises(QueryError, match="Could not convert string 'a0'") as caught:
        answer([store.root], "SELECT ('a' || range)::INT FROM range(10)")
    assert not isinstance(caught.value, LimitError)
    with pytest.raises(QueryError, match="sql: nothing left"):
        answer([store.root], "SELECT if(range < 80000, 1, error('nothing left')) FROM range(90000)")
    monkeypatch.setattr("results.schema.SCHEMA_VERSION", 7)
    plan(store, [{"trial_id": "a"}])
    begin(store, "a")
    monkeypatch.undo()
    with pytest.raises(NewerSchemaError, match="at most 1, got 7"):
        answer([store.root], "FROM trials")


def test_a_damaged_file_is_named_beside_the_answer(store):
    plan(store, [{"trial_id": "a"}])
    finish(store, "a", {"m": 1.0})
    store.put("metrics/z/a0.rnew.0-1.parquet", b"PAR1 and no more")
    found = answer([store.root], "SELECT count(*) AS n FROM metrics")
    assert found.table.to_pylist() == [{"n": 2}]
    assert len(found.warnings) == 1
    assert "metrics/z/a0.rnew.0-1.parquet" in found.warnings[0]


def test_rows_up_to_the_limit_and_none_beyond(store):
    text = "SELECT * FROM range($n)"
    assert len(rows(store, text, {"n": 70_000}, max_rows=70_000)) == 70_000
    with pytest.raises(LimitError, match=r"may have 70000 rows, got more\. .* --max-rows\.$"):
        rows(store, text, {"n": 70_001}, max_rows=70_000)
    assert rows(store, text, {"n": 0}, max_rows=0) == []
    with pytest.raises(LimitError, match="may have 0 rows"):
        rows(store, text, {"n": 1}, max_rows=0)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT length(repeat('x', 3000000000))",
        "SELECT repeat('x', 1000000) AS x FROM range(1000)",
        "SELECT list(range) FROM range(1000000000)",
    ],
)
def test_memory_beyond_the_limit_ends_the_query(store, text):
    with pytest.raises(LimitError, match=r"may use 200 MB of memory, got more\. .* --memory\.$"):
        rows(store, text, memory=200_000_000, max_rows=10**9)


def _confined(code):
    """Runs code in a process that took on the limits of one that answers."""
    reading, writing = os.pipe()  # Its other end must stay open: who asks is still there.
    try:
        return subprocess.run(
            [sys.executable, "-c", f"from results.query_worker import _confine\n{code}"],
            stdin=reading,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
        )
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the process watches itself")
def test_the_limit_of_memory_is_the_system_s_own():
    """DuckDB counts its buffers; what it does not count must not pass either."""
    done = _confined("_confine(10**8)\nbytearray(5 * 10**7)\nprint('so far')\nbytearray(3 * 10**8)")
    assert (done.stdout, done.returncode) == ("so far\n", 1)
    assert done.stderr.strip().endswith("MemoryError")


def test_a_process_that_answers_can_fill_no_file(tmp_path):
    path = tmp_path / "written"
    done = _confined(f"_confine(10**9)\nwith open({str(path)!r}, 'w') as f: f.write('x')")
    assert "File too large" in done.stderr
    assert path.stat().st_size == 0


def test_time_beyond_the_limit_ends_the_query(store):
    began = time.monotonic()
    with pytest.raises(LimitError, match=r"may take 1.5 s, got more\. .* --timeout\.$"):
        rows(store, "SELECT count(*) FROM range(1000000000000) a", timeout=1.5)
    assert 1.4 < time.monotonic() - began < 10


def _question(store, text):
    return Request(roots=(str(store.root),), text=text, limits=Limits(timeout=60))


ENDLESS = "SELECT count(*) FROM range(1000000000000) a, range(1000000) b WHERE a <> b"


def test_an_interrupt_ends_the_process(store):
    child = Child()
    pid = child._process.pid
    threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        child.ask(_question(store, ENDLESS))
    assert child._process.returncode == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_is_stopped_from_elsewhere_says_so(store):
    with Child() as child:
        threading.Timer(1.0, child.stop).start()
        with pytest.raises(LimitError, match="SIGKILL"):
            child.ask(_question(store, ENDLESS))


def test_nobody_is_left_when_whoever_asked_is_killed(store):
    code = f"""
import sys
from results.query_child import Child
from results.query_messages import Limits, Request
child = Child()
print(child._process.pid, flush=True)
child.ask(Request(roots=({str(store.root)!r},), text={ENDLESS!r}, limits=Limits(timeout=60)))
"""
    root = Path(__file__).parents[2]
    asking = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root
    )
    with asking:
        pid = int(asking.stdout.readline())
        asking.kill()
        asking.wait()
    until = time.monotonic() + 20
    while time.monotonic() < until and _runs(pid):
        threading.Event().wait(0.05)
    assert not _runs(pid)


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_each_process_answers_once_and_an_unasked_one_goes_quietly(store):
    with Child() as child:
        pass
    assert child._process.returncode is not None
    with Child() as child:
        assert child.ask(_question(store, "SELECT 1 AS a")).table.to_pylist() == [{"a": 1}]
        assert child._process.returncode == 0


def test_an_answer_that_is_cut_short_is_no_answer(tmp_path):
    path = tmp_path / "reply"
    table = pa.table({"a": list(range(1000))})
    with path.open("wb") as pipe:
        Reply(table=table, warnings=("w",)).write(pipe)
    data = path.read_bytes()
    found = Reply.from_bytes(data)
    assert (found.table, found.warnings, found.error) == (table, ("w",), None)
    for size in (0, 10, 70, len(data) // 2):
        with pytest.raises(SchemaError, match="arrived damaged"):
            Reply.from_bytes(data[:size])


def test_asking_imports_no_duckdb():
    code = "import sys, results.query_child; print(*{'duckdb', 'pyarrow'} & set(sys.modules))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == ""
