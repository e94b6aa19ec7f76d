"""What `--help` shows first: every verb with a whole sentence."""

import pytest


@pytest.mark.parametrize("words", [(), ("cluster",)])
def test_a_verb_is_said_in_one_line(typed, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = typed(*words, "--help")
    listed = out[out.index("Commands:") :].partition("\n\n")[0].splitlines()[1:]
    assert code == 0
    assert len(listed) >= 3
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []
