"""Models: their published sizes, their sites, their shapes, and what they refuse."""

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tests.workloads.parts import model, norm, of_type
from workloads.activations import relu
from workloads.models import Model
from workloads.models._blocks import Rotary, SelfAttention
from workloads.norms import Norm

IMAGE = (1, 28, 28)


def built(
    config: Model, *, inputs: tuple[int, ...], outputs: int = 10, by: Norm | None = None
) -> nn.Module:
    torch.manual_seed(0)
    return config.build(
        inputs=inputs,
        outputs=outputs,
        activation=relu.Config(),
        norm=by or norm(config.default_norm),
    )


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def refused(kind: str, **values: object) -> str:
    with pytest.raises(ValidationError) as problem:
        model(kind, **values)
    (error,) = problem.value.errors()
    return str(error["msg"])


class TestResNet:
    def test_resnet_18_for_small_images_has_its_known_size(self) -> None:
        config = model("resnet", width=64, depths=[2, 2, 2, 2])
        with torch.device("meta"):
            module = built(config, inputs=(3, 32, 32))
        assert parameters(module) == 11_173_962

    def test_every_activation_is_a_site(self) -> None:
        module = built(model("resnet", depths=[1, 2]), inputs=IMAGE)
        blocks = [f"blocks.{block}.act{place}" for block in range(3) for place in (1, 2)]
        assert list(module.sites) == ["act", *blocks]
        assert set(module.sites) == set(of_type(module, "ReLU"))

    def test_stages_double_the_channels_and_halve_the_sides(self) -> None:
        shapes = {}
        module = built(model("resnet", width=4, depths=[1, 1, 1], stem_stride=2), inputs=IMAGE)
        for name, site in module.sites.items():
            site.register_forward_hook(
                lambda _, __, y, name=name: shapes.update({name: tuple(y.shape[1:])})
            )
        module(torch.randn(2, *IMAGE))
        assert shapes["act"] == shapes["blocks.0.act2"] == (4, 14, 14)
        assert shapes["blocks.1.act1"] == shapes["blocks.1.act2"] == (8, 7, 7)
        assert shapes["blocks.2.act2"] == (16, 4, 4)

    def test_pre_activation_replaces_the_norms_that_feed_an_activation(self) -> None:
        by = norm("quantile_batchnorm", quantile=0.5, site="pre_activation")
        module = built(model("resnet", depths=[1, 1]), inputs=IMAGE, by=by)
        assert of_type(module, "QuantileBatchNorm") == [
            "stem_norm", "blocks.0.norm1", "blocks.1.norm1",
        ]  # fmt: skip
        assert of_type(module, "BatchNorm") == [
            "blocks.0.norm2", "blocks.1.norm2", "blocks.1.shortcut.1",
        ]  # fmt: skip

    def test_all_replaces_every_norm(self) -> None:
        by = norm("quantile_batchnorm", quantile=0.5)
        module = built(model("resnet", depths=[1, 1]), inputs=IMAGE, by=by)
        assert len(of_type(module, "QuantileBatchNorm")) == 6
        assert not of_type(module, "BatchNorm")

    def test_a_block_adds_its_input_before_the_second_activation(self) -> None:
        block = built(model("resnet", depths=[1]), inputs=IMAGE, by=norm("identity")).blocks[0]
        x = torch.randn(2, 16, 6, 6)
        y = block.conv2(block.conv1(x).relu()) + x
        torch.testing.assert_close(block(x), y.relu())

    def test_impossible_values_are_refused(self) -> None:
        assert "greater than or equal to 1" in refused("resnet", width=0)
        assert "at least 1 item" in refused("resnet", depths=[])
        assert "1 or 2" in refused("resnet", stem_stride=3)


