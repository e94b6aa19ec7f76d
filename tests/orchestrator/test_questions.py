"""What people type around a statement: sweeps, values, moments."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orchestrator.errors import InputError
from orchestrator.questions import read_moment, read_parameters
from orchestrator.reading import find_sweeps

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1", 1),
        ("-17", -17),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("2.e2", 200.0),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("relu", "relu"),
        ("", ""),
        ("007", "007"),
        ("12e456789012", "12e456789012"),
        ("99999999999999999999", "99999999999999999999"),
        ("1 2", "1 2"),
        ("a=b", "a=b"),
        ("nan", "nan"),
        ("it's\n", "it's\n"),
    ],
)
def test_a_value_is_what_it_looks_like(word, value):
    found = read_parameters([f"x={word}"])["x"]
    assert found == value
    assert type(found) is type(value)


def test_a_kind_says_what_a_value_is():
    words = ["a:text=123", "b:int=007", "c:float=1", "d:bool=True", "e:null=null", "f:text=null"]
    values = read_parameters(words)
    assert values == {"a": "123", "b": 7, "c": 1.0, "d": True, "e": None, "f": "null"}
    assert type(values["c"]) is float


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("x", "--param x: must read NAME=VALUE"),
        ("=1", "must read NAME=VALUE"),
        ("1x=1", "must read NAME=VALUE"),
        ("x:number=1", "a kind of bool, float, int, null, text"),
        ("x:int=1.5", "--param x: must be of the kind int, got '1.5'"),
        ("x:bool=1", "must be of the kind bool"),
        ("x:bool=null", "must be of the kind bool"),
        ("x:null=true", "must be of the kind null"),
    ],
)
def test_what_is_no_value_is_refused(word, message):
    with pytest.raises(InputError, match=message):
        read_parameters([word])


@pytest.mark.parametrize(
    ("word", "moment"),
    [
        ("-10m", NOW - timedelta(minutes=10)),
        ("-2h", NOW - timedelta(hours=2)),
        ("-1.5d", NOW - timedelta(hours=36)),
        ("2026-04-30", datetime(2026, 4, 30, tzinfo=UTC)),
        ("2026-04-30T10:20:30", datetime(2026, 4, 30, 10, 20, 30, tzinfo=UTC)),
        ("2026-04-30T10:20Z", datetime(2026, 4, 30, 10, 20, tzinfo=UTC)),
        (
            "2026-04-30 10:20+02:00",
            datetime(2026, 4, 30, 10, 20, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_moments(word, moment):
    assert read_moment(word, now=NOW) == moment


@pytest.mark.parametrize("word", ["", "yesterday", "-", "-10", "-10 parsecs", "10m", "-99999999d"])
def test_what_is_no_moment_is_refused(word):
    with pytest.raises(InputError, match="--as-of: a time is needed"):
        read_moment(word, now=NOW)


def test_sweeps_by_name_several_and_all(tmp_path):
    for name in ("a", "b.c"):
        (tmp_path / name / "sweep").mkdir(parents=True)
    storage = str(tmp_path)
    assert find_sweeps("a", storage=storage) == [tmp_path / "a"]
    assert find_sweeps("b.c,a,a", storage=storage) == [tmp_path / "b.c", tmp_path / "a"]
    assert find_sweeps(None, every=True, storage=storage) == [tmp_path / "a", tmp_path / "b.c"]
    with pytest.raises(InputError, match="got none of that name"):
        find_sweeps("a,x", storage=storage)
    with pytest.raises(InputError, match="the name of a sweep is needed"):
        find_sweeps(",", storage=storage)
    with pytest.raises(InputError, match="--all: a sweep is needed, got none"):
        find_sweeps(None, every=True, storage=str(tmp_path / "none"))
