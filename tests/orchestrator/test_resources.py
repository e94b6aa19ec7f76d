"""What a trial asks of a machine, in our names and in Ray's, and what a machine lacks of it."""

import pytest
from pydantic import ValidationError

from orchestrator.resources import Resources, shortage, unasked
from tests.orchestrator.sweeps import HEAD, load, told

GIB = 2**30
SMALL = {"CPU": 4.0, "memory": 8.0 * GIB}
LARGE = {"CPU": 2.0, "GPU": 2.0, "memory": 64.0 * GIB, "accelerator_type:T4": 1.0, "disk": 1.0}


def test_a_bundle_names_what_is_asked_for_as_ray_does():
    asked = Resources(cpu=2, gpu=0.25, memory="2GiB", accelerator="H100", custom={"disk": 1})
    assert asked.bundle() == {
        "CPU": 2,
        "GPU": 0.25,
        "memory": 2 * GIB,
        "accelerator_type:H100": 0.001,
        "disk": 1,
    }
    assert Resources().bundle() == {"CPU": 1}


def test_the_kind_of_gpu_counts_only_where_one_is_used():
    assert Resources(gpu=0, accelerator="H100").bundle() == {"CPU": 1}


def test_equal_demands_are_one_key_and_survive_being_written_out():
    asked = Resources(custom={"b": 1, "a": 2})
    assert {asked: 1}[Resources(custom={"a": 2, "b": 1})] == 1
    assert Resources.model_validate(asked.model_dump()) == asked


@pytest.mark.parametrize(
    ("asked", "lacks"),
    [
        ({"cpu": 4}, None),
        ({"gpu": 2, "accelerator": "T4"}, None),
        ({"custom": {"disk": 1}}, None),
        ({"cpu": 8}, "cpu 8 (the most that one node has is 4)"),
        ({"gpu": 0.5, "cpu": 4}, "cpu 4, gpu 0.5 together on one node"),
        ({"memory": "128GiB"}, "memory 128 GiB (the most that one node has is 64 GiB)"),
        ({"gpu": 1, "accelerator": "H100"}, "accelerator H100 (the nodes have T4)"),
        ({"custom": {"disk": 2}}, "custom disk 2 (the most that one node has is 1)"),
        (
            {"gpu": 4, "custom": {"tape": 1}},
            "gpu 4 (the most that one node has is 2) and custom tape 1"
            " (the most that one node has is 0)",
        ),
    ],
)
def test_what_no_node_has_is_named_with_what_there_is(asked, lacks):
    assert shortage([SMALL, LARGE], Resources(**asked)) == lacks


def test_without_nodes_everything_is_lacking():
    assert shortage([], Resources()) == "cpu 1 (the most that one node has is 0)"
    lack = shortage([], Resources(gpu=1, accelerator="T4"))
    assert lack is not None
    assert "accelerator T4 (the nodes have none)" in lack


def test_resources_are_read_from_a_sweep_file_and_a_grid():
    text = (
        f"{HEAD}resources: {{cpu: 2, gpu: 0.5, accelerator: H100, custom: {{disk: 1}}}}\n"
        "grids:\n  - {name: a}\n  - {name: b, resources: {custom: {tape: 0.5}}}\n"
    )
    sweep = load(text).sweep
    assert sweep.resources.accelerator == "H100"
    assert sweep.resources.custom == (("disk", 1.0),)
    assert [grid.resources for grid in sweep.grids or ()] == [
        None,
        Resources(custom={"tape": 0.5}),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{accelerator: [T4]}", "a name of letters, digits"),
        ("{custom: 3}", "a mapping of names to amounts, got 3"),
        ("{custom: {GPU: 1}}", "no key beside custom, got 'GPU'"),
        ("{custom: {'node:1': 1}}", "a name that nodes were started with"),
        ("{custom: {disk: 0}}", "disk: an amount from 0.0001 to 1e9, got 0"),
        ("{custom: {disk: true}}", "disk: an amount from 0.0001 to 1e9, got True"),
        ("{acelerator: T4}", "Did you mean 'accelerator'?"),
    ],
)
def test_what_no_node_could_mean_is_refused(given, message):
    (problem,) = told(f"{HEAD}resources: {given}\n")
    assert message in problem


def test_fractions_stand_below_one_device():
    with pytest.raises(ValidationError, match="fraction below 1 or whole"):
        Resources(gpu=1.5)


@pytest.mark.parametrize(
    ("nodes", "demands", "says"),
    [
        ([SMALL, LARGE], [Resources()], "the cluster has 2 GPUs, and no trial asks for one"),
        ([LARGE | {"GPU": 1.0}], [Resources()], "the cluster has 1 GPU, and no trial asks for one"),
        ([SMALL, LARGE], [Resources(), Resources(gpu=0.5)], None),
        ([SMALL], [Resources()], None),
        ([LARGE], [], None),
    ],
)
def test_gpus_that_nobody_asks_for_are_told_of(nodes, demands, says):
    told_of = unasked(nodes, demands)
    assert (says is None) == (told_of is None)
    assert says is None or (says in told_of and "--gpu 0.25" in told_of)
