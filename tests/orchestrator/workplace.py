"""A sweep with a folder of its own, as `orchestrator`'s tests run it, and who listens to it."""

from orchestrator import actions, control
from orchestrator.options import Options
from results.ledger import Ledger
from results.store import Store
from tests.orchestrator.sweeps import KINDS, events


class Listener:
    """Writes down what it hears."""

    def __init__(self):
        self.heard = []

    def changed(self, difference):
        self.heard += difference.sentences

    def planned(self, plan, left):
        self.heard.append(f"{plan.total} planned, {left} left")

    def started(self, tally, attempt):
        self.heard.append(f"{attempt.trial_id} {attempt.number} started")

    def ended(self, tally, outcome, verdict):
        self.heard.append(f"{outcome.trial_id} {outcome.number} {verdict}")

    def warned(self, sentence):
        self.heard.append(sentence)


class Canceller(Listener):
    """Asks for the end of the first trial as soon as it starts."""

    def __init__(self, *, whole=False):
        super().__init__()
        self.whole = whole
        self.asked = None

    def started(self, tally, attempt):
        super().started(tally, attempt)
        if self.asked is None:
            self.asked = attempt.trial_id
            store = Store(attempt.root)
            if self.whole:
                store.put(control.STOP, b"")
            control.cancel(store, attempt.trial_id, attempt.number)


class Stopper(Listener):
    """Stops the run as soon as so many trials have completed; with 0, once the first starts."""

    def __init__(self, after):
        super().__init__()
        self.after = after
        self.queue = None

    def take(self, queue):
        """What `on_queue` is given."""
        self.queue = queue

    def started(self, tally, attempt):
        super().started(tally, attempt)
        if self.after == 0:
            self.queue.stop()

    def ended(self, tally, outcome, verdict):
        super().ended(tally, outcome, verdict)
        if tally.completed == self.after:
            self.queue.stop()


class Workplace:
    """A folder with a sweep file `t.yaml` and a storage root."""

    def __init__(self, folder, kinds=KINDS):
        folder.mkdir(exist_ok=True)
        self.file = folder / "t.yaml"
        self.storage = folder / "runs"
        self.root = self.storage / "t"
        self.kinds = [str(kinds)]

    def run(self, text=None, *, stop_after=None, only=(), **given):
        """Runs the sweep file, after writing it where a text is given."""
        if text is not None:
            self.file.write_text(text)
        given = {"storage": str(self.storage), "kinds": self.kinds, "runner": "inline"} | given
        given = {"options": Options(only=only)} | given
        if stop_after is not None:
            stopper = Stopper(stop_after)
            given |= {"listener": stopper, "on_queue": stopper.take}
        return actions.run(self.file, **given)

    def resume(self, **given):
        return actions.resume("t", storage=str(self.storage), runner="inline", **given)

    @property
    def store(self):
        return Store(self.root)

    @property
    def ledger(self):
        return Ledger(self.store, sweep="t")

    @property
    def attempts(self):
        """trial_id -> how each of its attempts ended."""
        ends = {}
        for trial_id, _, status, failure_class in events(self.root):
            if status != "running":
                ends.setdefault(trial_id, []).append(failure_class or status)
        return ends

    def configured(self, name):
        """That value of every trial's workload, in the order of planning."""
        return [row.config[name] for row in self.ledger.trials().values()]

    def values(self):
        """value -> how its attempts ended."""
        configs = {id_: row.config["value"] for id_, row in self.ledger.trials().items()}
        return {configs[id_]: ends for id_, ends in self.attempts.items()}
