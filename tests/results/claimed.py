"""Simulated runs whose every number is known, to hold the claims against."""

import math

from results.events import fold_name, to_table
from results.ledger import Event, Ledger, TrialRow
from results.schema import encode
from results.store import Store
from results.writer import Writer
from tests.results.sweeps import START

SEEDS = (0, 1, 2)
STEPS = 100
NORMS = {"mlp": "identity", "resnet": "batchnorm", "vit": "layernorm", "gpt_nano": "rmsnorm"}
TASKS = {"gpt_nano": "austen", "mp_senet": "speech"}


def noise(seed, size):
    """Of mean zero over the seeds 0, 1, 2, and of the same size in each."""
    return size * (seed % 3 - 1)


class Simulation:
    """Collects runs, then writes them as one finished sweep."""

    def __init__(self):
        self.runs = {}

    def add(self, model, activation, seed, *, curves=(), layers=(), grid="g", score=None, **config):
        """A run; one that differs in nothing adds to the values of the one that is there.

        Args:
            curves: {name: {step: value}} of the whole model.
            layers: {layer: {name: {step: value}}}.
            score: (own accuracy, baseline's trial id).
            config: `train: {steps: 1}` ends a run there, any other goes on to `STEPS`.
        """
        config = {
            "task": {"kind": TASKS.get(model, "fashion_mnist")},
            "model": {"kind": model, "width": 64},
            "norm": {"kind": NORMS.get(model, "batchnorm")},
            "activation": activation if isinstance(activation, dict) else {"kind": activation},
            "train": {"clip_grad_norm": 1.0},
            **config,
            "seed": seed,
        }
        id_ = f"t{len(self.runs):04d}"
        key = repr((config, grid))
        run = self.runs.setdefault(
            key, {"id": id_, "config": config, "grid": grid, "score": score, "rows": {}}
        )
        for layer, named in [(None, dict(curves)), *dict(layers).items()]:
            for name, values in named.items():
                steps = values if isinstance(values, dict) else {STEPS: values}
                for step, value in steps.items():
                    run["rows"].setdefault(step, {}).setdefault(layer, {})[name] = value
        return run["id"]

    def end(self, status, *, where):
        """Gives those runs another end whose configuration `where` picks."""
        for run in self.runs.values():
            if where(run["config"]):
                run["status"] = status

    def write(self, root):
        """Writes everything, each run completed in one attempt; returns the run directory."""
        store = Store(root)
        Ledger(store, sweep=root.name).add(
            [self._planned(root.name, run) for run in self.runs.values()]
        )
        events = [_train(store, root.name, run) for run in self.runs.values()]
        table = to_table([event for pair in events for event in pair])
        store.put(fold_name(1), encode(table, kind="events"))
        (root / "sweep").mkdir(exist_ok=True)
        return root

    def _planned(self, sweep, run):
        baseline = run["score"]
        return TrialRow(
            **{"sweep": sweep, "trial_id": run["id"], "grid": run["grid"]},
            **{"config": run["config"], "seed": run["config"]["seed"]},
            **({"baseline_id": baseline, "score_rule": "accuracy_ratio"} if baseline else {}),
            **({"metric": "val_accuracy", "goal": "maximize"} if baseline else {}),
        )


def _train(store, sweep, run):
    """Writes the rows of a run; returns its two events."""
    shared = {"sweep": sweep, "trial_id": run["id"], "attempt": 0, "ts": START}
    writer = Writer(store, sweep=sweep, trial_id=run["id"], attempt=0, every_s=3600)
    for step in sorted({*run["rows"], run["config"]["train"].get("steps", STEPS)}):
        values = run["rows"].get(step, {})
        inside = {layer: named for layer, named in values.items() if layer is not None}
        writer.write(step, values.get(None, {}), inside)
    writer.close()
    return Event(**shared, status="running"), Event(**shared, status=run.get("status", "completed"))


def drift(sim, *, models, z=-0.05, spread=0.005, seeds=SEEDS):
    """A1: a median drift of `z` in the first quarter, and more later on."""
    for model in models:
        for task in ({"kind": TASKS.get(model, "fashion_mnist")}, {"kind": "random_data"}):
            for kind in ("relu", "gelu", "silu"):
                for seed in seeds:
                    value = z + noise(seed, spread)
                    layers = {
                        "up.weight": {"drift_z": {0: 0.0, 20: value - 0.01, STEPS: -9.0}},
                        "slope.weight": {"drift_z": {0: 0.0, 20: 1e5, STEPS: 1e5}},
                        "gate.weight": {"drift_z": {0: 0.0, 20: -0.3, STEPS: -9.0}},
                        "down.weight": {"drift_z": {0: 0.0, 20: value + 0.01, STEPS: -9.0}},
                    }
                    sim.add(model, kind, seed, layers=layers, task=task)


def growth(sim, *, end=0.75, highest=0.92, spread=0.01, seeds=SEEDS):
    """A2: sparsity from a half to `end`, `highest` in one layer."""
    for seed in seeds:
        more = noise(seed, spread)
        sim.add(
            *("gpt_nano", "relu", seed),
            curves={"sparsity": {0: 0.5, STEPS: end + more}},
            layers={"blocks.1.mlp.act": {"sparsity": {0: 0.5, 50: highest + more, STEPS: end}}},
        )


