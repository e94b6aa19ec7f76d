"""A claim is supported where it is true, not where it is false, and open where data are few."""

import pytest

from results.claims import claims, names
from results.store import Store
from tests.results import claimed
from tests.results.claimed import Simulation
from tests.results.sweeps import finish, plan

MODELS = ("mlp", "resnet", "vit", "gpt_nano", "mp_senet")


def held(root):
    """Id -> claim, over one simulated sweep."""
    return {claim.id: claim for claim in claims([root], draws=100).claims}


@pytest.fixture(scope="module")
def _no_waiting_for_the_disk():
    """Replaces the fixture of the same name by one for the whole module."""
    patch = pytest.MonkeyPatch()
    patch.setattr("os.fsync", lambda _handle: None)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def true(tmp_path_factory, _no_waiting_for_the_disk):
    """Everything as claimed."""
    sim = Simulation()
    claimed.drift(sim, models=MODELS)
    claimed.growth(sim)
    claimed.cliffs(sim, tau=0.7)
    claimed.spikes(sim)
    claimed.relufied(sim)
    claimed.theorem(sim)
    claimed.flatness(sim)
    return held(sim.write(tmp_path_factory.mktemp("claims") / "true"))


@pytest.fixture(scope="module")
def false(tmp_path_factory, _no_waiting_for_the_disk):
    """Nothing as claimed, with as many seeds."""
    sim = Simulation()
    claimed.drift(sim, models=["mlp"], z=0.0)
    claimed.growth(sim, end=0.55, highest=0.6)
    claimed.cliffs(sim, tau=None, models=["vit"])
    claimed.spikes(sim, losses={"relu2": 2.2}, spike={"relu2": 8.0}, gradients=[1.0])
    claimed.relufied(sim, cost=0.05, sparsity=0.2)
    claimed.theorem(sim, mean=-1e-3, data=["real"], losses=["mse"])
    claimed.flatness(sim, changed=0.55, identity=1.1)
    return held(sim.write(tmp_path_factory.mktemp("claims") / "false"))


@pytest.fixture(scope="module")
def thin(tmp_path_factory, _no_waiting_for_the_disk):
    """As claimed, but with two seeds, or 29 where 30 are needed."""
    sim = Simulation()
    two = claimed.SEEDS[:2]
    claimed.drift(sim, models=["mlp"], seeds=two)
    claimed.growth(sim, seeds=two)
    claimed.cliffs(sim, tau=0.7, seeds=two, models=["vit"])
    claimed.spikes(sim, seeds=two)
    claimed.relufied(sim, seeds=two)
    claimed.theorem(sim, seeds=range(29), data=["real"], losses=["mse"])
    claimed.flatness(sim, seeds=two)
    return held(sim.write(tmp_path_factory.mktemp("claims") / "thin"))


IDS = ("A1", "A2", "A3", "A4", "A5", "A6", "A7", "B")


def told(claim):
    return [part.sentence() for part in claim.parts]


@pytest.mark.parametrize("id_", IDS)
def test_what_is_true_is_supported(true, id_):
    assert true[id_].verdict == "supported", told(true[id_])
    assert all(part.interval and part.trials for part in true[id_].counted)


@pytest.mark.parametrize("id_", IDS)
def test_what_is_false_is_not_supported(false, id_):
    assert false[id_].verdict == "not supported", told(false[id_])


@pytest.mark.parametrize("id_", IDS)
def test_what_rests_on_too_little_is_open(thin, id_):
    assert thin[id_].verdict == "not enough data", told(thin[id_])
    assert {part.verdict for part in thin[id_].counted} == {"not enough data"}


def test_a_cliff_that_one_architecture_lacks_is_none(true, false):
    verdicts = {part.part: part.verdict for part in true["A3"].counted}
    assert set(verdicts.values()) == {"supported"}
    lacking = {part.part: part.verdict for part in false["A3"].counted}
    assert lacking["vit.topk"] == "not supported"
    assert lacking["resnet.topk"] == "not enough data"


def test_numbers_are_those_of_the_seeds(true):
    """Three seeds at m − d, m, m + d: m ± 4.303 · d / √3 by Student's t."""
    growth = {part.part: part for part in true["A2"].parts}["growth"]
    assert growth.value == pytest.approx(0.25)
    half = 4.302652729911275 * 0.01 / 3**0.5
    assert growth.interval == pytest.approx((0.25 - half, 0.25 + half))
    assert (growth.seeds, len(growth.trials)) == (3, 3)
    drift = {part.part: part for part in true["A1"].parts}["mlp, random data, gelu"]
    assert drift.value == pytest.approx(-0.05)
    spike = {part.part: part for part in true["A4"].parts}["spike, gradient clipped"]
    assert spike.value == pytest.approx(25)
    assert len(spike.trials) == 6


