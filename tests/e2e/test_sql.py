"""`cliffsweep sql` as a user types it: where statements come from, and what becomes of them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import pytest

from results.ledger import Event, Ledger, TrialRow
from results.store import Store
from results.writer import Writer
from tests.e2e.conftest import COMMAND


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sweeps of two trials, one of which ended."""
    root = tmp_path_factory.mktemp("runs")
    for number, name in enumerate(("one", "two")):
        store, same = Store(root / name), {"sweep": name, "grid": "g", "seed": 0}
        store.put("sweep/x.yaml", b"")
        ledger = Ledger(store, sweep=name)
        ledger.add([TrialRow(trial_id=t, config={"n": number}, **same) for t in ("a", "b")])
        for status in ("running", "completed"):
            ledger.record(Event(sweep=name, trial_id="a", attempt=0, status=status))
        with Writer(store, sweep=name, trial_id="a", attempt=0, every_s=3600) as writer:
            writer.write(0, {"loss": 0.5 + number}, {})
    return root


def sql(
    storage: Path, *words: str, given: str | None = None, **environ: str
) -> tuple[int, str, str]:
    """Types the command in a process of its own; standard input is a pipe if there is text."""
    source = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
    done = subprocess.run(
        [*COMMAND, "sql", *words, "--storage", str(storage)],
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        timeout=60,
        **source,
    )
    return done.returncode, done.stdout, done.stderr


def rows(out: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(out)))


def test_one_sweep_several_and_all(storage: Path) -> None:
    text = "SELECT sweep, count(*) AS n, sum(loss) AS s FROM trials GROUP BY ALL ORDER BY 1"
    assert rows(sql(storage, "two", text, "-f", "csv")[1])[1:] == [["two", "2", "1.5"]]
    both = [["one", "2", "0.5"], ["two", "2", "1.5"]]
    for words in (("one,two", text), ("--all", text)):
        assert rows(sql(storage, *words, "-f", "csv")[1])[1:] == both
    assert rows(sql(storage, "--all", "--query", "coverage", "-f", "csv")[1])[1][0] == "one"
    code, _, err = sql(storage, "one", text, "--all")
    assert (code, "got the name 'one' too" in err) == (2, True)
    code, _, err = sql(storage)
    assert (code, "the name of a sweep is needed" in err) == (2, True)


def test_statements_from_a_file_and_from_standard_input(storage: Path, tmp_path: Path) -> None:
    text = "-- a remark\nSELECT max(loss) AS top\nFROM trials;\n"
    file = tmp_path / "question.sql"
    file.write_text(text, encoding="utf-8-sig")
    for words, given in (
        (("one", "--file", str(file)), None),
        (("one", "-"), text),
        (("one", "--file", "-"), text),
        (("one",), text),
        (("--all", "-"), text.replace("FROM trials", "FROM trials WHERE sweep = 'one'")),
    ):
        assert sql(storage, *words, given=given) == (0, "top\n0.5\n", "")
    code, out, _ = sql(storage, "one", given="\n")
    assert (code, out.split()[:3]) == (0, ["view", "column", "type"])
    assert sql(storage, "one")[1].split()[:3] == ["view", "column", "type"]
    code, _, err = sql(storage, "one", "--file", str(tmp_path / "none.sql"))
    assert (code, "none.sql: cannot be read" in err) == (2, True)
    file.write_bytes(b"SELECT '\xff'")
    code, _, err = sql(storage, "one", "--file", str(file))
    assert (code, "must be UTF-8" in err) == (2, True)
    code, _, err = sql(storage, "one", "SELECT 1", "--query", "coverage")
    assert (code, "one statement at a time, got QUERY and --query" in err) == (2, True)


def test_values_by_name(storage: Path) -> None:
    text = "SELECT trial_id FROM trials WHERE trial_id = $id AND seed < $most AND $n IS NULL"
    words = ("-p", "id=a", "-p", "most=0.5", "--param", "n=null", "-f", "csv")
    assert sql(storage, "one", text, *words)[1] == "trial_id\na\n"
    assert sql(storage, "one", text, "-p", "id=a' OR 'x'='x", *words[2:])[1] == "trial_id\n"
    code, _, err = sql(storage, "one", text, "-p", "id=a")
    assert (code, "each $name needs a value" in err) == (2, True)


def test_as_it_was(storage: Path) -> None:
    text = "SELECT count(*) AS n FROM trials"
    assert sql(storage, "one", text, "--as-of", "-1h")[1] == "n\n0\n"
    assert sql(storage, "one", text, "--as-of", "2100-01-01")[1] == "n\n2\n"
    code, _, err = sql(storage, "one", text, "--as-of", "soon")
    assert (code, "--as-of: a time is needed" in err) == (2, True)


def test_questions_with_names(storage: Path) -> None:
    listed = json.loads(sql(storage, "--queries", "--json")[1])["queries"]
    assert {"leaderboard", "spikes"} <= {one["name"] for one in listed}
    assert sql(storage, "--queries")[1].startswith("name ")
    (row,) = json.loads(sql(storage, "one", "-q", "coverage", "--json")[1])
    assert (row["expected"], row["completed"], row["lacking"]) == (2, 1, ["b"])
    code, _, err = sql(storage, "one", "--query", "leaderbord")
    assert (code, err.count("\n"), "Nearest: leaderboard." in err) == (2, 1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("SELECT * FROM range(11)", "--max-rows", "10"), "10 rows, got more"),
        (("SELECT length(repeat('x', 3000000000))", "--memory", "300MB"), "300 MB of memory"),
        (("SELECT count(*) FROM range(1000000000000)", "--timeout", "1.5"), "1.5 s, got more"),
        (("SELECT 1", "--memory", "much"), "--memory: memory with its unit, got 'much'"),
        (("SELECT stauts FROM trials",), "Nearest: status."),
        (("COPY trials TO '/tmp/x'",), "must be one SELECT"),
    ],
)
def test_what_passes_a_limit_or_the_gate_says_so(
    storage: Path, words: tuple[str, ...], message: str
) -> None:
    code, out, err = sql(storage, "one", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert len(words) == 1 or words[1] in err
