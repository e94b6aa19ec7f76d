"""A search for the break from its sweep file to its trials."""

import pytest

from orchestrator import actions
from orchestrator.errors import Interrupted, SpecError
from results.cliff import cliff
from results.ledger import Ledger
from results.query import open_stores
from results.store import Store
from tests.orchestrator.sweeps import KINDS, text_of

SHARES = {"min": 0, "max": 0.98, "step": 0.01}


def sweep(*grids, **search):
    given = grids or ({"name": "g", "parameters": {"share": SHARES}},)
    return text_of(
        workload={"kind": "breaking"},
        grids=list(given),
        method="cliff",
        search=search,
        baseline={"share": 0.0},
        metric={"name": "val_accuracy"},
    )


class Place:
    """A folder with a sweep file and a storage root."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.file = folder / "t.yaml"
        self.storage = str(folder / "runs")
        self.store = Store(folder / "runs" / "t")

    def run(self, text, *, stop_after=None):
        self.file.write_text(text)
        queues = []

        class Listener:
            def ended(self, tally, outcome, verdict):
                if tally.completed == stop_after:
                    queues[0].stop()

            def ignore(self, *heard):
                """Hears the rest and keeps nothing of it."""

            changed = planned = started = warned = ignore

        return actions.run(
            self.file,
            storage=self.storage,
            kinds=[str(KINDS)],
            runner="inline",
            listener=Listener(),
            on_queue=queues.append,
        )

    def asked(self, name="share"):
        """That value of every trial, in the order of planning."""
        return [row.config[name] for row in Ledger(self.store, sweep="t").trials().values()]


def test_it_ends_when_the_interval_is_narrow_enough(tmp_path, test_kinds):
    place = Place(tmp_path)
    summary = place.run(sweep(trials=40, target_width=0.06))
    assert 8 <= summary.total < 40
    with open_stores([place.store.root]) as reader:
        (fit,) = [fit for fit in cliff(reader) if fit.group == "pooled"]
    low, high = fit.curve.interval
    assert low <= 0.7 <= high
    assert high - low <= 0.07  # The verb draws more, so that its interval is not quite the same.
    assert sum(0.6 <= share <= 0.8 for share in place.asked()) >= 3


def test_it_ends_when_the_trials_are_spent(tmp_path, test_kinds):
    place = Place(tmp_path)
    assert place.run(sweep(trials=8, target_width=0.001)).total == 9  # With the baseline.


def test_a_resumed_search_asks_what_the_undisturbed_one_asks(tmp_path, test_kinds):
    whole, broken = Place(tmp_path / "whole"), Place(tmp_path / "broken")
    text = sweep(trials=9, target_width=0.001)
    whole.run(text)
    with pytest.raises(Interrupted):
        broken.run(text, stop_after=8)
    broken.run(text)
    assert broken.asked() == whole.asked()


def test_a_refusal_stands_with_its_place_in_the_file(tmp_path, test_kinds):
    grid = {"name": "g", "parameters": {"tau": [0.1, 0.2]}}
    with pytest.raises(SpecError) as caught:
        Place(tmp_path).run(sweep(grid))
    assert "t.yaml:" in str(caught.value)
    assert "Name it with search.axis" in str(caught.value)
