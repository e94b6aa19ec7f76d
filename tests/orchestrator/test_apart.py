"""What sets a cell apart, in a few words."""

from orchestrator.cli.apart import Apart


def flat(config, prefix=""):
    """Every dotted name of a configuration and its value."""
    if not isinstance(config, dict):
        return {prefix: config}
    found = {}
    for key, value in config.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else key)
    return found


def expected(configs, config):
    """The same, the slow way."""
    names = {name for one in configs for name in flat(one)}
    varying = {n for n in names if len({repr(flat(one).get(n)) for one in configs}) > 1}
    return " ".join(
        f"{name}={value}"
        for name, value in flat(config).items()
        if value is not None and (name in varying or name == "activation.kind")
    )


SHARED = {"kind": "mlp", "hidden": [8, 8]}
CONFIGS = [
    {"kind": "a", "model": SHARED, "activation": {"kind": "relu"}, "seed": 0},
    {"kind": "a", "model": SHARED, "activation": {"kind": "topk", "share": 0.5}, "seed": 0},
    {"kind": "a", "model": SHARED, "activation": {"kind": "topk", "share": 0.9}, "seed": 1},
]


def test_only_what_varies_and_the_activation_is_told():
    apart = Apart(CONFIGS)
    assert [apart.of(config) for config in CONFIGS] == [
        "activation.kind=relu seed=0",
        "activation.kind=topk activation.share=0.5 seed=0",
        "activation.kind=topk activation.share=0.9 seed=1",
    ]
    assert [apart.of(config) for config in CONFIGS] == [expected(CONFIGS, c) for c in CONFIGS]


def test_one_cell_has_nothing_but_its_activation():
    assert Apart(CONFIGS[:1]).of(CONFIGS[0]) == "activation.kind=relu"


def test_values_and_parts_under_one_name():
    configs = [{"a": None, "b": 1}, {"a": {"x": 1, "y": None}}, {"a": 2, "b": 1}, {"b": 1}]
    apart = Apart(configs)
    assert [apart.of(config) for config in configs] == [expected(configs, c) for c in configs]


def test_1_and_true_are_told_apart():
    configs = [{"a": 1}, {"a": True}, {"a": 1.0}]
    assert [Apart(configs).of(config) for config in configs] == ["a=1", "a=True", "a=1.0"]
