"""The sweep file as values, and whatever is wrong with one told together, line by line."""

import time

import pytest
from pydantic import ValidationError

from orchestrator.actions import validate
from orchestrator.budget import Budget
from orchestrator.errors import MAX_SHOWN, InputError, Problem, SpecError
from orchestrator.quantities import Every, Limit
from orchestrator.spec import Metric, Resources, Retry, Sweep
from tests.orchestrator.sweeps import HEAD, KINDS, load, text_of, told


def test_what_is_left_out_has_the_documented_default():
    sweep = load(HEAD).sweep
    assert sweep.method == "grid"
    assert sweep.order == "balanced"
    assert sweep.metric == Metric(name="val_accuracy", goal="maximize")
    assert sweep.retry == Retry(max=2, backoff="5s", on={})
    assert sweep.resources == Resources(cpu=1, gpu=0, memory=None)
    assert sweep.max_concurrent_trials == "auto"
    assert sweep.checkpoint.every == Every(1, "epoch")
    assert sweep.checkpoint.keep == 1
    assert sweep.max_failed_trials == Limit(percent=10)
    assert sweep.max_consecutive_failures == 10
    assert (sweep.trial_timeout, sweep.grace) == (None, 30.0)
    assert sweep.storage == "runs"


def test_a_sweep_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        load(HEAD).sweep.name = "other"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("resources: {cpu: 2, gpu: 0.25, memory: 2GiB}", Resources(cpu=2, gpu=0.25, memory="2GiB")),
        ("resources: {gpu: 2.0}", Resources(gpu=2)),
        ("max_concurrent_trials: 3", 3),
        ("max_failed_trials: 5", Limit(count=5)),
        ("trial_timeout: 2h", 7200.0),
        ("grace: 2m", 120.0),
        ("pack: off", "off"),
        ("early_stopping: null", None),
        ("budget: {wall: 2h}", Budget(wall="2h")),
        ("baseline: null", None),
        ("tags: [a, b]", ["a", "b"]),
    ],
)
def test_a_key_is_read(line, value):
    assert getattr(load(f"{HEAD}{line}\n").sweep, line.partition(":")[0]) == value


def test_every_key_of_a_sweep_file_is_described_or_obvious():
    obvious = {"name", "metric", "replicates", "order", "resources", "retry", "checkpoint", "pack"}
    obvious |= {"max_concurrent_trials", "trial_timeout", "budget"}
    obvious |= {"max_failed_trials", "max_consecutive_failures", "tags"}
    assert {k for k, field in Sweep.model_fields.items() if not field.description} == obvious


SHARE = """\
grids:
  - name: topk
    set: {activation: {kind: topk, base: gelu}}
    parameters:
      activation.share:
        - 0.5
        - 1.0
"""

