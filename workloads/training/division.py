"""Says whether one training can be divided among several devices.

Must never know how it would be done.

Each device takes an equal slice of every batch and gradients are averaged. That adds up to the
training of the whole batch only if no sample of it has to do with another before the loss, and if
the loss is a mean over samples. The latter is what a task promises of its `loss`; where it learns
with an objective of its own, which may hold more, nothing is divided.
"""

from collections.abc import Iterable

from workloads.activations import Activation
from workloads.kinds import Kind, Part
from workloads.norms import Norm
from workloads.tasks import Task
from workloads.training.updates import Recipe

__all__ = ["check_division"]


def check_division(
    parts: Iterable[Kind], *, task: Task, recipe: Recipe, batch_size: int, count: int
) -> None:
    """Raises ValueError where slices would not add up.

    Args:
        parts: Norms and activations of the model.
        task: What is learnt.
        recipe: What an update does.
        batch_size: Samples of a batch, on all devices together.
        count: Devices, 2 or more.
    """
    if batch_size % count:
        raise ValueError(
            f"train.batch_size is a multiple of the devices, got {batch_size} and {count}."
            f" Take {count * max(1, round(batch_size / count))}."
        )
    if recipe.mixup or recipe.cutmix:
        raise ValueError(f"mixup and cutmix mix batches on one device, got {count}. Write gpu: 1.")
    if type(task).objective is not Task.objective:  # It may learn or count on its own.
        raise ValueError(f"{task.kind} is learnt on one device, got {count}. Write gpu: 1.")
    met = next(filter(None, map(_coupling, parts)), None)
    if met is not None:
        raise ValueError(
            f"{met} lets the samples of a batch meet, which devices divide among themselves, got"
            f" {count}. Write gpu: 1, or take another."
        )


def _coupling(part: Part) -> str | None:
    """Returns the kind that couples samples, be it this one or one inside it."""
    if isinstance(part, Norm | Activation) and part.couples_samples:
        return part.kind
    inner = (getattr(part, name) for name in type(part).model_fields)
    return next(filter(None, (_coupling(each) for each in inner if isinstance(each, Part))), None)
