"""Axes made and changed by words such as `activation.share=0.5,0.9`."""

import pytest

from orchestrator.errors import InputError, SpecError
from orchestrator.expand import expand
from orchestrator.spec_load import load_bytes, load_sweep
from tests.orchestrator.sweeps import HEAD, SHIPPED

GRIDS = """\
grids:                     # two of them
  - name: dense            # no share here
    parameters: {activation: [relu, gelu]}
  - name: topk
    set: {activation: {kind: topk, base: gelu}}
    parameters: {activation.share: [0.1, 0.2, 0.3]}
"""


def changed(text, *words, name="t.yaml"):
    return load_bytes(text.encode(), source=name, folder=None, overrides=words)


def found(text, *words, of):
    """(grid, value of a dotted name) of each cell, in the order of the file."""
    got = []
    for cell in expand(changed(text + "order: as_written\n", *words)):
        value = cell.config
        for part in of.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        got.append((cell.grid, value))
    return got


def test_an_axis_is_replaced_where_it_is_and_nowhere_else():
    assert found(HEAD + GRIDS, "activation.share=0.5,0.9", of="activation.share") == [
        *[("dense", None), ("dense", None)],
        *[("topk", 0.5), ("topk", 0.9)],
    ]


def test_a_new_axis_multiplies_every_grid():
    assert found(
        HEAD + GRIDS, "model.hidden=[4],[8]", "activation.share=0.5", of="model.hidden"
    ) == [
        *[("dense", [4]), ("dense", [8])] * 2,
        *[("topk", [4]), ("topk", [8])],
    ]


def test_one_value_is_no_axis():
    loaded = changed(HEAD + GRIDS, "train.epochs=5")
    assert [grid.set["train.epochs"] for grid in loaded.sweep.grids] == [5, 5]
    assert {cell.config["train"]["epochs"] for cell in expand(loaded)} == {5}
    assert len(expand(loaded)) == 5


def test_a_sweep_without_grids_becomes_one():
    assert found(HEAD, "activation=relu,gelu", of="activation.kind") == [
        ("t", "relu"),
        ("t", "gelu"),
    ]
    assert found(HEAD, "train.epochs=7", of="train.epochs") == [("t", 7)]


def test_the_seed_replaces_the_replicates():
    text = HEAD + "replicates: {seeds: [0, 1, 2]}\n"
    assert found(text, "seed=5,6", of="seed") == [("t", 5), ("t", 6)]
    assert found(HEAD, "seed=5,6", of="seed") == [("t", 5), ("t", 6)]


def test_a_later_word_wins_and_a_plus_is_not_needed():
    words = ("train.epochs=5,6", "+train.epochs=range(2,5)", "train.epochs=9")
    assert found(HEAD, *words, of="train.epochs") == [("t", 9)]


def test_the_home_grid_takes_epochs_where_it_trains_by_epochs():
    loaded = load_sweep(
        SHIPPED["sparsity_accuracy"], overrides=["activation.share=0.5,0.9", "train.epochs=5"]
    )
    cells = expand(loaded)
    trained = {(c.config["model"]["kind"], c.config["train"]["epochs"]) for c in cells}
    assert trained == {("resnet", 5), ("vit", 5), ("gpt_nano", None)}
    shares = {c.config["activation"].get("share") for c in cells if c.grid.endswith("topk")}
    assert shares == {0.5, 0.9}


def test_what_is_kept_of_the_file_is_the_changed_file_with_its_comments():
    loaded = changed(HEAD + GRIDS, "activation.share=0.5", "train.epochs=2,3")
    again = load_bytes(loaded.data, source="kept.yaml", folder=None)
    assert again.sweep == loaded.sweep
    assert [c.trial_id for c in expand(again)] == [c.trial_id for c in expand(loaded)]
    assert b"# no share here" in loaded.data


def test_shared_anchors_are_not_changed_by_the_way():
    text = HEAD + (
        "grids:\n"
        "  - name: a\n    set: &all {train.batch_size: 16}\n"
        "    parameters: {activation: [{kind: topk, share: 0.1}]}\n"
        "  - name: b\n    set: *all\n"
    )
    loaded = changed(text, "activation.share=0.5")
    assert [dict(grid.set) for grid in loaded.sweep.grids] == [
        {"train.batch_size": 16, "activation.share": 0.5},
        {"train.batch_size": 16},
    ]
    assert load_bytes(loaded.data, source="kept.yaml", folder=None).sweep == loaded.sweep


def test_a_file_without_words_is_what_it_was():
    loaded = changed(HEAD + GRIDS)
    assert loaded.data == (HEAD + GRIDS).encode()


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("activation.share=2", "-P activation.share=2: less than 1 is needed, got 2."),
        ("train.epoch=2", "-P train.epoch=2: only known keys, got 'epoch'. Did you mean 'epochs'?"),
        ("activation.share=[", "-P activation.share=[: a value is needed, got 'the end'"),
        ("share", "-P share: it reads NAME=VALUES with a dotted name, got 'share'."),
        ("~share=1", "-P ~share=1: it reads NAME=VALUES with a dotted name"),
        ("activation.share=glob(*)", "-P activation.share=glob(*): a function that gives values"),
    ],
)
def test_a_wrong_word_is_blamed_itself(word, told):
    with pytest.raises(InputError) as refused:
        expand(changed(HEAD + GRIDS, word))
    assert told in str(refused.value)


def test_problems_of_the_file_are_told_in_its_own_lines():
    text = HEAD + GRIDS.replace("[relu, gelu]", "[relu, gel]")
    with pytest.raises(SpecError, match=r"t\.yaml:8:37: grids\[0\]\.parameters\.activation\[1\]"):
        expand(changed(text, "train.epochs=5"))
