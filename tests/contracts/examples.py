"""Configurations to hold a contract against: each kind at its defaults, required fields exampled.

Must never name a kind: whatever file appears in a family is found here.
"""

from workloads.kinds import Kind, load, names


def examples(family: str) -> list[Kind]:
    """Returns one configuration a kind, or several where a required field has several examples.

    Raises:
        ValueError: A required field has no `examples=[...]` in its Field.
    """
    return [config for kind in names(family) for config in _of(load(family, kind))]


def label(config: Kind) -> str:
    """Names a configuration in a test's id."""
    given = [f"{name}={getattr(config, name)}" for name in sorted(config.model_fields_set)]
    return "-".join([config.kind, *given])


def _of(config: type[Kind]) -> list[Kind]:
    required = {name: field for name, field in config.model_fields.items() if field.is_required()}
    for name, field in required.items():
        if not field.examples:
            raise ValueError(
                f"{config.__module__}: a required field has examples, got none for {name!r}."
                " Write Field(..., examples=[value])."
            )
    count = max((len(field.examples or ()) for field in required.values()), default=1)
    return [
        config.model_validate(
            {
                name: (field.examples or ())[i % len(field.examples or ())]
                for name, field in required.items()
            }
        )
        for i in range(count)
    ]
