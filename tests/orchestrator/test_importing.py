"""Sweeps of other tools become sweep files that validate, and say what has no equivalent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import actions
from orchestrator.errors import InputError
from orchestrator.importers._draft import Draft
from orchestrator.importers._text import text_of
from orchestrator.importing import formats, import_sweep
from orchestrator.spec_yaml import read_yaml
from tests.orchestrator import definitions

TEXTS = {name: text for name, text in vars(definitions).items() if name.isupper()}


@pytest.fixture
def imported(tmp_path):
    """Imports a definition; returns the keys of the sweep file, and the sentences about it."""

    def make(format_name, text, file="definition.yaml"):
        (tmp_path / file).write_text(text)
        found = import_sweep(format_name, tmp_path / file)
        (tmp_path / "sweep.yaml").write_text(found.text)
        return read_yaml(found.text.encode(), source="sweep.yaml").values, found

    return make


def axes(values):
    (grid,) = values["grids"]
    return {name.removeprefix("parameters."): given for name, given in grid["parameters"].items()}


def test_each_format_is_a_file():
    assert formats() == ["determined", "hydra", "katib", "wandb"]


@pytest.mark.parametrize("name", TEXTS)
def test_the_output_validates_though_the_script_is_not_there(name, imported, tmp_path):
    imported(name.partition("_")[0].lower().replace("multirun", "hydra"), TEXTS[name])
    _, cells = actions.validate(tmp_path / "sweep.yaml")
    assert cells is None or cells >= 1


def test_wandb(imported):
    values, found = imported("wandb", definitions.WANDB)
    assert values["workload"] == {
        **{"kind": "command", "run": ["python", "train.py", "--amp"]},
        "parameters": {"epochs": 5},
    }
    assert (values["name"], values["files"]) == ("my_sweep", ["train.py"])
    assert (values["method"], values["search"]) == ("tpe", {"trials": 40})
    assert values["metric"] == {"name": "val_loss", "goal": "minimize"}
    assert values["early_stopping"] == {"kind": "asha", "unit": "step", "first": 3, "factor": 3}
    assert axes(values) == {
        "learning_rate": {"min": 1e-5, "max": 0.1, "scale": "log"},
        "decay": {"min": 0.0001, "max": 0.1, "scale": "log"},
        "batch_size": [16, 32, 64],
        "layers": {"min": 1, "max": 8},
        "dropout": {"min": 0.0, "max": 0.5},
        "width": {"min": 16, "max": 256, "step": 16},
        "optimizer.name": ["adam", "sgd"],
        "optimizer.beta": {"min": 0.87, "max": 0.93},
    }
    noted = {sentence.rpartition(": ")[0] for sentence in found.left}
    assert noted >= {"entity", "project", "metric.target", "the times of early stopping"}
    assert noted >= {"optimizer.name.probabilities", "optimizer.beta: normal"}
    assert "# First line and second" in found.text


def test_wandb_as_a_grid(imported):
    values, found = imported("wandb", definitions.WANDB_GRID, file="my-grid.yaml")
    assert (values["name"], values["files"]) == ("my-grid", ["src"])
    assert values["workload"]["pass_by"] == "overrides"
    assert values["budget"] == {"trials": 9}
    assert axes(values) == {
        "seed": [0, 1, 2],
        "depth": {"min": 2, "max": 4, "step": 1},
        "rate": {"min": 0.1, "max": 0.5, "count": 5},
    }
    assert any(s.startswith("rate: a grid has no continuous range") for s in found.left)


def test_hydra_with_optuna(imported):
    values, found = imported("hydra", definitions.HYDRA)
    assert values["workload"]["pass_by"] == "overrides"
    assert values["workload"]["parameters"] == {"trainer": {"epochs": 3}}
    assert (values["method"], values["search"]) == ("tpe", {"trials": 20, "seed": 7})
    assert values["max_concurrent_trials"] == 2
    assert values["metric"] == {"name": "val/acc", "goal": "maximize"}
    assert axes(values) == {
        "model.lr": {"min": 0.0001, "max": 0.1, "scale": "log"},
        "data.batch_size": [32, 64, 128],
        "model.width": {"min": 32, "max": 256, "step": 32},  # Optuna's ranges hold their stop.
        "model/encoder": ["small", "large"],
    }
    assert any(s.startswith("hydra.sweeper.sampler: ") or "returns" in s for s in found.left)


def test_hydra_as_it_was_typed(imported):
    values, found = imported("hydra", definitions.MULTIRUN, file="multirun.yaml")
    assert values["workload"] == {
        **{"kind": "command", "run": ["python", "fit.py"], "pass_by": "overrides"},
        "parameters": {"note": "a, b"},
    }
    assert (values["name"], values["method"]) == ("fit", "grid")
    assert axes(values) == {
        **{"optimizer": ["adam", "sgd"], "optimizer.lr": [0.1, 0.01]},
        "n": [1, 2, 3],  # Hydra's own ranges end before their stop.
    }
    assert any(s.startswith("+note: Hydra's '+' is lost") for s in found.left)


def test_katib(imported):
    values, found = imported("katib", definitions.KATIB)
    assert values["workload"]["run"] == ["python", "/opt/digits/train.py", "--epochs=1"]
    assert "files" not in values
    assert (values["method"], values["search"]) == ("tpe", {"trials": 12, "seed": 10})
    assert values["early_stopping"] == {
        **{"kind": "median", "unit": "step"},
        **{"first": 4, "samples": 5},
    }
    assert values["resources"] == {"memory": "1GiB", "cpu": 0.5, "gpu": 1.0}
    assert (values["max_concurrent_trials"], values["max_failed_trials"]) == (3, 2)
    assert values["metric"] == {"name": "accuracy", "goal": "maximize"}
    assert axes(values) == {
        "lr": {"min": 0.01, "max": 0.05},
        "num_layers": {"min": 2, "max": 5},
        "optimizer": ["sgd", "adam"],
        "batch": [32, 64],
    }
    noted = " ".join(found.left)
    assert "image registry/digits:1" in noted
    assert "${trialParameters.batch}: it stood alone" in noted


def test_katib_as_a_grid(imported):
    values, _ = imported("katib", definitions.KATIB_GRID)
    assert values["workload"]["run"] == ["python", "train.py"]
    assert axes(values) == {
        "lr": {"min": 0.1, "max": 0.3, "step": 0.1},
        "layers": {"min": 1, "max": 3, "step": 1},
    }


def test_determined(imported):
    values, found = imported("determined", definitions.DETERMINED)
    assert values["workload"] == {
        **{"kind": "command", "run": ["python", "train.py", "--amp"], "env": ["TOKEN"]},
        "parameters": {"global_batch_size": 64, "schedule": {"kind_of": "cosine"}},
    }
    assert (values["method"], values["search"]) == ("random", {"trials": 16})
    assert values["early_stopping"] == {
        **{"kind": "asha", "unit": "step"},
        **{"first": 4, "factor": 4, "last": 937},
    }
    assert values["metric"] == {"name": "validation_accuracy", "goal": "maximize"}
    assert (values["resources"], values["retry"]) == ({"gpu": 2}, {"max": 3})
    assert (values["max_concurrent_trials"], values["tags"]) == (4, ["vision"])
    assert axes(values) == {
        "learning_rate": {"min": 0.0001, "max": 0.1, "scale": "log"},
        "filters": {"min": 8, "max": 64},
        "optimizer": ["adam", "sgd"],
        "schedule.warmup": {"min": 0.0, "max": 0.2},
    }
    assert "secret" not in found.text
    noted = {sentence.partition(": ")[0] for sentence in found.left}
    assert noted >= {"data", "resources.resource_pool", "searcher.max_length"}


def test_determined_as_a_grid(imported):
    values, _ = imported("determined", definitions.DETERMINED_GRID)
    assert values["workload"]["run"] == ["python", "model_def.py"]
    assert axes(values) == {
        "rate": {"min": 0.001, "max": 0.1, "scale": "log", "count": 3},
        "depth": [1, 5, 9],
        "width": {"min": 1, "max": 3, "step": 1},
        "drop": {"min": 0.0, "max": 0.5, "count": 2},
    }


@pytest.mark.parametrize(
    ("format_name", "text", "told"),
    [
        ("wandb", "parameters: {}\n", "a W&B sweep has the keys method and parameters"),
        ("wandb", "- a\n", "a mapping of keys is needed, got list"),
        ("wandb", "method: grid\nparameters: {a: {}}\n", "parameters.a: value, values, or min"),
        ("wandb", "method: grid\nparameters: {a: {min: x, max: 2}}\n", "a number is needed"),
        ("wandb", "method: grid\nparameters: {a: {values: []}}\n", "at least one value"),
        ("hydra", "lr: 0.1\n", "a Hydra sweep has hydra.sweeper.params"),
        ("katib", "kind: Job\n", "a Katib Experiment has kind: Experiment"),
        ("determined", "a: 1\n", "a Determined configuration has the keys"),
        ("ax", "a: 1\n", "a format that is known, got 'ax'. Known: determined, hydra"),
    ],
)
def test_what_is_none_is_told_in_one_line(format_name, text, told, imported):
    with pytest.raises(InputError) as refused:
        imported(format_name, text)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="a file is needed, got 'no such file or directory'"):
        import_sweep("wandb", tmp_path / "none.yaml")


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | WORDS | st.floats(allow_nan=False)


@settings(max_examples=50)
@given(st.lists(SCALARS, min_size=1, max_size=5), WORDS, WORDS)
def test_whatever_was_read_is_what_is_written(values, about, left):
    draft = Draft(name="x", about=[about])
    draft.leave("it", left)
    draft.vary("axis", values)
    draft.hold("constant", {"inner": values})
    text = text_of(draft, source="from\nwhere: [", format_name="wandb")
    found = read_yaml(text.encode(), source="x.yaml").values
    assert found == draft.sweep()
    assert str(found) == str(draft.sweep())
