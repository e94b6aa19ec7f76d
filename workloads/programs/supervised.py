"""Trains one model on one task and measures it: the program of every shipped sweep.

Must never know where progress goes, who iterates, or any particular task, model or optimizer.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    model_validator,
)
from torch import nn

from workloads import streams
from workloads.activations import Activation
from workloads.config import Length, Program, Progress, ScoreRule
from workloads.constraints import constrain
from workloads.kinds import Kind, load, one_of, refusal
from workloads.measures import GROUPS, Groups, Weights, cheap, evaluate
from workloads.models import Model
from workloads.norms import Norm
from workloads.pace import Pace
from workloads.programs._several import Several
from workloads.shared import once
from workloads.state import State
from workloads.tasks import Data, Task
from workloads.training.division import check_division
from workloads.training.order import Order
from workloads.training.running import Running
from workloads.training.settings import Train
from workloads.training.updates import Updates

__all__ = ["Config", "Supervised"]

_SMOOTHED = (("image", "cross_entropy"), ("tokens", "cross_entropy"))


def _norm_or_default(value: object, info: ValidationInfo) -> object:
    """Spells a norm left out as the model's default, so that both are one workload."""
    model = info.data.get("model")
    if value is not None:
        return value
    return model.default_norm if isinstance(model, Model) else "identity"


def _train_once(value: object, read: Callable[[object], Train]) -> Train:
    """Lets the cells of a sweep share what is the same in many of them."""
    return once(Train, value, read) if isinstance(value, Mapping) else read(value)


