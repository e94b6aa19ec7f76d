"""A script that takes its time is heard of before it prints anything, also after a resume."""

from pathlib import Path

from orchestrator.attempt import Attempt
from orchestrator.quantities import Every
from orchestrator.trial import run_trial
from results.ledger import Ledger
from results.store import Store
from tests.orchestrator.sweeps import rows

SCRIPT = """
import json, os, sys, time

step = int(os.environ.get("CLIFFSWEEP_RESUME_STEP", 0))
while step and not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
print(json.dumps({"step": step + 1, "loss": 1.0, "checkpoint": True}), flush=True)
sys.exit(0 if step else 3)
"""


def test_what_is_resumed_may_be_slow_to_print_its_next_step(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    heard = tmp_path / "heard"
    store = Store(tmp_path / "s")

    def go(number: int) -> str:
        attempt = Attempt(
            root=str(tmp_path / "s"),
            sweep="t",
            trial_id="t",
            number=number,
            config={
                "kind": "command",
                "run": ["python", str(tmp_path / "script.py")],
                "parameters": {"heard": str(heard)},
            },
            resume_from=Ledger(store, sweep="t").usable_checkpoint("t"),
            checkpoint_every=Every.read("1 steps"),
            checkpoint_keep=9,
        )

        def look() -> bool:
            if number:
                heard.touch()  # It is asked whether to leave, though nothing was printed yet.
            return False

        outcome = run_trial(attempt, asked_to_leave=look)
        return f"{outcome.status}: {outcome.detail}"

    assert go(0).startswith("failed: ScriptError")
    assert go(1).startswith("completed")
    assert [(row[0], row[2]) for row in rows(tmp_path / "s")] == [(1, "loss"), (2, "loss")]
