"""A search that draws a point that is no valid workload tells so and draws another one."""

import pytest

from orchestrator import actions
from tests.orchestrator.sweeps import KINDS, text_of
from tests.orchestrator.workplace import Listener, Workplace

AXES = {"heads": [1, 2, 4], "width": [4, 8, 10]}
"""10 in 4 parts cannot be, which no axis tells by itself."""
ALL = [(h, w) for h in AXES["heads"] for w in AXES["width"] if w % h == 0]


def sweep(method, *, trials=8, **search):
    return text_of(
        workload={"kind": "split", "heads": 1, "width": 4},
        grids=[{"name": "g", "parameters": AXES}],
        metric={"name": "total"},
        method=method,
        search={"trials": trials, **search},
    )


class Told(Workplace):
    """A workplace whose runs keep what they were warned of."""

    def __init__(self, folder):
        super().__init__(folder)
        self.told = []

    def run(self, text):
        listener = Listener()
        listener.warned = self.told.append
        return super().run(text, listener=listener)

    @property
    def asked(self):
        """(heads, width) of every trial, in the order of planning."""
        return list(zip(self.configured("heads"), self.configured("width"), strict=True))


@pytest.fixture
def place(tmp_path, test_kinds):
    return Told(tmp_path)


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_it_is_told_and_another_one_is_drawn(method, place):
    assert place.run(sweep(method, trials=len(ALL))).counts == {"completed": len(ALL)}
    assert sorted(place.asked) == ALL
    (told,) = place.told
    assert "t.yaml" in told
    assert "width is a multiple of heads" in told
    assert told.endswith("Such points are passed over.")


def test_a_search_that_finds_no_others_ends_and_says_so(place):
    assert place.run(sweep("tpe", trials=20)).counts == {"completed": len(ALL)}
    assert place.told[-1] == "The search ends 12 trials early: it finds no further valid point."


def test_plan_tells_of_a_design(place):
    place.file.write_text(sweep("random", trials=len(ALL)))
    found, _ = actions.plan(place.file, storage=str(place.storage), kinds=[str(KINDS)])
    assert found.total == len(ALL)
    assert "width is a multiple of heads" in found.passed_over[0]


def test_a_resumed_search_passes_over_the_same_points(place, tmp_path):
    other = Told(tmp_path / "other")
    other.run(sweep("tpe", trials=4, startup=2))
    other.run(sweep("tpe", trials=7, startup=2))
    place.run(sweep("tpe", trials=7, startup=2))
    assert other.asked == place.asked