class Config(Program):
    """A model, what it holds, what it learns, and how."""

    task: Annotated[Task, one_of("workloads.tasks")] = Field(description="data and score")
    model: Annotated[Model, one_of("workloads.models")] = Field(description="architecture")
    norm: Annotated[Norm, one_of("workloads.norms"), BeforeValidator(_norm_or_default)] = Field(
        default=None, validate_default=True, description="norm; null: the model's default"
    )
    activation: Annotated[Activation, one_of("workloads.activations")] = Field(
        default="relu", validate_default=True, description="at every site of the model"
    )
    train: Annotated[Train, WrapValidator(_train_once)] = Field(
        default_factory=Train, description="how long and how to train"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="of weights, data order and noise")
    measures: Groups = Field(
        default=GROUPS,
        description="what evaluations measure besides scores, weights, sparsity and spike_max",
        json_schema_extra={"since": 2},
    )
    gradients_at: Literal["ends", "evaluations"] = Field(
        default="ends",
        description="when measures that need gradients are due: before step 1 and last, or always",
        json_schema_extra={"since": 2},
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "Config":
        if self.task.gives not in self.model.takes:
            message = (
                f"{self.model.kind} takes {' or '.join(self.model.takes)},"
                f" got {self.task.kind}, which gives {self.task.gives}. Choose another model."
            )
            raise refusal(("model",), message, self.model.kind)
        self._fits_training()
        tests: dict[str, Callable[[], None]] = {
            "model": lambda: self.model.fits(self.task.inputs, self.task.outputs),
            "norm": lambda: self.model.accepts(self.norm),
        }
        for key, test in tests.items():
            try:
                test()
            except ValidationError:
                raise
            except ValueError as refused:
                raise refusal((key,), str(refused), getattr(self, key).kind) from None
        return self

    def _fits_training(self) -> None:
        """Raises where the training asks of the task what it does not have."""
        train, samples = self.train, self.task.samples[0]
        batch = train.batch_size * train.accumulate
        if batch > samples:
            times = f" × {train.accumulate} (accumulate)" if train.accumulate > 1 else ""
            got = f"{train.batch_size}{times}"
            message = f"at most the {samples} training samples, got {got}. Take fewer."
            raise refusal(("train", "batch_size"), message, batch)
        for name in ("mixup", "cutmix"):
            if getattr(train, name) and self.task.gives != "image":
                message = f"mixes images, got {self.task.kind}, which gives {self.task.gives}."
                raise refusal(("train", name), f"{message} Set it to 0.", getattr(train, name))
        criterion = getattr(self.task, "criterion", "cross_entropy")
        if train.label_smoothing and (self.task.gives, criterion) not in _SMOOTHED:
            message = f"smooths classes under cross-entropy, got {self.task.kind}. Set it to 0."
            raise refusal(("train", "label_smoothing"), message, train.label_smoothing)

    @property
    def score_rule(self) -> ScoreRule:
        """The task's."""
        return self.task.score_rule

    @property
    def score_metric(self) -> str:
        """The task's."""
        return self.task.score_metric

    @property
    def pace(self) -> Pace:
        """The length of training in updates, and when it evaluates."""
        return self.train.pace(self.task.samples[0])

    @property
    def default_norm(self) -> Kind:
        """The model's."""
        return load("workloads.norms", self.model.default_norm)()

    @property
    def length(self) -> Length:
        """Updates and evaluations."""
        pace = self.train.pace(self.task.samples[0])
        return Length(pace.total, pace.evaluations)

    def shortened(self, steps: int) -> "Config":
        """The same but for its length; what the schedule makes of the rates takes no time."""
        halfway = {"epochs": None, "steps": steps, "evaluate_every": max(1, steps // 2)}
        train = self.train.model_copy(update=halfway | {"log_every": None})
        return self.model_copy(update={"train": train})

    def check(self, data_dir: Path | None = None, *, files: Sequence[Path] = ()) -> None:
        """Raises DataError where files of the task are missing or wrong."""
        self.task.check(data_dir)

    def fits_devices(self, count: int) -> None:
        """Raises ValueError where slices of a batch would not add up to the training of a whole."""
        usual = load("workloads.norms", self.model.default_norm)()
        norms = (self.norm,) if self.norm.site == "all" else (self.norm, usual)
        check_division(
            (*norms, self.activation),
            task=self.task,
            recipe=self.train,
            batch_size=self.train.batch_size,
            count=count,
        )

    def build(self) -> "Supervised":
        """Returns the training."""
        return Supervised(self)


class Supervised:
    """One training run of a Config."""

    def __init__(self, config: Config, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """Takes the configuration.

        Args:
            config: What to train.
            clock: Seconds, for `step_time_s`.
        """
        self.config = config
        self._clock = clock

    def train(self, state: State) -> Iterator[Progress]:
        """Yields progress after every step: measures at step 0, at evaluations and at the end.

        A non-finite loss is reported like any other and does not end the training.

        Raises:
            DataError: Files of the task are missing or wrong.
            CheckpointError: The state's checkpoint is not one of this workload.
        """
        if state.devices > state.share.size:
            yield from Several(self.config, pace=self.config.pace).train(state)
            return
        config, train, clock = self.config, self.config.train, self._clock
        streams.seed_all(config.seed)
        with state.stopwatch("data"):
            data = config.task.build(state.data_dir, seed=config.seed).to(state.device)
        pace = config.pace
        with state.stopwatch("start"):
            model = self._model().to(state.device)
        optimizer = train.optimizer.build(list(model.named_parameters()))
        constrain(model, optimizer)
        rates = [group["lr"] for group in optimizer.param_groups]
        weights, running = Weights(model), Running(state.device, share=state.share)
        objective = config.task.objective(state.device)
        order = Order(
            data.train,
            batch_size=train.batch_size,
            accumulate=train.accumulate,
            seed=config.seed,
            device=state.device,
            share=state.share,
            timed=lambda: state.stopwatch("data"),
        )
        updates = Updates(
            train,
            model=model,
            optimizer=optimizer,
            loss=objective.loss,
            seed=config.seed,
            device=state.device,
            share=state.share,
        )
        state.steps_per_epoch, state.steps = pace.steps_per_epoch, pace.total
        state.attach(model=model, optimizer=optimizer, weights=weights, running=running)
        state.attach(**objective.parts)
        state.part_streams(config.seed)
        if not state.resumed:
            yield self._evaluated(0, pace, model, data, weights, state)
        for update in range(state.step, pace.total):
            started = clock()
            factor = train.schedule.factor(update, steps=pace.total)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            loss = updates.run(update, order)
            running.add(loss, clock() - started)
            state.step = step = update + 1
            progress = Progress(step)
            if pace.evaluates(step):
                trained = running.take(clock)
                progress = self._evaluated(step, pace, model, data, weights, state)
                progress = Progress(step, {**trained, **progress.metrics}, progress.layers)
            elif pace.logs(step):
                progress = Progress(step, {"epoch": pace.epoch(step), **running.take(clock)})
            yield progress

    def _model(self) -> nn.Module:
        config = self.config
        return config.model.build(
            inputs=config.task.inputs,
            outputs=config.task.outputs,
            activation=config.activation,
            norm=config.norm,
        )

    def _evaluated(
        self, step: int, pace: Pace, model: nn.Module, data: Data, weights: Weights, state: State
    ) -> Progress:
        """Returns all measures at a step, of which only the leader knows any."""
        if not state.share.leads:
            return Progress(step)
        every = self.config.gradients_at == "evaluations" or step in (0, pace.total)
        with state.stopwatch("evaluate"):
            scores, activity = evaluate(
                model,
                self.config.task,
                data.validation,
                batch_size=self.config.train.batch_size,
                device=state.device,
                groups=self.config.measures if every else cheap(self.config.measures),
            )
            drift, tensors = weights.measure()
        return Progress(step, {"epoch": pace.epoch(step), **scores, **drift}, activity | tensors)
