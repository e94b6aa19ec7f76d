"""Hydra's sweeps: `hydra.sweeper.params` of a configuration, or the overrides in `multirun.yaml`.

As hydra.cc, "Multi-run", "Extended Override syntax" and "Optuna Sweeper plugin", have them. A Hydra
script composes its own configuration and is given what differs from it as words `NAME=VALUE`.

Must never compose a configuration, nor import Hydra.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.errors import InputError
from orchestrator.importers._draft import Draft, mapping_of, number, sweep_name, whole_number
from orchestrator.words import Values, read_values

__all__ = ["read"]

_SAMPLERS: Final = {
    "tpe": "tpe",
    "random": "random",
    "grid": "grid",
    "qmc": "sobol",
    "nsgaii": "nsga2",
    "cmaes": "tpe",
    "motpe": "tpe",
}
"""Beginning of a sampler's name -> our method."""
_SPACES: Final = ("params", "search_space", "parametrization")
"""Where a sweep stands: since Hydra 1.2, Optuna's before, Nevergrad's before."""
_KNOWN: Final = (
    *(*_SPACES, "_target_", "sampler", "direction"),
    *("n_trials", "n_jobs", "study_name", "max_batch_size"),
)


def read(given: Mapping[str, Any], *, stem: str) -> Draft:
    """Turns a configuration with a sweep into a draft of ours."""
    hydra = mapping_of(given.get("hydra"), "hydra")
    sweeper = mapping_of(hydra.get("sweeper"), "hydra.sweeper")
    words = _words(hydra)
    space = next((sweeper[key] for key in _SPACES if key in sweeper), None)
    if not words and space is None:
        raise InputError(
            f"a Hydra sweep has hydra.sweeper.params or hydra.overrides.task, got"
            f" {', '.join(given) or 'an empty file'}. Name the configuration with the sweep, or the"
            " multirun.yaml that Hydra wrote."
        )
    job = mapping_of(hydra.get("job"), "hydra.job")
    draft = Draft(name=sweep_name(sweeper.get("study_name"), stem=str(job.get("name") or stem)))
    draft.pass_by = "overrides"
    _script(draft, job, composed="multirun" not in stem)
    draft.method = _method(draft, given, sweeper)
    inclusive = draft.method != "grid" or "optuna" in str(sweeper.get("_target_"))
    for name, value in mapping_of(space, "hydra.sweeper.params").items():
        _parameter(draft, str(name), value, inclusive=inclusive)
    for name, text in words:
        _parameter(draft, name, text, inclusive=inclusive)
    _goal(draft, given, sweeper)
    draft.leave_others(sweeper, _KNOWN, where="hydra.sweeper.")
    if "launcher" in hydra:
        draft.leave("hydra.launcher", "name a cluster with `cliffsweep submit` instead.")
    return draft


