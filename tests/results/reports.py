"""Makes a small sweep with all that a report shows, for the tests of reports."""

from datetime import UTC, datetime

from results.report import write
from tests.results import sweeps
from tests.results.sweeps import begin, end, plan

AS_OF = datetime(2100, 1, 1, 12, tzinfo=UTC)
"""Later than any clock that the store's files were written by."""

SHARED = {"metric": "acc", "goal": "maximize", "score_rule": "accuracy_ratio"}


def row(trial_id, *, kind="resnet", grid="activations", activation="relu", seed=0, **values):
    """A planned trial whose baseline is the ReLU cell of its architecture and seed."""
    config = {
        "model": {"kind": kind},
        "activation": activation if isinstance(activation, dict) else {"kind": activation},
        "train": {"learning_rate": 0.008, "steps": 10},
        "seed": seed,
        **values.pop("config", {}),
    }
    settings = {"baseline_id": f"{kind}-relu-{seed}", **SHARED, **values}
    return {
        **{"trial_id": trial_id, "grid": f"{kind}.{grid}", "config": config, "seed": seed},
        **settings,
    }


def train(store, trial_id, *, acc, sparsity, spike=4.0, layers=("act1", "act2"), minute=0):
    """A trial that ran through in two minutes, with layers around its sparsity."""
    begin(store, trial_id, minute=minute, host="laptop", device="cpu", pid=7)
    inside = {
        layer: {"sparsity": sparsity * (0.9 + 0.2 * place)} for place, layer in enumerate(layers)
    }
    whole = {"acc": acc, "sparsity": sparsity, "spike_max": spike}
    sweeps.write(
        store,
        trial_id,
        {0: ({**whole, "drift_z": 0.0}, inside), 10: ({**whole, "drift_z": -0.02}, inside)},
    )
    end(store, trial_id, minute=minute + 2, host="laptop", device="cpu", pid=7)


def small(store, *, cells=12):
    """One architecture: the baseline, GELU, and Top-K at shares up to 1 with a cliff at 0.7."""
    shares = [round((i + 1) / (cells + 1), 3) for i in range(cells)]
    plan(
        store,
        [
            row("resnet-relu-0"),
            row("resnet-gelu-0", activation="gelu"),
            *(
                row(f"topk-{i:02d}", grid="topk", activation={"kind": "topk", "share": share})
                for i, share in enumerate(shares)
            ),
        ],
    )
    train(store, "resnet-relu-0", acc=0.8, sparsity=0.5)
    train(store, "resnet-gelu-0", acc=0.79, sparsity=0.0, spike=9.0, minute=2)
    for i, share in enumerate(shares):
        noise = 0.002 * (-1) ** i
        score = 1 - max(0.0, share - 0.7) + noise
        train(store, f"topk-{i:02d}", acc=0.8 * score, sparsity=share, minute=4 + i)


def written(store, **settings):
    """A report without pictures, as of a fixed time."""
    return write(store.root, **{"as_of": AS_OF, "pictures": False, **settings})
