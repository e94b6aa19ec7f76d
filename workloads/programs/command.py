"""Runs the user's own script: any program that prints JSON lines is a workload.

    workload: {kind: command, run: [python, train.py], parameters: {learning_rate: 0.1}}

Parameters come as `--learning_rate 0.1` (`pass_by: arguments`), as `CLIFFSWEEP_LEARNING_RATE=0.1`
(`pass_by: environment`) or as `learning_rate=0.1` (`pass_by: overrides`, for Hydra's scripts, where
`optimizer: {kind: adam, beta: 0.9}` comes as `optimizer=adam optimizer.beta=0.9`); nested ones by
their dotted name, `--optimizer.beta 0.9`. Lists and mappings come as JSON, `null` leaves a
parameter out, but as an override it is `null`. A line of standard output that is a JSON
object with an integer `step` is progress: its numbers are metrics, those of layers come as
`layers: {name: {metric: number}}`, and `checkpoint: true` says that the folder
`CLIFFSWEEP_CHECKPOINT_DIR` now holds all that is needed to go on behind that step; an attempt that
goes on finds it there, and its step in `CLIFFSWEEP_RESUME_STEP`. Everything else is log. On SIGTERM
a script may save itself so and end. It runs in a folder of its own with the sweep's `files` in it.

Must never know what the script does, who iterates, or where progress goes.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, JsonValue, field_validator

from workloads.config import Program, Progress
from workloads.programs._lines import Line, Script
from workloads.state import State

__all__ = ["Command", "Config", "ScriptError"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNQUOTED: Final = re.compile(r"[A-Za-z_/.][A-Za-z0-9_./@%+-]*")
"""Text that Hydra's grammar takes as it is, and not for a number."""
_NO_TEXT: Final = ("null", "true", "false", "nan", "inf")
_BEFORE_QUOTE: Final = re.compile(r"(\\*)'")
_PASSED: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_.*|TZ|TMPDIR|TERM|VIRTUAL_ENV|CONDA_.*|LD_LIBRARY_PATH"
    r"|PYTHON.*|OMP_.*|MKL_.*|OPENBLAS_.*|CUDA_.*|NVIDIA_.*|HIP_.*|ROCR_.*|SSL_CERT_.*|XDG_.*"
)
"""Variables that every script gets; others are named in `env`."""


class ScriptError(RuntimeError):
    """The script ended badly, or said what cannot be."""


class Config(Program):
    """One run of a script."""

    run: list[str] = Field(
        min_length=1,
        description="the command and its first arguments; python is the one that runs the trial",
    )
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict, description="name -> value, any names; an axis is parameters.NAME"
    )
    pass_by: Literal["arguments", "environment", "overrides"] = Field(
        default="arguments", description="--NAME VALUE, CLIFFSWEEP_NAME=VALUE, or NAME=VALUE"
    )
    env: list[str] = Field(
        default_factory=list,
        description="names of environment variables to pass on; values are never stored",
    )
    seed: int | None = Field(
        default=None, ge=0, description="a parameter of that name, for replicates; null: none"
    )

    @field_validator("env")
    @classmethod
    def _are_names(cls, names: list[str]) -> list[str]:
        for name in names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"names of variables, got {name!r}. Write the name alone.")
        return names

    def check(self, data_dir: Path | None = None, *, files: Sequence[Path] = ()) -> None:
        """Finds out before anything starts that the script or a variable is missing.

        Raises:
            ValueError: It is.
        """
        there = {path.name for path in files}
        first = self.run[0]
        known = _is_python(first) or Path(first).parts[0] in there or shutil.which(first)
        if not known:
            raise ValueError(
                f"workload.run: a command that can be run is needed, got {first!r}, which is"
                " neither on the PATH nor among the sweep's files. Name it in files: [...]."
            )
        for word in self.run[1:]:
            relative = Path(word).suffix in (".py", ".sh") and not Path(word).is_absolute()
            if relative and Path(word).parts[0] not in there:
                raise ValueError(
                    f"workload.run: the script {word!r} is needed, got no such file among the"
                    f" sweep's. Add files: [{word}] and put it beside the sweep file."
                )
        for name in self.env:
            if name not in os.environ:
                raise ValueError(
                    f"workload.env: the variable {name} is needed, got none of that name. Set it"
                    " where the trial runs, or leave it out."
                )

    def fits_devices(self, count: int) -> None:
        """Lets the script use what it is given."""

    def build(self) -> Command:
        """Returns the run of the script."""
        return Command(self)


