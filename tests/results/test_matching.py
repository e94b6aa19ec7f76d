"""Which cell is compared with which."""

from hypothesis import given
from hypothesis import strategies as st

from results.matching import Configured, flat, match, settings


def cells(*configs):
    """Cells whose id is their configuration, as the hash of a workload would be."""
    made = [flat(config) for config in configs]
    return [Configured(repr(sorted(config.items())), config) for config in made]


def cell(config):
    return cells(config)[0].trial_id


def test_a_configuration_becomes_dotted_paths():
    found = flat({"model": {"kind": "mlp", "hidden": [3, 2]}, "norm": {}, "seed": None})
    assert found == {
        "model.kind": '"mlp"',
        "model.hidden": "[3, 2]",
        "norm": "{}",
        "seed": "null",
    }


def test_equal_cells_are_in_common():
    a = cells({"x": 1}, {"x": 2}, {"x": 3})
    b = cells({"x": 2}, {"x": 3}, {"x": 4})
    found = match(a, b)
    assert found.same == (cell({"x": 2}), cell({"x": 3}))
    assert found.only_a == (cell({"x": 1}),)
    assert found.only_b == (cell({"x": 4}),)
    assert found.changed == ()


def test_cells_that_differ_only_in_what_sets_the_sweeps_apart_are_pairs():
    a = cells(*({"act": act, "epochs": 1} for act in ("relu", "gelu", "topk")))
    b = cells(*({"act": act, "epochs": 2} for act in ("relu", "gelu", "silu")))
    found = match(a, b)
    assert found.by == ("epochs",)
    assert set(found.changed) == {
        (cell({"act": act, "epochs": 1}), cell({"act": act, "epochs": 2}))
        for act in ("relu", "gelu")
    }
    assert found.only_a == (cell({"act": "topk", "epochs": 1}),)
    assert found.only_b == (cell({"act": "silu", "epochs": 2}),)


def test_a_sweep_may_set_a_value_apart_per_architecture():
    a = cells({"model": "mlp", "epochs": 1}, {"model": "vit", "epochs": 3})
    b = cells({"model": "mlp", "epochs": 2}, {"model": "vit", "epochs": 6})
    assert len(match(a, b).changed) == 2


def test_a_field_that_only_one_side_has_sets_the_sweeps_apart():
    a = cells({"act": "relu"}, {"act": "gelu"})
    b = cells({"act": "relu", "ema": 0.9}, {"act": "gelu", "ema": 0.9})
    found = match(a, b)
    assert found.by == ("ema",)
    assert len(found.changed) == 2


def test_an_axis_that_both_vary_pairs_nothing_that_differs_in_it():
    a = cells({"share": 0.5, "epochs": 1}, {"share": 0.7, "epochs": 1})
    b = cells({"share": 0.7, "epochs": 2}, {"share": 0.9, "epochs": 2})
    found = match(a, b)
    assert found.by == ("epochs",)
    assert found.changed == (
        (cell({"share": 0.7, "epochs": 1}), cell({"share": 0.7, "epochs": 2})),
    )


def test_several_seeds_against_other_seeds_are_not_paired():
    a = cells({"act": "relu", "seed": 0}, {"act": "relu", "seed": 1})
    b = cells({"act": "relu", "seed": 2}, {"act": "gelu", "seed": 2})
    found = match(a, b)
    assert found.changed == ()
    assert len(found.ambiguous_a) == 2
    assert found.ambiguous_b == (cell({"act": "relu", "seed": 2}),)
    assert found.only_b == (cell({"act": "gelu", "seed": 2}),)


def test_settings_name_the_values_that_one_side_alone_has():
    (found,) = settings(
        cells({"x": 1, "y": 1}, {"x": 2, "y": 1}), cells({"x": 2, "y": 1}, {"x": 3, "y": 1})
    )
    assert (found.path, found.only_a, found.only_b, found.common) == ("x", ("1",), ("3",), True)


configs = st.lists(
    st.fixed_dictionaries(
        {"act": st.sampled_from("abc")},
        optional={"epochs": st.integers(0, 2), "share": st.sampled_from([0.5, 0.9])},
    ),
    max_size=8,
    unique_by=lambda config: repr(sorted(config.items())),
)


@given(configs, configs)
def test_every_cell_is_accounted_for_once(first, second):
    a, b = cells(*first), cells(*second)
    found = match(a, b)
    of_a = [*found.same, *(x for x, _ in found.changed), *found.ambiguous_a, *found.only_a]
    of_b = [*found.same, *(y for _, y in found.changed), *found.ambiguous_b, *found.only_b]
    assert sorted(of_a) == sorted(one.trial_id for one in a)
    assert sorted(of_b) == sorted(one.trial_id for one in b)


@given(configs, configs)
def test_the_other_way_round_gives_the_same_pairs(first, second):
    a, b = cells(*first), cells(*second)
    there, back = match(a, b), match(b, a)
    assert set(there.changed) == {(x, y) for y, x in back.changed}
    assert (there.only_a, there.ambiguous_a) == (back.only_b, back.ambiguous_b)


@given(configs, configs)
def test_a_pair_agrees_in_every_path_but_those_named(first, second):
    a, b = cells(*first), cells(*second)
    found = match(a, b)
    config = {one.trial_id: one.config for one in (*a, *b)}
    for x, y in found.changed:
        kept = [
            {path: value for path, value in config[id_].items() if path not in found.by}
            for id_ in (x, y)
        ]
        assert kept[0] == kept[1]
