"""Determined's configurations: `entrypoint`, `hyperparameters`, `searcher`, `resources`.

Keys as docs.determined.ai, "Configuration Reference", has them. Must never run the entry point, nor
ask a master.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.errors import InputError
from orchestrator.importers._draft import Draft, mapping_of, number, sweep_name, whole_number

__all__ = ["read"]

_METHODS: Final = {
    **dict.fromkeys(("single", "grid"), "grid"),
    **dict.fromkeys(("random", "pbt", "custom"), "random"),
    **dict.fromkeys(("adaptive_asha", "asha", "async_halving", "sync_halving"), "random"),
    **dict.fromkeys(("adaptive", "adaptive_simple"), "random"),
}
_HALVING: Final = (
    *("adaptive_asha", "asha", "async_halving"),
    *("sync_halving", "adaptive", "adaptive_simple"),
)
_KNOWN: Final = (
    *("name", "description", "labels", "entrypoint", "hyperparameters", "searcher"),
    *("resources", "max_restarts", "environment"),
)
_SEARCHER: Final = (
    *("name", "metric", "smaller_is_better", "max_trials", "max_concurrent_trials"),
    *("max_length", "max_time", "time_metric", "divisor", "max_rungs"),
)


def read(given: Mapping[str, Any], *, stem: str) -> Draft:
    """Turns a configuration into a draft of ours."""
    if "searcher" not in given and "hyperparameters" not in given:
        raise InputError(
            "a Determined configuration has the keys searcher and hyperparameters, got"
            f" {', '.join(given) or 'none'}. Name the file that `det` is given."
        )
    draft = Draft(name=sweep_name(given.get("name"), stem=stem))
    if given.get("description"):
        draft.about.append(str(given["description"]))
    _entry(draft, given.get("entrypoint"))
    searcher = mapping_of(given.get("searcher"), "searcher")
    _searcher(draft, searcher)
    for name, one in mapping_of(given.get("hyperparameters"), "hyperparameters").items():
        _parameter(draft, str(name), one)
    draft.leave(
        "the hyperparameters of the trial's context",
        "they come as --NAME VALUE; let the script read those.",
    )
    _resources(draft, mapping_of(given.get("resources"), "resources"))
    if given.get("max_restarts") is not None:
        draft.keys["retry"] = {"max": whole_number(given["max_restarts"], "max_restarts")}
    if isinstance(given.get("labels"), list):
        draft.keys["tags"] = [str(label) for label in given["labels"]]
    _environment(draft, mapping_of(given.get("environment"), "environment"))
    draft.leave_others(given, _KNOWN)
    return draft


def _entry(draft: Draft, entry: object) -> None:
    words = [str(word) for word in entry] if isinstance(entry, list) else []
    if isinstance(entry, str):
        words = shlex.split(entry)
    if not words:
        draft.leave("entrypoint", "the file names none, so train.py is assumed.")
        words = ["python", "train.py"]
    launcher = next((i for i, word in enumerate(words) if "determined.launch" in word), None)
    if launcher is not None:
        draft.leave(words[launcher], "the script is started alone, once a trial.")
        words = words[launcher + 1 :]
        while words and words[0].startswith("-"):
            words = words[1:]
    if len(words) == 1 and ":" in words[0]:
        file = words[0].partition(":")[0].replace(".", "/") + ".py"
        draft.leave(words[0], f"a class there, a script here: let {file} train when it is run.")
        words = ["python", file]
    draft.command(words)


def _searcher(draft: Draft, given: Mapping[str, Any]) -> None:
    name = str(given.get("name", "single"))
    draft.method = _METHODS.get(name, "random")
    if name in _HALVING:
        _halving(draft, given)
    if name not in _METHODS or name in ("pbt", "custom"):
        draft.leave(f"searcher.name: {name}", "no such method is known, so this is random.")
    if given.get("metric"):
        smaller = given.get("smaller_is_better", True)
        draft.seek(given["metric"], "minimize" if smaller else "maximize")
    if given.get("max_trials") is not None:
        draft.trials = whole_number(given["max_trials"], "searcher.max_trials")
    most = given.get("max_concurrent_trials")
    if most:  # 0 is as many as fit, there as here.
        draft.keys["max_concurrent_trials"] = whole_number(most, "searcher.max_concurrent_trials")
    for key in ("max_length", "max_time"):
        if key in given:
            draft.leave(f"searcher.{key}", "the script itself decides when it is done.")
    draft.leave_others(given, _SEARCHER, where="searcher.")


def _halving(draft: Draft, given: Mapping[str, Any]) -> None:
    """Rungs as Determined's: the longest training over divisor^k, max_rungs of them at most."""
    divisor = number(given.get("divisor", 4), "searcher.divisor")
    length = given.get("max_length", given.get("max_time"))
    amounts = list(length.values()) if isinstance(length, Mapping) else [length]
    if amounts[0] is None:
        draft.stop_by("asha", factor=divisor)
        return
    last = number(amounts[0], "searcher.max_length")
    rungs = number(given.get("max_rungs", 5), "searcher.max_rungs")
    draft.stop_by(
        "asha", first=max(1, round(last / divisor ** (rungs - 1))), factor=divisor, last=last
    )


