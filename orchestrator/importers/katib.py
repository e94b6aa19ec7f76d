"""Katib's `Experiment` resources: parameters, objective, algorithm and the trial's container.

Keys as kubeflow.org, "How to configure Experiment", has them. Must never ask a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.errors import InputError
from orchestrator.importers._draft import Draft, mapping_of, number, sweep_name, whole_number

__all__ = ["read"]

_METHODS: Final = {
    "grid": "grid",
    "random": "random",
    "tpe": "tpe",
    "multivariate-tpe": "tpe",
    "bayesianoptimization": "tpe",
    "cmaes": "tpe",
    "sobol": "sobol",
    "hyperband": "random",
}
_KNOWN: Final = (
    *("objective", "algorithm", "parameters", "parallelTrialCount", "maxTrialCount"),
    *("maxFailedTrialCount", "earlyStopping", "trialTemplate"),
)
_REFERENCE: Final = re.compile(r"\$\{trialParameters\.([^}]+)\}")
_CORES: Final = re.compile(r"(\d+(?:\.\d+)?)(m?)")
_MEMORY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(Ki|Mi|Gi|Ti|k|K|M|G|T)?")
_UNITS: Final = {"k": "KB", "K": "KB", "M": "MB", "G": "GB", "T": "TB"}


def read(given: Mapping[str, Any], *, stem: str) -> Draft:
    """Turns an Experiment into a draft of ours."""
    spec = mapping_of(given.get("spec"), "spec")
    if given.get("kind") != "Experiment" or "parameters" not in spec:
        raise InputError(
            "a Katib Experiment has kind: Experiment and spec.parameters, got"
            f" {', '.join(given) or 'none'}. Name the file that `kubectl apply` is given."
        )
    metadata = mapping_of(given.get("metadata"), "metadata")
    draft = Draft(name=sweep_name(metadata.get("name"), stem=stem))
    _algorithm(draft, mapping_of(spec.get("algorithm"), "spec.algorithm"))
    template = mapping_of(spec.get("trialTemplate"), "spec.trialTemplate")
    spoken = _template(draft, template)
    for parameter in spec["parameters"] or ():
        _parameter(draft, mapping_of(parameter, "spec.parameters"), spoken)
    _objective(draft, mapping_of(spec.get("objective"), "spec.objective"))
    _counts(draft, spec)
    _early(draft, mapping_of(spec.get("earlyStopping"), "spec.earlyStopping"))
    draft.leave_others(spec, _KNOWN)
    return draft


def _counts(draft: Draft, spec: Mapping[str, Any]) -> None:
    if spec.get("parallelTrialCount") is not None:
        most = whole_number(spec["parallelTrialCount"], "spec.parallelTrialCount")
        draft.keys["max_concurrent_trials"] = most
    if spec.get("maxTrialCount") is not None:
        draft.trials = whole_number(spec["maxTrialCount"], "spec.maxTrialCount")
    if spec.get("maxFailedTrialCount") is not None:
        most = whole_number(spec["maxFailedTrialCount"], "spec.maxFailedTrialCount")
        draft.keys["max_failed_trials"] = most


def _early(draft: Draft, given: Mapping[str, Any]) -> None:
    if given.get("algorithmName") == "medianstop":
        settings = _settings(given)
        samples, first = settings.pop("min_trials_required", 3), settings.pop("start_step", 4)
        draft.stop_by(
            "median", first=number(first, "start_step"), samples=number(samples, "samples")
        )
        draft.leave_others(settings, (), where="earlyStopping.")
    draft.leave_others(given, ("algorithmName", "algorithmSettings"), where="earlyStopping.")


def _algorithm(draft: Draft, given: Mapping[str, Any]) -> None:
    name = str(given.get("algorithmName", "random"))
    draft.method = _METHODS.get(name, "random")
    settings = _settings(given)
    if name == "hyperband":
        last, eta = settings.pop("r_l", None), settings.pop("eta", 3)
        most = None if last is None else number(last, "r_l")
        draft.stop_by("asha", factor=number(eta, "eta"), last=most)
    if settings.get("random_state") is not None:
        draft.seed = whole_number(settings.pop("random_state"), "random_state")
    if name not in _METHODS:
        draft.leave(f"algorithmName: {name}", "no such method is known, so this is random.")
    elif name not in (draft.method, "hyperband"):
        draft.leave(f"algorithmName: {name}", f"{draft.method} is the nearest here.")
    draft.leave_others(settings, (), where="algorithmSettings.")


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Name -> value of a list of settings."""
    found = [mapping_of(one, "algorithmSettings") for one in given.get("algorithmSettings") or ()]
    return {str(one.get("name")): one.get("value") for one in found}


def _objective(draft: Draft, given: Mapping[str, Any]) -> None:
    if given.get("objectiveMetricName"):
        goal = "minimize" if given.get("type") == "minimize" else "maximize"
        draft.seek(given["objectiveMetricName"], goal)
    draft.leave(
        "the metrics collector", 'let the script print its numbers as {"step": 1, "loss": 0.3}.'
    )
    known = ("type", "objectiveMetricName", "additionalMetricNames", "metricStrategies")
    draft.leave_others(given, known, where="objective.")