def test_a_wide_interval_around_the_threshold_is_open_and_a_narrow_one_is_not(tmp_path):
    for spread, verdict in ((0.02, "not enough data"), (0.0005, "not supported")):
        sim = Simulation()
        claimed.relufied(sim, cost=0.01, spread=spread)
        root = tmp_path / str(spread)
        parts = {part.part: part for part in held(sim.write(root))["A6"].parts}
        assert parts["resnet, late: cost"].verdict == verdict, parts["resnet, late: cost"]
        low, high = parts["resnet, late: cost"].interval
        assert low < -0.01 < high


def test_a_change_without_any_effect_beats_nothing(tmp_path):
    sim = Simulation()
    claimed.spikes(sim, losses={"relu2_clip 15": 2.05, "relu2": 2.05}, spread=0.0)
    parts = {part.part: part for part in held(sim.write(tmp_path / "s"))["A5"].parts}
    same = parts["loss: relu2 less relu2_clip 15, gradient clipped"]
    assert (same.value, same.verdict) == (0.0, "not supported")


def test_sparsity_is_asked_of_cells_with_more_than_one_update(tmp_path):
    sim = Simulation()
    claimed.barely_trained(sim)
    alone = held(sim.write(tmp_path / "alone"))["A2"]
    assert (alone.cells, alone.verdict) == (0, "not enough data")
    claimed.growth(sim)
    both = held(sim.write(tmp_path / "both"))["A2"]
    assert (both.cells, both.seeds, both.verdict) == (3, 3, "supported")


def test_one_part_without_data_leaves_a_claim_open(tmp_path):
    sim = Simulation()
    claimed.spikes(sim, gradients=[1.0])
    found = held(sim.write(tmp_path / "s"))["A4"]
    assert found.verdict == "not enough data"
    assert sum(part.verdict == "supported" for part in found.parts) == 4


def test_a_training_that_failed_takes_its_seed_away(tmp_path):
    sim = Simulation()
    claimed.relufied(sim)
    sim.end("failed", where=lambda config: config["seed"] == 1 and config["model"]["kind"] == "vit")
    parts = {part.part: part for part in held(sim.write(tmp_path / "s"))["A6"].parts}
    assert (parts["vit, late: cost"].seeds, parts["resnet, late: cost"].seeds) == (2, 3)
    assert parts["vit, late: cost"].verdict == "not enough data"


def test_a_cliff_is_open_while_a_cell_is_missing(tmp_path):
    sim = Simulation()
    claimed.cliffs(sim, tau=0.7, models=["vit"])
    sim.end("cancelled", where=lambda c: c["seed"] == 0 and c["activation"].get("share") == 0.98)
    parts = {part.part: part for part in held(sim.write(tmp_path / "s"))["A3"].parts}
    assert parts["vit.topk"].value == pytest.approx(0.7, abs=0.02)
    assert parts["vit.topk"].verdict == "not enough data"


def test_sweeps_of_other_programs_are_passed_over(tmp_path):
    """Also where their configuration has our keys with values of another kind."""
    store = Store(tmp_path / "theirs")
    odd = {"kind": "x", "a.b": 1, 'q"$': [2], "": None}
    values = {"kind": "command", "model": odd, "activation": {"clip": "no"}, "task": "text"}
    plan(store, [
        {"trial_id": "t1", "config": {"steps": 3, "value": 0.5}, "seed": None},
        {"trial_id": "t2", "config": {**values, "train": {"clip_grad_norm": "off"}}},
    ])  # fmt: skip
    for trial_id in ("t1", "t2"):
        finish(store, trial_id, {"val_loss": 1.0, "drift_z": -1.0, "sparsity": 0.5})
    assert {claim.cells for claim in claims([tmp_path / "theirs"]).claims} == {0}


def test_a_cell_of_two_sweeps_counts_once(tmp_path):
    sim = Simulation()
    claimed.growth(sim, seeds=claimed.SEEDS[:2])
    roots = [sim.write(tmp_path / "one"), sim.write(tmp_path / "two")]
    found = {claim.id: claim for claim in claims(roots).claims}["A2"]
    assert (found.cells, found.seeds, found.verdict) == (2, 2, "not enough data")


def test_without_any_sweep_every_claim_is_there_and_open(tmp_path):
    found = claims([]).claims
    assert [claim.id for claim in found] == list(IDS) == [name.upper() for name in names()]
    assert {claim.verdict for claim in found} == {"not enough data"}
    assert all(claim.sweeps and claim.counted and not claim.cells for claim in found)
    assert all(claim.claim.endswith(".") and "run:" not in claim.claim for claim in found)


def test_the_document_is_complete(true):
    document = true["A6"].document()
    wanted = {"id", "claim", "measured", "interval", "cells", "seeds", "scale", "verdict"}
    assert wanted <= set(document)
    assert document["seeds"] == 3
    assert document["cells"] == 30  # 9 an architecture; GPT-nano has two settings of GELU
    assert "gpt_nano (width 64) on austen, 100 steps" in document["scale"]
    assert "12 parts: 12 supported" in document["measured"]
