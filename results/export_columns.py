"""What each column of an exported table means, and in which unit; for programs and for people.

Opens no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from results.schema import SCHEMA_VERSION

__all__ = ["TABLES", "Column", "describe", "document", "readme"]


@dataclass(frozen=True, slots=True)
class Column:
    """The meaning of one column.

    Attributes:
        text: what it says.
        unit: of its values; empty where there is none.
    """

    text: str
    unit: str = ""


TABLES: Final[Mapping[str, str]] = {
    "trials": "One row a trial (a cell of the sweep), sorted by grid and trial_id.",
    "metrics": "The history: one row a trial, step, layer and name, each exactly once. "
    "Sorted by name, trial_id, step and layer (whole-model values first).",
    "finals": "Last value, minimum, maximum and count per trial, layer and name. "
    "Sorted by name, trial_id and layer (whole-model values first).",
    "events": "What happened to the attempts at trials: one row `running`, one row for the end. "
    "Sorted by trial_id, attempt and time.",
    "coverage": "How many of the wanted trials of each grid are done, sorted by grid.",
}
"""Table -> what its rows are, in the order in which they are written."""

_SWEEP = Column("name of the sweep")
_TRIAL = Column("hash of the canonical workload; the same workload has it in every sweep")
_LAYER = Column("name of the layer; empty for values of the whole model")
_NAME = Column("name of the metric")
_STEP = Column("optimizer updates done", "updates")
_ATTEMPT = Column("which go at the trial, from 0")

_COLUMNS: Final[Mapping[str, Mapping[str, Column]]] = {
    "trials": {
        "grid": Column("grid of the sweep file that asks for it"),
        "status": Column("planned, running, completed, stopped, failed or cancelled"),
        "wanted": Column("whether the sweep file still asks for it"),
        "seed": Column("seed of the workload"),
        "config": Column("the canonical workload", "JSON"),
        "baseline_id": Column("trial that its score is relative to; empty without a baseline"),
        "score_rule": Column("how the score is made: accuracy_ratio, exp_loss or difference"),
        "metric": Column("metric that the score reads"),
        "goal": Column("maximize or minimize: which values of that metric are better"),
        "started_at": Column("start of the first attempt", "UTC"),
        "ended_at": Column("end of the highest attempt", "UTC"),
        "duration_s": Column("time of all attempts that ended", "s"),
        "attempts": Column("how many there were"),
        "failure_class": Column("why it failed, as a class"),
        "detail": Column("message and end of the traceback of a failure"),
        "created_at": Column("when it was planned", "UTC"),
        "commit": Column("git commit of the code that planned it"),
        "dirty": Column("whether that code had uncommitted changes"),
        "versions": Column("package -> version", "JSON"),
        "adaptive": Column("whether a search that looks at the break so far asked for it"),
        "step": Column("largest step with a value", "updates"),
        "score": Column("last value of `metric` relative to the baseline, see `score_rule`"),
    },
    "metrics": {
        "value": Column("the value; NaN and infinities as they were measured"),
        "ts": Column("when it was written", "UTC"),
    },
    "finals": {
        "step": Column("step of the last value", "updates"),
        "last": Column("value at that step"),
        "minimum": Column("smallest value, NaN passed over; NaN where all are"),
        "maximum": Column("largest value, NaN passed over; NaN where all are"),
        "count": Column("rows of the history, NaN among them"),
    },
    "events": {
        "status": Column("running, or how the attempt ended"),
        "ts": Column("when", "UTC"),
        "host": Column("machine of the worker"),
        "pid": Column("process of the worker"),
        "device": Column("what it trained on, such as cpu or cuda:0"),
        "resumed_from": Column("last step taken over from an earlier attempt", "updates"),
        "failure_class": Column("why it failed, as a class"),
        "detail": Column("message and end of the traceback"),
        "seconds": Column("phase -> how long it took, as JSON; null where nobody could tell", "s"),
    },
    "coverage": {
        "grid": Column("grid of the sweep file"),
        "expected": Column("wanted trials"),
        "completed": Column("of these, completed"),
        "stopped": Column("of these, stopped early"),
        "failed": Column("of these, failed"),
        "running": Column("of these, under way"),
        "missing": Column("of these, neither under way nor at an end"),
    },
}
_SHARED: Final[Mapping[str, Column]] = {
    "sweep": _SWEEP,
    "trial_id": _TRIAL,
    "attempt": _ATTEMPT,
    "layer": _LAYER,
    "name": _NAME,
    "step": _STEP,
}


def describe(table: str, column: str) -> Column | None:
    """What a column means; None where nobody has said so, as for a metric of `trials`."""
    return _COLUMNS[table].get(column) or _SHARED.get(column)


_NOTES: Final[Mapping[str, str]] = {
    "parquet": "Parquet, zstd. NaN and infinities are themselves, missing values null.",
    "csv": 'CSV as in RFC 4180, UTF-8. Missing values are empty, an empty text is "". NaN is NaN, '
    "infinities are inf and -inf. Timestamps are ISO 8601 in UTC.",
    "json": "JSON lines, UTF-8: one object a line. JSON has no NaN and no infinities: they are "
    "null, like missing values. Timestamps are ISO 8601 in UTC.",
}
_TOOLS: Final = ("DuckDB", "pandas", "polars")
_HOW: Final[Mapping[str, tuple[str, str, str]]] = {
    "parquet": (
        "SELECT * FROM '{}'",
        "pandas.read_parquet('{}')",
        "polars.read_parquet('{}')",
    ),
    "csv": (
        "SELECT * FROM '{}'",
        "pandas.read_csv('{}')",
        "polars.read_csv('{}', infer_schema_length=None)",
    ),
    "json": (
        "SELECT * FROM '{}'",
        "pandas.read_json('{}', lines=True)",
        "polars.read_ndjson('{}', infer_schema_length=None)",
    ),
}


def document(
    *,
    sweep: str,
    moment: datetime,
    output_format: str,
    files: Mapping[str, str],
    rows: Mapping[str, int],
    columns: Mapping[str, Sequence[tuple[str, str]]],
) -> dict[str, Any]:
    """What an export holds, for `schema.json`.

    Args:
        sweep: name of the sweep.
        moment: when it was exported, UTC.
        output_format: `parquet`, `csv` or `json`.
        files: table -> name of its file.
        rows: table -> number of its rows.
        columns: table -> (name, Arrow type) of its columns in order.
    """
    return {
        "sweep": sweep,
        "exported_at": moment.isoformat(timespec="seconds"),
        "schema_version": SCHEMA_VERSION,
        "format": output_format,
        "notes": _NOTES[output_format],
        "tables": {
            table: {
                "file": file,
                "rows": rows[table],
                "description": TABLES[table],
                "columns": [_column(table, *column) for column in columns[table]],
            }
            for table, file in files.items()
        },
    }


def readme(found: Mapping[str, Any]) -> str:
    """The same as text.

    Args:
        found: what `document` returned.
    """
    tables = found["tables"]
    how = [line.format(tables["trials"]["file"]) for line in _HOW[found["format"]]]
    lines = [
        f"Sweep {found['sweep']}, exported at {found['exported_at']}.",
        found["notes"],
        "",
        *(f"{tool}  {line}" for tool, line in zip(_TOOLS, how, strict=True)),
    ]
    for table in tables.values():
        lines += ["", f"{table['file']}: {table['rows']} rows", table["description"]]
        width = max(len(column["name"]) for column in table["columns"])
        for column in table["columns"]:
            unit = f" [{column['unit']}]" if column["unit"] else ""
            lines.append(f"  {column['name']:{width}}  {column['description']}{unit}")
    return "\n".join(lines) + "\n"


def _column(table: str, name: str, kind: str) -> dict[str, str]:
    known = describe(table, name)
    if known is None:
        known = Column(f"last value of the whole-model metric {name}")
    return {"name": name, "type": kind, "unit": known.unit, "description": known.text}
