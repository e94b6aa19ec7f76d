"""Where the seconds of an attempt go: each to one phase, and none is lost."""

import itertools

import pytest

from workloads.stopwatch import PHASES, Stopwatch


@pytest.fixture
def watch() -> Stopwatch:
    """One second passes at each look at its clock."""
    ticks = itertools.count()
    return Stopwatch(clock=lambda: float(next(ticks)))


def test_it_starts_at_once_and_leaves_out_what_took_no_time(watch: Stopwatch) -> None:
    assert watch.seconds() == {"start": 1.0}
    assert watch.seconds() == {"start": 2.0}


def test_a_phase_inside_another_takes_its_place(watch: Stopwatch) -> None:
    watch.turn_to("other")  # start: 1
    with watch("train"), watch("data"):  # other: 1, train: 1
        pass  # data: 1, then train: 1
    assert watch.seconds() == {"start": 1.0, "data": 1.0, "train": 2.0, "other": 2.0}


def test_all_phases_together_are_all_seconds() -> None:
    now = [0.0]
    watch = Stopwatch(clock=lambda: now[0])
    for number, phase in enumerate(PHASES):
        with watch(phase):
            now[0] += number + 0.25
        now[0] += 1.0
    assert sum(watch.seconds().values()) == watch.total == now[0]
    assert list(watch.seconds()) == list(PHASES)


def test_an_error_ends_a_phase(watch: Stopwatch) -> None:
    with pytest.raises(RuntimeError), watch("evaluate"):
        raise RuntimeError
    assert watch.turn_to("other") == "start"


def test_a_generator_that_pauses_inside_a_phase_does_not_keep_it(watch: Stopwatch) -> None:
    def program() -> itertools.repeat:  # type: ignore[type-arg]
        with watch("data"):
            yield

    watch.turn_to("other")
    with watch("train"):
        next(program())
    assert watch.turn_to("other") == "other"


def test_an_unknown_phase_is_refused(watch: Stopwatch) -> None:
    with pytest.raises(ValueError, match=r"one of start, data, .*, got 'sleep'"):
        watch.turn_to("sleep")
