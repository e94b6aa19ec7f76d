"""How long training is, in updates, and when something is due."""

import pytest
from pydantic import TypeAdapter, ValidationError

from workloads.pace import Every, Pace


def pace(**values: object) -> Pace:
    given = {"epochs": None, "steps": None, "evaluate_every": "1 epoch", "log_every": None}
    return Pace(steps_per_epoch=10, **{**given, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        (5, 5),
        ("5 steps", 5),
        ("1 step", 1),
        ("1 epoch", "1 epoch"),
        ("1 epochs", "1 epoch"),
        ("1.0 epoch", "1 epoch"),
        (" 2.50 epochs ", "2.5 epochs"),
        ("10epochs", "10 epochs"),
    ],
)
def test_intervals_are_spelt_one_way(written: object, spelt: object) -> None:
    adapter = TypeAdapter(Every)
    assert adapter.validate_python(written) == spelt
    assert adapter.validate_python(spelt) == spelt


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, None, "", "often", "0 epochs", "1.5 steps"])
def test_other_intervals_are_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="'N epochs' or steps above 0, got"):
        TypeAdapter(Every).validate_python(wrong)


def test_the_length_in_updates() -> None:
    assert pace(epochs=3.0).total == 30
    assert pace(epochs=0.25).total == 2
    assert pace(epochs=0.001).total == 1
    assert pace(steps=7).total == 7


def test_evaluations_are_due_at_intervals_and_at_the_end() -> None:
    def due(**values: object) -> list[int]:
        length = pace(**values)
        return [step for step in range(1, length.total + 1) if length.evaluates(step)]

    assert due(epochs=2.5) == [10, 20, 25]
    assert due(steps=9, evaluate_every=4) == [4, 8, 9]
    assert due(epochs=1.0, evaluate_every="0.5 epochs") == [5, 10]
    assert due(steps=3, evaluate_every="0.01 epochs") == [1, 2, 3]


def test_logs_are_due_where_asked() -> None:
    assert not pace(epochs=1.0).logs(5)
    assert [step for step in range(1, 8) if pace(steps=7, log_every=3).logs(step)] == [3, 6]


def test_epochs_done() -> None:
    assert pace(epochs=1.0).epoch(5) == 0.5
