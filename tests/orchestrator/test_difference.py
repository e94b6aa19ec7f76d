"""What a user is told of an edited sweep before it starts again."""

from orchestrator.code import Record, newest_record
from orchestrator.difference import difference
from orchestrator.planning import make_plan
from orchestrator.provenance import Code
from results.ledger import Ledger
from results.store import Store
from tests.orchestrator.sweeps import cells, load, trivial
from tests.orchestrator.workplace import Listener

OLD, NEW = "a" * 40, "b" * 40


def compare(workplace, text, *, commit=NEW):
    store = Store(workplace.root)
    ledger = Ledger(store, sweep="t")
    known = ledger.trials()
    return difference(
        make_plan("t", cells(text), known),
        known,
        ledger.latest(),
        sweep=load(text).sweep,
        before=newest_record(store),
        code=Code(commit, False),
    )


def test_a_first_start_has_nothing_to_say(workplace):
    listener = Listener()
    workplace.run(trivial(values=[1.0, 2.0]), listener=listener)
    assert listener.heard[0] == "2 planned, 2 left"


def test_cells_and_settings_are_told_before_anything_starts(workplace):
    workplace.run(trivial(values=[1.0, 2.0]))
    listener = Listener()
    workplace.run(
        trivial(values=[2.0, 3.0, 4.0], max_consecutive_failures=5, tags=["x"]), listener=listener
    )
    assert listener.heard[:4] == [
        "2 new cells, 1 kept, 1 no longer wanted",
        "max_consecutive_failures: 10 before, 5 now",
        "tags: [] before, ['x'] now",
        "3 planned, 2 left",
    ]


def test_nested_settings_go_by_their_dotted_names(workplace):
    workplace.run(trivial())
    found = compare(workplace, trivial(retry={"backoff": "0s", "max": 7}))
    assert [(s.key, s.before, s.now) for s in found.settings] == [("retry.max", 2, 7)]


def test_finished_cells_of_other_code_are_told_with_both_commits(workplace, monkeypatch):
    monkeypatch.setattr("orchestrator.driver.code_version", lambda folder: Code(OLD, False))
    workplace.run(trivial(values=[1.0, 2.0]))
    assert compare(workplace, trivial(values=[1.0, 2.0]), commit=OLD).sentences == []
    assert compare(workplace, trivial(values=[1.0, 2.0])).sentences == [
        f"2 finished cells ran with commit {OLD[:10]}, this is {NEW[:10]};"
        " they are kept as they are"
    ]
    assert compare(workplace, trivial(values=[1.0, 2.0]), commit=None).sentences == []


def test_a_version_that_cannot_be_read_any_more_hinders_nothing(workplace):
    workplace.run(trivial())
    text = trivial()
    plan = make_plan("t", cells(text), {})
    before = Record("sweep/x.yaml", b"version: 99\n", ())
    found = difference(plan, {}, {}, sweep=load(text).sweep, before=before, code=Code(None, None))
    assert found.settings == ()
