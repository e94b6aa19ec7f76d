"""Nodes that cannot see the run directory are named; those that are gone are not asked twice."""

import pytest
import ray
from ray.exceptions import NodeDiedError, TaskUnschedulableError, WorkerCrashedError

from orchestrator.cluster import Node
from orchestrator.errors import RunnerError
from orchestrator.runners.ray_seen import refuse_unseen

NODES = [Node(name=f"host{n}", node_id=f"{n}" * 56, resources={}) for n in range(3)]


class Remote:
    """A question whose answer from each node is known."""

    def __init__(self, answers):
        self.answers = answers

    def options(self, *, scheduling_strategy):
        self.node = scheduling_strategy.node_id
        return self

    def remote(self, *arguments):
        return self.node


@pytest.fixture
def answers(monkeypatch):
    found = dict.fromkeys((node.node_id for node in NODES), None)

    def get(node):
        if isinstance(found[node], Exception):
            raise found[node]
        return found[node]

    monkeypatch.setattr(ray, "remote", lambda **options: lambda function: Remote(found))
    monkeypatch.setattr(ray, "wait", lambda asked, **options: (asked, []))
    monkeypatch.setattr(ray, "get", get)
    return found


def test_a_node_that_sees_another_folder_is_named(answers, tmp_path):
    answers[NODES[1].node_id] = "no such file"
    with pytest.raises(RunnerError, match=r"got 1 of 3 that do not \(host1 .*no such file"):
        refuse_unseen(str(tmp_path), NODES)


@pytest.mark.parametrize(
    "gone",
    [
        TaskUnschedulableError("NodeAffinitySchedulingStrategy doesn't exist any more"),
        NodeDiedError("Task failed because the node it was running on is dead"),
    ],
)
def test_a_node_that_is_gone_refuses_nothing(answers, tmp_path, gone):
    answers[NODES[2].node_id] = gone
    refuse_unseen(str(tmp_path), NODES)


def test_a_worker_that_cannot_even_look_is_told(answers, tmp_path):
    answers[NODES[0].node_id] = WorkerCrashedError()
    with pytest.raises(RunnerError, match="got 1 of 3"):
        refuse_unseen(str(tmp_path), NODES)
