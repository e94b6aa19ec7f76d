"""The space that a search draws from: ranges, conditions, unions, exclusions, first points."""

import pytest

from orchestrator.region import Choice, Range
from orchestrator.search import Space
from tests.orchestrator.searching import TWO, UP, method, region, run, space, sum_of


@pytest.mark.parametrize(
    ("given", "dimension"),
    [
        ([3, 1, 2], Choice(("x",), ((3,), (1,), (2,)))),
        ([1, 2, 4], Choice(("x",), ((1,), (2,), (4,)), ordered=True)),
        (
            {"min": 0, "max": 0.3, "step": 0.1},
            Choice(("x",), ((0.0,), (0.1,), (0.2,), (0.3,)), True),
        ),
        (
            {"min": 1, "max": 100, "count": 3, "scale": "log"},
            Choice(("x",), ((1.0,), (10.0,), (100.0,)), True),
        ),
        ({"min": 0.1, "max": 0.9}, Range("x", 0.1, 0.9)),
        ({"min": 1e-4, "max": 1e-1, "scale": "log"}, Range("x", 1e-4, 1e-1, log=True)),
        ({"min": 4, "max": 64, "step": 1, "scale": "log"}, Range("x", 4, 64, log=True, whole=True)),
    ],
)
def test_an_axis_is_a_dimension(given, dimension):
    assert region({"x": given}).dimensions == (dimension,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"min": 1, "max": 0}, "max is at least min"),
        ({"min": 0, "max": 1, "scale": "log"}, "a log range begins above 0"),
        ({"min": 1, "max": 9, "step": 2, "scale": "log"}, "step 1 or none, got 2"),
        ({"min": 1.5, "max": 9, "step": 1, "scale": "log"}, "from one whole number to another"),
        ({"max": 9}, "an axis is a list or a range"),
    ],
)
def test_an_axis_that_cannot_be_searched_is_refused(given, message):
    with pytest.raises(KeyError) as caught:
        region({"x": given})
    assert caught.value.args[0] == "x"
    assert message in caught.value.args[1]


def test_zipped_axes_are_one_choice():
    found = region({"a": [1, 2], "b": [3, 4]}, zip=[["a", "b"]])
    assert found.dimensions == (Choice(("a", "b"), ((1, 3), (2, 4)), ordered=True),)


@pytest.mark.parametrize("kind", ["random", "sobol", "tpe"])
def test_what_is_drawn_lies_in_its_dimensions(kind):
    parameters = {
        "rate": {"min": 1e-4, "max": 1e-1, "scale": "log"},
        "width": {"min": 4, "max": 64, "step": 1, "scale": "log"},
        "share": {"min": 0.1, "max": 0.9},
        "depth": {"min": 0, "max": 0.3, "step": 0.1},
        "kind": ["a", {"kind": "b"}],
    }
    history = run(method(kind, trials=32).build(space(parameters)), lambda v: v["share"], 32)
    assert len(history) == 32
    for found in (a.values for a in history):
        assert 1e-4 <= found["rate"] <= 1e-1
        assert isinstance(found["width"], int)
        assert 4 <= found["width"] <= 64
        assert found["share"] == float(f"{found['share']:.6g}")
        assert found["depth"] in (0.0, 0.1, 0.2, 0.3)
        assert found["kind"] in ("a", {"kind": "b"})
    assert min(a.values["rate"] for a in history) < 1e-3  # Half of a log range lies below 3e-3.


CONDITIONAL = {
    "parameters": {
        "activation": ["relu", "topk", {"kind": "quantile", "q": 2}],
        "activation.share": {"min": 0.1, "max": 0.9},
    },
    "when": {"activation.share": {"activation.kind": ["topk", "quantile"]}},
}


@pytest.mark.parametrize("kind", ["random", "sobol", "tpe", "nsga2"])
def test_a_choice_brings_its_own_parameters(kind):
    goals = TWO if kind == "nsga2" else UP
    search = method(kind, trials=32).build(space(goals=goals, **CONDITIONAL))
    history = run(search, lambda v: {"total": v.get("activation.share", 0), "cost": 1.0}, 30)
    with_share = [a for a in history if "activation.share" in a.values]
    assert 0 < len(with_share) < len(history)
    assert all(a.values["activation"] != "relu" for a in with_share)
    # There is but one point without a share.
    assert sum(a.values["activation"] == "relu" for a in history) == 1


def test_a_union_of_grids_is_searched_as_one():
    two = Space(
        regions=(
            region({"x": {"min": 0, "max": 1}}, name="low"),
            region({"x": {"min": 5, "max": 6}, "y": [1, 2]}, name="high"),
        ),
        goals=UP,
    )
    history = run(method("tpe", trials=40).build(two), lambda v: v["x"], 40)
    grids = [a.grid for a in history]
    assert {"low", "high"} == set(grids)
    assert grids[20:].count("high") > 15  # It has learnt which grid is better.
    assert all(("y" in a.values) == (a.grid == "high") for a in history)


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_what_is_excluded_is_not_asked(kind):
    small = space({"a": [1, 2], "b": [1, 2, 3]}, exclude=[{"a": 1, "b": [2, 3]}])
    history = run(method(kind, trials=64).build(small), lambda v: v["a"], 64)
    assert sorted((a.values["a"], a.values["b"]) for a in history) == [
        (1, 1),
        (2, 1),
        (2, 2),
        (2, 3),
    ]


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_small_space_is_used_up_without_a_repetition(kind):
    history = run(method(kind, trials=64).build(space({"a": [1, 2, 3], "b": [1, 2]})), sum_of, 64)
    assert len(history) == len({str(a.values) for a in history}) == 6


@pytest.mark.parametrize("kind", ["random", "sobol", "tpe"])
def test_points_to_begin_with_come_first(kind):
    given = [{"x": 0.25, "kind": "b"}, {"x": 0.75}]
    search = method(kind, trials=8, enqueue=given).build(
        space({"x": {"min": 0, "max": 1}, "kind": ["a", "b"]})
    )
    first, second, *rest = run(search, lambda v: v["x"], 20)
    assert first.values == {"x": 0.25, "kind": "b"}
    assert second.values["x"] == 0.75
    assert len(rest) == (8 if kind == "sobol" else 6)  # A Sobol design stays whole.


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": 2}, "enqueue[0]: x lies from 0 to 1, got 2"),
        ({"y": 2}, "enqueue[0]: a point's names are axes of one grid, got ['y']"),
        ({"kind": "c"}, "enqueue[0]: kind has one of its own values"),
        ({"kind": "a", "z": 0.5}, "enqueue[0]: a point's axes exist under its other values"),
    ],
)
def test_a_point_outside_the_space_is_refused(given, message):
    parameters = {"x": {"min": 0, "max": 1}, "kind": ["a", "b"], "z": {"min": 0, "max": 1}}
    where = space(parameters, when={"z": {"kind": "b"}})
    with pytest.raises(ValueError) as caught:
        method("tpe", enqueue=[given]).build(where)
    assert str(caught.value).startswith(message)
