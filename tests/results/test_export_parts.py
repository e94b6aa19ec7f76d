"""An export is read in parts that cover every row once, and written as text that gives it back."""

import json
import math
import re

import polars as pl
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

import results.export as exporting
from results.export_ranges import Size, ranges
from results.export_text import csv_header, csv_lines, json_lines
from tests.results.exports import exported, same
from tests.results.sweeps import begin, end, plan, write


def test_the_history_is_held_in_parts(store, tmp_path, monkeypatch):
    """No part is larger than asked, though one metric alone is."""
    plan(store, [{"trial_id": "t0"}, {"trial_id": "t1"}])
    for trial_id in ("t0", "t1"):
        begin(store, trial_id)
        write(store, trial_id, {step: {"loss": float(step), "x": 0.0} for step in range(100)})
        end(store, trial_id)
    parts = []
    kept = exporting._bare
    monkeypatch.setattr(exporting, "_bare", lambda part: parts.append(part.num_rows) or kept(part))
    monkeypatch.setattr(exporting, "ranges", lambda sizes: ranges(sizes, most=30))
    exported(store, tmp_path / "out")
    assert max(parts) <= 30
    assert (
        pl.read_parquet(tmp_path / "out" / "metrics.parquet")["step"].to_list() == [*range(100)] * 4
    )


sizes = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("tuv"), st.integers(1, 9)),
    max_size=9,
    unique_by=lambda size: size[:2],
)


@given(sizes, st.integers(1, 12))
def test_ranges_cover_every_row_once_and_in_order(found, most):
    rows = [
        (name, trial_id, step) for name, trial_id, count in sorted(found) for step in range(count)
    ]
    cut = ranges(
        (Size(name=n, trial_id=t, rows=count, step=count - 1) for n, t, count in sorted(found)),
        most=most,
    )
    covered = [
        [
            row
            for row in rows
            if (one.first_name, one.first_trial) <= row[:2] <= (one.last_name, one.last_trial)
            and one.first_step <= row[2] <= one.last_step
        ]
        for one in cut
    ]
    assert [row for part in covered for row in part] == rows
    assert all(len(part) <= most for part in covered)


values = st.one_of(st.none(), st.floats())
words = st.one_of(st.none(), st.text(st.characters(exclude_categories=("Cs",))))


@given(st.lists(st.tuples(values, words), max_size=20))
def test_text_gives_back_every_value(rows):
    columns = list(zip(*rows, strict=True)) or [(), ()]
    table = pa.table(
        {"x": pa.array(columns[0], pa.float64()), 'the "w", ü': pa.array(columns[1], pa.string())}
    )
    data = csv_header(table.schema) + b"".join(csv_lines(table))
    assert same(parsed(data.decode()), [('the "w", ü',), *rows][1:])
    lines = b"".join(json_lines(table)).decode().split("\n")[:-1]
    found = [tuple(json.loads(line).values()) for line in lines]
    plain = [(x if x is not None and math.isfinite(x) else None, word) for x, word in rows]
    assert same(found, plain)


def parsed(text):
    """Rows of a CSV file by RFC 4180 alone, a missing value told from an empty text."""
    field = re.compile(r'("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)')
    records, record, place = [], [], 0
    while place < len(text):
        match = field.match(text, place)
        word, end_ = match.groups()
        quoted = word.startswith('"')
        record.append(word[1:-1].replace('""', '"') if quoted else word or None)
        place = match.end()
        if end_ == "\r\n":
            records.append(record)
            record = []
    assert records[0] == ["x", 'the "w", ü']
    return [(None if x is None else float(x), word) for x, word in records[1:]]