ONE_PROBLEM = [
    ("metrc: {name: loss}", "6:1: metrc", "got 'metrc'. Did you mean 'metric'?"),
    ("xyz: 1", "6:1: xyz", "only known keys, got 'xyz'. Known keys: version, name"),
    ("retry: {max: 1, bakoff: 1s}", "6:17: retry.bakoff", "Did you mean 'backoff'?"),
    ("name: u", "6:1: name", "a key stands once, got 'name' again after line 2"),
    ("retry: {max: lots}", "6:14: retry.max", "a whole number is needed, got 'lots'"),
    ("retry: {on: {oom: 1}}", "6:19: retry.on.oom", "'cuda_oom', 'host_oom'"),
    ("retry:", "6:1: retry", "a mapping is needed, got None"),
    ("resources: {cpu: 0}", "6:18: resources.cpu", "greater than 0 is needed, got 0"),
    ("resources: {gpu: 1.5}", "6:12: resources", "gpu is a fraction below 1 or whole, got 1.5"),
    ("resources: {memory: lots}", "6:21: resources.memory", "memory with its unit, got 'lots'"),
    ("max_concurrent_trials: -3", "6:24: max_concurrent_trials", "from 1 to 100000, got -3"),
    ("max_concurrent_trials: true", "6:24: max_concurrent_trials", "got True"),
    ("max_failed_trials: 110%", "6:20: max_failed_trials", "a count or a percentage, got '110%'"),
    ("checkpoint: {every: 3 days}", "6:21: checkpoint.every", "an interval, got '3 days'"),
    ("checkpoint: {keep: 0}", "6:20: checkpoint.keep", "greater than or equal to 1"),
    ("delta: .nan", "6:8: delta", "a finite number is needed, got nan"),
    ("storage: ''", "6:10: storage", "text that is not empty is needed"),
    ("order: random", "6:8: order", "one of 'as_written', 'shuffled' or 'balanced'"),
    ("pack: on", "6:7: pack", "not built yet, got 'on'. Write pack: off."),
    ("budget: {trials: 0}", "6:18: budget.trials", "greater than or equal to 1 is needed, got 0"),
    ("early_stopping: {kind: ahsa}", "6:24: early_stopping.kind", "Did you mean 'asha'?"),
    ("early_stopping: {kind: asha, factr: 2}", "6:30: early_stopping.factr", "mean 'factor'?"),
    ("early_stopping: {kind: asha, last: 1}", "6:17: early_stopping", "last comes after first"),
    ("method: randon", "6:9: method", "got 'randon'. Known searches: cliff, grid, nsga2, random"),
    ("search: {samples: 3}", "6:10: search.samples", "only known keys, got 'samples'"),
    ("replicates: {seeds: []}", "6:21: replicates.seeds", "at least 1 is needed, got []"),
    ("replicates: {seeds: [0, -1]}", "6:25: replicates.seeds[1]", "got -1"),
    ("grids: []", "6:8: grids", "at least 1 is needed, got []. Add one."),
    ("grids: {name: a}", "6:8: grids", "a list is needed, got {'name': 'a'}"),
    ("grids: [relu]", "6:9: grids[0]", "a mapping is needed, got 'relu'"),
    ("grids: [{name: a, paramters: {}}]", "6:19: grids[0].paramters", "mean 'parameters'?"),
    ("grids: [{name: a}, {name: a}]", "6:27: grids[1].name", "got 'a' again. Rename one."),
    ("grids: [{parameters: {seed: [1]}}]", "6:9: grids[0].name", "this key is needed, got none"),
    ("grids: [{name: a/b}]", "6:16: grids[0].name", "letters, digits, '_', '-' and '.'"),
    ("grids: [{name: a, parameters: {a..b: [1]}}]", "6:31: grids[0].parameters", "a dotted name"),
    ("grids: [{name: a, zip: [[seed]]}]", "6:24: grids[0].zip", "got 'seed'. Axes: none."),
    ("grids: [{name: a, when: {x: {}}}]", "6:25: grids[0].when", "it names axes of the grid"),
    ("baseline: {activation: rellu}", "6:24: baseline.activation", "Did you mean 'relu'?"),
    ("baseline: {model.hidden.x: 1}", "6:12: baseline.model.hidden.x", "is a mapping, got [8]"),
    ("baseline: [relu]", "6:11: baseline", "a mapping of names"),
    ("  activation: rellu", "6:15: workload.activation", "got 'rellu'. Did you mean 'relu'?"),
    ("  activation: {kind: rellu}", "6:22: workload.activation.kind", "Did you mean 'relu'?"),
    ("  activation: [relu]", "6:15: workload.activation", "a name or a mapping with 'kind'"),
    ("  kind: supervized", "6:9: workload.kind", "Did you mean 'supervised'?"),
    ("  kind: ../../etc/x", "6:9: workload.kind", "got '../../etc/x'. Known kinds:"),
    ("  trian: {epochs: 1}", "6:3: workload.trian", "Did you mean 'train'?"),
    ("  train: {batch_size: many}", "6:23: workload.train.batch_size", "a whole number is needed"),
    ("  seed: true", "6:9: workload.seed", "a whole number is needed, got True"),
    ("  seed: -0.5", "6:9: workload.seed", "a whole number is needed, got -0.5"),
    (SHARE, "12:11: grids[0].parameters.activation.share[1]", "less than 1 is needed, got 1.0"),
]


