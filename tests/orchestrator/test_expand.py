"""Cells: which workloads a file asks for, under which ids, against which baseline."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.expand import trial_id
from tests.orchestrator.sweeps import HEAD, MLP, cells, ids, told, trivial
from tests.orchestrator.sweeps import text_of as sweep
from workloads.config import validate
from workloads.kinds import canonical

IMAGES = {"task": "fashion_mnist", "model": {"kind": "resnet", "width": 8}, "activation": "relu"}
TOPK = {"kind": "topk", "base": "gelu", "share": 0.5}
TEXT = {"task": "austen", "model": "gpt_nano", "norm": "layernorm", "activation": TOPK}


def id_of(workload):
    return trial_id(canonical(validate(workload)))


@pytest.mark.parametrize(
    ("config", "pinned"),
    [
        ({"kind": "x", "b": 1, "a": [0.1, True, None, "é"]}, "246d831ff093"),
        (canonical(validate(MLP)), "fdbb36a760fc"),
        (canonical(validate(IMAGES)), "2640bdb29f64"),
        (canonical(validate(TEXT)), "779b84f13679"),
    ],
)
def test_identity_never_moves(config, pinned):
    """An id that moves makes every finished cell of every stored sweep run again.

    These are literals so that nothing moves one unnoticed: neither the hash, nor the canonical
    form, nor a default that somebody "improves". A field that is added later stays out of the
    canonical form while it has its default (`since`), so it does not belong here either. Change
    these values only together with a major version that tells its users so.
    """
    assert trial_id(config) == pinned


@pytest.mark.parametrize(
    "other",
    [
        {"activation": {"kind": "relu"}},
        {"norm": None},
        {"norm": "batchnorm"},
        {"norm": {"kind": "batchnorm"}},
        {"kind": "supervised"},
        {"seed": 0},
        {"train": {}},
        {"train": {"epochs": 1}},
        {"train": {"epochs": 1.0, "batch_size": 64}},
        {"train": {"evaluate_every": " 1 epochs "}},
        {"train": {"optimizer": {"kind": "adamw"}, "schedule": "one_cycle"}},
        {"task": {"kind": "fashion_mnist", "data": "shipped"}},
        {"model": {"width": 8, "kind": "resnet"}},
    ],
)
def test_one_workload_has_one_id_however_it_is_spelled(other):
    assert id_of(IMAGES | other) == id_of(IMAGES)


@pytest.mark.parametrize(
    "other",
    [
        {"activation": "gelu"},
        {"seed": 1},
        {"norm": "identity"},
        {"train": {"epochs": 2}},
        {"model": {"kind": "resnet", "width": 16}},
        {"task": {"kind": "fashion_mnist", "data": "full"}},
    ],
)
def test_another_workload_has_another_id(other):
    assert id_of(IMAGES | other) != id_of(IMAGES)


def test_minus_zero_is_zero(test_kinds):
    assert id_of({"kind": "trivial", "value": -0.0}) == id_of({"kind": "trivial", "value": 0})
    assert id_of({"kind": "trivial", "value": 0.1 + 0.2}) != id_of(
        {"kind": "trivial", "value": 0.3}
    )


_SHARES = st.floats(0, 0.99)
_ACTIVATIONS = st.one_of(
    st.sampled_from(["relu", "gelu", {"kind": "relu2_clip", "clip": 15.0}]),
    _SHARES.map(lambda share: {"kind": "topk", "share": share}),
)
_WORKLOADS = st.fixed_dictionaries(
    {"task": st.just(MLP["task"]), "model": st.just(MLP["model"])},
    optional={
        "activation": _ACTIVATIONS,
        "norm": st.sampled_from([None, "identity", "batchnorm", {"kind": "layernorm"}]),
        "seed": st.integers(0, 2**40),
        "train": st.fixed_dictionaries(
            {},
            optional={
                "steps": st.integers(1, 100),
                "batch_size": st.integers(1, 64),
                "optimizer": st.floats(1e-6, 1).map(lambda x: {"kind": "sgd", "learning_rate": x}),
            },
        ),
    },
)


def _shuffled(value, seed):
    if not isinstance(value, dict):
        return value
    items = [(key, _shuffled(item, seed)) for key, item in value.items()]
    random.Random(seed).shuffle(items)
    return dict(items)


@settings(max_examples=100, deadline=None)
@given(_WORKLOADS, st.integers())
def test_the_canonical_form_is_a_fixed_point_of_any_key_order(workload, seed):
    form = canonical(validate(workload))
    again = canonical(validate(_shuffled(json.loads(json.dumps(form)), seed)))
    assert again == form
    assert trial_id(again) == trial_id(_shuffled(form, seed)) == id_of(_shuffled(workload, seed))


@settings(max_examples=100, deadline=None)
@given(_WORKLOADS, _WORKLOADS)
def test_ids_are_equal_exactly_where_workloads_are(one, other):
    same = canonical(validate(one)) == canonical(validate(other))
    assert (id_of(one) == id_of(other)) is same


def test_a_file_without_grids_is_one_cell():
    (cell,) = cells(HEAD)
    assert cell.grid == "t"
    assert cell.trial_id == id_of(MLP)
    assert cell.config["norm"]["kind"] == "identity"


def test_a_union_of_grids_has_each_cell_once_named_after_its_first_grid():
    grids = [
        {"name": "a", "parameters": {"activation": ["relu", "gelu"]}},
        {"name": "b", "parameters": {"activation": [{"kind": "gelu"}, "relu2"]}},
    ]
    found = cells(sweep(grids=grids, order="as_written"))
    assert [(c.grid, c.config["activation"]["kind"]) for c in found] == [
        ("a", "relu"),
        ("a", "gelu"),
        ("b", "relu2"),
    ]


def test_a_cell_that_is_asked_for_again_stays_where_it_was_asked_for_first():
    axis = {"activation": ["relu", "gelu", {"kind": "relu"}, "relu2"]}
    found = cells(sweep(grids=[{"name": "a", "parameters": axis}], order="as_written"))
    assert [c.config["activation"]["kind"] for c in found] == ["relu", "gelu", "relu2"]


def test_replicates_give_every_cell_each_seed():
    grids = [{"name": "a", "parameters": {"activation": ["relu", "gelu"]}}]
    found = cells(sweep(grids=grids, replicates={"seeds": [3, 5]}, order="as_written"))
    kinds = [(cell.config["activation"]["kind"], cell.seed) for cell in found]
    assert kinds == [("relu", 3), ("relu", 5), ("gelu", 3), ("gelu", 5)]


def test_resources_of_a_grid_replace_those_of_the_sweep():
    grids = [{"name": "a", "resources": {"cpu": 2}}, {"name": "b", "parameters": {"seed": [1]}}]
    found = cells(sweep(grids=grids, resources={"cpu": 3}, order="as_written"))
    assert [cell.resources.cpu for cell in found] == [2, 3]


ACTIVATIONS = [{"name": "a", "parameters": {"activation": ["relu", "gelu", "relu2"]}}]


def test_each_cell_is_scored_against_the_baseline_of_its_own_seed():
    found = cells(
        sweep(grids=ACTIVATIONS, replicates={"seeds": [0, 1]}, baseline={"activation": "relu"})
    )
    by_id = {cell.trial_id: cell for cell in found}
    for cell in found:
        baseline = by_id[cell.baseline_id]
        assert baseline.config["activation"]["kind"] == "relu"
        assert baseline.seed == cell.seed
        assert (cell.score_rule, cell.metric) == ("accuracy_ratio", "val_accuracy")


def test_the_baseline_has_the_models_own_norm():
    grids = [*ACTIVATIONS, {"name": "b", "parameters": {"norm": ["batchnorm"]}}]
    found = cells(sweep(grids=grids, baseline={"activation": "relu"}))
    baseline = id_of(MLP | {"activation": "relu", "norm": "identity"})
    assert {cell.baseline_id for cell in found} == {baseline}


def test_a_sweep_without_baseline_scores_the_metric_itself():
    found = cells(sweep(grids=ACTIVATIONS, metric={"name": "val_loss", "goal": "minimize"}))
    assert {(c.baseline_id, c.score_rule, c.metric) for c in found} == {(None, None, "val_loss")}


def test_a_program_with_its_own_rule_is_compared_by_it(test_kinds):
    found = cells(trivial(baseline={"value": 2.0}, metric={"name": "ignored"}))
    assert {(cell.score_rule, cell.metric) for cell in found} == {("difference", "total")}
    assert {cell.baseline_id for cell in found} == {id_of(found[0].config | {"value": 2.0})}


def test_a_missing_baseline_is_told_with_its_line_once_a_grid():
    text = sweep(
        grids=[
            {"name": "a", "parameters": {"activation": ["gelu", "relu2"]}},
            {"name": "b", "parameters": {"activation": ["relu"], "train.epochs": [2]}},
        ],
        baseline={"activation": "relu"},
    )
    (line,) = told(text)
    assert line.startswith("t.yaml:5:1: baseline: each cell's baseline is a cell of the sweep, got")
    assert "for grid a. Add it to a grid, or leave baseline out." in line


def test_excluding_every_cell_is_an_error():
    grids = [{"name": "a", "parameters": {"seed": [1]}, "exclude": [{"seed": 1}]}]
    (line,) = told(sweep(grids=grids))
    assert "at least one cell is left, got none. Loosen exclude." in line


def test_the_order_of_a_file_is_kept_where_it_is_asked_for(test_kinds):
    values = [3.0, 1.0, 2.0]
    found = cells(trivial(values=values, order="as_written"))
    assert [cell.config["value"] for cell in found] == values


def test_orders_are_the_same_every_time_and_lose_no_cell(test_kinds):
    values = [float(i) for i in range(20)]
    written = ids(trivial(values=values, order="as_written"))
    for order in ("shuffled", "balanced"):
        found = ids(trivial(values=values, order=order))
        assert found == ids(trivial(values=values, order=order))
        assert found != written
        assert sorted(found) == sorted(written)


def test_baselines_come_first_in_a_balanced_order(test_kinds):
    found = cells(trivial(values=[1.0, 2.0, 3.0, 4.0], baseline={"value": 3.0}))
    assert found[0].config["value"] == 3.0
