"""What `--help` shows first, and what is said of a word that is no verb."""

import pytest


@pytest.mark.parametrize("words", [(), ("cluster",)])
def test_a_verb_is_said_in_one_line(typed, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = typed(*words, "--help")
    listed = out[out.index("Commands:") :].partition("\n\n")[0].splitlines()[1:]
    assert code == 0
    assert len(listed) >= 3
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("statsu",), "No such command 'statsu'. Did you mean 'status'? See `"),
        (("frobnicate",), "No such command 'frobnicate'. Known: init, validate, plan, run, "),
        (("cluster", "frobnicate"), "No such command 'frobnicate'. Known: ls, check, nodes. See `"),
        (("ls", "--storge", "x"), "No such option: --storge"),
    ],
)
def test_a_word_that_is_no_verb(typed, words, said):
    code, out, err = typed(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert err.endswith("--help`.\n")
