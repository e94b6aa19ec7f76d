"""Which attempts a cluster is shown, and what becomes of those that fit no node of it."""

from collections import deque

import pytest

from orchestrator.attempt import Attempt
from orchestrator.cluster import Node
from orchestrator.errors import RunnerError
from orchestrator.resources import Resources
from orchestrator.runners.places import AHEAD, AT_ONCE, Line, Places

CPU, GPU = Resources(), Resources(gpu=1)


class Scene:
    """A cluster whose nodes a test adds and takes away, and attempts in front of it.

    Attributes:
        shown: attempts that the cluster was shown and that do not run yet.
        running: attempts that run.
        warned: what the user heard.
    """

    def __init__(self, clock, demands, *, nodes=({"CPU": 2},), wait_s=300.0, most=None):
        self.clock = clock
        self.nodes = list(nodes)
        self.todo = deque(
            Attempt(root="", sweep="t", trial_id=f"{n}", number=0, config={}, resources=asked)
            for n, asked in enumerate(demands)
        )
        self.shown, self.running, self.warned = [], [], []
        self.learns = False
        self.places = Places(self._look, wait_s=wait_s, monotonic=clock)
        self.line = Line(self, self.places, most=most)

    def _look(self):
        return [Node(name="n", node_id="", resources=resources) for resources in self.nodes]

    def take(self):
        return self.todo.popleft() if self.todo else None

    def warn(self, sentence):
        self.warned.append(sentence)

    @property
    def counts(self):
        return {"running": len(self.running), "pending": [a.resources for a in self.shown]}

    def step(self):
        """What a runner does between two looks: fills the line, starts what a node can run."""
        while (attempt := self.line.next(**self.counts)) is not None:
            self.shown.append(attempt)
        for attempt in [a for a in self.shown if self.places.fits(a.resources)]:
            self.shown.remove(attempt)
            self.running.append(attempt)
        self.line.look(**self.counts)

    def names(self, attempts):
        return [attempt.trial_id for attempt in attempts]


@pytest.fixture
def scene(clock):
    return lambda demands, **options: Scene(clock, demands, **options)


def test_a_cluster_that_cannot_grow_is_shown_as_many_as_it_has_cores(scene):
    work = scene([CPU] * 9, nodes=[{"CPU": 2}, {"CPU": 1}], wait_s=0.0)
    while (attempt := work.line.next(**work.counts)) is not None:
        work.shown.append(attempt)
    assert len(work.shown) == 3


def test_a_cluster_that_may_grow_is_shown_what_more_nodes_would_run(scene):
    work = scene([CPU] * 100)
    while (attempt := work.line.next(**work.counts)) is not None:
        work.shown.append(attempt)
    assert len(work.shown) == AHEAD
    capped = scene([CPU] * 100, most=40)
    while (attempt := capped.line.next(**capped.counts)) is not None:
        capped.shown.append(attempt)
    assert len(capped.shown) == 40


def test_a_search_is_asked_for_no_more_than_can_run_now(scene):
    work = scene([CPU] * 100, nodes=[{"CPU": 2}, {"CPU": 1}])
    work.learns = True
    while (attempt := work.line.next(**work.counts)) is not None:
        work.shown.append(attempt)
    assert len(work.shown) == 3


def test_a_demand_that_fits_nowhere_is_refused_at_once_where_no_node_will_come(scene):
    fixed = scene([CPU], wait_s=0.0)
    with pytest.raises(RunnerError, match=r"got a demand of gpu 1 \(the most .* is 0\)\. Add"):
        fixed.places.refuse([CPU, GPU])
    scene([CPU]).places.refuse([CPU, GPU])  # Here one may come.


def test_what_fits_nowhere_steps_aside_for_what_fits(scene):
    work = scene([GPU] * (AT_ONCE + AHEAD) + [CPU] * 2)
    work.step()
    work.step()
    assert work.names(work.running) == [str(AT_ONCE + AHEAD), str(AT_ONCE + AHEAD + 1)]
    assert {a.resources for a in work.shown} == {GPU}
    assert len(work.shown) == AHEAD


def test_the_user_hears_once_what_is_lacking(scene):
    work = scene([GPU, GPU])
    work.step()
    work.step()
    (sentence,) = work.warned
    assert sentence == (
        "resources: no node can run a trial that asks for gpu 1 (the most that one node has is 0);"
        " waiting up to 300 s for one (node_wait)."
    )


def test_a_node_that_comes_ends_the_wait(scene, clock):
    work = scene([GPU, CPU])
    work.step()
    clock.now += 299
    work.nodes.append({"CPU": 1, "GPU": 1})
    work.step()
    work.step()
    assert sorted(work.names(work.running)) == ["0", "1"]
    clock.now += 900
    work.step()  # Nothing waits any more.


def test_the_wait_ends_where_nothing_else_can_run_and_says_what_is_missing(scene, clock):
    work = scene([GPU, CPU])
    work.step()
    clock.now += 301
    work.step()  # A trial runs: whoever waits has time.
    work.running.clear()
    with pytest.raises(RunnerError, match=r"gpu 1 .* for 300 s \(node_wait\).* then resume"):
        work.step()


def test_a_node_that_goes_is_waited_for_from_then_on(scene, clock):
    work = scene([GPU] * 2, nodes=[{"CPU": 1, "GPU": 1}])
    clock.now += 1000
    work.nodes.clear()
    clock.now += 10
    work.line.look(running=0, pending=[GPU])
    clock.now += 299
    work.line.look(running=0, pending=[GPU])
    assert len(work.warned) == 1


def test_under_a_cap_what_fits_nowhere_takes_no_place_of_what_fits(scene):
    work = scene([GPU, CPU, CPU, CPU], most=1)
    ran = []
    for _ in range(3):
        work.step()
        ran += work.names(work.running)
        assert len(work.running) + len(work.shown) <= 1
        work.running.clear()
    assert ran == ["1", "2", "3"]
    work.step()
    assert work.names(work.shown) == ["0"]  # Alone now, so that the cluster may grow for it.


def test_running_and_shown_together_never_pass_the_cap(scene):
    work = scene([GPU, CPU] * 20, most=3)
    for _ in range(30):
        work.step()
        assert len(work.running) + len(work.shown) <= 3
        if work.running:
            work.running.pop()
    work.nodes.append({"CPU": 8, "GPU": 8})
    for _ in range(40):
        work.clock.now += 3
        work.step()
        assert len(work.running) + len(work.shown) <= 3
        if work.running:
            work.running.pop()
    assert not work.todo
    assert not work.shown


def test_of_two_demands_that_fit_nowhere_the_cluster_sees_both(scene):
    work = scene([GPU] * 30 + [Resources(custom={"disk": 1})] * 2)
    work.step()
    work.step()
    assert {a.resources for a in work.shown} == {GPU, Resources(custom={"disk": 1})}
