"""One update of a model: forward and backward over its batches, clip, step.

Must never know how long training is, what is measured, or any particular task, model or optimizer.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn, optim
from torch.nn import functional

from workloads.kinds import Part
from workloads.training.mixing import Mix, mix
from workloads.training.share import Share, averages_at

__all__ = ["Recipe", "Updates"]

_LATER: dict[str, Any] = {"since": 2}
_Alpha = Annotated[float, Field(ge=0, le=100)]


class Recipe(Part):
    """What a training may do at an update besides the plain thing; all off by default."""

    clip_grad_norm: float | None = Field(
        default=None, gt=0, description="largest 2-norm of the whole gradient; null: no clip"
    )
    accumulate: int = Field(
        default=1, ge=1, description="batches per update", json_schema_extra=_LATER
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="of forward and backward; bfloat16: where torch's autocast says so",
        json_schema_extra=_LATER,
    )
    compiler: Literal["inductor", "aot_eager", "eager"] | None = Field(
        default=None,
        description="backend of torch.compile for training; null: none",
        json_schema_extra=_LATER,
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of a target spread over all classes",
        json_schema_extra=_LATER,
    )
    mixup: _Alpha = Field(
        default=0.0, description="α of Beta(α, α); 0: off", json_schema_extra=_LATER
    )
    cutmix: _Alpha = Field(
        default=0.0, description="α of Beta(α, α); 0: off", json_schema_extra=_LATER
    )


class Batches(Protocol):
    """Where samples come from."""

    def batch(self, number: int, /) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets of one batch, 0 and up."""
        ...


class Updates:
    """Updates of one model by one optimizer."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        model: nn.Module,
        optimizer: optim.Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor],
        seed: int,
        device: str,
        share: Share | None = None,
    ) -> None:
        """Takes what is trained; nothing is trained yet.

        Args:
            recipe: How.
            model: Its parameters get gradients; it is not changed otherwise.
            optimizer: Steps once an update.
            loss: From outputs and targets to the mean over a batch.
            seed: Of the workload.
            device: torch's name of it.
            share: Whose gradients are averaged; None: its own alone.
        """
        self._recipe, self._model, self._optimizer = recipe, model, optimizer
        self._loss, self._seed, self._device = loss, seed, torch.device(device).type
        self._joined = self._forward = (share or Share()).joined(model)
        if recipe.compiler is not None:
            # Else it compiles anew for each value of a count of passes.
            torch._dynamo.config.allow_unspec_int_on_nn_module = True
            compiled: Any = torch.compile(self._joined, backend=recipe.compiler)
            self._forward = compiled

    def run(self, update: int, batches: Batches) -> Tensor:
        """Makes one update and returns its loss, without gradient; never waits for the device.

        Args:
            update: Which one, 0 and up; it sees batches `update · accumulate` and following.
            batches: Where they come from.
        """
        recipe, total = self._recipe, None
        self._optimizer.zero_grad(set_to_none=True)
        first, end = update * recipe.accumulate, (update + 1) * recipe.accumulate
        for number in range(first, end):
            with averages_at(self._joined, last=number == end - 1):
                with self._precision():
                    loss = self._batch_loss(number, batches) / recipe.accumulate
                loss.backward()  # type: ignore[no-untyped-call]
            total = loss.detach() if total is None else total + loss.detach()
        if recipe.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._model.parameters(), recipe.clip_grad_norm)
        self._optimizer.step()
        assert total is not None
        return total

    def _batch_loss(self, number: int, batches: Batches) -> Tensor:
        inputs, targets = batches.batch(number)
        alphas = self._recipe.mixup, self._recipe.cutmix
        if not any(alphas):
            return self._smoothed(self._forward(inputs), targets)
        mixed: Mix = mix(inputs, mixup=alphas[0], cutmix=alphas[1], seed=self._seed, batch=number)
        return mixed.loss(self._smoothed, self._forward(mixed.inputs), targets)

    def _smoothed(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns (1 − s)·loss + s·mean over classes and samples of −log p, arXiv 1512.00567."""
        loss, share = self._loss(outputs, targets), self._recipe.label_smoothing
        if not share:
            return loss
        return (1 - share) * loss - share * functional.log_softmax(outputs, dim=-1).mean()

    def _precision(self) -> AbstractContextManager[Any]:
        if self._recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self._device, dtype=torch.bfloat16)
