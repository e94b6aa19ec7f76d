"""Conditions of a grid: seeds among them, and a slip of the pen is told with the nearest name."""

import json

import pytest

from orchestrator.conditions import Conditions
from orchestrator.expand import expand
from orchestrator.spec_load import load_bytes
from tests.orchestrator.sweeps import HEAD, cells, told

AXES = {"activation": ["relu", "gelu", {"kind": "topk", "share": 0.25}], "train.epochs": [1, 2]}


def sweep(**keys):
    """One grid of six cells, with conditions."""
    replicates = keys.pop("replicates", None)
    grid = {"name": "a", "parameters": AXES} | keys
    more = f"replicates: {json.dumps(replicates)}\n" if replicates else ""
    return f"{HEAD}{more}grids:\n- {json.dumps(grid)}\n"


def found(text):
    return sorted((c.config["activation"]["kind"], c.config["train"]["epochs"], c.seed)
                  for c in cells(text))  # fmt: skip


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ([{"a": 1}], [(2, "x"), (2, "y")]),
        ([{"a": 1, "b": "x"}], [(1, "y"), (2, "x"), (2, "y")]),
        ([{"a": 1}, {"b": "x"}], [(2, "y")]),
        ([{"a": [1, 2], "b": "x"}], [(1, "y"), (2, "y")]),
        ([{"a": 7}], [(1, "x"), (1, "y"), (2, "x"), (2, "y")]),
        ([{"a": True}], [(1, "x"), (1, "y"), (2, "x"), (2, "y")]),
        ([{"a": 1.0}], [(2, "x"), (2, "y")]),
    ],
)
def test_excluded_cells_are_left_out(exclude, left):
    conditions = Conditions(exclude=exclude, when={})
    kept = [(a, b) for a in (1, 2) for b in "xy" if not conditions.leave_out({"a": a, "b": b})]
    assert kept == left


def test_seeds_can_be_left_out():
    text = sweep(replicates={"seeds": [0, 1]}, exclude=[{"activation": "gelu", "seed": 1}])
    left = found(text)
    assert len(left) == 12 - 2
    assert ("gelu", 1, 0) in left
    assert ("gelu", 1, 1) not in left


def test_a_list_of_seeds_can_be_left_out():
    text = sweep(replicates={"seeds": [0, 1, 2]}, exclude=[{"seed": [1, 2], "train.epochs": 2}])
    assert {seed for _, epochs, seed in found(text) if epochs == 2} == {0}


@pytest.mark.parametrize(
    ("partial", "sentence"),
    [
        (
            {"activaton": "gelu"},
            "got none, for no cell sets 'activaton'. Did you mean 'activation'?",
        ),
        ({"activation.shar": 0.25}, "sets 'activation.shar'. Did you mean 'activation.share'?"),
        ({"activation": "gleu"}, "got none with activation 'gleu'. Values there: relu, gelu, "),
        ({"train.epochs": 3}, "got none with train.epochs 3. Values there: 1, 2."),
        ({"activation.kind": "silu"}, "got none with activation.kind 'silu'. Values there: relu, "),
        ({"seed": 3}, "got none with seed 3. Values there: 0, 1."),
        (
            {"activation": "relu", "activation.share": 0.25},
            "got none with all of {'activation': 'relu', 'activation.share': 0.25}.",
        ),
    ],
)
def test_what_leaves_out_nothing_is_an_error(partial, sentence):
    text = sweep(replicates={"seeds": [0, 1]}, exclude=[{"activation": "relu"}, partial])
    (line,) = told(text)
    assert "grids[0].exclude[1]: it leaves out at least one cell, " in line
    assert sentence in line
    assert line.startswith("t.yaml:8:")


@pytest.mark.parametrize("turned", [False, True])
def test_what_another_condition_leaves_out_too_counts(turned):
    both = [{"activation": "gelu"}, {"activation": "gelu", "train.epochs": 1}]
    assert told(sweep(exclude=both[::-1] if turned else both)) == []


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ({"activation.knid": "topk"}, "no cell sets 'activation.knid'. Did you mean"),
        ({"activation.kind": "topkk"}, "got none with activation.kind 'topkk'. Values there: "),
    ],
)
def test_an_axis_that_never_exists_is_an_error(condition, sentence):
    (line,) = told(sweep(when={"train.epochs": condition}))
    assert "grids[0].when.train.epochs: it holds for at least one cell, " in line
    assert sentence in line


def test_an_axis_that_exists_somewhere_is_none():
    text = sweep(when={"train.epochs": {"activation.kind": "topk"}})
    assert len(found(text)) == 2 + 2


def test_words_of_the_command_line_may_empty_a_condition():
    text = sweep(exclude=[{"activation": "gelu"}]).encode()
    loaded = load_bytes(text, source="t", folder=None, overrides=("activation=relu",))
    assert len(expand(loaded)) == 2


def test_many_names_are_not_all_told():
    grids = [{"name": "a", "parameters": {"seed": list(range(50))}, "exclude": [{"seed": -1}]}]
    (line,) = told(f"{HEAD}grids: {json.dumps(grids)}\n")
    assert line.endswith("Values there: 0, 1, 2, 3, 4, 5, ….")
