"""What every model promises, whichever file it stands in."""

import functools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.contracts.examples import examples, label
from workloads.activations import Activation
from workloads.kinds import canonical, load, names
from workloads.models import Model
from workloads.norms import Norm

KINDS = [config for config in examples("workloads.models") if isinstance(config, Model)]
ACTIVATIONS = [each for each in examples("workloads.activations") if isinstance(each, Activation)]
NORMS = [config for config in examples("workloads.norms") if isinstance(config, Norm)]
CLASSES, LENGTH = 7, 12
every_kind = pytest.mark.parametrize("config", KINDS, ids=label)


SHAPES = {"image": (1, 28, 28), "tokens": (LENGTH,), "spectrum": (2, LENGTH, 17)}


def inputs_of(config: Model) -> tuple[int, ...]:
    return SHAPES[config.takes[0]]


def usual(config: Model) -> Norm:
    norm = load("workloads.norms", config.default_norm)()
    assert isinstance(norm, Norm)
    return norm


def built(
    config: Model,
    *,
    activation: Activation = ACTIVATIONS[0],
    norm: Norm | None = None,
    seed: int = 0,
) -> nn.Module:
    torch.manual_seed(seed)
    return config.build(
        inputs=inputs_of(config),
        outputs=CLASSES,
        activation=activation,
        norm=usual(config) if norm is None else norm,
    )


def batch(config: Model, size: int = 6) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    if "image" in config.takes:
        return torch.randn(size, *inputs_of(config)), torch.randint(CLASSES, (size,))
    if "spectrum" in config.takes:
        x, target = torch.rand(2, size, *inputs_of(config))
        return x, target
    return tuple(torch.randint(CLASSES, (2, size, LENGTH)))  # type: ignore[return-value]


def loss_of(module: nn.Module, config: Model) -> Tensor:
    x, target = batch(config)
    if "spectrum" in config.takes:
        return functional.mse_loss(module(x), target)
    return functional.cross_entropy(module(x).flatten(0, -2), target.flatten())


def test_every_file_derives_from_model() -> None:
    assert len(KINDS) == len(examples("workloads.models"))


@every_kind
def test_canonical_form_validates_to_itself(config: Model) -> None:
    assert type(config).model_validate(canonical(config)) == config


@every_kind
def test_outputs_have_the_promised_shape(config: Model) -> None:
    x, target = batch(config)
    outputs = built(config)(x)
    classes = () if "spectrum" in config.takes else (CLASSES,)
    assert outputs.shape == (*target.shape, *classes)
    assert outputs.dtype == torch.float32


@every_kind
def test_weights_are_drawn_from_torchs_seed(config: Model) -> None:
    one, same, other = (built(config, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@every_kind
def test_gradients_reach_every_parameter(config: Model) -> None:
    module = built(config)
    loss_of(module, config).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


@every_kind
def test_saves_and_loads_bit_for_bit(config: Model) -> None:
    trained = built(config)
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(trained, config).backward()
        optimizer.step()
    fresh = built(config, seed=5)
    fresh.load_state_dict(trained.state_dict(), strict=True)
    assert torch.equal(loss_of(trained, config), loss_of(fresh, config))
    x, _ = batch(config)
    assert torch.equal(trained.eval()(x), fresh.eval()(x))


@every_kind
def test_sites_are_the_activations_in_forward_order(config: Model) -> None:
    activation, made, seen = load("workloads.activations", "relu"), [], []

    class Watched(activation):  # type: ignore[misc, valid-type]
        def build(self, *, causal: bool = False) -> nn.Module:
            assert causal == config.causal
            module = nn.ReLU()
            made.append(module)
            return module

    module = built(config, activation=Watched())
    sites = module.sites
    assert isinstance(sites, dict)
    assert {id(site) for site in sites.values()} == {id(each) for each in made}
    assert len(sites) == len(made)
    for name, site in sites.items():
        assert module.get_submodule(name) is site
        site.register_forward_hook(functools.partial(lambda name, *_: seen.append(name), name))
    module(batch(config)[0])
    assert seen == list(sites)


@every_kind
def test_evaluation_couples_no_samples(config: Model) -> None:
    module = built(config).eval()
    x, _ = batch(config)
    parts = torch.cat([module(x[:2]), module(x[2:])])
    torch.testing.assert_close(module(x), parts, rtol=1e-4, atol=1e-4)


@every_kind
def test_no_token_sees_a_later_one_in_a_causal_model(config: Model) -> None:
    if not config.causal:
        pytest.skip("is not causal")
    x, _ = batch(config)
    changed = x.clone()
    changed[:, LENGTH // 2 :] = (x[:, LENGTH // 2 :] + 1) % CLASSES
    for activation in ACTIVATIONS:
        module = built(config, activation=activation).eval()
        torch.testing.assert_close(
            module(x)[:, : LENGTH // 2], module(changed)[:, : LENGTH // 2], rtol=1e-5, atol=1e-5
        )


@every_kind
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=label)
def test_learns_with_every_activation(config: Model, activation: Activation) -> None:
    module = built(config, activation=activation)
    optimizer = torch.optim.AdamW(module.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = loss_of(module, config)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


@every_kind
@pytest.mark.parametrize("norm", NORMS, ids=label)
@pytest.mark.parametrize("site", ["all", "pre_activation"])
def test_holds_every_norm_that_it_accepts_and_refuses_the_rest(
    config: Model, norm: Norm, site: str
) -> None:
    norm = norm.model_copy(update={"site": site})
    if norm.layout in (*config.layouts, "any"):
        config.accepts(norm)
        module = built(config, norm=norm)
        loss_of(module, config).backward()
        assert all(parameter.grad is not None for parameter in module.parameters())
    else:
        with pytest.raises(ValueError, match=f"got {norm.kind}"):
            config.accepts(norm)


@every_kind
def test_default_norm_exists_and_is_accepted(config: Model) -> None:
    assert config.default_norm in names("workloads.norms")
    config.accepts(usual(config))


@every_kind
def test_builds_without_memory(config: Model) -> None:
    with torch.device("meta"):
        module = built(config)
    assert all(parameter.is_meta for parameter in module.parameters())
