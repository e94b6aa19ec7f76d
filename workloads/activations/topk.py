"""Top-K: per sample, zero the share of smallest outputs of a base activation, exactly.

Must never know the model it stands in.

Shapes: (batch, ...) to the same shape. With y = base(x) and n entries ranked together, the
n − round(share·n) largest stay (halves round to even; of equal entries those of lowest index stay)
and the rest become 0. Ranked together are all entries of a sample; in a causal model the features
of each token, so that no token sees a later one. Ranking is by y, or by |y|. Gradient passes where
an entry stayed. Source: arXiv 2605.17659. Its authors' code ranks tokens × features even in a
causal model (`scope: sample`); in its first version the share is what stays (`level: retained`).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from workloads.activations import Activation, gelu
from workloads.kinds import one_of, refusal
from workloads.order_statistics import largest

__all__ = ["Config"]


class Config(Activation):
    """An explicit lever on sparsity; zeros of the base come on top."""

    share: float = Field(
        ge=0, lt=1, description="share of outputs set to zero", examples=[0.5, 0.9]
    )
    base: Annotated[Activation, one_of("workloads.activations")] = Field(
        default=gelu.Config(), description="activation whose outputs are ranked"
    )
    rank: Literal["value", "magnitude"] = Field(
        default="value",
        description="the largest stay, or those farthest from 0",
        json_schema_extra={"since": 2},
    )
    level: Literal["zeroed", "retained"] = Field(
        default="zeroed",
        description="what `share` is the share of; retained: as in its authors' first code",
        json_schema_extra={"since": 2},
    )
    scope: Literal["causal", "sample"] = Field(
        default="causal",
        description="in a causal model rank each token alone, or the sample: tokens see later ones",
        json_schema_extra={"since": 2},
    )

    @model_validator(mode="after")
    def _something_stays(self) -> Self:
        if self.level == "retained" and self.share == 0:
            raise refusal(("share",), "a retained share is above 0, got 0. Raise it.", self.share)
        return self

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; `causal` ranks the features of each token by themselves."""
        return TopK(
            self.base.build(causal=causal),
            config=self,
            by_token=causal and self.scope == "causal",
        )

    def promised_zeros(self, size: int) -> int:
        """Returns round(share · size), or what is left of it where the share is retained."""
        counted = round(self.share * size)
        return counted if self.level == "zeroed" else size - counted


class TopK(nn.Module):
    """base(x) with exactly as many of every n entries zeroed as the configuration promises."""

    def __init__(self, base: nn.Module, *, config: Config, by_token: bool) -> None:
        """Args: base: keeps the shape. config: of it. by_token: rank each token by itself."""
        super().__init__()
        self.base = base
        self.config = config
        self.by_token = by_token

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape; by token (batch, ..., features)."""
        y: Tensor = self.base(x)
        start = max(1, y.dim() - 1) if self.by_token else 1
        size = y.shape[start:].numel()
        ranked = y if self.config.rank == "value" else y.detach().abs()
        mask = largest(
            ranked,
            count=size - self.config.promised_zeros(size),
            start=start,
            # A zero stays one whether it is kept or not, and passes as little gradient.
            zeros_are_alike=self.config.base.flat_at_zero,
        )
        # A product, so that NaN stays NaN even where it is not kept.
        return y * mask

    def extra_repr(self) -> str:
        """Shows the share and what is ranked."""
        return f"share={self.config.share}, rank={self.config.rank}, by_token={self.by_token}"
