"""The denoiser: sizes, what may and may not influence it, gradients, cached keys and values, saving."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from reaudio_model.cli.info import empty_conditioning
from reaudio_model.common.errors import UnknownNameError
from reaudio_model.config import Fusion, ModelConfig, get_preset
from reaudio_model.denoiser.unet import RetrievalUNet, build_unet
from reaudio_model.retrieval.records import Conditioning

FUSIONS: tuple[Fusion, ...] = ("serial", "joint")
BATCH_TOLERANCE = 1e-5  # float32 sums of another batch size run in another order
BF16_TOLERANCE = 0.03  # 8 bits of mantissa through some 40 layers; fp16 has 11
PUBLISHED_TOLERANCE = 5e4  # the counts are given to 0.1 M


def make(fusion: Fusion = "serial", **changes: Any) -> tuple[ModelConfig, RetrievalUNet]:
    config = get_preset("tiny", fusion=fusion, **changes)
    torch.manual_seed(0)
    return config, build_unet(config).eval()


def random_conditioning(config: ModelConfig, batch: int = 2, seed: int = 0) -> Conditioning:
    """Random values, random masks with at least one token in each group."""
    generator = torch.Generator().manual_seed(seed)
    fields = {
        name: torch.randn(value.shape, generator=generator)
        for name, value in empty_conditioning(config, batch).fields().items()
    }
    for name in ("audio", "captions"):
        if name in fields:
            mask = torch.rand(fields[name].shape[:2], generator=generator) < 0.6
            fields[f"{name}_mask"] = mask.index_fill(1, torch.tensor(0), True)
    return Conditioning(**fields)


def random_latents(config: ModelConfig, batch: int = 2, seed: int = 1) -> Tensor:
    return torch.randn(batch, *config.codec.latent_shape, generator=torch.Generator().manual_seed(seed))


def n_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("preset", "retrieval", "fusion", "millions"),
    [
        ("re-audioldm-s", "none", "serial", 185.0),
        ("re-audioldm-s", "audio", "serial", 266.45),
        ("re-audioldm-s", "audio+text", "serial", 351.5),
        ("re-audioldm-s", "audio+text", "joint", 188.8),
        ("re-audioldm-l", "none", "serial", 416.0),
        ("re-audioldm-l", "audio", "serial", 590.9),
        ("re-audioldm-l", "audio+text", "serial", 771.3),
        ("re-audioldm-l", "audio+text", "joint", 416.3),
    ],
)
def test_full_sizes_have_the_known_number_of_parameters(preset: str, retrieval: Any, fusion: Any, millions: float) -> None:
    with torch.device("meta"):
        unet = build_unet(get_preset(preset, retrieval=retrieval, fusion=fusion))
    assert n_parameters(unet.unet) == pytest.approx(millions * 1e6, abs=PUBLISHED_TOLERANCE)
    projection = n_parameters(unet) - n_parameters(unet.unet)
    assert projection == (1024 * 768 + 768 if fusion == "joint" else 0)


def test_attention_heads_are_of_the_given_width_and_the_first_level_has_none() -> None:
    with torch.device("meta"):
        network = build_unet(get_preset("re-audioldm-s")).unet
    assert [hasattr(block, "attentions") for block in network.down_blocks] == [False, True, True, True]
    assert [hasattr(block, "attentions") for block in network.up_blocks] == [True, True, True, False]
    heads = {t.transformer_blocks[0].attn2.heads for block in network.down_blocks[1:] for t in block.attentions}
    assert heads == {8, 12, 20}
    widths = [t.transformer_blocks[0].attn2.to_k.in_features for t in network.mid_block.attentions]
    assert widths == [640, 768, 1024]  # itself, AudioMAE, T5


@pytest.mark.parametrize("multipliers", [(1,), (1, 2), (1, 2, 3)])
def test_any_number_of_levels_and_odd_lengths(multipliers: tuple[int, ...]) -> None:
    config = replace(get_preset("tiny"), channel_multipliers=multipliers)
    unet = build_unet(config).eval()
    latents = torch.randn(1, config.codec.latent_shape[0], 13, 16)
    with torch.no_grad():
        assert unet(latents, 5, random_conditioning(config, 1)).shape == latents.shape


@pytest.mark.parametrize("fusion", FUSIONS)
def test_each_condition_and_the_time_change_the_prediction(fusion: Fusion) -> None:
    config, unet = make(fusion)
    latents, one, other = random_latents(config), random_conditioning(config), random_conditioning(config, seed=9)
    with torch.no_grad():
        base = unet(latents, 5, one)
        assert base.shape == latents.shape
        for name in ("text", "audio", "captions"):
            assert not torch.equal(unet(latents, 5, replace(one, **{name: getattr(other, name)})), base)
        assert not torch.equal(unet(latents, 6, one), base)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_masked_tokens_have_no_influence_whatever_they_hold(fusion: Fusion) -> None:
    config, unet = make(fusion)
    latents, conditioning = random_latents(config), random_conditioning(config)
    garbage = replace(
        conditioning,
        audio=conditioning.audio.masked_fill(~conditioning.audio_mask[..., None], float("nan")),
        captions=conditioning.captions.masked_fill(~conditioning.captions_mask[..., None], 1e30),
    )
    with torch.no_grad():
        assert torch.equal(unet(latents, 5, conditioning), unet(latents, 5, garbage))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_padding_with_masked_tokens_changes_nothing(fusion: Fusion) -> None:
    config, unet = make(fusion)
    latents, conditioning = random_latents(config), random_conditioning(config)
    padded = replace(
        conditioning,
        audio=torch.cat([conditioning.audio, torch.ones(2, 5, config.condition.mae_dim)], dim=1),
        audio_mask=torch.cat([conditioning.audio_mask, torch.zeros(2, 5, dtype=torch.bool)], dim=1),
    )
    with torch.no_grad():
        torch.testing.assert_close(unet(latents, 5, padded), unet(latents, 5, conditioning), rtol=0, atol=BATCH_TOLERANCE)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_all_masked_is_no_retrieval_is_zeros(fusion: Fusion) -> None:
    """All three say that nothing was retrieved; one row of a batch may say so beside others that have neighbours."""
    config, unet = make(fusion)
    latents, some = random_latents(config), random_conditioning(config)
    empty = replace(
        some, audio=some.audio[:, :0], audio_mask=some.audio_mask[:, :0],
        captions=some.captions[:, :0], captions_mask=some.captions_mask[:, :0],
    )  # fmt: skip
    masked = replace(some, audio_mask=torch.zeros_like(some.audio_mask), captions_mask=torch.zeros_like(some.captions_mask))
    mixed = replace(some, audio_mask=some.audio_mask.clone(), captions_mask=some.captions_mask.clone())
    mixed.audio_mask[0], mixed.captions_mask[0] = False, False
    with torch.no_grad():
        nothing = unet(latents, 5, empty)
        assert nothing.isfinite().all()
        torch.testing.assert_close(unet(latents, 5, masked), nothing, rtol=0, atol=BATCH_TOLERANCE)
        beside = unet(latents, 5, mixed)
        torch.testing.assert_close(beside[:1], nothing[:1], rtol=0, atol=BATCH_TOLERANCE)
        torch.testing.assert_close(beside[1:], unet(latents, 5, some)[1:], rtol=0, atol=BATCH_TOLERANCE)
        if fusion == "serial":  # the authors' unconditional E^ra: zeros that count
            zeros = replace(masked, audio=torch.zeros_like(some.audio), audio_mask=torch.ones_like(some.audio_mask))
            torch.testing.assert_close(unet(latents, 5, zeros), nothing, rtol=0, atol=BATCH_TOLERANCE)


def test_one_group_alone_may_be_masked() -> None:
    config, unet = make()
    latents, some = random_latents(config), random_conditioning(config)
    with torch.no_grad():
        outputs = [
            unet(latents, 5, replace(some, **{name: torch.zeros_like(getattr(some, name))}))
            for name in ("audio_mask", "captions_mask")
        ]
    assert all(output.isfinite().all() for output in outputs)
    assert not torch.equal(*outputs)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_tokens_are_a_set(fusion: Fusion) -> None:
    config, unet = make(fusion)
    latents, some = random_latents(config), random_conditioning(config)
    order = torch.randperm(some.audio.shape[1], generator=torch.Generator().manual_seed(3))
    shuffled = replace(some, audio=some.audio[:, order], audio_mask=some.audio_mask[:, order])
    with torch.no_grad():
        torch.testing.assert_close(unet(latents, 5, shuffled), unet(latents, 5, some), rtol=0, atol=BATCH_TOLERANCE)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_batch_of_one_is_batch_of_n(fusion: Fusion) -> None:
    config, unet = make(fusion)
    latents, conditioning, times = random_latents(config, 3), random_conditioning(config, 3), torch.tensor([1, 400, 996])
    with torch.no_grad():
        together = unet(latents, times, conditioning)
        alone = [unet(latents[i : i + 1], int(times[i]), conditioning.rows([i])) for i in range(3)]
    torch.testing.assert_close(torch.cat(alone), together, rtol=0, atol=BATCH_TOLERANCE)


def test_the_timestep_may_be_int_scalar_or_batch() -> None:
    config, unet = make(retrieval="none")
    latents, conditioning = random_latents(config), random_conditioning(config)
    with torch.no_grad():
        outputs = [unet(latents, t, conditioning) for t in (7, torch.tensor(7), torch.tensor([7, 7]))]
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


def test_no_mask_means_all_tokens_count() -> None:
    config, unet = make()
    latents, some = random_latents(config), random_conditioning(config)
    ones = replace(some, audio_mask=torch.ones_like(some.audio_mask), captions_mask=torch.ones_like(some.captions_mask))
    with torch.no_grad():
        assert torch.equal(unet(latents, 5, replace(some, audio_mask=None, captions_mask=None)), unet(latents, 5, ones))


def gradients(unet: RetrievalUNet, latents: Tensor, conditioning: Conditioning) -> dict[str, Tensor]:
    """Of the mean square of the prediction, for every parameter and every condition."""
    leaves = {
        name: value.clone().requires_grad_() for name, value in conditioning.fields().items() if value.is_floating_point()
    }
    unet.zero_grad()
    unet(latents, torch.tensor([5, 700]), replace(conditioning, **leaves)).square().mean().backward()
    named = {**dict(unet.named_parameters()), **leaves}
    return {name: tensor.grad.clone() for name, tensor in named.items() if tensor.grad is not None}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_gradient_checkpointing_gives_the_same_gradients_and_reaches_all_conditions(fusion: Fusion) -> None:
    config, unet = make(fusion)
    unet.train()
    latents, conditioning = random_latents(config), random_conditioning(config)
    plain = gradients(unet, latents, conditioning)
    assert set(plain) == {name for name, _ in unet.named_parameters()} | {"text", "audio", "captions"}
    assert plain["text"].any()
    for name in ("audio", "captions"):
        reached = plain[name].abs().sum(-1) > 0
        assert torch.equal(reached, getattr(conditioning, f"{name}_mask"))  # every token that counts, and no other

    calls = []
    for module in unet.modules():
        if isinstance(module, Transformer2DModel):
            module.register_forward_pre_hook(lambda *_: calls.append(1))
    unet.enable_gradient_checkpointing()
    assert unet.is_gradient_checkpointing
    recomputed = gradients(unet, latents, conditioning)
    n_transformers = sum(isinstance(module, Transformer2DModel) for module in unet.modules())
    assert len(calls) == 2 * n_transformers  # each once more in the backward pass, and none within another
    assert recomputed.keys() == plain.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(recomputed[name], gradient, rtol=0, atol=1e-7, msg=name)
    unet.disable_gradient_checkpointing()
    assert not unet.is_gradient_checkpointing


@pytest.mark.parametrize("fusion", FUSIONS)
def test_cached_keys_and_values_are_computed_once(fusion: Fusion) -> None:
    config, unet = make(fusion)
    latents, conditioning, other = random_latents(config), random_conditioning(config), random_conditioning(config, seed=4)
    names = set(unet.state_dict())
    tokens_width = {config.condition.mae_dim, config.condition.t5_dim}
    projections = [
        linear
        for name, module in unet.named_modules()
        if name.endswith("attn2") and module.to_k.in_features in tokens_width
        for linear in (module.to_k, module.to_v)
    ]
    calls = []
    for linear in projections:
        linear.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        expected = [unet(latents, t, conditioning) for t in (5, 300, 900)]
        assert len(calls) == 3 * len(projections)
        other_expected = unet(latents, 5, other)
        calls.clear()
        with unet.cached(conditioning):
            found = [unet(latents, t, conditioning) for t in (5, 300, 900)]
            assert len(calls) == len(projections)
            assert torch.equal(unet(latents, 5, other), other_expected)
            with unet.cached(other):
                assert torch.equal(unet(latents, 5, other), other_expected)
            assert torch.equal(unet(latents, 5, conditioning), expected[0])
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert set(unet.state_dict()) == names


def test_the_cache_ends_with_an_exception_too() -> None:
    config, unet = make()
    names = set(unet.state_dict())
    with pytest.raises(KeyboardInterrupt), unet.cached(random_conditioning(config)):
        raise KeyboardInterrupt
    assert set(unet.state_dict()) == names


def test_a_model_waiting_on_the_cpu_moves_before_keys_are_computed() -> None:
    """accelerate's hook for CPU offload normally runs before ``forward`` only."""
    config, unet = make()
    moved = []
    unet._hf_hook = type("Hook", (), {"pre_forward": lambda self, module: moved.append(module)})()
    with unet.cached(random_conditioning(config)):
        assert moved == [unet]


