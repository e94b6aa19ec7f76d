"""YAML as plain values with places, and whatever else a file may hold as one clear line."""

import time
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.errors import SpecError
from orchestrator.spec_nodes import MAX_BYTES, MAX_DEPTH, MAX_WRITTEN
from orchestrator.spec_yaml import MAX_VALUES, read_yaml


def read(text):
    return read_yaml(text if isinstance(text, bytes) else text.encode(), source="f.yaml")


def refusal(text):
    with pytest.raises(SpecError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("2.0e-3", 0.002),
        ("-1_000", -1000),
        ("0x1F", 31),
        ("010", 10),
        ("1.0", 1.0),
        (".inf", float("inf")),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("yes", "yes"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("1:30", "1:30"),
        ("2025-01-01", "2025-01-01"),
        ("=", "="),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ('"a\\nb"', "a\nb"),
        ("10%", "10%"),
    ],
)
def test_a_value_means_what_the_user_sees(text, value):
    found = read(f"key: {text}\n").values["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_key_and_value_has_its_place():
    document = read("a: 1\nb:\n  - x\n  - {c: [2, 3]}\n")
    assert document.places[("b", 1, "c", 1)] == (4, 13)
    assert str(document.problem(("b", 1, "c"), "rule.", at_key=True)) == "f.yaml:4:6: b[1].c: rule."
    assert str(document.problem(("b", 0), "rule.")) == "f.yaml:3:5: b[0]: rule."


def test_what_is_not_in_the_file_is_blamed_on_what_is_around_it():
    document = read("a: 1\nb:\n  c: 2\n")
    assert str(document.problem(("b", "missing", 3), "rule.")).startswith(
        "f.yaml:3:3: b.missing[3]"
    )


def test_an_empty_value_is_blamed_on_its_key():
    assert read("a:\nb: 1\n").places[("a",)] == (1, 1)


def test_an_anchor_stands_for_its_value_and_a_name_may_be_used_again():
    values = read("a: &x [1, 2]\nb: *x\nc: &x {d: 3}\ne: *x\n").values
    assert values == {"a": [1, 2], "b": [1, 2], "c": {"d": 3}, "e": {"d": 3}}


def test_a_merge_gives_way_to_what_is_written_and_reaches_through_another():
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2, z: 2}\nc: {<<: *b, z: 3}\n"
    assert read(text).values["c"] == {"z": 3, "y": 2, "x": 1}


def test_an_empty_file_is_nothing():
    assert read("").values is None
    assert read("# only a comment\n").values is None
    assert read("\ufeffa: 1\n").values == {"a": 1}


def test_problems_may_be_collected_for_others_to_be_told_with_them():
    problems = []
    document = read_yaml(b"a: 1\na: 2\nb: !x 3\nc: 4\n", source="f.yaml", problems=problems)
    assert document.values == {"a": 1, "b": None, "c": 4}
    assert [problem.line for problem in problems] == [2, 3]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1: a", "a key stands once, got 'a' again after line 1"),
        ("a: {b: 1, b: 2}\n", "1:11: a.b", "a key stands once"),
        ("a: {<<: {b: 1}, <<: {c: 2}}\n", "1:17: a.<<", "a key stands once"),
        ("a: !!python/object/apply:os.system ['true']\n", "1:4: a", "tag !!python/object/apply"),
        ("a: !mine {b: 1}\n", "1:4: a", "only plain values, got the tag !mine"),
        ("a: !!set {b}\n", "1:4: a", "the tag !!set"),
        ("!!python/name:os.system a: 1\n", "1:1", "a key is plain text"),
        ("? [a, b]\n: 1\n", "1:3", "a key is plain text"),
        ("a: {<<: [1]}\n", "1:9: a.<<", "'<<' merges one mapping"),
        ("a:\n\tb: 1\n", "2:1", "indent with spaces, got a tab"),
        ("a: [1, 2\n", "2:1", "not valid YAML"),
        ("a: *missing\n", "1:4", "undefined alias"),
        ("a: 1\n---\nb: 2\n", "2:1", "one document, got '---' twice"),
        ("%YAML 1.1\n---\na: yes\n", "1:1", "YAML 1.2, got '%YAML 1.1'"),
        ("a: 0x_\n", "1:4: a", "a whole number, got '0x_'"),
        ("a: !!float x\n", "1:4: a", "a number, got 'x'"),
        (f"a: {'9' * 301}\n", "1:4: a", "at most 300 digits, got 301"),
        ('a: "\\ud800"\n', "1:4: a", "half a character"),
        ('a: "\\0"\n', "1:4: a", "no NUL character"),
        ('"\\0": 1\n', "1:1", "no NUL character"),
        (b"a: 1\nb: \xff\n", "2:4", "UTF-8 text, got byte 0xff"),
        (bytes(range(256)), "2:118", "UTF-8 text, got byte 0x80"),
    ],
)
def test_a_refusal_names_the_place_and_the_rule(text, place, message):
    line = refusal(text)
    assert line.startswith(f"f.yaml:{place}: ")
    assert message in line
    assert "\n" not in line


