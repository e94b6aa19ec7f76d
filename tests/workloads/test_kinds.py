"""Finding kinds by file name, what is refused about them, and their canonical form."""

import json
import sys
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, ValidationError, field_validator

from workloads.activations import Activation
from workloads.activations.relu import Config as Relu
from workloads.kinds import (
    Kind,
    Part,
    UnknownKind,
    add_folder,
    canonical,
    load,
    names,
    nearest,
    one_of,
    refusal,
)


class Inner(Part):
    rate: float = Field(default=0.1, ge=0)
    count: int = 3
    widths: Annotated[tuple[int, ...], Field(strict=False)] = (1, 2)


class Outer(Kind):
    activation: Annotated[Activation, one_of("workloads.activations")]
    inner: Inner = Inner()
    other: Annotated[Activation, one_of("workloads.activations")] | None = None


class Grown(Kind):
    old: int = 1
    new: int = Field(default=7, json_schema_extra={"since": 2})
    also: Annotated[Activation, one_of("workloads.activations")] = Field(
        default="relu", validate_default=True, json_schema_extra={"since": 2}
    )


class Picky(Kind):
    even: int = 0

    @field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"an even number, got {value}. Double it.")
        return value


class Holder(Kind):
    picky: Picky = Picky()
    several: Annotated[tuple[Inner, ...], Field(strict=False)] = ()


def problems(config: type[Part], values: object) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(ValidationError) as caught:
        config.model_validate(values)
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


def test_the_folder_is_the_registry() -> None:
    folder = Path(sys.modules["workloads.activations"].__file__ or "").parent
    files = {file.stem for file in folder.glob("[a-z]*.py")}
    assert files <= set(names("workloads.activations"))
    assert "relu" in files


def test_files_with_an_underscore_are_no_kinds() -> None:
    assert not [name for name in names("workloads.models") if name.startswith("_")]


def test_kind_is_the_file_name() -> None:
    assert load("workloads.activations", "relu") is Relu
    assert Relu.kind == "relu"


@pytest.mark.parametrize("wrong", ["rellu", "../kinds", "_private", "", "Relu", "relu.py"])
def test_unknown_kind_lists_those_that_exist(wrong: str) -> None:
    with pytest.raises(UnknownKind, match=r"one of its files, got .*Known kinds: .*relu"):
        load("workloads.activations", wrong)


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UnknownKind, match="Did you mean 'relu'"):
        load("workloads.activations", "rellu")
    assert nearest("quite_else", ["relu"]) == ""


@pytest.mark.parametrize("written", ["relu", {"kind": "relu"}, Relu()])
def test_three_ways_to_write_a_kind(written: object) -> None:
    assert Outer.model_validate({"activation": written}).activation == Relu()


def test_bare_names_and_defaults_are_filled_in() -> None:
    short = Outer.model_validate({"activation": "relu"})
    long = Outer.model_validate(
        {
            "other": None,
            "inner": {"widths": [1, 2], "count": 3, "rate": 0.1},
            "activation": {"kind": "relu"},
        }
    )
    assert canonical(short) == canonical(long)
    assert json.dumps(canonical(short)) == json.dumps(canonical(long))
    assert list(canonical(short)) == ["kind", "activation", "inner", "other"]


def test_canonical_form_validates_to_itself() -> None:
    form = canonical(Outer.model_validate({"activation": "relu", "inner": {"rate": 1}}))
    assert canonical(Outer.model_validate(json.loads(json.dumps(form)))) == form


def test_equal_numbers_have_one_form() -> None:
    forms = {json.dumps(canonical(Holder(several=(Inner(rate=rate),)))) for rate in (0, 0.0, -0.0)}
    assert len(forms) == 1


def test_later_fields_stay_out_while_at_their_default() -> None:
    assert canonical(Grown()) == {"kind": Grown.kind, "old": 1}
    assert canonical(Grown(new=8))["new"] == 8
    later = Grown.model_validate({"also": {"kind": "topk", "share": 0.5, "base": "relu"}})
    assert canonical(later)["also"]["kind"] == "topk"


def test_canonical_form_refuses_what_is_not_json() -> None:
    class Odd(Kind):
        value: complex = 1j

    with pytest.raises(TypeError, match="JSON values, got 1j"):
        canonical(Odd())


def test_nested_kinds_serialize_with_their_name_first() -> None:
    dumped = Outer(activation=Relu()).model_dump()
    assert dumped["activation"] == {"kind": "relu"}


