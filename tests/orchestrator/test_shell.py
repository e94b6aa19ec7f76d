"""The SQL shell: what Enter ends, what Tab offers, what a conversation prints."""

import io
import os
import stat
import sys

import pytest
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from orchestrator.cli import paging
from orchestrator.cli.shell import Shell, history_file
from orchestrator.cli.shell_words import Known, Words, complete, is_complete
from results.ledger import Ledger, TrialRow
from results.query_messages import Request
from results.store import Store
from results.writer import Writer

STRUCT = (
    'STRUCT(activation STRUCT(kind VARCHAR, "share" DOUBLE), seeds BIGINT[], model STRUCT(a INT))'
)
KNOWN = Known(
    columns=(
        ("trials", "trial_id", "VARCHAR"),
        ("trials", "config", STRUCT),
        ("trials", "val/loss", "DOUBLE"),
        ("metrics", "value", "DOUBLE"),
        ("metrics_all", "value", "DOUBLE"),
    ),
    metrics=("val_loss", "val_accuracy", "it's"),
)


@pytest.mark.parametrize(
    ("before", "typed", "first"),
    [
        ("", "", None),
        ("SELECT ", "", None),
        ("SEL", "SEL", "SELECT"),
        ("sel", "sel", "select"),
        ("SELECT * FROM ", "", "trials"),
        ("SELECT * FROM me", "me", "metrics"),
        ("select 1 from trials join M", "M", "metrics"),
        ("SELECT tri", "tri", "trial_id"),
        ("SELECT val", "val", "value"),
        ("SELECT quant", "quant", "quantile_cont"),
        ("SELECT metrics.", "", "value"),
        ("SELECT t.", "", "trial_id"),
        ("SELECT config.", "", "activation"),
        ("SELECT t.config.activation.s", "s", "share"),
        ("SELECT config.seeds.", "", None),
        ("WHERE name = 'val_a", "val_a", "val_accuracy"),
        ("WHERE name = 'x' AND name = 'val", "val", "val_loss"),
        ("WHERE name = 'it", "it", "it''s"),
        ("SELECT 'a' FROM t", "t", "trials"),
        (".q", ".q", ".queries"),
        (".run lead", "lead", "leaderboard"),
        (".schema m", "m", "metrics"),
        (".mode c", "c", "csv"),
        (".quit x", "x", None),
    ],
)
def test_what_tab_offers(before, typed, first):
    found = complete(before, KNOWN)
    assert found[0] == typed
    assert next(iter(found[1]), None) == first
    assert len(set(found[1])) == len(found[1])


def test_tab_replaces_what_was_typed():
    words = Words(Request(roots=(), text=None))
    words.known = KNOWN
    (offer,) = words.get_completions(Document("SELECT * FROM metrics_"), None)
    assert (offer.text, offer.start_position) == ("metrics_all", -len("metrics_"))
    assert '"val/loss"' in complete("SELECT trials.", KNOWN)[1]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("", True),
        ("  \n", True),
        (".schema", True),
        ("SELECT 1", False),
        ("SELECT 1;", True),
        ("SELECT 1 ;  \n", True),
        ("SELECT 1; -- done", True),
        ("SELECT 1 -- not yet;", False),
        ("SELECT 'a;", False),
        ("SELECT 'it''s';", True),
        ('SELECT "a;', False),
        ("SELECT 1 /* ; */", False),
        ("SELECT /* ;", False),
        ("SELECT $$;", False),
        ("SELECT $$;$$;", True),
    ],
)
def test_where_a_statement_ends(text, ends):
    assert is_complete(text) is ends