class Command:
    """A script while it runs."""

    def __init__(self, config: Config) -> None:
        """Takes what to run; nothing is started yet."""
        self._config = config

    def train(self, state: State) -> Iterator[Progress]:
        """Starts the script and yields what it prints, and nothing new twice a second.

        Nothing new has the step of what came last, −1 before anything: a late step 0 is new.

        Raises:
            ScriptError: the script failed, or printed a step that does not increase.
        """
        state.attach()
        with tempfile.TemporaryDirectory(prefix="cliffsweep-") as folder:
            work, kept = Path(folder, "work"), Path(folder, "checkpoint")
            _fill(work, state.sources)
            if state.resumed and state.resumed_files is not None:
                shutil.copytree(state.resumed_files, kept)
            else:
                kept.mkdir()
            state.files, state.savable = kept, False
            environment = self._environment(state, kept)
            with Script(self._words(work), folder=work, environment=environment) as script:
                yield from self._followed(script, state)
                status = script.status()
        if status and not state.leaving:
            raise ScriptError(
                f"{' '.join(self._config.run)}: a script ends with status 0, got {status}."
                f" Its last words: {script.last_words()}"
            )

    def _followed(self, script: Script, state: State) -> Iterator[Progress]:
        last = state.step if state.resumed else -1
        for line in script.lines():
            if state.leaving:
                script.leave()
            if line is None:
                yield Progress(last)
                continue
            if line.step <= last:
                raise ScriptError(self._out_of_order(line.step, last, resumed=state.resumed))
            last = state.step = line.step
            with script.held(line.checkpoint):
                state.savable = line.checkpoint
                yield Progress(line.step, line.metrics, line.layers)
                state.savable = False

    def _out_of_order(self, step: int, last: int, *, resumed: bool) -> str:
        way_out = "Print all numbers of a step in one line."
        if resumed:
            way_out += " After a resume go on behind CLIFFSWEEP_RESUME_STEP."
        before = "a start at 0" if last < 0 else str(last)
        return (
            f"{' '.join(self._config.run)}: each line has a greater step than the one before, got"
            f" {step} after {before}. {way_out}"
        )

    def _words(self, work: Path) -> list[str]:
        first, *others = self._config.run
        found = shutil.which(first, path=_path_with(work))
        words = [sys.executable if _is_python(first) else found or first, *others]
        if self._config.pass_by == "arguments":
            for name, value in self._given():
                words += [f"--{name}", value]
        elif self._config.pass_by == "overrides":
            words += _overrides(self._parameters())
        return words

    def _environment(self, state: State, kept: Path) -> dict[str, str]:
        passed = {k: v for k, v in os.environ.items() if _PASSED.fullmatch(k)}
        passed |= {name: os.environ[name] for name in self._config.env if name in os.environ}
        if self._config.pass_by == "environment":
            passed |= {
                f"CLIFFSWEEP_{re.sub('[^A-Z0-9]', '_', name.upper())}": value
                for name, value in self._given()
            }
        passed["OMP_NUM_THREADS"] = str(state.threads)
        passed["PYTHONUNBUFFERED"] = "1"
        passed["CLIFFSWEEP_CHECKPOINT_DIR"] = str(kept)
        if state.resumed:
            passed["CLIFFSWEEP_RESUME_STEP"] = str(state.step)
        if state.data_dir is not None:
            passed["CLIFFSWEEP_DATA_DIR"] = str(state.data_dir)
        return passed

    def _parameters(self) -> dict[str, Any]:
        seed = {} if self._config.seed is None else {"seed": self._config.seed}
        return {**seed, **self._config.parameters}

    def _given(self) -> list[tuple[str, str]]:
        return _flat(self._parameters())


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Dotted names and words, in the order given."""
    found: list[tuple[str, str]] = []
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            found.append((f"{prefix}{name}", Line.word(value)))
    return found


def _overrides(parameters: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Words of Hydra's grammar; the `kind` of a mapping is what its group chooses."""
    found: list[str] = []
    for name, value in parameters.items():
        if isinstance(value, Mapping) and value:
            if "kind" in value:
                found.append(f"{prefix}{name}={_in_grammar(value['kind'])}")
            others = {key: inner for key, inner in value.items() if key != "kind"}
            found += _overrides(others, f"{prefix}{name}.")
        else:
            found.append(f"{prefix}{name}={_in_grammar(value)}")
    return found


def _in_grammar(value: object) -> str:
    """A value as Hydra reads it: text that is not plain stands in quotes, lists are lists."""
    if isinstance(value, str):
        if _UNQUOTED.fullmatch(value) and value.lower() not in _NO_TEXT:
            return value
        # Backslashes have a meaning only before a quote.
        return "'" + _BEFORE_QUOTE.sub(r"\1\1\\'", value + "'").removesuffix("\\'") + "'"
    if isinstance(value, list):
        return f"[{','.join(map(_in_grammar, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{k}:{_in_grammar(v)}' for k, v in value.items())}}}"
    return Line.word(value)


def _fill(work: Path, sources: Path | None) -> None:
    """Makes the folder in which the script runs; the sweep's files stand there as links."""
    work.mkdir()
    for path in sorted(sources.iterdir()) if sources else ():
        (work / path.name).symlink_to(path.resolve())


def _is_python(word: str) -> bool:
    return word in ("python", "python3")


def _path_with(folder: Path) -> str:
    return os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])
