"""Published layouts of VAE and vocoder load to the same outputs; files of another network are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import SpeechT5HifiGan

from reaudio_model.codec.codec import build_vae, build_vocoder
from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder, original_vae_names
from reaudio_model.common.errors import CheckpointError
from reaudio_model.config import TINY_CODEC

State = dict[str, Tensor]
FOLDED = 1e-5  # weight norm folded into weights of the order of 0.1, in float32


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return build_vae(TINY_CODEC).eval()


@pytest.fixture(scope="module")
def vocoder() -> SpeechT5HifiGan:
    torch.manual_seed(1)
    return build_vocoder(TINY_CODEC).eval()


@pytest.fixture
def original_vae(vae: AutoencoderKL) -> State:
    """The VAE as AudioLDM's training writes it, with what lies beside it there."""
    names = original_vae_names(vae)
    state = {
        names[key]: value[..., None, None] if "attn_1" in names[key] and value.ndim == 2 else value
        for key, value in vae.state_dict().items()
    }
    return {**state, "loss.discriminator.main.0.weight": torch.zeros(3), "loss.logvar": torch.zeros(())}


@pytest.fixture
def original_vocoder(vocoder: SpeechT5HifiGan) -> State:
    state = {key: value for key, value in vocoder.state_dict().items() if key not in ("mean", "scale")}
    return {key.replace("upsampler.", "ups."): value for key, value in state.items()}


@pytest.fixture
def audioldm(original_vae: State, original_vocoder: State) -> State:
    """A whole AudioLDM: both below first_stage_model, among other networks."""
    first_stage = {**original_vae, **{f"vocoder.{key}": value for key, value in original_vocoder.items()}}
    return {
        "scale_factor": torch.tensor(1.5),
        "betas": torch.zeros(4),
        "model.diffusion_model.out.0.weight": torch.zeros(2),
        "cond_stage_model.model.text_projection.0.weight": torch.zeros(2),
        **{f"first_stage_model.{key}": value for key, value in first_stage.items()},
    }


def same_vae(found: AutoencoderKL, expected: AutoencoderKL) -> bool:
    mel = torch.randn(1, 1, 16, 64, generator=torch.manual_seed(2))
    with torch.no_grad():
        return all(
            torch.equal(a, b)
            for a, b in [
                (found.encode(mel).latent_dist.parameters, expected.encode(mel).latent_dist.parameters),
                (found.decode(mel[:, [0] * 4, :, :16]).sample, expected.decode(mel[:, [0] * 4, :, :16]).sample),
            ]
        )


def vocoded(vocoder: SpeechT5HifiGan) -> Tensor:
    with torch.no_grad():
        sound: Tensor = vocoder(torch.randn(1, 8, 64, generator=torch.manual_seed(2)))
    return sound


def test_the_key_map_agrees_with_the_librarys_converter(vae: AutoencoderKL, original_vae: State) -> None:
    converted = convert_ldm_vae_checkpoint(original_vae, {**vae.config})
    expected = vae.state_dict()
    assert converted.keys() == expected.keys()
    assert all(torch.equal(converted[key], value) for key, value in expected.items())


def test_original_names_are_those_of_the_published_files(vae: AutoencoderKL) -> None:
    names = set(original_vae_names(vae).values())
    assert {
        "encoder.conv_in.weight",
        "encoder.down.0.block.0.norm1.weight",
        "encoder.down.0.downsample.conv.weight",
        "encoder.down.2.block.0.nin_shortcut.weight",
        "encoder.mid.block_2.conv2.bias",
        "encoder.mid.attn_1.q.weight",
        "encoder.norm_out.weight",
        "decoder.mid.attn_1.proj_out.bias",
        "decoder.up.2.block.1.conv1.weight",
        "decoder.up.1.upsample.conv.weight",
        "decoder.up.1.block.0.nin_shortcut.weight",
        "quant_conv.weight",
        "post_quant_conv.bias",
    } <= names


def test_a_whole_audioldm_gives_both_and_the_scale(
    audioldm: State, vae: AutoencoderKL, vocoder: SpeechT5HifiGan, tmp_path: Path
) -> None:
    path = tmp_path / "audioldm-s-full.ckpt"
    torch.save({"state_dict": audioldm, "epoch": 3}, path)
    found = load_vae(path, TINY_CODEC)
    assert same_vae(found, vae)
    assert found.config.scaling_factor == 1.5
    assert torch.equal(vocoded(load_vocoder(path, TINY_CODEC)), vocoded(vocoder))


