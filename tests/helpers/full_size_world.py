"""The files that the guide to full-size training starts from, in their published layouts, with random weights.

``TINY`` makes them small enough for a test; ``benchmarks/full_size.py`` makes them at full size, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from clap_files import small_clap, write_tokenizer
from diffusers import AudioLDM2UNet2DConditionModel
from public_checkpoints import audio_mae_state, audioldm_state
from tiny_model import CAPTIONS, enlarged, tiny_t5_config, tiny_tokenizer, tone
from transformers import ClapConfig, ClapModel, T5Config, T5EncoderModel

from reaudio_model.common.audio import wav_bytes
from reaudio_model.config import ModelConfig, get_preset
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.encoders.audio_mae import build_audio_mae

VOCABULARY = 50_265  # RoBERTa's
CLIPS = {"train": 12, "val": 2, "test": 3}
CLASSES = {f"/m/{number}": f"Sound {number}" for number in range(527)}
USED = 3  # classes that clips have
SEGMENTS = {"unbalanced_train": "train", "balanced_train": "val", "eval": "test"}
FLAN_T5_LARGE = T5Config(
    vocab_size=32_128, d_model=1024, d_kv=64, d_ff=2816, num_layers=24, num_heads=16, feed_forward_proj="gated-gelu",
    tie_word_embeddings=False,
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """Sizes of the files.

    Attributes:
        preset: of the model.
        clap: the CLAP of a tokenizer's folder.
        tokenizer: writes RoBERTa's tokenizer into a folder.
        t5: sizes of T5.
    """

    preset: str
    clap: Callable[[Path], ClapModel]
    tokenizer: Callable[[Path], object]
    t5: Callable[[], T5Config]


def large_tokenizer(folder: Path) -> None:
    """Whole words, of RoBERTa's size."""
    tokenizer = tiny_tokenizer("roberta")
    made = type(tokenizer)(tokenizer_object=tokenizer._tokenizer, **tokenizer.special_tokens_map)
    made.add_tokens([f"token{number}" for number in range(VOCABULARY - len(made))])
    made.save_pretrained(folder)


def large_clap(_: Path) -> ClapModel:
    """HTSAT-tiny and RoBERTa-base, with weights under which texts differ."""
    network = ClapModel(ClapConfig(projection_dim=512)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.normal_(0, math.sqrt(2 / weight[0].numel()))
    return network


TINY = World("tiny", small_clap, write_tokenizer, tiny_t5_config)
FULL = World("re-audioldm-s", large_clap, large_tokenizer, lambda: FLAN_T5_LARGE)


def write_files(root: Path, world: World) -> None:
    """``weights/`` and ``audiocaps/`` of section 1 of the guide."""
    weights, sizes = root / "weights", get_preset(world.preset)
    (weights / "tokenizer").mkdir(parents=True)
    torch.manual_seed(0)
    world.tokenizer(weights / "tokenizer")
    plain = get_preset(world.preset, retrieval="none")
    state = audioldm_state(world.clap(weights / "tokenizer"), plain)
    torch.save({"state_dict": state, "global_step": 5}, weights / "audioldm-s-full.ckpt")
    del state
    encoder = build_audio_mae(sizes.condition).eval()
    torch.save({"model": audio_mae_state(encoder.state_dict())}, weights / "pretrained.pth")
    enlarged(T5EncoderModel(world.t5()).eval()).save_pretrained(weights / "flan-t5-large")
    tiny_tokenizer("t5").save_pretrained(weights / "flan-t5-large")
    audioldm2_unet(sizes).save_pretrained(weights / "audioldm2" / "unet")
    write_audiocaps(root / "audiocaps", sizes.codec.seconds)


def audioldm2_unet(sizes: ModelConfig) -> Any:
    """AudioLDM2's: ours without the layers of the CLAP vector."""
    with torch.device("meta"):
        config = dict(build_unet(sizes).unet.config)
    without = {"class_embed_type": None, "projection_class_embeddings_input_dim": None, "class_embeddings_concat": False}
    return AudioLDM2UNet2DConditionModel.from_config(config | without)


def write_audiocaps(root: Path, seconds: float) -> None:
    """Official tables with a caption a clip (five of a test clip), AudioSet's lists, and a tone for each clip."""
    number = 0
    for split, n in CLIPS.items():
        (root / "audio" / split).mkdir(parents=True)
        rows, segments = ["audiocap_id,youtube_id,start_time,caption"], []
        for clip in range(n):
            video = f"{split:_<5}{clip:06d}"
            for caption in range(5 if split == "test" else 1):
                number += 1
                rows.append(f"{number},{video},30,{CAPTIONS[(clip + caption) % len(CAPTIONS)]}")
            segments.append(f'{video}, 30.000, 40.000, "/m/{clip % USED}"')
            (root / "audio" / split / f"Y{video}.wav").write_bytes(wav_bytes(tone(number, seconds), 16_000))
        (root / f"{split}.csv").write_text("\n".join(rows) + "\n")
        name = next(key for key, value in SEGMENTS.items() if value == split)
        (root / f"{name}_segments.csv").write_text(
            "# YTID, start_seconds, end_seconds, positive_labels\n" + "\n".join(segments)
        )
    labels = [f"{index},{mid},{name}" for index, (mid, name) in enumerate(CLASSES.items())]
    (root / "class_labels_indices.csv").write_text("\n".join(["index,mid,display_name", *labels]) + "\n")
