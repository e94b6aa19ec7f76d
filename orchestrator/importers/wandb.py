"""W&B's sweep configurations: `program`, `method`, `parameters`, `metric`, `early_terminate`.

Keys and distributions as docs.wandb.ai, "Sweep configuration options", has them. Must never run
the program, nor ask W&B.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.errors import InputError
from orchestrator.importers._draft import Draft, mapping_of, number, sweep_name, whole_number

__all__ = ["read"]

_METHODS: Final = {"grid": "grid", "random": "random", "bayes": "tpe"}
_KNOWN: Final = (
    *("program", "method", "name", "description", "parameters", "metric"),
    *("early_terminate", "command", "run_cap"),
)
_MACROS: Final = ("${env}", "${interpreter}", "${program}", "${args}", "${args_no_hyphens}")


def read(given: Mapping[str, Any], *, stem: str) -> Draft:
    """Turns a sweep configuration into a draft of ours."""
    if "parameters" not in given or "method" not in given:
        raise InputError(
            f"a W&B sweep has the keys method and parameters, got {', '.join(given) or 'none'}."
            " Name the file that `wandb sweep` is given."
        )
    draft = Draft(name=sweep_name(given.get("name"), stem=stem))
    if given.get("description"):
        draft.about.append(str(given["description"]))
    _command(draft, given)
    method = str(given["method"])
    if method not in _METHODS:
        draft.leave(f"method: {method}", "no such method is known, so this is random.")
    draft.method = _METHODS.get(method, "random")
    if method == "bayes":
        draft.leave("method: bayes", "a Gaussian process there, tree Parzen estimators (tpe) here.")
    for name, parameter in mapping_of(given["parameters"], "parameters").items():
        _parameter(draft, str(name), parameter)
    for outer, inner in draft.overlaps():
        draft.leave(inner, f"the script gets {outer} as --{outer}.kind beside it.")
    _metric(draft, mapping_of(given.get("metric"), "metric"))
    if given.get("run_cap") is not None:
        draft.trials = whole_number(given["run_cap"], "run_cap")
    elif draft.method != "grid":
        draft.leave("run_cap", "W&B goes on until it is stopped; write search: {trials: 50}.")
    _early(draft, mapping_of(given.get("early_terminate"), "early_terminate"))
    draft.leave_others(given, _KNOWN)
    return draft


def _command(draft: Draft, given: Mapping[str, Any]) -> None:
    program = str(given.get("program") or "train.py")
    if not given.get("program"):
        draft.leave("program", "the file names none, so train.py is assumed.")
    command = given.get("command")
    if not isinstance(command, list):
        draft.command(["python", program])
        return
    words: list[str] = []
    for word in map(str, command):
        if word == "${interpreter}":
            words.append("python")
        elif word == "${program}":
            words.append(program)
        elif word.startswith("${") and word not in _MACROS:
            draft.leave(word, "parameters come as --NAME VALUE; change what the script reads.")
        elif word not in _MACROS:
            words.append(word)
    given_last = str(command[-1]).startswith("${args")
    if "${args_no_hyphens}" in command:
        draft.pass_by = "overrides"
    elif not any(str(word).startswith("${args") for word in command):
        draft.leave("wandb.config", "parameters come as --NAME VALUE; let the script read those.")
    if not given_last and any(str(word).startswith("${args") for word in command):
        draft.leave("${args}", "parameters come behind all other words of the command.")
    draft.command(words)


def _parameter(draft: Draft, name: str, parameter: object) -> None:
    given = mapping_of(parameter, f"parameters.{name}")
    if "parameters" in given:
        for inner, one in mapping_of(given["parameters"], f"parameters.{name}").items():
            _parameter(draft, f"{name}.{inner}", one)
        return
    if "value" in given:
        draft.hold(name, given["value"])
        return
    if "values" in given:
        values = given["values"]
        draft.vary(name, values if isinstance(values, list) else [values])
        if "probabilities" in given:
            draft.leave(f"{name}.probabilities", "each value is as likely as the others.")
        return
    draft.vary(name, _range(draft, name, given))


def _range(draft: Draft, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The range of a distribution; what it does to chances is noted."""
    kind = str(given.get("distribution") or "")
    where = f"parameters.{name}"
    if "min" not in given or "max" not in given:
        if kind.endswith("normal") or "mu" in given:
            return _around_mean(draft, name, kind, given)
        if kind == "beta":
            draft.leave(f"{name}: beta", "uniform from 0 to 1 here.")
            return {"min": 0.0, "max": 1.0}
        raise InputError(f"{where}: value, values, or min and max are needed, got {given!r}.")
    low, high = number(given["min"], f"{where}.min"), number(given["max"], f"{where}.max")
    whole = isinstance(low, int) and isinstance(high, int)
    if "log" in kind:
        if not kind.endswith("_values"):  # There min and max are exponents of e.
            low, high = float(f"{math.exp(low):.6g}"), float(f"{math.exp(high):.6g}")
        if kind.startswith(("q_", "inv_")):
            draft.leave(f"{name}: {kind}", "log-uniform here, neither rounded nor mirrored.")
        return {"min": low, "max": high, "scale": "log"}
    if kind.startswith("q_"):
        return {"min": low, "max": high, "step": number(given.get("q", 1), f"{where}.q")}
    if (kind == "int_uniform" or (not kind and whole)) and draft.method == "grid":
        return {"min": int(low), "max": int(high), "step": 1}
    if kind == "uniform" and whole:
        return {"min": float(low), "max": float(high)}
    return {"min": low, "max": high}


def _around_mean(draft: Draft, name: str, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A normal distribution's middle 99.7 %, within which all is as likely."""
    mean = number(given.get("mu", 0), f"parameters.{name}.mu")
    spread = number(given.get("sigma", 1), f"parameters.{name}.sigma")
    low, high = mean - 3 * spread, mean + 3 * spread
    draft.leave(f"{name}: {kind or 'normal'}", "uniform within three deviations of the mean here.")
    if "log" in kind:
        return {
            "min": float(f"{math.exp(low):.6g}"),
            "max": float(f"{math.exp(high):.6g}"),
            "scale": "log",
        }
    return {"min": low, "max": high}


def _metric(draft: Draft, given: Mapping[str, Any]) -> None:
    if "name" in given:
        draft.seek(given["name"], given.get("goal"))
    draft.leave_others(given, ("name", "goal"), where="metric.")


def _early(draft: Draft, given: Mapping[str, Any]) -> None:
    if not given:
        return
    if given.get("type") != "hyperband":
        draft.leave(f"early_terminate.type: {given.get('type')}", "only hyperband is known.")
        return
    factor = number(given.get("eta", 3), "early_terminate.eta")
    most = given.get("max_iter")
    last = None if most is None else number(most, "early_terminate.max_iter")
    first = given.get("min_iter")
    if first is None and last is not None:  # Rungs then stand at max_iter / eta^k, k up to s.
        first = max(1, round(last / factor ** number(given.get("s", 1), "early_terminate.s")))
    begin = None if first is None else number(first, "early_terminate.min_iter")
    draft.stop_by("asha", first=begin, factor=factor, last=last)
    known = ("type", "min_iter", "max_iter", "eta", "s")
    draft.leave_others(given, known, where="early_terminate.")