@pytest.mark.parametrize(("line", "place", "message"), ONE_PROBLEM)
def test_a_problem_is_told_in_one_line_with_its_place(line, place, message):
    begun = time.process_time()
    (problem,) = told(f"{HEAD}{line}\n")
    assert time.process_time() - begun < 2
    assert problem.startswith(f"t.yaml:{place}: ")
    assert message in problem


@pytest.mark.parametrize(
    ("before", "after", "place", "message"),
    [
        ("version: 1", "version: 7", "1:10: version", "version is 1, got 7. Write version: 1."),
        ("version: 1", "version: true", "1:10: version", "version is 1, got True"),
        ("version: 1\n", "", "1:1: version", "this key is needed, got none. Add version."),
        ("name: t", "name: ../t", "2:7: name", "letters, digits, '_', '-' and '.', at most 100"),
        ("name: t", "name: /etc/x", "2:7: name", "got '/etc/x'. Rename it."),
        ("name: t", "name: .hidden", "2:7: name", "got '.hidden'"),
        ("name: t", f"name: {'x' * 101}", "2:7: name", "at most 100"),
        ("name: t", "name: 7", "2:7: name", "text is needed, got 7"),
        ("  model: {kind: mlp, hidden: [8]}\n", "", "4:3: workload.model", "Add model."),
        ("kind: mlp", "kind: mpl", "5:17: workload.model.kind", "Did you mean 'mlp'?"),
    ],
)
def test_a_wrong_head_is_told_in_one_line(before, after, place, message):
    (problem,) = told(HEAD.replace(before, after))
    assert problem.startswith(f"t.yaml:{place}: ")
    assert message in problem


def test_a_missing_workload_is_told():
    assert told("version: 1\nname: t\n") == [
        "t.yaml:1:1: workload: this key is needed, got none. Add workload."
    ]


def test_problems_of_all_sorts_are_told_together_in_the_order_of_the_file():
    text = HEAD + (
        "name: u\n"
        "metrc: 1\n"
        "grids:\n"
        "  - name: a\n"
        "    parameters: {activation.kind: [topk], activation.share: [0.5, 1.0]}\n"
        "  - {name: b, paramters: {}}\n"
        "  - {name: c, parameters: {activation: [rellu, gelu], seed: []}}\n"
        "retry: {max: x}\n"
        "tags: !mine [a]\n"
    )
    problems = told(text)
    places = [problem.split(": ")[:2] for problem in problems]
    assert places == [
        ["t.yaml:6:1", "name"],
        ["t.yaml:7:1", "metrc"],
        ["t.yaml:10:67", "grids[0].parameters.activation.share[1]"],
        ["t.yaml:11:15", "grids[1].paramters"],
        ["t.yaml:12:61", "grids[2].parameters.seed"],
        ["t.yaml:13:14", "retry.max"],
        ["t.yaml:14:7", "tags"],
    ]


def test_a_problem_of_the_base_that_every_cell_has_is_told_once():
    grid = "grids: [{name: a, parameters: {seed: {min: 0, max: 99, step: 1}}}]\n"
    (problem,) = told(f"{HEAD}  activation: rellu\n{grid}")
    assert problem.startswith("t.yaml:6:15: workload.activation: ")


def test_what_is_wrong_with_a_file_is_told_though_its_kinds_are_not_imported():
    text = HEAD + "kinds: [nowhere]\nmetrc: 1\nbaseline: {activation: rellu}\n"
    assert [problem.split(": ")[1] for problem in told(text)] == ["metrc"]


def test_many_problems_are_cut_short_with_their_number():
    lines = told(HEAD + "".join(f"key{i}: 1\n" for i in range(MAX_SHOWN + 7)))
    assert len(lines) == MAX_SHOWN + 1
    assert lines[-1] == "… and 7 more. Mend these first."


def test_a_long_value_is_shown_in_part():
    (line,) = told(HEAD + f"trial_timeout: {'9' * 5000}s\n")
    assert len(line) < 800
    assert line.endswith("Write 500ms, 30s, 5m, 2h or 1d.")