@pytest.mark.slow
def test_compiles_to_one_graph_with_the_cache() -> None:
    config, unet = make("joint")
    latents, conditioning = random_latents(config), random_conditioning(config)
    compiled = torch.compile(unet, backend="eager", fullgraph=True)
    with torch.no_grad():
        expected = unet(latents, torch.tensor(5), conditioning)
        with unet.cached(conditioning):
            assert torch.equal(compiled(latents, torch.tensor(5), conditioning), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_saved_and_loaded_is_equal_to_the_bit(fusion: Fusion, tmp_path: Any) -> None:
    config, unet = make(fusion)
    unet.save_pretrained(tmp_path)
    loaded = RetrievalUNet.from_pretrained(tmp_path)
    assert loaded.config["fusion"] == fusion
    assert tuple(loaded.config["channels"]) == config.channels
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in unet.state_dict().items())
    latents, conditioning = random_latents(config), random_conditioning(config)
    with torch.no_grad():
        assert torch.equal(loaded(latents, 5, conditioning), unet(latents, 5, conditioning))


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_and_finite(fusion: Fusion, dtype: torch.dtype) -> None:
    config, unet = make(fusion)
    latents, conditioning = random_latents(config), random_conditioning(config)
    conditioning.captions_mask[0] = False
    with torch.no_grad():
        exact = unet(latents, 5, conditioning)
        half = unet.to(dtype=dtype)(latents.to(dtype), 5, conditioning.to(dtype=dtype))
    assert half.dtype == dtype
    assert (half.float() - exact).norm() / exact.norm() < BF16_TOLERANCE


def test_training_starts_with_a_prediction_of_zero_that_learns() -> None:
    config, unet = make()
    unet.zero_outputs()
    latents, conditioning = random_latents(config), random_conditioning(config)
    prediction = unet(latents, 5, conditioning)
    assert not prediction.any()
    (prediction - 1).square().mean().backward()
    assert unet.unet.conv_out.weight.grad.any()


def test_unusable_arguments() -> None:
    with pytest.raises(UnknownNameError, match="Unknown retrieval 'text'"):
        RetrievalUNet(retrieval="text")
    with pytest.raises(UnknownNameError, match="Unknown fusion 'serail'"):
        RetrievalUNet(fusion="serail")
    config, unet = make(retrieval="audio")
    latents, conditioning = random_latents(config), random_conditioning(config)
    with pytest.raises(ValueError, match=r"conditioning\.audio is missing"):
        unet(latents, 5, replace(conditioning, audio=None, audio_mask=None))
    with pytest.raises(ValueError, match=r"retrieval='audio', but conditioning\.captions was given"):
        unet(latents, 5, replace(conditioning, captions=torch.zeros(2, 1, 20)))
    with pytest.raises(ValueError, match="2 latents need as many prompts, not 1"):
        unet(latents, 5, conditioning.rows([0]))
