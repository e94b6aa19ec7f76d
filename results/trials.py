"""What a sweep asks for, one row a trial, as Python values and as stored columns.

Knows nothing of how trials run or whether they did.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

import pyarrow as pa

from results.columns import from_rows, to_values
from results.schema import TRIALS

__all__ = ["TrialRow", "trial_files"]

_FILE = re.compile(r"trials/(?P<number>[0-9]{6,12})\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One trial of a sweep as planned.

    Attributes:
        sweep: name of the sweep.
        trial_id: hash of the canonical workload.
        grid: dotted name of the grid that asks for it.
        config: the canonical workload, JSON-able.
        seed: of the workload, None if it has none.
        baseline_id: trial that its score is relative to, None without a baseline.
        score_rule: `accuracy_ratio`, `exp_loss` or `difference`; None without a baseline.
        metric: name of the metric that its score reads.
        goal: `maximize` or `minimize`.
        wanted: whether the sweep still asks for it.
        created_at: when it was planned, UTC; None lets `Ledger.add` fill in its clock's time.
        commit: of the code that planned it, None outside a repository.
        dirty: whether that code had uncommitted changes.
        versions: package -> version.
        adaptive: whether a search that looks at the break so far asked for it.
    """

    sweep: str
    trial_id: str
    grid: str
    config: Mapping[str, Any]
    seed: int | None = None
    baseline_id: str | None = None
    score_rule: str | None = None
    metric: str | None = None
    goal: str | None = None
    wanted: bool = True
    created_at: datetime | None = None
    commit: str | None = None
    dirty: bool | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    adaptive: bool = False

    @classmethod
    def from_table(cls, table: pa.Table) -> list[Self]:
        """One trial a row."""
        rows = []
        names = [str(name) for name in table.schema.names]
        versions: dict[str, Mapping[str, str]] = {}  # The same few texts in every row.
        for values in zip(*map(to_values, table.columns), strict=True):
            row = dict(zip(names, values, strict=True))
            row["config"] = json.loads(row["config"])
            text = row["versions"]
            if text not in versions:
                versions[text] = json.loads(text)
            row["versions"] = versions[text]
            row["adaptive"] = bool(row["adaptive"])
            rows.append(cls(**row))
        return rows


def to_table(rows: Sequence[TrialRow]) -> pa.Table:
    """Trials as rows of the table `trials`, their mappings as JSON text."""
    records: list[dict[str, Any]] = []
    for row in rows:
        record = asdict(row)
        record["config"] = _text(row.config)
        record["versions"] = _text(row.versions)
        records.append(record)
    return from_rows(records, TRIALS)


def trial_files(names: Iterable[str]) -> list[tuple[int, str]]:
    """(number, name) of the trial files among some names, oldest first."""
    matches = map(_FILE.fullmatch, names)
    return sorted((int(match["number"]), match[0]) for match in matches if match)


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
