"""One trial of a sweep alone, and under a debugger."""

import traceback
from collections import Counter

import pytest

from orchestrator.driver import Options
from orchestrator.errors import GateError, InputError, Interrupted
from tests.orchestrator.sweeps import ids, text_of, trivial


def test_the_beginning_of_an_id_is_enough(workplace):
    text = trivial(values=[1.0, 2.0, 3.0])
    chosen = ids(text)[1]
    workplace.run(text, options=Options(only=(chosen[:7],)))
    assert list(workplace.attempts) == [chosen]


def test_a_beginning_of_several_is_refused(workplace):
    text = trivial(values=[float(value) for value in range(17)])
    first, times = Counter(id_[0] for id_ in ids(text)).most_common(1)[0]
    with pytest.raises(InputError, match=f"got '{first}', with which {times} begin"):
        workplace.run(text, options=Options(only=(first,)))


def test_no_beginning_is_the_beginning_of_nothing(workplace):
    with pytest.raises(InputError, match="needed, got ''"):
        workplace.run(trivial(values=[1.0]), options=Options(only=("",)))


def test_what_failed_is_handed_over_behind_its_recorded_end_and_not_tried_again(workplace):
    seen = []

    def look(error):
        frame = traceback.extract_tb(error.__traceback__)[-1]
        seen.append((str(error), frame.name, list(workplace.attempts.values())))

    text = text_of(workload={"kind": "failing"}, retry={"max": 2, "backoff": "0s"})
    with pytest.raises(GateError):
        workplace.run(text + "max_failed_trials: 0\n", options=Options(on_error=look))
    assert seen == [("failing at step 1, as asked", "progress", [["user_error"]])]


def test_who_leaves_is_no_error(workplace):
    text = trivial(values=[1.0])
    seen = []
    with pytest.raises(Interrupted, match="interrupted"):
        workplace.run(text, options=Options(on_error=seen.append), stop_after=0)
    assert seen == []
