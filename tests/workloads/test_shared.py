"""Parts that many workloads have in common are read once, and nothing else about them changes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workloads import shared
from workloads.config import validate
from workloads.kinds import canonical
from workloads.shared import copied, shared_parts, text_of

MLP = {
    "task": {"kind": "random_data", "train_size": 64, "validation_size": 64},
    "model": {"kind": "mlp", "hidden": [8]},
    "train": {"steps": 3, "optimizer": {"kind": "adamw", "learning_rate": 0.1}},
}
CELLS = [
    MLP | {"activation": activation, "seed": seed}
    for activation in ("relu", "gelu", {"kind": "topk", "base": "gelu", "share": 0.5})
    for seed in (0, 1)
]


def as_json(form: object) -> str:
    return json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def test_shared_workloads_are_the_same_workloads() -> None:
    alone = [canonical(validate(cell)) for cell in CELLS]
    with shared_parts():
        programs = [validate(cell) for cell in CELLS]
        together = [canonical(program) for program in programs]
        texts = [text_of(form) for form in together]
    assert together == alone
    assert texts == [as_json(form) for form in alone] == [text_of(form) for form in alone]


def test_equal_parts_are_one_object_within_the_block_only() -> None:
    with shared_parts():
        first, second = (canonical(validate(cell)) for cell in CELLS[:2])
    assert first["model"] is second["model"]
    assert first["train"] is second["train"]
    alone, other = (validate(cell) for cell in CELLS[:2])
    assert alone.model is not other.model  # type: ignore[attr-defined]


def test_numbers_of_another_type_are_another_part() -> None:
    with shared_parts():
        validate(MLP | {"model": {"kind": "mlp", "hidden": [8]}})
        with pytest.raises(ValidationError, match="integer"):
            validate(MLP | {"model": {"kind": "mlp", "hidden": [8.5]}})
        with pytest.raises(ValidationError, match="integer"):
            validate(MLP | {"model": {"kind": "mlp", "hidden": [8.5]}})
        assert canonical(validate(MLP))["model"]["hidden"] == [8]


def test_no_more_than_the_most_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MOST_PARTS", 3)
    rates = [MLP | {"activation": {"kind": "topk", "share": n / 20}} for n in range(1, 20)] * 2
    alone = [canonical(validate(cell)) for cell in rates]
    with shared_parts():
        forms = [canonical(validate(cell)) for cell in rates]
        assert [text_of(form) for form in forms] == [as_json(form) for form in alone]
        remembered = shared._parts.get()
        assert remembered is not None
        assert len(remembered.read) <= 3
    assert forms == alone


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), plain))
def test_a_text_is_that_of_the_standard_library(form: dict[str, object]) -> None:
    with shared_parts():
        assert text_of(form) == as_json(form)


@given(plain)
def test_a_copy_is_equal_and_shares_no_list(value: object) -> None:
    again = copied({"value": value, "list": [1]})
    assert again == {"value": value, "list": [1]}
    assert repr(again["value"]) == repr(value)


def test_a_copy_of_what_no_file_holds() -> None:
    values = {"set": [object]}
    again = copied(values)
    assert again == values
    assert again["set"] is not values["set"]
