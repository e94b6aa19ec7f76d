"""Columns hold what was put in, and equal what pyarrow itself would make."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.columns import from_rows, from_values, numbers, texts, to_values

_INSTANTS = st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)).map(
    lambda value: value.replace(tzinfo=UTC)
)
_KINDS = [
    (pa.string(), st.text()),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.bool_(), st.booleans()),
    (pa.timestamp("us", tz="UTC"), _INSTANTS),
]


@pytest.mark.parametrize(("kind", "values"), _KINDS, ids=str)
def test_columns_are_what_pyarrow_makes(kind, values):
    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.none() | values, max_size=20))
    def check(column):
        made = from_values(column, kind)
        made.validate(full=True)
        assert made.equals(pa.array(column, kind))
        assert to_values(made) == column

    check()


def test_numbers_share_memory_and_know_nulls():
    values = np.array([1, 2, 3], dtype=np.int64)
    null = np.array([False, True, False])
    assert numbers(values, pa.int64(), null=null).to_pylist() == [1, None, 3]
    assert numbers(values[::2], pa.int64()).to_pylist() == [1, 3]
    assert texts([]).to_pylist() == []


def test_tables_keep_the_columns_order():
    schema = pa.schema([("b", pa.int64()), ("a", pa.string())])
    table = from_rows([{"a": "x", "b": 1}, {"a": None, "b": 2}], schema)
    assert table.schema == schema
    assert table.to_pylist() == [{"b": 1, "a": "x"}, {"b": 2, "a": None}]


def test_other_zones_are_read_as_utc():
    berlin = pa.array([datetime(2026, 5, 1, 12, tzinfo=UTC)], pa.timestamp("ms", "Europe/Berlin"))
    (value,) = to_values(berlin)
    assert value == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert value.utcoffset() == timedelta(0)
