"""How long and how to train: what a sweep file says under `train`.

Must never know what is trained.
"""

from typing import Annotated, Any

from pydantic import Field, model_validator

from workloads.kinds import one_of, refusal
from workloads.optimizers import Optimizer
from workloads.pace import Every, Pace
from workloads.schedules import Schedule
from workloads.training.updates import Recipe

__all__ = ["Train"]


class Train(Recipe):
    """How long and how to train; `epochs` or `steps`, by default one epoch."""

    epochs: float | None = Field(default=None, gt=0, description="passes over the training set")
    steps: int | None = Field(default=None, ge=1, description="updates, instead of epochs")
    batch_size: int = Field(default=64, ge=1, description="samples per batch, which is an update")
    optimizer: Annotated[Optimizer, one_of("workloads.optimizers")] = Field(
        default="adamw", validate_default=True, description="turns gradients into updates"
    )
    schedule: Annotated[Schedule, one_of("workloads.schedules")] = Field(
        default="one_cycle", validate_default=True, description="factor of the learning rate"
    )
    evaluate_every: Every = Field(
        default="1 epoch", description="'N epochs' or steps; also before the first and at the end"
    )
    log_every: int | None = Field(
        default=None, ge=1, description="steps between train_loss alone; null: at evaluations only"
    )

    @model_validator(mode="before")
    @classmethod
    def _one_length(cls, values: dict[str, Any]) -> dict[str, Any]:
        epochs, steps = values.get("epochs"), values.get("steps")
        if epochs is not None and steps is not None:
            message = f"either epochs or steps, got epochs {epochs!r} and steps {steps!r}."
            raise refusal(("steps",), f"{message} Set one of them to null.", steps)
        return values if (epochs, steps) != (None, None) else {**values, "epochs": 1.0}

    def pace(self, samples: int) -> Pace:
        """Returns the length of training in updates, incomplete batches being left out.

        Args:
            samples: Size of the training set, at least `batch_size · accumulate`.
        """
        return Pace(
            steps_per_epoch=samples // (self.batch_size * self.accumulate),
            epochs=self.epochs,
            steps=self.steps,
            evaluate_every=self.evaluate_every,
            log_every=self.log_every,
        )
