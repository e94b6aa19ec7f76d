"""Links in a run directory: every verb refuses them in a sentence, and none follows one."""

import json
import re

import pytest

from orchestrator import actions, mending
from orchestrator.cli.main import main
from orchestrator.errors import InputError
from results.errors import StorageError
from results.query import open_stores
from tests.orchestrator.sweeps import trivial
from tests.orchestrator.workplace import Workplace


@pytest.fixture
def workplace(workplace):
    """A finished sweep with checkpoints."""
    workplace.run(trivial(values=[1.0], checkpoint={"every": "1 steps"}))
    return workplace


def moved(path, tmp_path):
    """Puts a link in the place of a file or folder, and what it was elsewhere."""
    target = tmp_path / "elsewhere"
    path.rename(target)
    path.symlink_to(target, target_is_directory=target.is_dir())
    return target


PLACES = [
    "metrics",
    "trials",
    "checkpoints",
    "events",
    "finals",
    "sweep",
    "code",
    "claims",
    "metrics/*",
    "trials/*",
    "checkpoints/*",
    "events/*.end.parquet",
    "compact/*.parquet",
]

VERBS = [
    ("status", "t"),
    ("ls",),
    ("sql", "t", "SELECT count(*) FROM metrics"),
    ("resume", "t", "--inline"),
    ("rm", "t", "--yes"),
    ("rm", "t", "--checkpoints", "--yes"),
    ("compact", "t"),
]


@pytest.mark.parametrize("place", [place for place in PLACES if "/" not in place])
def test_every_verb_refuses_a_folder_that_is_a_link(workplace, tmp_path, capsys, place):
    target = moved(workplace.root / place, tmp_path)
    before = contents(target)
    for verb in VERBS:
        with pytest.raises(SystemExit) as left:
            main([*verb, "--storage", str(workplace.storage)])
        said = capsys.readouterr().err
        assert (left.value.code, said.count("\n")) == (2, 1), (verb, said)
        sentence = "a run directory holds no symbolic links, got one to "
        assert said.startswith(f"{workplace.root / place}: {sentence}{target}"), verb
    with pytest.raises(StorageError, match="holds no symbolic links"):
        workplace.run()
    assert contents(target) == before


@pytest.mark.parametrize("place", [place for place in PLACES if "/" in place])
def test_a_link_further_down_is_refused_where_it_is_met(workplace, tmp_path, place):
    (path, *_) = sorted(workplace.root.glob(place))
    target = moved(path, tmp_path)
    before = contents(target)
    refused = re.escape(f"{path}: a run directory holds no symbolic links, got one to {target}")
    with pytest.raises(StorageError, match=refused):
        ask(workplace, place)
    assert contents(target) == before


def ask(workplace, place):
    """Does what needs the files of a place."""
    if place.startswith("checkpoints"):
        return mending.removal("t", storage=str(workplace.storage), checkpoints=True)
    with open_stores([workplace.root]) as reader:
        return reader.sql("SELECT count(*) FROM metrics JOIN trials USING (trial_id)")


def contents(path):
    """What a file or folder holds."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {file: file.read_bytes() for file in files}


def test_code_behind_a_link_is_not_imported(tmp_path, program, forget_kinds):
    folder = program("mine", "pass")
    place = Workplace(tmp_path, folder)
    place.run("version: 1\nname: t\nworkload: {kind: mine}\n")
    forget_kinds()
    (copy,) = place.root.glob("code/*/0/programs/mine.py")
    moved(copy, tmp_path)
    with pytest.raises(StorageError, match=r"mine\.py: a run directory holds no symbolic links"):
        place.resume()


def test_a_run_directory_may_lie_elsewhere_but_is_removed_there_only(workplace, tmp_path):
    target = moved(workplace.root, tmp_path)
    assert actions.status("t", storage=str(workplace.storage)).counts == {"completed": 1}
    assert workplace.run().trained == 0
    with pytest.raises(InputError, match="removed where it lies, got a link to "):
        mending.removal("t", storage=str(workplace.storage))
    assert (target / "sweep").is_dir()


def test_a_sweep_that_cannot_be_read_is_named_beside_the_others(workplace, tmp_path, capsys):
    workplace.run(trivial(name="sound", values=[1.0]))
    moved(workplace.root / "metrics", tmp_path)
    refused = f"{workplace.root / 'metrics'}: a run directory holds no symbolic links"
    with pytest.warns(UserWarning, match=re.escape(refused)):
        assert [one.sweep for one in actions.ls(storage=str(workplace.storage))] == ["sound"]
    for words in ((), ("--json",)):
        with pytest.raises(SystemExit) as left:
            main(["ls", "--storage", str(workplace.storage), *words])
        out, err = capsys.readouterr()
        assert left.value.code == 2
        assert err.startswith(refused)
        if words:
            document = json.loads(out)
            assert [one["sweep"] for one in document["sweeps"]] == ["sound"]
            assert document["unread"]["t"].startswith(refused)
        else:
            _, sound, unread = out.splitlines()
            assert sound.split()[:2] == ["sound", "1"]
            assert unread.split() == ["t", "cannot", "be", "read"]