def test_a_vae_file_without_a_scale_keeps_the_configs(
    original_vae: State, original_vocoder: State, vae: AutoencoderKL, vocoder: SpeechT5HifiGan, tmp_path: Path
) -> None:
    path = tmp_path / "vae.ckpt"
    torch.save({**original_vae, **{f"vocoder.{key}": value for key, value in original_vocoder.items()}}, path)
    found = load_vae(path, TINY_CODEC)
    assert same_vae(found, vae)
    assert found.config.scaling_factor == TINY_CODEC.scaling_factor
    assert torch.equal(vocoded(load_vocoder(path, TINY_CODEC)), vocoded(vocoder))


def test_tangos_file_takes_the_scale_beside_it(original_vae: State, vae: AutoencoderKL, tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model_vae.bin"
    torch.save(original_vae, path)
    with pytest.raises(
        CheckpointError, match=r"vae_config\.json \(the settings of Tango's VAE\) does not exist: fetch it again"
    ):
        load_vae(path, TINY_CODEC)
    for bad in ({}, {"scale_factor": 0}, {"scale_factor": True}, {"scale_factor": "0.9"}):
        (tmp_path / "vae_config.json").write_text(json.dumps(bad))
        with pytest.raises(CheckpointError, match=r"vae_config\.json has no scale_factor above 0"):
            load_vae(path, TINY_CODEC)
    (tmp_path / "vae_config.json").write_text('{"scale_factor": 0.75, "embed_dim": 8}')
    found = load_vae(path, TINY_CODEC)
    assert found.config.scaling_factor == 0.75
    assert same_vae(found, vae)


def test_a_diffusers_pipeline_gives_both(vae: AutoencoderKL, vocoder: SpeechT5HifiGan, tmp_path: Path) -> None:
    build = build_vae(replace(TINY_CODEC, scaling_factor=0.75)).eval()
    build.load_state_dict(vae.state_dict())
    build.save_pretrained(tmp_path / "vae")
    vocoder.save_pretrained(tmp_path / "vocoder")
    for folder in (tmp_path, tmp_path / "vae"):
        found = load_vae(folder, TINY_CODEC)
        assert same_vae(found, vae)
        assert found.config.scaling_factor == 0.75
    for folder in (tmp_path, tmp_path / "vocoder"):
        assert torch.equal(vocoded(load_vocoder(folder, TINY_CODEC)), vocoded(vocoder))


def test_the_attention_names_of_early_diffusers_are_understood(vae: AutoencoderKL, tmp_path: Path) -> None:
    early = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for key, value in vae.state_dict().items():
        for new, old in early.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        state[key] = value.contiguous()
    assert "decoder.mid_block.attentions.0.query.weight" in state
    save_file(state, tmp_path / "vae.safetensors")
    assert same_vae(load_vae(tmp_path / "vae.safetensors", TINY_CODEC), vae)


@pytest.mark.parametrize("compiled", ["", "_orig_mod."])
def test_hifigans_own_file_with_weight_norm(
    vocoder: SpeechT5HifiGan, original_vocoder: State, tmp_path: Path, compiled: str
) -> None:
    state = {}
    for key, value in original_vocoder.items():
        if key.endswith(".weight"):
            norm = value.flatten(1).norm(dim=1).reshape(-1, 1, 1)
            state[f"{compiled}{key}_g"], state[f"{compiled}{key}_v"] = norm, value * 3  # only the direction of v counts
        else:
            state[compiled + key] = value
    torch.save({"generator": state}, tmp_path / "hifigan_16k_64bins.ckpt")
    found = load_vocoder(tmp_path / "hifigan_16k_64bins.ckpt", TINY_CODEC)
    torch.testing.assert_close(vocoded(found), vocoded(vocoder), rtol=0, atol=FOLDED)
    assert found.state_dict().keys() == vocoder.state_dict().keys()


def test_a_vocoder_saved_in_training_loads_without_weight_norm(tmp_path: Path) -> None:
    trained = build_vocoder(TINY_CODEC)
    trained.apply_weight_norm()
    expected = vocoded(trained.eval())
    save_file(trained.state_dict(), tmp_path / "vocoder.safetensors")
    found = load_vocoder(tmp_path / "vocoder.safetensors", TINY_CODEC)
    assert torch.equal(vocoded(found), expected)
    assert not any("parametrizations" in key for key in found.state_dict())


def test_half_precision_files_load_as_float32(original_vae: State, tmp_path: Path) -> None:
    torch.save({key: value.half() for key, value in original_vae.items()}, tmp_path / "vae.bin")
    found = load_vae(tmp_path / "vae.bin", TINY_CODEC)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.quant_conv.weight, original_vae["quant_conv.weight"].half().float(), rtol=0, atol=0)


