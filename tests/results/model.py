"""The model behind the tests of exactly-once: what attempts wrote, and what a reader must see."""

from dataclasses import dataclass, field

from hypothesis.stateful import RuleBasedStateMachine

from results.writer import Writer


@dataclass
class Go:
    """One attempt as the model knows it."""

    trial: str
    number: int
    origin: int  # step it resumed from, −1 for a fresh start
    step: int
    writer: Writer | None
    flushed: dict[int, float] = field(default_factory=dict)  # what a flush returned for
    written: dict[int, float] = field(default_factory=dict)  # what may be stored or not


class Model(RuleBasedStateMachine):
    """Each attempt's rows by step; those that a reader sees decide which count.

    Attributes:
        goes: the attempts, in the order in which they began.
        visible: (trial, attempt) -> its rows that the last fresh reader saw, by step.
    """

    def look(self, reader, *, fresh=False):
        """Checks what a reader shows, all of it where it was just opened."""
        columns = "trial_id, attempt, step, value"
        everything = reader.trusted(f"SELECT {columns}, counted FROM metrics_all").to_pylist()
        counted = reader.trusted(f"SELECT {columns} FROM metrics").to_pylist()
        finals = reader.trusted("SELECT * FROM finals ORDER BY trial_id").to_pylist()
        assert reader.warnings == []
        if not fresh:
            steps = [(row["trial_id"], row["step"]) for row in counted]
            assert len(steps) == len(set(steps)), "metrics shows a step twice"
            return
        keys = [(row["trial_id"], row["attempt"], row["step"]) for row in everything]
        assert len(keys) == len(set(keys)), "metrics_all repeats a row"
        self.visible = {}
        for row in everything:
            rows = self.visible.setdefault((row["trial_id"], row["attempt"]), {})
            rows[row["step"]] = row["value"]
        for go in self.goes:
            visible = self.visible.get((go.trial, go.number), {})
            assert go.flushed.items() <= visible.items(), "a flushed row is lost"
            assert visible.items() <= go.written.items()
        expected = sorted(
            (trial, attempt, step, value)
            for (trial, attempt), rows in self.visible.items()
            for step, value in rows.items()
            if self.counts(trial, attempt, step)
        )
        assert sorted(tuple(row.values()) for row in counted) == expected
        told = sorted(tuple(row.values())[:4] for row in everything if row["counted"])
        assert told == expected, "metrics_all and metrics disagree"
        steps = [(trial, step) for trial, _, step, _ in expected]
        assert len(steps) == len(set(steps)), "metrics shows a step twice"
        self._check_finals(finals, expected)

    def counts(self, trial, attempt, step):
        """Whether the rule counts a row, by the attempts that have visible rows."""
        later = [
            go.origin
            for go in self.goes
            if go.trial == trial and go.number > attempt and self.visible.get((trial, go.number))
        ]
        return not later or step <= min(later)

    def _check_finals(self, rows, expected):
        values = {}
        for trial, _, step, value in expected:
            values.setdefault(trial, {})[step] = value
        found = [tuple(row[k] for k in ("trial_id", "step", "last", "count")) for row in rows]
        assert found == [
            (trial, max(of), of[max(of)], len(of)) for trial, of in sorted(values.items())
        ]
        ranges = [(row["minimum"], row["maximum"]) for row in rows]
        assert ranges == [(min(v.values()), max(v.values())) for _, v in sorted(values.items())]