def _parameter(draft: Draft, name: str, given: object) -> None:
    if not isinstance(given, Mapping):
        draft.hold(name, given)
        return
    kind = given.get("type")
    where = f"hyperparameters.{name}"
    if not isinstance(kind, str) or kind not in ("const", "int", "double", "log", "categorical"):
        for inner, one in given.items():
            _parameter(draft, f"{name}.{inner}", one)
    elif kind == "const":
        draft.hold(name, given.get("val"))
    elif kind == "categorical":
        values = given.get("vals")
        if not isinstance(values, list):
            raise InputError(f"{where}.vals: a list is needed, got {values!r}.")
        draft.vary(name, values)
    else:
        low = number(given.get("minval"), f"{where}.minval")
        high = number(given.get("maxval"), f"{where}.maxval")
        draft.vary(name, _range(draft, kind, low, high, given, where=where))


def _range(
    draft: Draft,
    kind: str,
    low: float,
    high: float,
    given: Mapping[str, Any],
    *,
    where: str,
) -> dict[str, Any] | list[int]:
    """A range, with the count that Determined's grid walks it in."""
    count = given.get("count")
    many = {"count": whole_number(count, f"{where}.count")} if count is not None else {}
    many = many if draft.method == "grid" else {}
    if kind == "log":
        base = number(given.get("base", 10), f"{where}.base")
        limits = {"min": _power(base, low), "max": _power(base, high)}
        return limits | {"scale": "log"} | many
    if kind == "double":
        return {"min": float(low), "max": float(high)} | many
    if draft.method != "grid":
        return {"min": int(low), "max": int(high)}
    steps = int(high) - int(low)
    if many and 1 < many["count"] <= steps:
        last = many["count"] - 1
        return sorted({int(low) + round(i * steps / last) for i in range(last + 1)})
    return {"min": int(low), "max": int(high), "step": 1}


def _power(base: float, exponent: float) -> float:
    return float(f"{float(base) ** float(exponent):.12g}")


def _resources(draft: Draft, given: Mapping[str, Any]) -> None:
    slots = given.get("slots_per_trial")
    if slots is None:
        draft.leave("resources.slots_per_trial", "1 there by default; here --gpu 1 asks for it.")
    elif slots:
        draft.keys["resources"] = {"gpu": whole_number(slots, "resources.slots_per_trial")}
    draft.leave_others(given, ("slots_per_trial",), where="resources.")


def _environment(draft: Draft, given: Mapping[str, Any]) -> None:
    """Names of variables are passed on; their values may be secrets and stay out."""
    listed = given.get("environment_variables")
    for word in listed if isinstance(listed, list) else ():
        name = str(word).partition("=")[0]
        if name.isidentifier():
            draft.env.append(name)
            draft.leave(f"environment variable {name}", "set it where the sweep runs.")
    draft.leave_others(given, ("environment_variables",), where="environment.")
