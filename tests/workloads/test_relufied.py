"""GELU turns into ReLU when its time has come, and remembers the time."""

import torch
from torch.nn import functional

from workloads.activations.relufied import Config

X = torch.linspace(-3, 3, 25)


def test_it_is_gelu_for_so_many_training_passes_and_relu_from_then_on():
    module = Config(after=2).build()
    for wanted in (functional.gelu, functional.gelu, functional.relu, functional.relu):
        module.eval()
        assert torch.equal(module(X), wanted(X))
        module.train()
        assert torch.equal(module(X), wanted(X))


def test_evaluation_does_not_count():
    module = Config(after=1).build().eval()
    for _ in range(3):
        assert torch.equal(module(X), functional.gelu(X))


def test_the_count_is_saved_with_the_model():
    module = Config(after=1).build()
    module(X)
    again = Config(after=1).build()
    again.load_state_dict(module.state_dict())
    assert torch.equal(again(X), functional.relu(X))
