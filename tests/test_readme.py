"""Holds the README to the truth: its commands, its SQL, its schema, its example of a kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import actions
from orchestrator.cli.main import app
from results.query import Reader, open_stores
from tests.e2e.conftest import TWO_CELLS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", README, flags=re.M | re.S)


def verbs() -> set[str]:
    """The commands that exist."""
    alone = {
        command.name or command.callback.__name__  # type: ignore[union-attr]
        for command in app.registered_commands
    }
    return alone | {str(group.name) for group in app.registered_groups}


def test_every_verb_is_in_the_table_and_no_other() -> None:
    table = README[README.index("| verb |") : README.index("Every verb has")]
    named = set(re.findall(r"`([a-z]+)(?: [^`]*)?`", re.sub(r"\|[^|]*\|$", "|", table, flags=re.M)))
    assert named == verbs()


def test_every_command_of_the_readme_exists() -> None:
    used = set(re.findall(r"^\$ cliffsweep ([a-z]+)", README, flags=re.M))
    used |= set(re.findall(r"`cliffsweep ([a-z]+)", README))
    assert used
    assert used <= verbs()


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"^ {4}make ([a-z-]+)", README, flags=re.M))
    assert {"run", "test"} <= named <= targets


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    ours = [link for link in links if "://" not in link]
    assert len(ours) >= 3
    assert [link for link in ours if not (ROOT / link).exists()] == []


def test_folders_of_the_map_exist() -> None:
    table = README[README.index("| folder |") : README.index("**Reading order**")]
    folders = set(re.findall(r"^\| `([a-z]+)/`", table, flags=re.M)) - {"runs"}
    assert folders == {p.name for p in ROOT.iterdir() if p.is_dir() and p.name in folders}
    assert {"orchestrator", "workloads", "results", "sweeps", "tests"} <= folders


def test_the_sweep_file_of_the_readme_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "my_sweep.yaml"
    path.write_text(blocks("yaml")[0])
    _, cells = actions.validate(path)
    assert cells == 3 * (3 + 4)


def test_the_kind_of_the_readme_works(tmp_path: Path) -> None:
    source = next(block for block in blocks("python") if "my_kinds" in block)
    folder = tmp_path / "my_kinds" / "activations"
    folder.mkdir(parents=True)
    name = re.search(r"my_kinds/activations/(\w+)\.py", source)
    assert name
    (folder / f"{name[1]}.py").write_text(source)
    path = tmp_path / "with_kind.yaml"
    path.write_text(TWO_CELLS.replace("noisy_relu", name[1]))
    _, cells = actions.validate(path, kinds=[str(folder.parent)])
    assert cells == 3


def test_the_script_of_the_readme_is_swept(tmp_path: Path) -> None:
    (sweep,) = [block for block in blocks("yaml") if "kind: command" in block]
    (script,) = [block for block in blocks("python") if "CLIFFSWEEP_CHECKPOINT_DIR" in block]
    (tmp_path / "mine.yaml").write_text(sweep)
    (tmp_path / "train.py").write_text(script)
    summary = actions.run(tmp_path / "mine.yaml", storage=str(tmp_path), runner="inline")
    assert summary.counts == {"completed": 3}
    answer = actions.sql("mine", "SELECT count(*) AS n FROM metrics", storage=str(tmp_path))
    assert answer["n"].to_pylist() == [300]


def test_the_sweeps_of_the_readme_ship() -> None:
    table = README[README.index("| sweep | cells | asks |") : README.index("## Data")]
    told = re.findall(r"^\| `([a-z_]+)` \| (\d+) \|", table, flags=re.M)
    assert len(told) >= 8
    for name, cells in told:
        file = ROOT / "sweeps" / f"{name}.yaml"
        assert actions.plan(file, storage="/nowhere")[0].total == int(cells)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A small finished sweep."""
    folder = tmp_path_factory.mktemp("readme")
    path = folder / "two_cells.yaml"
    path.write_text(TWO_CELLS.replace("epochs: 3", "epochs: 1"))
    actions.run(path, storage=str(folder), runner="inline")
    with open_stores([folder / "two_cells"]) as opened:
        yield opened


def test_the_five_queries_answer(reader: Reader) -> None:
    queries = [q for q in blocks("sql")[0].splitlines() if q and not q.startswith("--")]
    assert len(queries) == 5
    for query in queries:
        assert reader.sql(query).num_rows > 0, query


def test_the_schema_table_is_the_schema(tmp_path: Path) -> None:
    with open_stores([tmp_path / "empty"]) as empty:
        found: dict[str, list[str]] = {}
        for row in empty.schema().to_pylist():
            found.setdefault(row["view"], []).append(row["column"])
    table = README[README.index("| view | columns |") : README.index("Five questions")]
    told = {
        view: columns.split()
        for view, columns in re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table, flags=re.M)
    }
    assert told == found
