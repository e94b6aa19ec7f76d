"""Every stopping rule stops the worst of many and never the best, and judges by what it heard."""

import pytest

from workloads.kinds import load, names

RULES = names("orchestrator.stopping")
SETTINGS = {"unit": "step", "first": 1}


def heard(rule, *, maximize=True, trials=9, times=(1, 3, 9)):
    """Which of some trials, the better the higher their number, stop at which time."""
    judge = load("orchestrator.stopping", rule).model_validate(SETTINGS).build(maximize=maximize)
    stopped = {}
    for time in times:
        for trial in reversed(range(trials)):  # The best first, so that all others can be judged.
            sign = 1 if maximize else -1
            if trial not in stopped and judge.stops(f"t{trial}", time, sign * (trial + time)):
                stopped[trial] = time
    return stopped


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_stops_the_worst_and_never_the_best(rule, maximize):
    stopped = heard(rule, maximize=maximize)
    assert 8 not in stopped
    assert {0, 1, 2} <= set(stopped)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_hears_it_again_judges_the_same(rule):
    assert heard(rule) == heard(rule)


@pytest.mark.parametrize("rule", RULES)
def test_a_ladder_begins_where_it_says(rule):
    found = load("orchestrator.stopping", rule).model_validate(SETTINGS | {"first": 4})
    ladder = found.ladder("val_accuracy")
    assert (ladder.metric, ladder.unit) == ("val_accuracy", "step")
    assert not ladder.tells(3.9, before=0)
    assert ladder.tells(4, before=0)
