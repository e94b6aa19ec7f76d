"""Every sweep that ships can be planned, has as many cells as it says, and says what it is for."""

import re
from pathlib import Path

import pytest

from orchestrator.expand import expand
from orchestrator.spec_load import load_sweep
from results.claims import claims
from tests.orchestrator.sweeps import SHIPPED

ROOT = Path(__file__).parents[2]
FILES = sorted(SHIPPED.values())

CELLS = {
    **{"smoke": 4, "dense": 30, "sparsity_accuracy": 79, "mp_senet": 33},
    **{"cliff": 117, "drift": 90, "spikes": 80, "relufication": 72, "theorem": 390, "flatness": 50},
    **{"full_grid": 79, "full_spikes": 30, "full_drift": 54, "full_flatness": 6},
    **{"full_mp_senet": 27, "cliff_grid": 41},
}


def opening(path):
    """The comment at a file's top, in one line."""
    text = path.read_text(encoding="utf-8").partition("version:")[0]
    return " ".join(line.removeprefix("#").strip() for line in text.splitlines())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_says_how_to_run_it_what_it_costs_and_what_for(path):
    told = opening(path)
    assert f"run: cliffsweep run {path.relative_to(ROOT)}" in re.sub(" +", " ", told)
    assert {"cost:", "for:"} <= set(told.split())


@pytest.mark.parametrize(("name", "cells"), CELLS.items())
def test_it_has_so_many_cells(name, cells):
    loaded = load_sweep(SHIPPED[name])
    assert loaded.sweep.name == name
    found = expand(loaded)
    assert len(found) == cells
    told = re.search(r"cost: +(\d+) cells", opening(SHIPPED[name]))
    assert told is None or int(told[1]) == cells


def test_names_differ_wherever_the_files_lie():
    """A sweep's run directory has its name, which is its file's."""
    assert len(SHIPPED) == len(list((ROOT / "sweeps").rglob("*.yaml")))


def test_cells_that_two_sweeps_share_are_the_same_trial():
    """The finer grid of the cliff takes over what the 79 cells have of it."""
    coarse, fine = (
        {cell.trial_id: cell.config for cell in expand(load_sweep(SHIPPED[name]))}
        for name in ("sparsity_accuracy", "cliff")
    )
    shared = [coarse[id_]["activation"] for id_ in coarse.keys() & fine.keys()]
    assert sum(activation["kind"] == "relu" for activation in shared) == 3
    assert {activation["share"] for activation in shared if activation["kind"] == "topk"} == {
        *(0.25, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)
    }


def test_each_claim_names_sweeps_that_ship():
    named = {sweep for claim in claims([]).claims for sweep in claim.sweeps}
    assert named <= {path.stem for path in (ROOT / "sweeps").glob("*.yaml")}