@pytest.fixture
def talk(tmp_path, monkeypatch, capsys):
    """Types lines into a shell over a small sweep; gives standard output and standard error."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    store = Store(tmp_path / "small")
    row = {"sweep": "small", "grid": "g", "config": {"a": 1}, "seed": 0}
    Ledger(store, sweep="small").add([TrialRow(trial_id=t, **row) for t in ("a", "b")])
    with Writer(store, sweep="small", trial_id="a", attempt=0, every_s=3600) as writer:
        writer.write(0, {"val_loss": 0.5}, {})

    def said(*lines, **options):
        request = Request(roots=(str(store.root),), text=None, **options)
        with create_pipe_input() as keys:
            keys.send_text("".join(lines))
            Shell(request, terminal=keys, screen=DummyOutput()).run()
        return capsys.readouterr()

    return said


def test_a_conversation(talk):
    out, err = talk(
        "SELECT trial_id, val_loss\r",
        "FROM trials ORDER BY 1;\r",
        ".mode line\r",
        "SELECT 1 AS a, 'x' AS word;\r",
        ".mode csv\r",
        "SELECT $p + 1 AS q;\r",
        ".mode\r",
        ".mode html\r",
        "\x04",
        parameters={"p": 41},
    )
    assert out.splitlines() == [
        "trial_id  val_loss",
        "--------  --------",
        "a              0.5",
        "b",
        "   a = 1",
        "word = x",
        "q",
        "42",
        "csv",
    ]
    assert "2 rows, " in err
    assert ".mode: one of table, line, csv, json is needed, got 'html'." in err


def test_commands(talk):
    out, err = talk(
        ".schema coverage\r", ".queries\r", ".help\r", ".run coverage\r", ".nope\r", ".run x\r",
        ".schema x\r", ";\r", ".quit\r", "SELECT 'never';\r",
    )  # fmt: skip
    assert "coverage\n  sweep " in out
    assert "leaderboard " in out
    assert ".schema [VIEW]" in out
    assert "lacking_more" in out
    assert ".nope: no such command. .help lists them." in err
    assert "sql: a query must have one of the names that exist, got 'x'" in err
    assert "x: no such view" in err
    assert "never" not in out


def test_errors_and_limits_end_a_statement_and_not_the_shell(talk):
    out, err = talk(
        "SELECT nope FROM trials;\r",
        "COPY trials TO 'x';\r",
        "SELECT 1; SELECT 2;\r",
        "SELECT 'still ' || 'here' AS a;\r",
        "\x04",
    )
    assert 'sql: a column must belong to a view in FROM, got "nope"' in err
    assert "sql: must be one SELECT" in err
    assert "sql: one statement at a time, got 2" in err
    assert "still here" in out


def test_ctrl_c_cancels_a_line(talk):
    out, _ = talk("SELECT 'no';\x03", "SELECT 'yes' AS a;\r", "\x04")
    assert out.splitlines() == ["a", "---", "yes"]


def test_ctrl_c_cancels_a_running_query(talk, monkeypatch):
    from results.query_child import Child

    ask, asked = Child.ask, []

    def interrupted(child, request):
        if request.text and "first" in request.text:
            asked.append(child)
            raise KeyboardInterrupt
        return ask(child, request)

    monkeypatch.setattr(Child, "ask", interrupted)
    out, err = talk("SELECT 'first';\r", "SELECT 'second' AS a;\r", "\x04")
    assert "cancelled" in err
    assert "second" in out
    assert asked[0]._process.returncode is not None, "the process of a cancelled query is ended"


def test_the_history_is_the_owner_s_alone(talk, tmp_path, monkeypatch):
    talk("SELECT 1 AS\r", "a;\r", "\x04")
    path = history_file()
    assert path == tmp_path / "state" / "cliffsweep" / "sql_history"
    assert "+SELECT 1 AS\n+a;\n" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    out, _ = talk("\x1b[A\r", "\x04")  # The arrow up.
    assert out.splitlines() == ["a", "-", "1"]
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/of/one")
    assert str(history_file()) == "/home/of/one/.local/state/cliffsweep/sql_history"


def test_a_shell_without_a_history_file_works(talk, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    out, err = talk("SELECT 7 AS a;\r", "\x04")
    assert "7" in out
    assert "no history is kept" in err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("lines", "paged"), [(5, False), (500, True)])
def test_long_results_go_through_the_pager(tmp_path, monkeypatch, lines, paged):
    seen = tmp_path / "seen"
    monkeypatch.setenv("PAGER", f"tee {seen}")
    monkeypatch.setattr(sys, "stdout", Terminal())
    text = "".join(f"{n}\n" for n in range(lines))
    paging.show(text)
    assert seen.exists() is paged
    assert (seen.read_text() if paged else sys.stdout.getvalue()) == text


@pytest.mark.parametrize("pager", ["no-such-pager-anywhere", "'", "false"])
def test_a_pager_that_is_missing_or_leaves_early(monkeypatch, pager):
    monkeypatch.setenv("PAGER", pager)
    monkeypatch.setattr(sys, "stdout", Terminal())
    text = "word " * 50_000 + "\n" * 500
    paging.show(text)
    assert sys.stdout.getvalue() == ("" if pager == "false" else text)