def test_control_characters_are_no_text():
    assert refusal(b"a: \x00").startswith("f.yaml: needs YAML text")


def _lines_of_an_alias_bomb():
    yield "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"
    for level in range(1, 10):
        yield f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]"


BOMBS = {
    "brackets": "a: " + "[" * 5000 + "]" * 5000,
    "braces": "{a: " * 5000,
    "dashes": "- " * 5000,
    "indents": "".join(" " * i + "a:\n" for i in range(300)),
    "aliases": "\n".join(_lines_of_an_alias_bomb()),
    "an alias of itself": "a: &a [*a]\n",
    "a merge of itself": "a: &a {<<: *a, b: 1}\n",
    "merges of merges": "a0: &a0 {x: 1}\n"
    + "".join(f"a{i}: &a{i} {{b: {{<<: *a{i - 1}}}, c: *a{i - 1}}}\n" for i in range(1, 40)),
    "10 MB": b"\x8f\x02" * 5_000_000,
    "10 MB of text": "a" * 10_000_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_exhaust_time_memory_or_stack_is_refused_quickly(name):
    begun = time.process_time()
    line = refusal(BOMBS[name])
    assert time.process_time() - begun < 2
    assert line.startswith("f.yaml")
    assert len(line) < 1000


DENSE = {
    "values": "a: [" + "1," * (MAX_WRITTEN - 10) + "]",
    "keys": "".join(f"a{i}: 1\n" for i in range(MAX_WRITTEN // 2 - 1)),
    "one line": "a: " + "x" * (MAX_BYTES - 10),
    "comment": "#" * MAX_BYTES,
}


@pytest.mark.parametrize("name", DENSE)
def test_the_largest_files_are_read_in_two_seconds(name):
    begun = time.process_time()
    read(DENSE[name])
    assert time.process_time() - begun < 2


def test_limits_are_where_they_are_said_to_be():
    deepest = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert read(f"a: {deepest}").values is not None
    assert "nesting is at most" in refusal(f"a: [{deepest}]")
    assert read("#" * MAX_BYTES).values is None
    assert f"at most {MAX_BYTES} bytes" in refusal("#" * (MAX_BYTES + 1))
    assert f"at most {MAX_WRITTEN} keys and values" in refusal("- a\n" * MAX_WRITTEN)


def test_values_are_counted_as_they_are_when_anchors_are_expanded():
    ten = ", ".join(["*a"] * 10)
    text = f"a: &a [{', '.join('x' * (MAX_VALUES // 100))}]\n"
    assert len(read(text + f"b: [{ten}]\n").values["b"]) == 10
    more = f"b: &b [{ten}]\nc: [{', '.join(['*b'] * 10)}]\n"
    assert f"at most {MAX_VALUES} values" in refusal(text + more)


_MARKS = [
    ": ",
    "- ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    '"',
    "|",
    ">",
    "?",
    "#",
    "\t",
    "---\n",
]
_NODES = [
    "a",
    "é",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "!x ",
    "1e-3",
    ".nan",
    "0x",
    "\\ud800",
    "%YAML 1.1\n",
]
_PIECES = st.sampled_from([*_MARKS, *_NODES])


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=40).map("".join))
@example("? ? ? a")
@example("a: !!int {}\n")
@example("!!merge a: {b: 1}\n")
def test_any_text_is_read_or_refused(text):
    _read_or_refuse(text.encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    _read_or_refuse(data)


def _read_or_refuse(data):
    with suppress(SpecError):
        assert _is_plain(read_yaml(data, source="f.yaml").values)


def _is_plain(value):
    if isinstance(value, dict):
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)
