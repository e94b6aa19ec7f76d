"""Values as Hydra's users type them; what each word gives is what Hydra 1.3's own parser gives."""

import pytest

from orchestrator.words import read_values

ONE = {
    "5": 5,
    "+5": 5,
    "-0.5": -0.5,
    "1e-3": 0.001,
    "1_000": 1000,
    "null": None,
    "TRUE": True,
    "adam": "adam",
    "x y": "x y",
    "torch.optim.Adam": "torch.optim.Adam",
    "http://a:80/b": "http://a:80/b",
    "a:b": "a:b",
    "50%": "50%",
    "'a,b'": "a,b",
    r"'it\'s'": "it's",
    r"'a\b'": r"a\b",
    r"'a\\'": "a\\",
    r"a\,b": "a,b",
    "[1,2]": [1, 2],
    "[]": [],
    "{}": {},
    "{a: 1, b: [x]}": {"a": 1, "b": ["x"]},
}

SEVERAL = {
    "0.5,0.9": [0.5, 0.9],
    "null,true": [None, True],
    "'a,b',c": ["a,b", "c"],
    "[1,2],[3]": [[1, 2], [3]],
    "choice(relu, gelu)": ["relu", "gelu"],
    "choice(a)": ["a"],
    "range(3)": [0, 1, 2],
    "range(1,10,2)": [1, 3, 5, 7, 9],
    "range(1,10,step=3)": [1, 4, 7],
    "range(start=1,stop=4)": [1, 2, 3],
    "range(5,1,-2)": [5, 3],
    "range(0.1,0.5,0.1)": [0.1, 0.2, 0.3, 0.4],
    "sort(3,2,1)": [1, 2, 3],
    "shuffle(a,b)": ["a", "b"],
    "tag(x,y,choice(1,2))": [1, 2],
}


@pytest.mark.parametrize("text", ONE)
def test_one_value(text):
    found = read_values(text)
    assert (found.values, found.swept) == ((ONE[text],), False)
    assert type(found.values[0]) is type(ONE[text])


@pytest.mark.parametrize("text", SEVERAL)
def test_several_values(text):
    found = read_values(text)
    assert (list(found.values), found.swept) == (SEVERAL[text], True)


def test_an_interval_has_no_values_but_limits_and_tags():
    found = read_values("tag(log, interval(1e-4, 1))")
    assert (found.values, found.interval, found.tags) == ((), (0.0001, 1), {"log"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a value is needed, got 'the end'"),
        ("1,", "a value is needed"),
        ("(", r"a value is needed, got '\('"),
        ("[1", "] is needed"),
        ("'x", "quotes are closed"),
        ("choice()", "a value is needed"),
        ("glob(*)", "a function that gives values, got 'glob'"),
        ("${x}", "a value is needed"),
        ("range(10,1)", "a range has 1 to 10000 values, got 0"),
        ("range(0,1,0)", "a range has numbers and a step"),
        ("interval(2,1)", "the lower first"),
        ("sort(a,1)", "values of one type are sorted"),
        ("[" * 30, "nesting is at most 20 deep"),
        ("a}b", "a value is needed, got '}b'"),
    ],
)
def test_what_is_no_value_is_refused(text, told):
    with pytest.raises(ValueError, match=told):
        read_values(text)
