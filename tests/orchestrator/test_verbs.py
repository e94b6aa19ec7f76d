"""Verbs that are given what they cannot take: a sentence, an exit code, and a document or none."""

import json

import pytest

from tests.orchestrator.sweeps import KINDS, text_of, trivial


@pytest.fixture
def workplace(workplace):
    """A finished sweep of one trial."""
    workplace.run(trivial(values=[1.0]))
    return workplace


@pytest.fixture
def typed(typed, workplace):
    """Types a command for this storage; gives exit code, standard output, standard error."""

    def run(*words):
        code, out, err = typed(*words, "--storage", str(workplace.storage))
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.mark.parametrize("verb", ["status", "watch", "why", "logs", "show", "retry", "cancel"])
@pytest.mark.parametrize("name", ["nope", "../t", "", "a" * 300])
def test_a_name_of_no_sweep(typed, verb, name):
    trial = ["abc"] if verb in ("why", "logs", "show") else []
    code, out, err = typed(verb, name, *trial)
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("verb", ["why", "logs", "show"])
@pytest.mark.parametrize("trial", ["zzz", ""])
def test_a_name_of_no_trial(typed, verb, trial):
    code, out, err = typed(verb, "t", trial)
    assert (code, out) == (2, "")
    assert "the beginning of one trial's id is needed, got that of 0 (none)." in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("retry", "t", "--class", "oom"), "class: a failure class is one of user_error, "),
        (("retry", "t", "--where", " "), "--where: a SQL condition over the view trials"),
        (("retry", "t", "--where", "nonsense"), "a column must belong to a view"),
        (("retry", "t", "--trial", ""), "the beginning of one trial's id is needed"),
        (("cancel", "t", "--where", ""), "a driver at work is needed, got none"),
        (("resume", "t", "--inline", "--only", ""), "--only: a trial of the sweep is needed"),
    ],
)
def test_a_selection_that_is_none(typed, words, sentence):
    code, out, err = typed(*words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_an_empty_selection_is_no_error(typed):
    code, out, err = typed("retry", "t", "--json")
    assert (code, json.loads(out)) == (0, {"sweep": "t", "trials": []})
    assert "nothing to retry" in err


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        ({"max_failed_trials": 1}, "max_failed_trials: at most 1 trials may fail, got 2"),
        (
            {"max_failed_trials": "100%", "max_consecutive_failures": 2},
            "max_consecutive_failures: fewer than 2 failures in a row, got 2",
        ),
    ],
)
def test_a_gate_ends_with_code_3_a_sentence_and_a_document(typed, tmp_path, gate, sentence):
    grids = [{"name": "seeds", "parameters": {"seed": [1, 2, 3, 4]}}]
    text = text_of(workload={"kind": "failing"}, grids=grids, retry={"max": 0}, **gate)
    file = tmp_path / "gated.yaml"
    file.write_text(text.replace('"t"', '"gated"'))
    code, out, err = typed("run", str(file), "--inline", "--kinds", str(KINDS), "--json")
    assert code == 3
    assert sentence in err
    told = json.loads(out)
    assert (told["sweep"], told["exit_code"]) == ("gated", 3)
    assert told["stopped"].startswith(sentence)
    assert "Next: cliffsweep status gated" in err


def test_logs_name_the_whole_id(typed):
    (trial,) = json.loads(typed("sql", "t", "SELECT trial_id FROM trials", "--format", "json")[1])
    whole = trial["trial_id"]
    _, out, _ = typed("logs", "t", whole[:4], "--json")
    assert json.loads(out) == {"sweep": "t", "trial": whole, "attempts": {}}
    assert typed("logs", "t", whole[:4])[2].startswith(f"{whole}: nothing was printed")
