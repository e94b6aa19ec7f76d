"""How well the break is found, on simulated sweeps whose break is known.

    python tests/benchmarks/cliff.py [--quick] [--part NAME ...] [--simulations N] [--draws N]
                                     [--json FILE]

Every sweep goes through the tool's own SQL: the rule for cells left out, the fit, the interval, the
test. Each setting prints the share of sweeps whose break was detected, the median error over those,
the bar max(0.01, 1.5 · 0.67 · SE) on linear falls with at least 4 cells behind the break and 0.03
on curved ones with an SE of at most 0.01, and the coverage of the 95 % interval, pooled bar 90 to
98 %, each at least 88 %. What has no bar is printed all the same. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from results.query import open_stores
from tests.results.simulated import Setting, fit_all, sweeps

DRAWS = 2000
"""What the tool itself draws; straight lines are tested with as many, see `main`."""

CURVED = ((1.5, -2.0), (2.0, -4.0), (3.0, -10.0))


def settings():
    """Part -> its settings."""
    sizes = (28, 79)
    return {
        "linear": [
            Setting(n, tau, change, sigma=sigma)
            for n in sizes
            for change in (-0.5, -1.0, -2.0)
            for sigma in (0.005, 0.02)
            for tau in (0.3, 0.5, 0.7, 0.9)
        ],
        "curved": [
            Setting(n, tau, change, shape, sigma)
            for n in sizes
            for shape, change in CURVED
            for sigma in (0.005, 0.02)
            for tau in (0.3, 0.5, 0.7)
        ],
        "uneven": [
            Setting(n, tau, change, shape, design="uneven")
            for n in sizes
            for shape, change in ((1.0, -1.0), (2.0, -4.0))
            for tau in (0.4, 0.6, 0.8)
        ],
        "floor": [
            Setting(n, tau, change, classes=10)
            for n in sizes
            for change in (-2.0, -4.0)
            for tau in (0.3, 0.5)
        ],
        "blown": [
            Setting(n, tau, change, sigma=sigma, blown=blown)
            for n in sizes
            for change, tau, sigma in ((-0.5, 0.7, 0.005), (-1.0, 0.6, 0.01))
            for blown in (0, n // 9)
        ],
        "few": [Setting(15, tau, -1.0, sigma=0.01) for tau in (0.3, 0.5, 0.7)],
        "power": [Setting(79, tau, -0.3, sigma=0.03) for tau in (0.3, 0.5, 0.7)],
        "line": [
            Setting(n, None, slope, sigma=sigma, design=design)
            for n in sizes
            for slope, sigma in ((-0.05, 0.01), (-0.5, 0.02))
            for design in ("even", "uneven")
        ],
    }


def bar(part, setting):
    """The largest median error allowed, None where there is no bar."""
    if part in ("few", "power", "line"):
        return None
    error = setting.error()
    if setting.shape == 1:
        return max(0.01, 1.5 * 0.67 * error) if setting.behind() >= 4 else None
    return 0.03 if error <= 0.01 else None


def measure(reader, part, setting, *, simulations, draws, seed):
    """The figures of one setting."""
    found = fit_all(reader, sweeps(setting, simulations, seed=seed), draws=draws)
    breaks = [curve for curve, _ in found if curve.break_ is not None]
    told = {
        "part": part,
        **asdict(setting),
        "simulations": simulations,
        "detected": len(breaks) / simulations,
    }
    if setting.tau is None:
        return told
    errors = [abs(curve.break_ - setting.tau) for curve in breaks]
    inside = [c.interval[0] - 1e-9 <= setting.tau <= c.interval[1] + 1e-9 for c in breaks]
    return told | {
        "behind": setting.behind(),
        "se": setting.error(),
        "bar": bar(part, setting),
        "error": float(np.median(errors)) if errors else None,
        "coverage": float(np.mean(inside)) if inside else None,
        "width": float(np.median([c.interval[1] - c.interval[0] for c in breaks])) if errors else 0,
        "won": float(np.mean([c.shape == setting.shape for c in breaks])) if errors else None,
    }


def line(told):
    """One line of output."""
    text = f"{told['part']:7} n {told['n']:2} σ {told['sigma']:<5g} {told['design']:6}"
    if told["tau"] is None:
        return f"{text} slope {told['change']:g}: claimed {told['detected']:.1%}"
    text += f" τ {told['tau']:.1f} change {told['change']:5g} ^{told['shape']:<3g}"
    text += f" blown {told['blown']}" if told["part"] == "blown" else ""
    text += f" detected {told['detected']:6.1%}"
    if told["error"] is None:
        return text
    limit = "no bar" if told["bar"] is None else f"bar {told['bar']:.3f}"
    text += f" error {told['error']:.4f} ({limit}, SE {told['se']:.4f})"
    text += f" coverage {told['coverage']:.1%} width {told['width']:.3f} shape {told['won']:.0%}"
    return text + (" MISSED" if missed(told) else "")


def missed(told):
    """Whether a setting misses a bar of its own."""
    if told.get("bar") is None:
        return False
    return told["error"] is None or told["error"] > told["bar"] or told["coverage"] < 0.88


def verdict(results):
    """The sentences at the end, and whether every bar is held."""
    barred = [told for told in results if told.get("bar") is not None]
    kept = [not missed(told) for told in barred]
    yield f"settings with a bar: {len(barred)}, missed by {len(kept) - sum(kept)}", all(kept)
    if barred:
        weights = [told["detected"] for told in barred]
        pooled = float(np.average([told["coverage"] for told in barred], weights=weights))
        least = min(told["coverage"] for told in barred)
        text = f"coverage pooled {pooled:.1%} (bar 90–98 %), lowest {least:.1%} (bar 88 %)"
        yield text, 0.9 <= pooled <= 0.98 and least >= 0.88
    lines = [told for told in results if told["part"] == "line"]
    if lines:
        count = sum(told["simulations"] for told in lines)
        share = sum(told["simulations"] * told["detected"] for told in lines) / count
        yield f"false alarms on {count} straight lines {share:.1%} (bar 6 %)", share <= 0.06
    strong = [told for told in results if told["part"] == "power"]
    if strong:
        power = min(told["detected"] for told in strong)
        yield f"power at n = 79, change 0.3, σ 0.03: {power:.1%} (bar 85 %)", power >= 0.85


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = settings()
    parser.add_argument("--quick", action="store_true", help="few simulations, within a minute")
    parser.add_argument("--part", action="append", choices=[*parts], help="may be repeated")
    parser.add_argument(
        "--simulations", type=int, help="a setting; default 300, of straight lines 125"
    )
    parser.add_argument("--draws", type=int, default=400, help="of test and bootstrap")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    count = chosen.simulations or (20 if chosen.quick else 300)
    results = []
    begin = time.perf_counter()
    with open_stores([]) as reader:
        for part in chosen.part or parts:
            for number, setting in enumerate(parts[part][:: 5 if chosen.quick else 1]):
                # All sweeps of a design share one simulated null: few draws would shift them all.
                some, draws = (count * 5 // 12, DRAWS) if part == "line" else (count, chosen.draws)
                told = measure(reader, part, setting, simulations=some, draws=draws, seed=number)
                results.append(told)
                print(line(results[-1]), flush=True)
    sentences = list(verdict(results))
    print(*(f"{'ok' if held else 'MISSED'}: {text}" for text, held in sentences), sep="\n")
    print(
        f"{count} simulations a setting, {chosen.draws} draws, {time.perf_counter() - begin:.0f} s"
    )
    if chosen.json:
        chosen.json.write_text(json.dumps({"settings": results}, indent=2) + "\n")
    return 0 if all(held for _, held in sentences) else 1


if __name__ == "__main__":
    sys.exit(main())
