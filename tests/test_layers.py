"""Who may import whom, and how large anything may grow: held over the syntax trees of all code."""

import ast
import subprocess
import sys
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "workloads", "results")

DOORS = {
    "ray": ["orchestrator/runners/ray_*.py", "orchestrator/cluster*.py"],
    "optuna": ["orchestrator/search/*.py"],
    "ruamel": ["orchestrator/spec*.py", "orchestrator/importers/*.py"],
    "yaml": ["orchestrator/spec*.py", "orchestrator/importers/*.py"],
    "torch": ["workloads/*"],
    "PIL": ["workloads/tasks/*"],
    "duckdb": ["results/query*.py"],
    "pyarrow": ["results/*"],
    "obstore": ["results/*"],
    "boto3": ["results/backends/*"],
    "botocore": ["results/backends/*"],
    "matplotlib": ["results/report*.py"],
    "jinja2": ["results/report*.py"],
    "markupsafe": ["results/report*.py"],
    "typer": ["orchestrator/cli/*.py"],
    "click": ["orchestrator/cli/*.py"],
    "rich": ["orchestrator/cli/*.py"],
    "prompt_toolkit": ["orchestrator/cli/*.py"],
}
"""Import -> the only files in which it may stand. `*` also matches a slash."""

LAYERS = {
    "orchestrator": {"orchestrator", "workloads", "results"},
    "workloads": {"workloads"},
    "results": {"results"},
}
"""Package -> the packages of ours that it may import."""

LONGEST_MODULE = 300
LONGEST_FUNCTION = 40
TRAINING_LOOP = ("workloads/programs/supervised.py", 60)


def files():
    """Every module of ours, as a name relative to the repository."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def modules_of_tests():
    """Every module of the tests, likewise."""
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))


@cache
def tree(name):
    return ast.parse((ROOT / name).read_text())


def imported(name):
    """(line, dotted module) of every import: inside functions too, and for annotations alone."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: imports are absolute"
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_there_is_something_to_hold():
    assert len(files()) > 50
    assert {name.partition("/")[0] for name in files()} == set(PACKAGES)


@pytest.mark.parametrize("door", DOORS)
def test_an_import_stands_only_in_its_door(door):
    outside = [
        f"{name}:{line}"
        for name in files()
        for line, module in imported(name)
        if module.partition(".")[0] == door
        and not any(fnmatch(name, pattern) for pattern in DOORS[door])
    ]
    assert outside == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_lies_below_it(package):
    wrong = [
        f"{name}:{line}: {module}"
        for name in files()
        if name.startswith(f"{package}/")
        for line, module in imported(name)
        if module.partition(".")[0] in {*PACKAGES, "tests"} - LAYERS[package]
    ]
    assert wrong == []


def _module(name):
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_no_two_modules_import_each_other():
    modules = {_module(name): name for name in files()}
    uses = {
        module: {other for _, other in imported(name) if other in modules and other != module}
        for module, name in modules.items()
    }
    both = [f"{a} and {b}" for a, used in uses.items() for b in used if a < b and a in uses[b]]
    assert both == []


@pytest.mark.parametrize("name", files() + modules_of_tests())
def test_a_module_stays_short(name):
    assert len((ROOT / name).read_text().splitlines()) <= LONGEST_MODULE


def _functions(name):
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("name", files())
def test_functions_stay_short(name):
    loop, length = TRAINING_LOOP
    longest = length if name == loop else LONGEST_FUNCTION
    long = {
        f"{node.name}, line {node.lineno}": lines
        for node in _functions(name)
        if (lines := _own_length(node)) > longest
    }
    assert long == {}


def _own_length(node):
    """Lines of a function from its `def` to its end, without its docstring."""
    length = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        length -= docstring.end_lineno - docstring.lineno + 1
    return length


@pytest.mark.parametrize("name", files())
def test_every_public_function_is_annotated(name):
    bare = [
        f"{node.name}, line {node.lineno}"
        for node in _functions(name)
        if not node.name.startswith("_") and not _is_annotated(node)
    ]
    assert bare == []


def _is_annotated(node):
    given = node.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    named = [a for a in arguments if a is not None and a.arg not in ("self", "cls")]
    return node.returns is not None and all(a.annotation is not None for a in named)


@pytest.mark.parametrize("name", files() + modules_of_tests())
def test_a_module_says_what_it_is_for(name):
    assert (ast.get_docstring(tree(name)) or "").strip() or not tree(name).body


def _exported(name):
    """What `__all__` lists; None where there is none, or where it is computed."""
    for node in tree(name).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value) if isinstance(node.value, ast.List) else None
    return None


def _place(name):
    """Constants, then classes, then the rest, each by name, as ruff sorts them."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("name", [name for name in files() if _exported(name) is not None])
def test_what_a_module_exports_is_sorted_and_there(name):
    exported = _exported(name)
    assert exported == sorted(set(exported), key=_place)
    defined = {
        part
        for node in tree(name).body
        for part in (
            [alias.asname or alias.name for alias in node.names]
            if isinstance(node, ast.Import | ast.ImportFrom)
            else [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
            + [getattr(node, "name", getattr(getattr(node, "target", None), "id", ""))]
        )
    }
    assert set(exported) - defined == set()


def test_no_test_module_imports_another():
    """What two of them share stands in a module of its own."""
    wrong = [
        f"{name}:{line}: {module}"
        for name in modules_of_tests()
        for line, module in imported(name)
        if module.startswith("tests.") and ".test_" in module
    ]
    assert wrong == []


SLOW = ("torch", "ray", "duckdb", "pyarrow", "matplotlib", "optuna", "numpy")


@pytest.mark.parametrize(
    ("module", "unloaded"),
    [
        ("results", SLOW),
        ("results.store", SLOW),
        ("results.ledger", ("torch", "ray", "duckdb", "matplotlib", "optuna")),
        ("results.query", ("torch", "ray", "matplotlib", "optuna")),
        ("orchestrator", SLOW),
        ("orchestrator.actions", ("torch", "ray", "duckdb", "matplotlib", "optuna")),
        ("orchestrator.cli.main", SLOW),
        ("orchestrator.driver", ("torch", "ray", "duckdb", "matplotlib", "optuna")),
        ("workloads", SLOW),
        ("workloads.config", SLOW),
    ],
)
def test_importing_is_cheap(module, unloaded):
    """Whoever only asks how far a sweep is does not wait for what only training needs."""
    script = f"import sys, {module}; print(*({set(unloaded)!r} & set(sys.modules)))"
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == []
