"""The table that the search benchmark searches: a finished real sweep, and what lies between.

    cliffsweep run tests/benchmarks/search_table.yaml
    python tests/benchmarks/search_table.py [RUN_DIRECTORY]     writes search_table.csv

One row a cell and epoch. Between cells values are interpolated linearly in the share and in the
logarithms of learning rate and width, so that a continuous search has something to find.
"""

from __future__ import annotations

import csv
import itertools
import math
import sys
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".csv")
AXES = ("hidden", "share", "rate")
VALUES = ("val_accuracy", "sparsity")
QUESTION = """
SELECT config.model.hidden[1] AS hidden, config.activation.share AS share,
    config.train.optimizer.learning_rate AS rate,
    (dense_rank() OVER (PARTITION BY trials.trial_id ORDER BY metrics.step)) AS epoch,
    max(value) FILTER (name = 'val_accuracy') AS val_accuracy,
    max(value) FILTER (name = 'sparsity') AS sparsity
FROM metrics JOIN trials USING (sweep, trial_id)
WHERE layer IS NULL AND metrics.name IN ('val_accuracy', 'sparsity') AND metrics.step > 0
GROUP BY trials.trial_id, hidden, share, rate, metrics.step
ORDER BY hidden, share, rate, epoch
"""


def write(run_directory: Path) -> None:
    """Reads a finished sweep and writes the table."""
    from results.query import open_stores

    with open_stores([run_directory]) as reader:
        rows = reader.sql(QUESTION).to_pylist()
    with FILE.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*AXES, "epoch", *VALUES])
        for row in rows:
            writer.writerow(
                [row["hidden"], row["share"], row["rate"], row["epoch"]]
                + [f"{row[name]:.5f}" for name in VALUES]
            )


class Table:
    """The sweep as a function."""

    def __init__(self) -> None:
        """Reads the file."""
        with FILE.open() as file:
            rows = list(csv.DictReader(file))
        self.epochs = max(int(row["epoch"]) for row in rows)
        self._known = {
            (*(float(row[axis]) for axis in AXES), int(row["epoch"])): tuple(
                float(row[name]) for name in VALUES
            )
            for row in rows
        }
        self.points = [sorted({float(row[axis]) for row in rows}) for axis in AXES]
        self._scales = (math.log, float, math.log)

    def at(self, hidden: float, share: float, rate: float, epoch: int) -> tuple[float, float]:
        """Accuracy and sparsity after an epoch, from 1 on."""
        sides = []
        for value, points, scale in zip(
            (hidden, share, rate), self.points, self._scales, strict=True
        ):
            above = next((i for i, p in enumerate(points) if p >= value), len(points) - 1)
            low, high = points[max(0, above - 1)], points[above]
            part = 0.0 if high == low else (scale(value) - scale(low)) / (scale(high) - scale(low))
            sides.append(((low, 1 - part), (high, part)))
        total = [0.0, 0.0]
        for corner in itertools.product(*sides):
            weight = math.prod(share_of for _, share_of in corner)
            found = self._known[(*(value for value, _ in corner), epoch)]
            total = [sum_ + weight * part for sum_, part in zip(total, found, strict=True)]
        return total[0], total[1]


@cache
def table() -> Table:
    """The table, read once."""
    return Table()


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/search_table"))
    print(f"wrote {FILE}")