def barely_trained(sim, *, seeds=range(30)):
    """A2: more seeds than any other setting has, of a single update that changes nothing."""
    for seed in seeds:
        values = {"sparsity": {0: 0.5, 1: 0.5 + noise(seed, 0.01)}}
        layers = {"blocks.1.mlp.act": values}
        sim.add("gpt_nano", "relu", seed, curves=values, layers=layers, train={"steps": 1})


OTHERS = {0.25: "norms", 0.5: "activations"}
LEVELS = (0.0, 0.25, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 0.95, 0.98)


def cliffs(sim, *, tau, slope=2.0, seeds=SEEDS, models=("gpt_nano", "resnet", "vit")):
    """A3: accuracy that breaks off at `tau`, or a straight line; two levels are not Top-K's."""
    for model in models:
        for seed in seeds:
            base = sim.add(
                *(model, {"kind": "relu", "of": "cliff"}, seed),
                grid=f"{model}.baseline",
                curves={"val_accuracy": 0.8, "sparsity": 0.5, "val_loss": {0: 2.3, STEPS: 0.4}},
            )
            for place, share in enumerate(LEVELS):
                fall = share * 0.1 if tau is None else slope * max(0.0, share - tau)
                jitter = 0.004 * math.sin(7 * place + 3 * seed + len(model))
                accuracy = 0.8 * max(1 - fall + jitter, 0.15)
                sim.add(
                    *(model, {"kind": "topk", "share": share}, seed),
                    grid=f"{model}.{OTHERS.get(share, 'topk')}",
                    score=base,
                    curves={"val_accuracy": accuracy, "sparsity": share, "train_loss": 0.4},
                )


LOSSES = {
    **{"relu": 2.10, "gelu": 2.10, "noisy_relu": 2.09, "sugar_bsilu": 2.09},
    **{"relu2": 2.05, "relu2_clip 15": 2.02, "relu2_clip 50": 2.03, "gelu2": 1.95},
}
SPIKES = {"relu": 4.0, "relu2": 100.0, "relu2_clip 15": 15.0, "relu2_clip 50": 50.0}


def spikes(sim, *, losses=(), spike=(), spread=0.002, seeds=SEEDS, gradients=(1.0, None)):
    """A4 and A5: the eight activations, with and without a clipped gradient."""
    losses, spike = {**LOSSES, **dict(losses)}, {**SPIKES, **dict(spike)}
    for clipped in gradients:
        for seed in seeds:
            for place, (label, loss) in enumerate(losses.items()):
                kind, _, clip = label.partition(" ")
                peak = spike.get(label, 5.0) * math.exp(noise(seed, 0.05))
                sites = {
                    f"blocks.{block}.mlp.act": {
                        "spike_max": peak if block == 1 else 2.0,
                        "spike_ratio": peak,
                    }
                    for block in range(3)
                }
                whole = {
                    "val_loss": loss + noise(seed + place, spread),
                    "sparsity": 0.7 + noise(seed, 0.005),
                    "spike_max": peak,
                }
                activation = {"kind": kind, **({"clip": float(clip)} if clip else {})}
                sim.add(
                    *("gpt_nano", activation, seed),
                    curves=whole,
                    layers=sites,
                    train={"clip_grad_norm": clipped, "of": "spikes"},
                )


def relufied(sim, *, cost=0.0, sparsity=0.6, spread=0.001, seeds=SEEDS):
    """A6: GELU, ReLU and the late ReLU, whose loss or accuracy is worse by `cost`."""
    for model in ("gpt_nano", "resnet", "vit"):
        for seed in seeds:
            for kind in ("gelu", "relu", "relufied"):
                worse = 0.0 if kind == "gelu" else cost + noise(seed, spread)
                values = {
                    "val_loss": 2.0 + worse,
                    "val_accuracy": 0.8 * (1 - worse),
                    "sparsity": 0.0 if kind == "gelu" else sparsity + noise(seed, 0.01),
                }
                sim.add(model, kind, seed, curves=values, train={"of": "relufication"})


MSE = ("cross_entropy", "mse")


def theorem(sim, *, mean=1e-3, seeds=range(30), data=("real", "random"), losses=MSE):
    """A7: pre-activation gradients of one hidden layer at step 0."""
    for where in data:
        for loss in losses:
            task = {"kind": "fashion_mnist" if where == "real" else "random_data"}
            task |= {"criterion": "mse"} if loss == "mse" else {}
            for seed in seeds:
                value = mean + noise(seed, 1.2e-3)
                layers = {"layers.0.act": {"preact_grad_mean": {0: value, STEPS: -1.0}}}
                sim.add("mlp", "relu", seed, layers=layers, task=task, train={"of": "theorem"})


def flatness(sim, *, plain=0.5, changed=0.8, identity=1.0, seeds=SEEDS):
    """B: sparsity with the three changes and without, and the flatness identity."""
    both = {"kind": "token_bias", "base": {"kind": "restricted_layernorm"}}
    for model in ("vit", "gpt_nano"):
        for seed in seeds:
            for kind, zeros, norm in (("relu", plain, None), ("jsrelu", changed, both)):
                sparse = zeros + noise(seed, 0.005)
                layers = {
                    "blocks.0.mlp.up": {"flatness_ratio": identity * (1 - sparse)},
                    "blocks.0.mlp.act": {"derivative_sparsity": {0: 0.5, STEPS: sparse}},
                }
                sim.add(
                    *(model, kind, seed),
                    curves={"sparsity": {0: 0.5, 50: sparse, STEPS: sparse}},
                    layers=layers,
                    train={"of": "flatness"},
                    **({"norm": norm} if norm else {}),
                )