class TestVisionTransformer:
    def test_vit_b_16_has_its_known_size(self) -> None:
        config = model("vit", patch=16, width=768, depth=12, heads=12, pool="class_token")
        with torch.device("meta"):
            module = built(config, inputs=(3, 224, 224), outputs=1000)
        assert parameters(module) == 86_567_656

    def test_patches_are_squares_in_reading_order(self) -> None:
        module = built(model("vit", patch=2), inputs=(1, 4, 4))
        x = torch.arange(16.0).view(1, 1, 4, 4)
        assert module._patches(x).tolist() == [
            [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
        ]

    @pytest.mark.parametrize(("pool", "tokens"), [("mean", 16), ("class_token", 17)])
    def test_tokens(self, pool: str, tokens: int) -> None:
        module = built(model("vit", pool=pool), inputs=IMAGE)
        assert module.position.shape == (tokens, 64)
        hidden = []
        module.sites["blocks.0.mlp.act"].register_forward_hook(
            lambda _, __, y: hidden.append(tuple(y.shape))
        )
        module(torch.randn(2, *IMAGE))
        assert hidden == [(2, tokens, 256)]

    def test_position_tells_equal_patches_apart(self) -> None:
        module = built(model("vit"), inputs=IMAGE).eval()
        x = torch.randn(1, *IMAGE)
        assert not torch.allclose(module(x), module(x.flip(-1)), atol=1e-6)

    @pytest.mark.parametrize("kind", ["vit", "gpt_nano"])
    def test_pre_activation_replaces_the_norm_of_the_feed_forward_blocks(self, kind: str) -> None:
        by = norm("quantile_layernorm", quantile=0.5, site="pre_activation")
        config = model(kind)
        module = built(config, inputs=IMAGE if kind == "vit" else (16,), by=by)
        blocks = len(module.blocks)
        assert of_type(module, "QuantileLayerNorm") == [f"blocks.{i}.norm2" for i in range(blocks)]
        usual = "LayerNorm" if kind == "vit" else "RMSNorm"
        assert len(of_type(module, usual)) == blocks + 1

    def test_patches_that_do_not_tile_the_image_are_refused(self) -> None:
        config = model("vit", patch=5)
        with pytest.raises(ValueError, match=r"got patch 5 and 28 × 28\. Take another patch"):
            config.fits(IMAGE, 10)
        with pytest.raises(ValueError, match="got patch 5"):
            built(config, inputs=IMAGE)

    def test_heads_that_do_not_divide_width_are_refused(self) -> None:
        assert "got width 50 and heads 4. Take width 48." in refused("vit", width=50, heads=4)


class TestGPTNano:
    def test_full_scale_has_124_million_parameters(self) -> None:
        config = model("gpt_nano", layers=12, heads=12, width=768)
        with torch.device("meta"):
            module = built(config, inputs=(2048,), outputs=50_257)
        matrices = 50_257 * 768 + 12 * 12 * 768**2
        gains = 25 * 768
        assert parameters(module) == matrices + gains
        assert round(parameters(module) / 1e6) == 124

    def test_there_is_no_bias_and_the_embedding_is_tied(self) -> None:
        module = built(model("gpt_nano"), inputs=(16,), outputs=50)
        names = [name for name, _ in module.named_parameters()]
        assert not [name for name in names if "bias" in name]
        assert [name for name in names if not name.startswith("blocks.")] == [
            "embed.weight", "norm.weight",
        ]  # fmt: skip
        tokens = torch.randint(50, (2, 16))
        hidden = module.norm(module.blocks(module.embed(tokens)))
        torch.testing.assert_close(module(tokens), hidden @ module.embed.weight.T)

    def test_the_attention_branch_is_scaled_by_the_depth(self) -> None:
        block = built(model("gpt_nano", layers=8), inputs=(16,)).blocks[0]
        x = torch.randn(2, 16, 64)
        between = x + block.attention(block.norm1(x)) / 4
        torch.testing.assert_close(block(x), between + block.mlp(block.norm2(between)))

    def test_the_first_guess_is_nearly_uniform(self) -> None:
        module = built(model("gpt_nano"), inputs=(16,), outputs=256)
        tokens = torch.randint(256, (4, 16))
        loss = nn.functional.cross_entropy(module(tokens).flatten(0, 1), tokens.flatten())
        assert abs(float(loss.detach()) - math.log(256)) < 0.2

    def test_shorter_inputs_are_taken(self) -> None:
        module = built(model("gpt_nano"), inputs=(16,)).eval()
        tokens = torch.randint(10, (2, 16))
        torch.testing.assert_close(module(tokens[:, :5]), module(tokens)[:, :5])

    def test_longer_inputs_are_refused(self) -> None:
        module = built(model("gpt_nano"), inputs=(16,)).eval()
        with pytest.raises(ValueError, match=r"at most the 16 tokens .* got 17\. Shorten it"):
            module(torch.randint(10, (2, 17)))

    def test_rotary_needs_an_even_width_per_head(self) -> None:
        problem = refused("gpt_nano", width=12, heads=4)
        assert "got 12 / 4 = 3. Take width 16." in problem
        assert "Take width 64" in refused("gpt_nano", width=66, heads=4)


class TestAttention:
    def test_rotary_is_a_rotation_by_position(self) -> None:
        x = torch.randn(2, 6, 2, 3, 4)
        y = Rotary(4, length=9)(x)
        for position in range(6):
            for pair in range(2):
                angle = position * 10_000 ** (-2 * pair / 4)
                c, s = math.cos(angle), math.sin(angle)
                left, right = x[:, position, ..., 2 * pair], x[:, position, ..., 2 * pair + 1]
                turned = torch.stack((left * c - right * s, left * s + right * c), dim=-1)
                torch.testing.assert_close(y[:, position, ..., 2 * pair : 2 * pair + 2], turned)

    def test_rotated_products_depend_on_the_distance_only(self) -> None:
        q, k = torch.randn(2, 1, 1, 1, 8).expand(2, 1, 12, 1, 8)
        rotary = Rotary(8, length=12)
        scores = (rotary(q)[0, :, 0] @ rotary(k)[0, :, 0].T).numpy()
        for distance in range(-5, 6):
            diagonal = np.diagonal(scores, distance)
            np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-4, atol=1e-5)

    def test_rotary_follows_the_type_of_its_input(self) -> None:
        assert Rotary(4, length=3)(torch.randn(1, 3, 1, 4).bfloat16()).dtype == torch.bfloat16

    @pytest.mark.parametrize("causal", [False, True])
    def test_attention_is_softmax_of_scaled_products(self, causal: bool) -> None:
        torch.manual_seed(0)
        module = SelfAttention(8, heads=2, bias=True, causal=causal, rotary=None).double()
        x = torch.randn(3, 5, 8, dtype=torch.float64)
        torch.testing.assert_close(module(x), by_hand(module, x, causal))


def by_hand(module: SelfAttention, x: Tensor, causal: bool) -> Tensor:
    """Two heads of four, one sample and one head at a time."""
    q, k, v = module.qkv(x).split(8, dim=-1)
    samples = []
    for sample in range(len(x)):
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            scores = q[sample, :, head] @ k[sample, :, head].T / 2
            if causal:
                scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
            heads.append(scores.softmax(dim=-1) @ v[sample, :, head])
        samples.append(torch.cat(heads, dim=-1))
    out: Tensor = module.out(torch.stack(samples))
    return out


@pytest.mark.parametrize(
    ("kind", "wrong"), [("resnet", "layernorm"), ("vit", "batchnorm"), ("gpt_nano", "batchnorm")]
)
def test_a_norm_of_the_wrong_layout_is_refused(kind: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"{kind} needs a norm with .* got {wrong}"):
        model(kind).accepts(norm(wrong))