def test_a_problem_stays_on_its_line():
    problem = Problem(source="f.yaml", line=1, column=2, where="a\nb", message="got \x1b[31m\nx")
    assert str(problem) == "f.yaml:1:2: a b: got  [31m x"


def test_a_problem_is_told_once():
    problem = Problem(source="f.yaml", line=1, column=2, message="rule.")
    assert str(SpecError([problem, problem])) == "f.yaml:1:2: rule."


def test_a_name_of_endless_parts_is_refused():
    (line,) = told(
        HEAD + f"grids:\n  - name: a\n    parameters:\n      activation{'.a' * 400}: [1]\n"
    )
    assert "an axis is a dotted name" in line


FILES = {
    "an empty file": (b"", "t.yaml:1:1: a sweep file is a mapping of keys, got an empty file."),
    "a comment": (b"# todo\n", "got an empty file"),
    "a list": (b"- a\n- b\n", "t.yaml:1:1: a sweep file is a mapping of keys, got ['a', 'b']."),
    "a sentence": (b"hello", "got 'hello'"),
    "tabs": (b"version: 1\nworkload:\n\ttask: x\n", "t.yaml:3:1: indent with spaces, got a tab"),
    "binary bytes": (bytes(range(256)) * 8, "UTF-8 text, got byte 0x80. Save it as UTF-8."),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), "t.yaml:1:1: a sweep file is UTF-8 text"),
    "10 MB of garbage": (b"\x8f\x02" * 5_000_000, "at most 131072 bytes, got 10000000"),
    "10 MB of text": (b"a: 1\n" * 2_000_000, "at most 131072 bytes, got 10000000"),
    "brackets": (f"{HEAD}tags: {'[' * 5000}{']' * 5000}\n".encode(), "nesting is at most 40 deep"),
    "an alias of itself": (f"{HEAD}tags: &a [*a]\n".encode(), "at most 100000 values and 40"),
    "a tag of Python": (
        f"{HEAD}tags: !!python/object/apply:os.system ['touch /tmp/owned']\n".encode(),
        "t.yaml:6:7: tags: only plain values, got the tag !!python/object/apply:os.system.",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_sweep_file_is_refused_in_one_line_and_at_once(name):
    data, message = FILES[name]
    begun = time.process_time()
    (line,) = told(data)
    assert time.process_time() - begun < 2
    assert line.startswith("t.yaml")
    assert message in line


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: a sweep file is needed, got nothing"):
        validate(tmp_path / "none.yaml")


def test_a_folder_is_no_sweep_file(tmp_path):
    with pytest.raises(InputError, match="got 'is a directory'"):
        validate(tmp_path)


def test_a_file_with_own_kinds_is_validated_without_importing_them(tmp_path, program):
    folder = program("explosive", "pass", fields="    raise SystemExit('imported')\n")
    file = tmp_path / "t.yaml"
    file.write_text(text_of(kinds=[folder.name], workload={"kind": "explosive"}))
    loaded, count = validate(file)
    assert loaded.sweep.kinds == ["my_kinds"]
    assert count is None


def test_missing_folders_of_kinds(tmp_path):
    file = tmp_path / "t.yaml"
    file.write_text(text_of(kinds=["nowhere"]))
    with pytest.raises(InputError, match=r"kinds: a folder .* is needed, got .*nowhere"):
        validate(file, kinds=[str(KINDS)])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("    import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("    1 / 0\n", "ZeroDivisionError"),
        ("    (\n", "SyntaxError"),
    ],
)
def test_a_kind_that_cannot_be_imported_is_told_with_its_file(tmp_path, program, fields, message):
    folder = program("broken", "pass", fields=fields)
    file = tmp_path / "t.yaml"
    file.write_text(text_of(workload={"kind": "broken"}))
    with pytest.raises(SpecError, match=message) as caught:
        validate(file, kinds=[str(folder)])
    assert "3:" in str(caught.value)
    assert "\n" not in str(caught.value)
