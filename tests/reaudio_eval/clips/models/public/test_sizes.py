"""The sizes of published systems, and of what their authors' configurations give."""

from __future__ import annotations

import public_checkpoints as checkpoints
import pytest
import torch
from diffusers import AudioLDM2UNet2DConditionModel, UNet2DConditionModel
from transformers import EncodecConfig, EncodecModel, MusicgenDecoderConfig, MusicgenForCausalLM

from reaudio_eval.clips.models.public import audiogen, audioldm, audioldm2, tango


@pytest.mark.parametrize(
    ("variant", "base", "heads"), [("s", 128, (4, 8, 12, 20)), ("m", 192, (6, 12, 18, 30)), ("l", 256, (4, 8, 12, 20))]
)
def test_published_audioldm_sizes(variant: str, base: int, heads: tuple[int, ...]) -> None:
    """Of default_audioldm_config: 32 channels a head, and 64 in L."""
    sizes = audioldm.SIZES[variant]
    assert sizes.base_channels == base
    assert tuple(width // sizes.head_width for width in sizes.channels) == heads


def test_tango_at_full_size_has_the_tensors_that_were_published() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**tango.UNET)
    assert (len(unet.state_dict()), sum(p.numel() for p in unet.parameters())) == (686, 865_933_768)


def test_audiogen_at_full_size_has_the_sizes_of_audiocraft() -> None:
    codec = EncodecConfig(**audiogen.ENCODEC)
    assert (codec.num_quantizers, codec.frame_rate, codec.hop_length) == (4, 50, 320)
    with torch.device("meta"):
        names = audiogen.codec_state(checkpoints.audiocraft_codec(EncodecModel(codec).state_dict()))
        assert set(names) == set(EncodecModel(codec).state_dict())


def test_the_sinusoids_of_audiogens_positions_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file has them; transformers keeps them outside the state dict."""
    checkpoints.make_small(monkeypatch)
    network = audiogen._empty_language_model()
    expected = MusicgenForCausalLM(MusicgenDecoderConfig(**audiogen.DECODER)).model.decoder.embed_positions.weights
    torch.testing.assert_close(network.model.decoder.embed_positions.weights, expected)


@pytest.mark.parametrize(
    ("contexts", "depth", "parameters"), [((None, 768, 1024), 1, 346_943_496), ((None, 768, 1024, None), 2, 718_012_296)]
)
def test_the_size_of_audioldm2_is_seen_by_its_parameters(contexts: tuple[int, ...], depth: int, parameters: int) -> None:
    """Of the authors' configurations: "-large-" has a third context and a depth of 2."""
    with torch.device("meta"):
        network = AudioLDM2UNet2DConditionModel(
            sample_size=32, in_channels=8, out_channels=8, block_out_channels=(128, 256, 384, 640), layers_per_block=2,
            down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 3, attention_head_dim=(4, 8, 12, 20),
            up_block_types=("CrossAttnUpBlock2D",) * 3 + ("UpBlock2D",), cross_attention_dim=(contexts,) * 4,
            transformer_layers_per_block=depth,
        )  # fmt: skip
    assert sum(weight.numel() for weight in network.parameters()) == parameters
    assert (parameters > audioldm2.LARGE) == (depth == 2)