def test_errors_name_the_users_key() -> None:
    found = problems(
        Outer,
        {
            "activation": {"kind": "topk", "share": 1.0, "base": {"kind": "relu", "clip": 3}},
            "inner": {"rate": "x", "count": True, "widths": ["a"], "raet": 1},
            "other": "rellu",
            "lost": 1,
        },
    )
    assert set(found) == {
        ("activation", "share"),
        ("activation", "base", "clip"),
        ("inner", "rate"),
        ("inner", "count"),
        ("inner", "widths", 0),
        ("inner", "raet"),
        ("other",),
        ("lost",),
    }
    assert "Did you mean 'rate'?" in found[("inner", "raet")]
    assert "Known keys: activation, inner, other." in found[("lost",)]
    assert "Known keys: none." in found[("activation", "base", "clip")]
    assert "Did you mean 'relu'?" in found[("other",)]


def test_unknown_kind_in_a_mapping_blames_the_key_kind() -> None:
    assert set(problems(Outer, {"activation": {"kind": "rellu"}})) == {("activation", "kind")}


@pytest.mark.parametrize("wrong", [3, None, [], {"share": 1}, {"kind": 3}, {"kind": ["relu"]}])
def test_neither_name_nor_mapping(wrong: object) -> None:
    found = problems(Outer, {"activation": wrong})
    assert "needs a name or a mapping with 'kind'" in found[("activation",)]


def test_a_kind_of_another_family_is_refused() -> None:
    norm = load("workloads.norms", "identity")()
    assert (
        "needs one of workloads.activations"
        in problems(Outer, {"activation": norm})[("activation",)]
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.1", True, None])
def test_numbers_are_finite_numbers(value: object) -> None:
    assert set(problems(Inner, {"rate": value})) == {("rate",)}


@pytest.mark.parametrize("value", [None, 3, "text", [1]])
def test_a_part_needs_a_mapping(value: object) -> None:
    assert "needs a mapping" in problems(Outer, {"activation": "relu", "inner": value})[("inner",)]


def test_keys_that_are_no_names_are_refused() -> None:
    assert (3,) in problems(Outer, {"activation": "relu", 3: 4})


def test_messages_of_validators_come_through_unchanged() -> None:
    found = problems(Holder, {"picky": {"even": 3}, "several": [{"rate": 1}, {"count": "{x}"}]})
    assert found[("picky", "even")] == "an even number, got 3. Double it."
    assert ("several", 1, "count") in found


def test_braces_in_a_value_do_not_break_the_message() -> None:
    assert "got '{message}'" in problems(Outer, {"activation": "{message}"})[("activation",)]
    assert "got {0}" in str(refusal(("a",), "got {0}", 1))


def test_another_kinds_mapping_is_refused() -> None:
    with pytest.raises(ValidationError, match="this is the kind 'relu', got 'gelu'"):
        Relu.model_validate({"kind": "gelu"})


def test_kinds_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Inner().rate = 2.0


MINE = """
from torch import nn
from workloads.activations import Activation

class Config(Activation):
    def build(self, *, causal=False):
        return nn.Tanh()
"""


def own_kind(folder: Path, name: str, text: str = MINE) -> Path:
    (folder / "activations").mkdir(parents=True, exist_ok=True)
    (folder / "activations" / f"{name}.py").write_text(text)
    return folder


@pytest.mark.usefixtures("own_folders")
def test_own_kinds_stand_beside_ours(tmp_path: Path) -> None:
    add_folder(own_kind(tmp_path / "mine", "own_tanh"))
    add_folder(tmp_path / "mine")
    assert "own_tanh" in names("workloads.activations")
    config = Outer.model_validate({"activation": "own_tanh"})
    assert canonical(config)["activation"] == {"kind": "own_tanh"}


@pytest.mark.usefixtures("own_folders")
def test_own_kinds_may_not_take_our_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"free for one file only, got that of .*relu\.py"):
        add_folder(own_kind(tmp_path / "mine", "relu"))


@pytest.mark.usefixtures("own_folders")
def test_a_copy_of_a_folder_is_the_same_kinds(tmp_path: Path) -> None:
    add_folder(own_kind(tmp_path / "mine", "own_copied"))
    add_folder(own_kind(tmp_path / "copy", "own_copied"))
    assert names("workloads.activations").count("own_copied") == 1
    with pytest.raises(ValueError, match="Rename the file"):
        add_folder(own_kind(tmp_path / "third", "own_copied", MINE + "# changed\n"))


@pytest.mark.usefixtures("own_folders")
@pytest.mark.parametrize(
    "text", ["", "Config = 3", "from workloads.activations.relu import Config"]
)
def test_a_file_without_its_own_config(tmp_path: Path, text: str) -> None:
    name = f"own_empty{len(text)}"
    add_folder(own_kind(tmp_path, name, text))
    with pytest.raises(TypeError, match=r"holds one class Config\(Kind\)"):
        load("workloads.activations", name)


def test_a_folder_without_kinds(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match="got nothing of that form"):
            add_folder(folder)
