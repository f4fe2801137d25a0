"""PaSST: network against the published implementation, windows of long clips, batching, bad checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from batches import assert_independent_of_batch_and_order
from torch import Tensor, nn

from reaudio_eval.features.embedders import Embedder, _passt, passt
from reaudio_eval.features.protocols import get_protocol
from reaudio_eval.features.waveform import apply_rule
from reaudio_model.common.audio import DecodedAudio
from reaudio_model.common.errors import CheckpointError, ReaudioError

RATE = 32_000
SIZE = _passt.Size(8, 2, 2)
BATCH_TOLERANCE = 1e-5
# another CPU sums in another order
GOLDEN_TOLERANCE = 1e-4
Noise = Callable[..., npt.NDArray[np.float32]]
Weights = Callable[[nn.Module], dict[str, Tensor]]
# Origin: ``PaSST`` (img_size (128, 998), stride 10, embed_dim 8, depth 2, num_heads 2, distilled) of hear21passt 0.0.26 in its
# ``PasstBasicWrapper`` with mode "all", with these weights, on two seconds of this noise: the features, the first four logits.
EMBEDDING = [-0.472580, 0.786098, -0.837986, -0.403185, 1.775729, 0.440179, -0.812362, 0.080078]
LOGITS = [-2.140288, -1.361969, 0.746324, 1.998736]


@pytest.fixture
def checkpoint(tmp_path: Path, closed_form_weights: Weights) -> Path:
    path = tmp_path / "passt.pt"
    torch.save(closed_form_weights(_passt.PaSST(SIZE)), path)
    return path


@pytest.fixture
def embedder(checkpoint: Path) -> _passt.PasstEmbedder:
    return _passt.load(checkpoint, passt.PLUGIN.spec, sample_rate=RATE, device="cpu", cache_dir=None, size=SIZE)


def test_network_equals_hear21passt(embedder: Embedder, noise: Noise) -> None:
    (features,) = embedder.embed([noise(2 * RATE)])
    np.testing.assert_allclose(features.frames[0], EMBEDDING, atol=GOLDEN_TOLERANCE)
    assert features.logits is not None
    assert features.logits.shape == (527,)
    np.testing.assert_allclose(features.logits[:4], LOGITS, atol=GOLDEN_TOLERANCE)


@pytest.mark.parametrize("seconds", [10.2, 12.0, 15.0, 15.5])
def test_a_long_clip_is_the_mean_of_windows_as_in_stable_audio_metrics(
    embedder: Embedder, noise: Noise, seconds: float
) -> None:
    """Its loop written again: windows start every 5 s before the last 5 s, and the last is padded to 10 s."""
    clip = noise(round(seconds * RATE))
    parts = []
    start = 0
    while start < len(clip) - 5 * RATE:
        window = np.zeros(10 * RATE, dtype=np.float32)
        own = clip[start : start + 10 * RATE]
        window[: len(own)] = own
        parts.append(window)
        start += 5 * RATE
    assert len(parts) == {10.2: 2, 12.0: 2, 15.0: 2, 15.5: 3}[seconds]
    (whole,), each = embedder.embed([clip]), embedder.embed(parts)
    np.testing.assert_allclose(whole.frames, np.mean([f.frames for f in each], axis=0), atol=BATCH_TOLERANCE)
    logits = np.mean([f.logits for f in each if f.logits is not None], axis=0)
    np.testing.assert_allclose(whole.logits, logits, atol=BATCH_TOLERANCE)


def test_inputs_of_the_protocols(noise: Noise) -> None:
    """Of 12 s and of 4 s: av-benchmark 10 s and 10 s, stable-audio-metrics 12 s and 10 s, audiocraft 10 s and 4 s."""
    lengths = {}
    for name in ("av-benchmark", "stable-audio-metrics", "audiocraft"):
        rule = get_protocol(name).rule("passt")
        clips = [DecodedAudio(noise(n * RATE)[:, None], RATE) for n in (12, 4)]
        lengths[name] = [len(apply_rule(clip, rule, RATE)) / RATE for clip in clips]
    assert lengths == {"av-benchmark": [10, 10], "stable-audio-metrics": [12, 10], "audiocraft": [10, 4]}


def test_features_do_not_depend_on_batch_or_order(embedder: Embedder, noise: Noise) -> None:
    clips = [noise(samples, seed) for seed, samples in enumerate((64_000, 40_000, 64_000, 325_000))]
    assert_independent_of_batch_and_order(embedder, clips, BATCH_TOLERANCE)


def test_a_tenth_of_a_second_is_padded_to_the_minimum(embedder: Embedder, noise: Noise) -> None:
    short = noise(3200)
    one, other = embedder.embed([short, np.pad(short, (0, 5120 - 3200))])
    np.testing.assert_array_equal(one.frames, other.frames)


def test_layout_is_the_published_one() -> None:
    """Keys of ``passt_s_swa_p16_128_ap476`` of hear21passt 0.0.26."""
    with torch.device("meta"):
        state = _passt.PaSST(_passt.PUBLISHED).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert (len(shapes), sum(value.numel() for value in state.values())) == (159, 86_153_758)
    assert shapes["patch_embed.proj.weight"] == (768, 1, 16, 16)
    assert shapes["new_pos_embed"] == (1, 2, 768)
    assert shapes["freq_new_pos_embed"] == (1, 768, 12, 1)
    assert shapes["time_new_pos_embed"] == (1, 768, 1, 99)
    assert shapes["blocks.11.attn.qkv.weight"] == (2304, 768)
    assert shapes["blocks.11.mlp.fc1.weight"] == (3072, 768)
    assert shapes["head.0.weight"] == (768,)
    assert shapes["head.1.weight"] == shapes["head_dist.weight"] == (527, 768)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "linear.pt"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"is not the PaSST checkpoint passt-s-f128-p16-s10-ap\.476-swa\.pt"):
        passt.PLUGIN.load(path, sample_rate=RATE, device="cpu")


def test_only_32_khz(checkpoint: Path) -> None:
    with pytest.raises(ReaudioError, match="PaSST works at 32000 Hz, not at 16000 Hz"):
        passt.PLUGIN.load(checkpoint, sample_rate=16_000, device="cpu")
