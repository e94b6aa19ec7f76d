"""A sweep that asks for more seeds of what is undecided, from its file to its trials."""

import json

import pytest

from orchestrator.decisions import decisions
from orchestrator.errors import InputError
from tests.orchestrator.sweeps import text_of, told


def sweep(**replicates):
    return text_of(
        workload={"kind": "breaking", "noise": 0.003},
        grids=[{"name": "g", "parameters": {"share": [0.0, 0.5, 0.71, 0.9]}}],
        replicates=replicates,
        baseline={"share": 0.0},
        metric={"name": "val_accuracy"},
    )


def test_a_sweep_repeats_only_what_is_undecided(workplace):
    """Behind a break at 0.7 a share of 0.71 has lost just `delta`, one of 0.9 far more."""
    workplace.run(sweep(adaptive={"max": 6, "until": 0.9}))
    shares = workplace.configured("share")
    assert shares.count(0.71) == 6
    assert 2 <= shares.count(0.9) <= 4
    assert shares.count(0.0) == 6  # Each further seed brings its baseline.


def test_what_was_decided_can_be_read(workplace, typed):
    workplace.run(sweep(adaptive={"max": 6, "until": 0.9}))
    storage = str(workplace.storage)
    found = {cell.config["share"]: cell for cell in decisions("t", storage=storage)}
    assert [found[share].side for share in (0.0, 0.5, 0.9)] == ["above", "above", "below"]
    assert [len(found[share].trials) for share in (0.0, 0.71)] == [6, 6]
    assert all(cell.open == (cell.side == "open") for cell in found.values())
    assert found[0.9].interval[0] < found[0.9].mean < found[0.9].interval[1] <= found[0.9].line
    assert (found[0.9].line, found[0.9].rank) == (0.99, None)

    status = ("status", "t", "--replicates", "--storage", storage)
    told = json.loads(typed(*status, "--json")[1])
    assert told["total"] == sum(len(cell["trials"]) for cell in told["cells"])
    _, out, err = typed(*status)
    assert "share=0.9" in out
    assert "of 4 cells are decided; the line is 0.99" in err


def test_other_sweeps_have_decided_nothing(workplace):
    workplace.run(sweep(seeds=[0, 1]))
    with pytest.raises(InputError, match="with adaptive replicates is needed"):
        decisions("t", storage=str(workplace.storage))


@pytest.mark.parametrize(
    ("replicates", "text"),
    [
        ({"adaptive": {"max": 2}}, "replicates.adaptive.max"),
        ({"seeds": [0], "adaptive": {"max": 8}}, "begin with 2 seeds or more"),
        ({"seeds": [0, 1, 2], "adaptive": {"max": 3}}, "fewer than max"),
        ({"adaptive": {"max": 8, "until": 1.0}}, "replicates.adaptive.until"),
        ({"adaptive": {"most": 8}}, "replicates.adaptive.most"),
    ],
)
def test_settings_are_refused_with_a_way_out(replicates, text, test_kinds):
    assert any(text in line for line in told(sweep(**replicates)))
