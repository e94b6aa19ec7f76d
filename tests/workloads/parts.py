"""Models, norms and activations by the names of their kinds, for the tests of `workloads`."""

from torch import nn

from workloads.activations import Activation
from workloads.kinds import one_of
from workloads.models import Model
from workloads.norms import Norm


def activation(kind: str, **values: object) -> Activation:
    config = one_of("workloads.activations").validate({"kind": kind, **values})
    assert isinstance(config, Activation)
    return config


def model(kind: str, **values: object) -> Model:
    config = one_of("workloads.models").validate({"kind": kind, **values})
    assert isinstance(config, Model)
    return config


def norm(kind: str, **values: object) -> Norm:
    config = one_of("workloads.norms").validate({"kind": kind, **values})
    assert isinstance(config, Norm)
    return config


def of_type(module: nn.Module, name: str) -> list[str]:
    """Paths of the modules within one whose class has a name."""
    return [path for path, each in module.named_modules() if type(each).__name__ == name]