LOADERS: list[Callable[..., object]] = [load_vae, load_vocoder]


@pytest.mark.parametrize("load", LOADERS)
def test_files_of_another_network_are_refused(load: Callable[..., object], audioldm: State, tmp_path: Path) -> None:
    torch.save({"state_dict": audioldm}, tmp_path / "audioldm.ckpt")
    larger = replace(TINY_CODEC, vae_channels=(8, 16, 16), vocoder_channels=64)
    with pytest.raises(CheckpointError, match=r"audioldm\.ckpt is not a .* of the sizes of this model .*of another shape"):
        load(tmp_path / "audioldm.ckpt", larger)
    torch.save({"state_dict": {"conv.weight": torch.zeros(2)}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"other\.ckpt is not a .*missing: "):
        load(tmp_path / "other.ckpt", TINY_CODEC)


@pytest.mark.parametrize("load", LOADERS)
def test_an_incomplete_file_is_refused(load: Callable[..., object], audioldm: State, tmp_path: Path) -> None:
    incomplete = {
        key: value for key, value in audioldm.items() if not key.endswith("conv_in.bias") and "conv_post" not in key
    }
    torch.save({"state_dict": incomplete}, tmp_path / "part.ckpt")
    with pytest.raises(CheckpointError, match=r"missing: (encoder\.conv_in\.bias|conv_post\.weight)"):
        load(tmp_path / "part.ckpt", TINY_CODEC)


def test_a_vae_with_a_part_too_many_is_refused(original_vae: State, tmp_path: Path) -> None:
    torch.save({**original_vae, "encoder.mid.attn_2.q.weight": torch.zeros(2)}, tmp_path / "vae.bin")
    with pytest.raises(CheckpointError, match=r"unexpected: encoder\.mid\.attn_2\.q\.weight"):
        load_vae(tmp_path / "vae.bin", TINY_CODEC)


@pytest.mark.parametrize(("load", "part"), [(load_vae, "vae"), (load_vocoder, "vocoder")])
def test_a_folder_without_weights_and_a_missing_file_are_refused(
    load: Callable[..., object], part: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=f"has no .*, nor has its folder {part}"):
        load(tmp_path, TINY_CODEC)
    with pytest.raises(CheckpointError, match="does not exist"):
        load(tmp_path / "none.ckpt", TINY_CODEC)


@pytest.mark.parametrize(
    ("load", "part", "name", "value"),
    [(load_vae, "vae", "norm_num_groups", 2), (load_vocoder, "vocoder", "upsample_rates", [4, 5, 2, 2, 2])],
)
def test_settings_that_shapes_do_not_show_are_compared(
    load: Callable[..., object],
    part: str,
    name: str,
    value: object,
    vae: AutoencoderKL,
    vocoder: SpeechT5HifiGan,
    tmp_path: Path,
) -> None:
    (vae if part == "vae" else vocoder).save_pretrained(tmp_path / part)
    config = tmp_path / part / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), name: value}))
    with pytest.raises(CheckpointError, match=rf"its config\.json has {name} "):
        load(tmp_path, TINY_CODEC)
    config.write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json \(the settings of a network\) is not valid JSON"):
        load(tmp_path, TINY_CODEC)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"state_dict": {"x": Payload()}}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match="contains code"):
        load_vae(tmp_path / "evil.ckpt", TINY_CODEC)
    assert not (tmp_path / "ran").exists()


def test_saved_weights_are_the_loaded_ones(audioldm: State, tmp_path: Path) -> None:
    torch.save({"state_dict": audioldm}, tmp_path / "audioldm.ckpt")
    found = load_vae(tmp_path / "audioldm.ckpt", TINY_CODEC)
    found.save_pretrained(tmp_path / "vae")
    written = load_file(tmp_path / "vae" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(value, written[key]) for key, value in found.state_dict().items())
    assert load_vae(tmp_path, TINY_CODEC).config.scaling_factor == 1.5
