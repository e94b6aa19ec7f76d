"""Fixtures of the orchestrator's tests: a run directory, a workplace, kinds that go again."""

import os
import sys
from pathlib import Path

import pytest

from orchestrator.attempt import Attempt
from orchestrator.trial import run_trial
from results.ledger import Ledger
from results.store import Store
from tests.orchestrator.sweeps import KINDS
from tests.orchestrator.workplace import Workplace
from workloads import kinds


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs" / "t")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """A power cut cannot be tested here, and each wait for the disk costs milliseconds."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    monkeypatch.delenv("CLIFFSWEEP_STORAGE", raising=False)


@pytest.fixture
def forget_kinds(monkeypatch):
    """Makes the process forget the user's kinds, as a new one would; also when the test ends."""
    import workloads.activations
    import workloads.programs

    packages = (workloads.programs, workloads.activations)
    own = {package: list(package.__path__) for package in packages}

    def forget():
        monkeypatch.setattr(kinds, "_folders", [])
        for package, path in own.items():
            monkeypatch.setattr(package, "__path__", list(path))
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name.startswith("workloads.") and file and not _is_ours(Path(file)):
                del sys.modules[name]

    forget()
    yield forget
    forget()


@pytest.fixture
def run(store, clock, forget_kinds):
    """Runs attempts at trial `t`, each with the number and the checkpoint that are next."""

    def go(config, *, asked_to_leave=None, root=None, **options):
        place = store if root is None else Store(root)
        ledger = Ledger(place, sweep="t")
        options = {
            "root": str(place.root),
            "sweep": "t",
            "trial_id": "t",
            "number": ledger.attempts("t"),
            "config": config,
            "resume_from": ledger.usable_checkpoint("t"),
            "kinds": (str(KINDS),),
        } | options
        leave = {} if asked_to_leave is None else {"asked_to_leave": asked_to_leave}
        return run_trial(Attempt(**options), clock=clock, monotonic=clock, **leave)

    return go


def _is_ours(file: Path) -> bool:
    return file.is_relative_to(Path(kinds.__file__).parent)


@pytest.fixture
def test_kinds(forget_kinds):
    """The kinds of `tests/kinds`, known to this process."""
    kinds.add_folder(KINDS)
    return KINDS


@pytest.fixture
def workplace(tmp_path, test_kinds):
    """A folder for a sweep of test programs; nothing has run in it yet."""
    return Workplace(tmp_path)


@pytest.fixture
def program(tmp_path, forget_kinds):
    """Writes a program of the user's own and returns the folder of kinds that holds it."""

    def write(name, body, *, fields=""):
        folder = tmp_path / "my_kinds"
        (folder / "programs").mkdir(parents=True, exist_ok=True)
        (folder / "programs" / f"{name}.py").write_text(_PROGRAM.format(body=body, fields=fields))
        return folder

    return write


_PROGRAM = """\
import os, sys
from pathlib import Path
from workloads.config import Program, Progress

class Config(Program):
    steps: int = 3
    seed: int = 0
    marker: str = ""
{fields}
    def build(self):
        return Training(self)

class Training:
    total = 0.0

    def __init__(self, config):
        self.config = config

    def state_dict(self):
        return {{"total": self.total}}

    def load_state_dict(self, state_dict):
        self.total = state_dict["total"]

    def train(self, state):
        state.attach(total=self)
        if not state.resumed:
            yield Progress(0, {{"total": 0.0}})
        for step in range(state.step + 1, self.config.steps + 1):
            self.step(step)
            self.total += 1.5
            state.step = step
            yield Progress(step, {{"total": self.total}})

    def step(self, step):
        {body}
"""
