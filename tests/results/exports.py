"""Exports a sweep and reads a store, for the tests of exports."""

from results.export import export
from results.query import open_stores

ENDINGS = {"parquet": "parquet", "csv": "csv", "json": "jsonl"}


def read(store, query):
    with open_stores([store.root]) as reader:
        return reader.trusted(query)


def exported(store, folder, output_format="parquet"):
    with open_stores([store.root]) as reader:
        return export(reader, folder, sweep="s", output_format=output_format)


def same(left, right):
    """Equal rows; NaN is itself."""
    return [tuple(map(repr, row)) for row in left] == [tuple(map(repr, row)) for row in right]


def table_rows(table):
    return [tuple(row.values()) for row in table.to_pylist()]