def _words(hydra: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The overrides that somebody typed, as Hydra writes them down."""
    overrides = mapping_of(hydra.get("overrides"), "hydra.overrides")
    found = []
    for word in overrides.get("task") or ():
        name, equals, text = str(word).partition("=")
        if not equals:
            raise InputError(f"hydra.overrides.task: NAME=VALUES are needed, got {word!r}.")
        found.append((name, text))
    return found


def _script(draft: Draft, job: Mapping[str, Any], *, composed: bool) -> None:
    name = job.get("name")
    if not name or "${" in str(name):
        draft.leave("the script", "the file does not name it, so train.py is assumed.")
        name = "train"
    draft.command(["python", f"{name}.py"])
    draft.leave(
        "the folder of configurations",
        "put it beside this file too, and add its name to files (often conf or configs).",
    )
    if composed and job.get("config_name"):
        draft.run.append(f"--config-name={job['config_name']}")


def _method(draft: Draft, given: Mapping[str, Any], sweeper: Mapping[str, Any]) -> str:
    """Our method for Hydra's sweeper; a sampler's other settings are noted."""
    chosen = {"sweeper": "", "sampler": ""}
    for one in given.get("defaults") or ():
        for key, value in one.items() if isinstance(one, Mapping) else ():
            last = str(key).rpartition("/")[2]
            if last in chosen and "hydra/" in str(key):
                chosen[last] = str(value or "")
    sampler = sweeper.get("sampler")
    settings = dict(sampler) if isinstance(sampler, Mapping) else {"_target_": sampler or ""}
    target = str(settings.pop("_target_", "")).rpartition(".")[2] or chosen["sampler"]
    known = f"{sweeper.get('_target_', '')} {chosen['sweeper']}".lower()
    if "optuna" not in known and not target:
        if known.strip() and "basic" not in known:
            draft.leave("hydra.sweeper", "of the sweepers only basic and optuna are known: random.")
            return "random"
        return "grid"
    wanted = target.lower().removesuffix("sampler")
    method = _SAMPLERS.get(wanted, "tpe")
    if wanted not in ("", method):
        draft.leave(f"hydra.sweeper.sampler: {target}", f"{method} is the nearest here.")
    if settings.get("seed") is not None:
        draft.seed = whole_number(settings["seed"], "hydra.sweeper.sampler.seed")
    draft.leave_others(settings, ("seed",), where="hydra.sweeper.sampler.")
    return method


def _parameter(draft: Draft, name: str, given: object, *, inclusive: bool) -> None:
    if isinstance(given, Mapping):
        _older(draft, name, given)
        return
    if isinstance(given, list):
        draft.vary(name, given)
        return
    if not isinstance(given, str):
        draft.hold(name, given)
        return
    try:
        found = read_values(given)
    except ValueError as error:
        draft.leave(name, str(error))
        return
    if name[:1] in "+~":
        draft.leave(name, f"Hydra's '{name[:1]}' is lost; let the configuration hold that key.")
    _take(draft, name, found, inclusive=inclusive)


def _take(draft: Draft, name: str, found: Values, *, inclusive: bool) -> None:
    log = {"scale": "log"} if "log" in found.tags else {}
    if found.interval is not None:
        low, high = found.interval
        if "int" not in found.tags:
            low, high = float(low), float(high)
        draft.vary(name, {"min": low, "max": high} | log)
    elif len(found.steps) == 3 and inclusive and found.steps[2] > 0:
        start, stop, step = found.steps
        if log:
            draft.vary(name, {"min": start, "max": stop} | log)
        else:
            draft.vary(name, {"min": start, "max": stop, "step": step})
    elif found.swept:
        draft.vary(name, list(found.values))
    else:
        draft.hold(name, found.values[0])
    if found.shuffled:
        draft.leave(f"{name}: shuffle", "write order: shuffled.")


def _older(draft: Draft, name: str, given: Mapping[str, Any]) -> None:
    """A parameter as Hydra 1.1's Optuna sweeper had it: type, low, high, step, log, choices."""
    where = f"hydra.sweeper.search_space.{name}"
    if "choices" in given:
        choices = given["choices"]
        draft.vary(name, choices if isinstance(choices, list) else [choices])
        return
    low, high = (given.get("low", given.get("lower")), given.get("high", given.get("upper")))
    if low is None or high is None:
        raise InputError(f"{where}: choices, or low and high are needed, got {dict(given)!r}.")
    whole = given.get("type") == "int" or bool(given.get("integer"))
    limits = [number(low, f"{where}.low"), number(high, f"{where}.high")]
    low, high = (int(n) if whole else float(n) for n in limits)
    if given.get("log"):
        draft.vary(name, {"min": low, "max": high, "scale": "log"})
    elif given.get("step") is not None:
        draft.vary(name, {"min": low, "max": high, "step": number(given["step"], f"{where}.step")})
    else:
        draft.vary(name, {"min": low, "max": high})


def _goal(draft: Draft, given: Mapping[str, Any], sweeper: Mapping[str, Any]) -> None:
    if sweeper.get("n_trials") is not None:
        draft.trials = whole_number(sweeper["n_trials"], "hydra.sweeper.n_trials")
    if sweeper.get("n_jobs") is not None and number(sweeper["n_jobs"], "hydra.sweeper.n_jobs") > 0:
        draft.keys["max_concurrent_trials"] = whole_number(sweeper["n_jobs"], "n_jobs")
    direction = sweeper.get("direction")
    if direction is None:
        return
    wanted = given.get("optimized_metric")
    name = str(wanted) if wanted and "${" not in str(wanted) else "objective"
    if isinstance(direction, list):
        draft.leave("hydra.sweeper.direction", "several goals: write a list of metrics, nsga2.")
        direction = direction[0] if direction else "minimize"
    draft.seek(name, direction)
    draft.leave(
        "the value that the script returns", f"let it print that as a JSON line's number {name!r}."
    )
