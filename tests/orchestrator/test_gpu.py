"""Memory of a real GPU that runs out. Without a GPU the class is told by torch's own exception."""

import pytest
import torch

from orchestrator.attempt import Attempt
from orchestrator.spec import Resources
from orchestrator.trial import run_trial
from results.ledger import Ledger
from tests.orchestrator.sweeps import KINDS

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU whose memory can be used up; there is none"
)

_TAKES_ALL = """\
import torch
        self.taken = getattr(self, "taken", [])
        free, _ = torch.cuda.mem_get_info()
        self.taken.append(torch.empty(free // 2 + 2**30, dtype=torch.uint8, device="cuda"))
"""


def test_a_device_that_runs_full_fails_the_trial_and_is_free_for_the_next(store, program):
    folder = program("greedy", _TAKES_ALL)

    def attempt(trial_id, config):
        return Attempt(
            root=str(store.root),
            sweep="t",
            trial_id=trial_id,
            number=0,
            config=config,
            kinds=(str(folder), str(KINDS)),
            resources=Resources(gpu=1),
        )

    outcome = run_trial(attempt("full", {"kind": "greedy", "steps": 100}))
    assert (outcome.status, outcome.failure_class) == ("failed", "cuda_oom")
    assert outcome.detail.startswith("OutOfMemoryError: CUDA out of memory.")
    assert run_trial(attempt("next", {"kind": "trivial"})).status == "completed"
    ends = {e.trial_id: e.device for e in Ledger(store, sweep="t").events()}
    assert ends == {"full": "cuda:0", "next": "cuda:0"}
    assert torch.cuda.memory_reserved() == 0
