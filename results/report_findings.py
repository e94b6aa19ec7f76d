"""Says in a sentence or two what each figure of a report shows.

Computes nothing but differences and medians of rows that stand in the document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean, median
from typing import Any, Final

from results.report_figures import Document, rows
from results.report_words import count, finite, listed, number, share, signed, span

__all__ = ["FINDINGS", "facts", "standing"]

Row = Mapping[str, Any]


def standing(document: Document) -> list[str]:
    """What a reader must know before the figures: running, partial, unreadable files."""
    totals = rows(document, "totals")[0]
    notes = []
    if totals["running"]:
        many = count(totals["running"], "cell")
        notes.append(f"The sweep was still running when this was written: {many} under way.")
    if document["partial"] and totals["completed"] + totals["stopped"] < totals["expected"]:
        missing = totals["expected"] - totals["completed"] - totals["stopped"]
        notes.append(
            f"Partial: {missing} of {count(totals['expected'], 'cell')} have no result, and the "
            "fits rest on the others."
        )
    return [*notes, *(f"Passed over: {warning}" for warning in document["warnings"])]


def facts(document: Document) -> list[tuple[str, str]]:
    """The sweep in a few pairs of a name and a value."""
    totals = rows(document, "totals")[0]
    found = [("cells completed", f"{totals['completed']:,} of {totals['expected']:,}")]
    for key, name in (("stopped", "stopped early"), ("failed", "failed"), ("running", "running")):
        if totals[key]:
            found.append((name, f"{totals[key]:,}"))
    if totals["missing"]:
        found.append(("not run yet", f"{totals['missing']:,}"))
    found.append(("seeds", f"{totals['seeds']:,}"))
    reached = [finite(row["sparsity"]) for row in rows(document, "cells")]
    known = [value for value in reached if value is not None]
    if known:
        found.append(("measured sparsity", f"{share(min(known))} to {share(max(known))}"))
    if finite(totals["wall_s"]) is not None:
        found.append(("first start to last event", span(totals["wall_s"])))
    return found


def _cliff(document: Document) -> str:
    left = {o["trial_id"]: o["reason"] for fit in document["fits"] for o in fit["left_out"]}
    labels = {row["trial_id"]: row for row in rows(document, "cells")}
    names = []
    for trial_id, reason in left.items():
        row = labels.get(trial_id)
        name = f"{row['grid']}, {row['label'] or trial_id}" if row else trial_id
        names.append(f"{name} ({reason})")
    drawn, ended = len(labels), rows(document, "totals")[0]["completed"]
    pooled = next((fit for fit in document["fits"] if fit["architecture"] is None), None)
    return " ".join(
        [
            "Each mark is a cell; the line is the fit, the shaded band the 95 % interval of the "
            "break.",
            *([pooled["note"]] if pooled and pooled["note"] else []),
            *([f"Left out of the fits, drawn hollow: {listed(names, most=12)}."] if names else []),
            *(
                [f"Drawn are {drawn:,} of {ended:,} cells, evenly by sparsity; the fits use all."]
                if drawn < ended
                else []
            ),
        ]
    )


def _requested(document: Document) -> str:
    misses: dict[str, list[float]] = {}
    for row in rows(document, "requested"):
        achieved, requested = finite(row["achieved"]), finite(row["requested"])
        if achieved is not None and requested is not None:
            misses.setdefault(row["lever"] or "unnamed", []).append(abs(achieved - requested))
    if not misses:
        return "No completed cell names the sparsity that it wants."
    ordered = sorted(misses, key=lambda lever: median(misses[lever]))
    told = listed((f"{lever} {median(misses[lever]):.3f}" for lever in ordered), most=12)
    return f"Median distance between requested and measured sparsity: {told}."


def _ranking(document: Document) -> str:
    found = [row for row in rows(document, "ranking") if finite(row["gain"]) is not None]
    if not found:
        return "No completed cell differs from its baseline in the activation alone."
    best = []
    for architecture in dict.fromkeys(row["architecture"] for row in found):
        row = next(row for row in found if row["architecture"] == architecture)
        what = "the baseline" if row["is_baseline"] else row["activation"]
        gain = "" if row["is_baseline"] else f" ({signed(row['gain'], 4)} {row['metric']})"
        best.append(f"{architecture or 'all cells'}: {what}{gain}")
    fewest = min(row["seeds"] for row in found)
    if max(row["seeds"] for row in found) == 1:
        sure = (
            "There is one seed a cell, so no difference has an interval: small ones may be noise."
        )
    elif fewest == 1:
        sure = "Lines are 95 % intervals over seeds; what has one seed has none."
    else:
        sure = f"Lines are 95 % intervals over at least {fewest} seeds, paired seed by seed."
    return f"In front: {'; '.join(best)}. {sure}"


def _layers(document: Document) -> str:
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows(document, "layers"):
        value = finite(row["sparsity"])
        if value is not None:
            values.setdefault((row["architecture"], row["layer"]), []).append(value)
    if not values:
        return "No completed cell has measured the sparsity of its layers."
    told = []
    for architecture in dict.fromkeys(key[0] for key in values):
        means = {key[1]: fmean(many) for key, many in values.items() if key[0] == architecture}
        least, most = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        told.append(
            f"{architecture or 'all cells'} from {share(means[least])} ({least}) to "
            f"{share(means[most])} ({most})"
        )
    return f"Means over the cells shown: {'; '.join(told)}."


def _drift(document: Document) -> str:
    last = _ends(document, "drift")
    if not last:
        return "No drift was recorded."
    below = [row for row in last if row["median"] < 0]
    return (
        f"At the end the median drift is negative in {len(below)} of {len(last)} groups of cells. "
        "Lines are medians over the cells of a mechanism, bands their extremes."
    )


def _spikes(document: Document) -> str:
    last = _ends(document, "spikes")
    if not last:
        return "No largest activation was recorded."
    every = [row for row in rows(document, "spikes") if finite(row["high"]) is not None]
    worst = max(every, key=lambda row: row["high"])
    where = " ".join(filter(None, (worst["architecture"], worst["mechanism"])))
    medians = [row["median"] for row in last]
    return (
        f"At the end the medians lie between {number(min(medians), 1)} and "
        f"{number(max(medians), 1)}; the largest activation of all is {number(worst['high'], 1)} "
        f"({where}, step {worst['step']:,})."
    )


def _ends(document: Document, name: str) -> list[Row]:
    """The last point of each curve."""
    found = {(row["architecture"], row["mechanism"]): row for row in rows(document, name)}
    return [row for row in found.values() if finite(row["median"]) is not None]


def _coverage(document: Document) -> str:
    totals = rows(document, "totals")[0]
    grids = len(rows(document, "coverage"))
    if not totals["expected"]:
        return "The sweep has no cell yet."
    extra = totals["no_longer_wanted"]
    old = f" {count(extra, 'cell')} of earlier versions of the sweep file count no more." * (
        extra > 0
    )
    return (
        f"{totals['completed']:,} of {count(totals['expected'], 'cell')} in "
        f"{count(grids, 'grid')} completed.{old}"
    )


def _failures(document: Document) -> str:
    found = rows(document, "failures")
    if not found:
        return "No attempt failed."
    total = found[0]["attempts"]
    classes = sorted({row["failure_class"] or "unknown" for row in found})
    cells = {row["trial_id"] for row in found}
    well = {row["trial_id"] for row in found if row["status_now"] == "completed"}
    shown = "" if total == len(found) else f" The newest {len(found)} are listed."
    return (
        f"{count(total, 'attempt')} failed ({listed(classes)}); {len(well)} of "
        f"{count(len(cells), 'cell')} concerned completed later.{shown}"
    )


def _time(document: Document) -> str:
    totals, found = rows(document, "totals")[0], rows(document, "time")
    busy = sum(finite(row["busy_s"]) or 0 for row in found)
    lost = sum(finite(row["failed_s"]) or 0 for row in found)
    wall = finite(totals["wall_s"])
    if not busy or not wall:
        return "No attempt has ended yet."
    wasted = f" {span(lost)} went into attempts that failed." if lost else ""
    return (
        f"{span(busy)} of attempts in {span(wall)} from the first start to the last event, "
        f"{busy / wall:.1f} at a time on average, in {count(totals['workers'], 'worker process')}."
        f"{wasted}"
    ).replace("processs", "processes")


def _provenance(document: Document) -> str:
    found = rows(document, "provenance")
    commits = [row for row in found if row["what"] == "commit"]
    machines = [row["value"] for row in found if row["what"] == "machine"]
    if not commits:
        return "Nothing is recorded yet."
    if len(commits) == 1:
        version, _, state = commits[0]["value"].partition(",")
        code = f"All cells come from commit {version[:12]}{',' * bool(state)}{state}"
    else:
        code = f"The cells come from {len(commits)} versions of the code"
    rates = [
        f"{row['architecture'] or 'all cells'} {row['value']}"
        for row in rows(document, "settings")
        if row["setting"].endswith("learning_rate")
    ]
    told = f" Learning rate: {listed(rates, most=12)}." if rates else ""
    return f"{code}; trained on {listed(machines) or 'no machine yet'}.{told}"


FINDINGS: Final[Mapping[str, Callable[[Document], str]]] = {
    "cliff": _cliff,
    "requested": _requested,
    "ranking": _ranking,
    "layers": _layers,
    "drift": _drift,
    "spikes": _spikes,
    "coverage": _coverage,
    "failures": _failures,
    "time": _time,
    "provenance": _provenance,
}
"""Section -> the words for its finding."""