def _template(draft: Draft, given: Mapping[str, Any]) -> dict[str, str]:
    """Reads the container's command.

    Returns:
        Name of a parameter -> the name under which the script is given it.
    """
    references = {
        str(one.get("name")): str(one.get("reference"))
        for one in given.get("trialParameters") or ()
        if isinstance(one, Mapping)
    }
    wanted = given.get("primaryContainerName")
    containers = list(_containers(given.get("trialSpec")))
    chosen = [one for one in containers if one.get("name") == wanted] or containers
    if not chosen:
        draft.leave("spec.trialTemplate", "no container stands there, so train.py is assumed.")
        return {}
    container = chosen[0]
    if container.get("image"):
        draft.leave(f"image {container['image']}", "the script runs where the sweep runs.")
    words = [str(w) for key in ("command", "args") for w in container.get(key) or ()]
    run, spoken = _split(draft, words, references)
    draft.command(run or ["python", "train.py"])
    _limits(draft, mapping_of(container.get("resources"), "resources"))
    for variable in container.get("env") or ():
        draft.leave(f"env {variable.get('name')}", "set it where the sweep runs; name it in env.")
    return spoken


def _containers(spec: object) -> Iterator[Mapping[str, Any]]:
    """All containers below a Job, a PyTorchJob or whatever else makes pods."""
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            if key == "containers" and isinstance(value, list):
                yield from (one for one in value if isinstance(one, Mapping))
            else:
                yield from _containers(value)


def _split(
    draft: Draft, words: list[str], references: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Takes the words that hand over a parameter out of the command."""
    run: list[str] = []
    spoken: dict[str, str] = {}
    for before, word in zip(["", *words], words, strict=False):
        found = _REFERENCE.findall(word)
        if not found:
            run.append(word)
            continue
        flag, equals, rest = word.partition("=")
        alone = _REFERENCE.fullmatch(rest if equals else word)
        if alone is None:
            draft.leave(word, "several words in one; each parameter comes as --NAME VALUE.")
            spoken |= {references.get(name, name): name for name in found}
            continue
        if not equals and re.fullmatch(r"--?[A-Za-z][\w.-]*", before):
            flag = run.pop()
        elif not equals:
            flag = alone[1]
            draft.leave(word, f"it stood alone; here it comes as --{flag} VALUE.")
        spoken[references.get(alone[1], alone[1])] = flag.lstrip("-")
        if flag[:2] != "--":
            draft.leave(word, f"here it comes as --{flag.lstrip('-')} VALUE.")
    return run, spoken


def _limits(draft: Draft, given: Mapping[str, Any]) -> None:
    asked = {
        **mapping_of(given.get("requests"), "requests"),
        **mapping_of(given.get("limits"), "limits"),
    }
    found: dict[str, Any] = {}
    for name, value in asked.items():
        cores = _CORES.fullmatch(str(value))
        memory = _MEMORY.fullmatch(str(value))
        if name == "cpu" and cores and float(cores[1]) > 0:
            found["cpu"] = float(cores[1]) / (1000 if cores[2] else 1)
        elif name == "memory" and memory:
            unit = memory[2] or ""
            found["memory"] = f"{memory[1]}{_UNITS.get(unit, f'{unit}B')}"
        elif str(name).endswith("/gpu") and cores:
            found["gpu"] = float(cores[1])
        else:
            draft.leave(f"resources {name}", "nothing here does the same.")
    if found:
        draft.keys["resources"] = found


def _parameter(draft: Draft, given: Mapping[str, Any], spoken: Mapping[str, str]) -> None:
    name = str(given.get("name", ""))
    kind = given.get("parameterType")
    where = f"spec.parameters.{name}"
    space = mapping_of(given.get("feasibleSpace"), f"{where}.feasibleSpace")
    asked = spoken.get(name, name.lstrip("-"))
    if "list" in space:
        values = space["list"]
        if not isinstance(values, list):
            raise InputError(f"{where}.feasibleSpace.list: a list is needed, got {values!r}.")
        numeric = kind in ("discrete", "int", "double")
        draft.vary(asked, [number(v, where) if numeric else v for v in values])
        return
    low, high = number(space.get("min"), f"{where}.min"), number(space.get("max"), f"{where}.max")
    draft.vary(asked, _range(draft, kind, low, high, space, where=where))


def _range(
    draft: Draft,
    kind: object,
    low: float,
    high: float,
    space: Mapping[str, Any],
    *,
    where: str,
) -> dict[str, Any]:
    chances = str(space.get("distribution") or "uniform")
    if chances not in ("uniform", "logUniform"):
        draft.leave(f"{where}: {chances}", "every value is as likely as the others.")
    if kind == "int":
        low, high = int(low), int(high)
    else:
        low, high = float(low), float(high)
    if chances.startswith("log"):
        return {"min": low, "max": high, "scale": "log"}
    step = space.get("step")
    if step is not None:
        return {"min": low, "max": high, "step": number(step, f"{where}.step")}
    if kind == "int" and draft.method == "grid":
        return {"min": low, "max": high, "step": 1}
    return {"min": low, "max": high}
