"""A search for the break from its sweep file to its trials."""

import pytest

from orchestrator.errors import Interrupted, SpecError
from results.cliff import cliff
from results.query import open_stores
from tests.orchestrator.sweeps import text_of
from tests.orchestrator.workplace import Workplace

SHARES = {"min": 0, "max": 0.98, "step": 0.01}


def sweep(*grids, **search):
    given = grids or ({"name": "g", "parameters": {"share": SHARES}},)
    return text_of(
        workload={"kind": "breaking"},
        grids=list(given),
        method="cliff",
        search=search,
        baseline={"share": 0.0},
        metric={"name": "val_accuracy"},
    )


def test_it_ends_when_the_interval_is_narrow_enough(workplace):
    summary = workplace.run(sweep(trials=40, target_width=0.06))
    assert 8 <= summary.total < 40
    with open_stores([workplace.store.root]) as reader:
        (fit,) = [fit for fit in cliff(reader) if fit.group == "pooled"]
    low, high = fit.curve.interval
    assert low <= 0.7 <= high
    assert high - low <= 0.07  # The verb draws more, so that its interval is not quite the same.
    assert "a search that looked at the interval" in fit.curve.reason
    assert sum(0.6 <= share <= 0.8 for share in workplace.configured("share")) >= 3


def test_it_ends_when_the_trials_are_spent(workplace):
    assert workplace.run(sweep(trials=8, target_width=0.001)).total == 9  # With the baseline.


def test_a_resumed_search_asks_what_the_undisturbed_one_asks(tmp_path, test_kinds):
    whole, broken = Workplace(tmp_path / "whole"), Workplace(tmp_path / "broken")
    text = sweep(trials=9, target_width=0.001)
    whole.run(text)
    with pytest.raises(Interrupted):
        broken.run(text, stop_after=8)
    broken.run(text)
    assert broken.configured("share") == whole.configured("share")


def test_a_refusal_stands_with_its_place_in_the_file(workplace):
    grid = {"name": "g", "parameters": {"tau": [0.1, 0.2]}}
    with pytest.raises(SpecError) as caught:
        workplace.run(sweep(grid))
    assert "t.yaml:" in str(caught.value)
    assert "Name it with search.axis" in str(caught.value)
