"""Axes, ranges and products: values and names only."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.space import Axis, assign, axis_values, cells_of, lookup, matches


def listed(**written):
    return axis_values(written)[0]


def product(parameters, *, base=None, **options):
    """The values of each cell of a grid."""
    axes = [Axis(name, *axis_values(values)) for name, values in parameters.items()]
    return [values for values, _ in cells_of(axes, base=base or {}, **options)]


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ({"min": 0.1, "max": 0.5, "step": 0.1}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ({"min": 0, "max": 1, "step": 0.3}, [0.0, 0.3, 0.6, 0.9]),
        ({"min": 0.1, "max": 0.7, "count": 3}, [0.1, 0.4, 0.7]),
        ({"min": 0, "max": 1, "count": 4}, [0.0, 0.333333333333333, 0.666666666666667, 1.0]),
        ({"min": 0, "max": 4, "step": 2}, [0, 2, 4]),
        ({"min": 1, "max": 10, "count": 4}, [1, 4, 7, 10]),
        ({"min": 1, "max": 2, "count": 3}, [1.0, 1.5, 2.0]),
        ({"min": -1, "max": 1, "step": 1.0}, [-1.0, 0.0, 1.0]),
        ({"min": 3, "max": 3, "count": 1}, [3]),
        ({"min": 5, "max": 6, "step": 10}, [5]),
        ({"min": 1e-4, "max": 1e-1, "count": 4, "scale": "log"}, [0.0001, 0.001, 0.01, 0.1]),
        ({"min": 0.01, "max": 0.01, "count": 1, "scale": "log"}, [0.01]),
        ({"min": 1e20, "max": 3e20, "count": 2}, [1e20, 3e20]),
    ],
)
def test_a_range_is_what_a_person_would_write_out(written, values):
    found, in_file = axis_values(written)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]
    assert not in_file


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([], "at least one value, got an empty list"),
        ({}, "an axis is a list or a range, got {}"),
        ("relu", "an axis is a list or a range, got 'relu'"),
        (None, "an axis is a list or a range, got None"),
        ({"min": 1, "maks": 2}, "an axis is a list or a range"),
        ({"min": 1, "count": 2}, "max is a number, got None"),
        ({"min": 1, "max": "2", "count": 2}, "max is a number, got '2'"),
        ({"min": True, "max": 2, "count": 2}, "min is a number, got True"),
        ({"min": float("nan"), "max": 2, "count": 2}, "min is a number, got nan"),
        ({"min": 0, "max": float("inf"), "step": 1}, "max is a number, got inf"),
        ({"min": 2, "max": 1, "count": 2}, "max is at least min, got min 2 and max 1"),
        ({"min": 1, "max": 2}, "either step or count, got both or neither"),
        ({"min": 1, "max": 2, "count": 2, "step": 1}, "either step or count"),
        ({"min": 1, "max": 2, "step": 0}, "step is above 0, got 0"),
        ({"min": 1, "max": 2, "step": -1}, "step is above 0, got -1"),
        ({"min": 1, "max": 2, "count": 0}, "count is a whole number from 1"),
        ({"min": 1, "max": 2, "count": 2.0}, "count is a whole number from 1"),
        ({"min": 0, "max": 1, "step": 1e-9}, "at most 1000000 values, got 1000000001"),
        ({"min": 1, "max": 2, "step": 1, "scale": "log"}, "a log range has a count"),
        ({"min": 0, "max": 2, "count": 3, "scale": "log"}, "begins above 0, got 0.0"),
        ({"min": 1, "max": 2, "count": 3, "scale": "exp"}, "scale is linear or log, got 'exp'"),
    ],
)
def test_what_is_no_axis(written, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        axis_values(written)


@given(st.integers(-1000, 1000), st.integers(0, 300), st.integers(1, 50), st.integers(0, 6))
def test_steps_are_exact_in_decimal(first, steps, width, digits):
    scale = 10**digits
    low, step = first / scale, width / scale
    found = listed(min=low, max=(first + steps * width) / scale, step=step)
    assert [float(v) for v in found] == [(first + i * width) / scale for i in range(steps + 1)]


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 20))
def test_a_log_range_rises_from_end_to_end(one, other, count):
    low, high = sorted((one, other))
    found = listed(min=low, max=high, count=count, scale="log")
    assert (found[0], found[-1], len(found)) == (low, high, count)
    assert all(b >= a * (1 - 1e-11) for a, b in pairwise(found))


def test_a_list_stands_as_it_is_written():
    assert axis_values([1, "relu", {"kind": "topk"}]) == ([1, "relu", {"kind": "topk"}], True)


def test_a_product_varies_the_last_axis_fastest():
    assert product({"a": [1, 2], "b": [3, 4]}) == [
        {"a": 1, "b": 3},
        {"a": 1, "b": 4},
        {"a": 2, "b": 3},
        {"a": 2, "b": 4},
    ]


def test_no_axis_is_one_cell():
    assert product({}, base={"a": 1}) == [{"a": 1}]


def test_zipped_axes_advance_together():
    found = product({"a": [1, 2], "b": ["x", "y"], "c": [5, 6]}, zipped=[["a", "b"]])
    assert [tuple(cell.values()) for cell in found] == [
        (1, "x", 5),
        (1, "x", 6),
        (2, "y", 5),
        (2, "y", 6),
    ]


def test_a_conditional_axis_exists_only_where_its_condition_holds():
    found = product(
        {"activation": ["relu", "gelu", "topk"], "activation.share": [0.5, 0.9]},
        when={"activation.share": {"activation": "topk"}},
    )
    assert found == [
        {"activation": "relu"},
        {"activation": "gelu"},
        {"activation": {"kind": "topk", "share": 0.5}},
        {"activation": {"kind": "topk", "share": 0.9}},
    ]


def test_a_condition_may_name_another_conditional_axis_and_several_values():
    found = product(
        {"a": [1, 2, 3], "b": [4, 5], "c": [6]},
        when={"b": {"a": [2, 3]}, "c": {"b": 5}},
    )
    assert [tuple(cell.items()) for cell in found] == [
        (("a", 1),),
        (("a", 2), ("b", 4)),
        (("a", 2), ("b", 5), ("c", 6)),
        (("a", 3), ("b", 4)),
        (("a", 3), ("b", 5), ("c", 6)),
    ]


def test_a_bare_kind_on_the_way_becomes_a_mapping():
    found = product({"activation.share": [0.5]}, base={"activation": "topk"})
    assert found == [{"activation": {"kind": "topk", "share": 0.5}}]


def test_whole_parts_are_set_before_what_lies_within_them():
    found = product(
        {"a.b.c": [1], "a": [{"kind": "x", "b": {"d": 2}}]},
        fixed={"a.e": 3},
        base={"a": {"kind": "y", "f": 4}},
    )
    assert found == [{"a": {"kind": "x", "b": {"d": 2, "c": 1}, "e": 3}}]


def test_what_is_fixed_gives_way_to_an_axis_of_the_same_name():
    assert product({"a": [1]}, fixed={"a": 2, "b": 3}) == [{"a": 1, "b": 3}]


def test_cells_share_nothing():
    base = {"a": {"b": [1]}}
    first, second = product({"c": [{"d": []}, 2]}, base=base)
    first["a"]["b"].append(2)
    first["c"]["d"].append(3)
    assert second["a"] == {"b": [1]}
    assert base == {"a": {"b": [1]}}
    assert product({"c": [{"d": []}]}, base=base)[0]["c"] == {"d": []}


def test_each_assignment_remembers_which_value_of_which_axis_it_is():
    axes = [Axis("a", [5, 6]), Axis("b", [0.1, 0.2], written=False)]
    _, used = list(cells_of(axes, fixed={"c": 1}, base={}))[-1]
    assert [(u.name, u.value, u.index, u.written) for u in used] == [
        ("c", 1, None, True),
        ("a", 6, 1, True),
        ("b", 0.2, 1, False),
    ]


def test_a_name_leads_through_mappings_only():
    with pytest.raises(ValueError, match=r"'b' of 'a.b.c' is a mapping, got \[1\]"):
        assign({"a": {"b": [1]}}, "a.b.c", 2)


def test_looking_up_what_is_not_there():
    values = {"a": {"b": 1}, "c": "relu", "d": [1]}
    assert lookup(values, "a.b") == 1
    assert lookup(values, "c.kind") == "relu"
    assert lookup(values, "a.x") is None
    assert lookup(values, "d.x") is None
    assert lookup(values, "c.kind.x") is None


@pytest.mark.parametrize(
    ("partial", "fits"),
    [
        ({"a": "topk"}, False),
        ({"a": {"kind": "topk"}}, True),
        ({"a.kind": "topk", "a.share": 0.5}, True),
        ({"b": {"kind": "relu"}}, True),
        ({"b": "relu"}, True),
        ({"c": [1, 2]}, True),
        ({"c": [[1, 2], 3]}, False),
        ({"d": None}, True),
        ({}, True),
    ],
)
def test_a_partial_cell_fits(partial, fits):
    values = {"a": {"kind": "topk", "share": 0.5}, "b": {"kind": "relu"}, "c": [1, 2]}
    assert matches(values, partial) is fits


def test_a_product_too_large_to_check_is_refused_at_once():
    axes = [Axis(name, range(1000)) for name in "abc"]
    with pytest.raises(ValueError, match="at most 200000 points, got 1000000000"):
        next(cells_of(axes, base={}))
