"""No sweep file, however broken, ends in a traceback, a hang or half a sweep."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import CliffsweepError
from orchestrator.expand import expand
from orchestrator.spec_load import load_bytes
from tests.orchestrator.sweeps import HEAD, load

SHIPPED = sorted(Path("sweeps").glob("*.yaml"))
LIMIT_S = 2.0

NASTY = [
    *(
        "~",
        "null",
        "{}",
        "[]",
        "''",
        '""',
        "!!python/object:os.system",
        "!!binary aGk=",
        "*a",
        "&a x",
    ),
    *("1e999", "-1e999", ".nan", ".inf", "0x7fffffffffffffff", "1" * 400, "-0", "1_000", "0b1"),
    *("../../etc", "/etc/passwd", "a/b", "..", ".", "\\x00", "\u202e", "é" * 50, "a" * 5000),
    *("{min: 0, max: 1e18, step: 1}", "{min: 1, max: 0, step: 1}", "{min: 0, max: 1, step: 0}"),
    *(
        "yes",
        "no",
        "2026-01-01",
        "? a",
        "- - - -",
        "{a: {a: {a: {a: 1}}}}",
        "[[[[[[]]]]]]",
        "|",
        ">",
    ),
    *("version: 1", "name: x", "grids:", "workload:", "<<: *a", "kind: relu", "kind: {kind: kind}"),
]
KEYS = [
    *("version", "name", "workload", "grids", "parameters", "set", "zip", "when", "exclude"),
    *("replicates", "seeds", "baseline", "metric", "order", "resources", "retry", "checkpoint"),
    *("delta", "tags", "trial_timeout", "max_failed_trials", "kind", "activation.kind", "task"),
    *("model", "train.epochs", "activation", "share", "norm", "method", "search", "budget", "x"),
]


@st.composite
def mutated(draw):
    """A shipped sweep file with some lines deleted, doubled, moved, cut or replaced."""
    text = draw(st.sampled_from([HEAD, *(path.read_text() for path in SHIPPED)]))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(lines) - 1)))
        kind = draw(st.sampled_from(["drop", "double", "value", "key", "cut", "indent", "bytes"]))
        line = lines[place] if lines else ""
        if kind == "drop":
            del lines[place : place + 1]
        elif kind == "double":
            lines.insert(place, line)
        elif kind == "value":
            lines[place : place + 1] = [
                line.partition(":")[0] + ": " + draw(st.sampled_from(NASTY))
            ]
        elif kind == "key":
            indent = " " * draw(st.integers(0, 6))
            key, value = draw(st.sampled_from(KEYS)), draw(st.sampled_from(NASTY))
            lines.insert(place, f"{indent}{key}: {value}")
        elif kind == "cut":
            lines[place : place + 1] = [line[: draw(st.integers(0, 40))]]
        elif kind == "indent":
            lines[place : place + 1] = [draw(st.sampled_from(["\t", " ", "   "])) + line]
        else:
            lines[place : place + 1] = [line + draw(st.text(max_size=10))]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@st.composite
def generated(draw):
    """A mapping of known keys to anything."""
    keys = draw(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
    head = {"version": 1, "name": "t", "workload": {"model": {"kind": "mlp"}}}
    return json.dumps(draw(st.sampled_from([{}, head])) | keys).encode("utf-8", "surrogatepass")


def survive(data):
    begun = time.process_time()
    try:
        loaded = load_bytes(data, source="t.yaml", folder=Path())
        cells = expand(loaded)
    except CliffsweepError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(line.strip() for line in lines)
    else:  # What learns asks for its cells later.
        assert cells or loaded.sweep.method not in ("grid", "random", "sobol")
    assert time.process_time() - begun < LIMIT_S


load(HEAD)  # What is slow to import is imported before anything is timed.
FUZZ = {"suppress_health_check": list(HealthCheck)}


@settings(max_examples=300, **FUZZ)
@given(mutated())
def test_mutated_files_end_in_sentences(data):
    survive(data)


@settings(max_examples=200, **FUZZ)
@given(generated() | st.binary(max_size=200))
def test_generated_files_end_in_sentences(data):
    survive(data)


@pytest.mark.long
@settings(max_examples=5000, **FUZZ)
@given(mutated() | generated())
def test_many_files_end_in_sentences(data):
    survive(data)
