"""Largest relative difference of embedders from the packages of their authors, on random weights of the published sizes.

    pip install --no-deps hear21passt audiobox_aesthetics msclap torchopenl3 torchlibrosa torchaudio
    python benchmarks/embedder_parity.py [passt ...]

The packages are installed without their dependencies, which would bring other builds of torch. What they import of torchaudio's native
library, timm, resampy, julius and six is not used here and is replaced by empty modules. The difference is relative to the largest
absolute value.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from reaudio_eval import plugins
from reaudio_model.common.inference import build

Float32 = npt.NDArray[np.float32]
SECONDS = (10.0, 5.0, 1.7)


def without_native_libraries() -> None:
    """Empty modules for what would need another build of torch, or is imported and not used."""
    extension = types.ModuleType("torchaudio._extension")
    for name in ("_IS_TORCHAUDIO_EXT_AVAILABLE", "_IS_RIR_AVAILABLE", "_IS_ALIGN_AVAILABLE"):
        setattr(extension, name, False)
    for name in ("fail_if_no_align", "fail_if_no_rir"):
        setattr(extension, name, lambda function: function)
    hub = types.ModuleType("timm.models._hub")
    hub.download_cached_file = None  # type: ignore[attr-defined]
    sys.modules |= {
        "torchaudio._extension": extension,
        "timm": types.ModuleType("timm"),
        "timm.models": types.ModuleType("timm.models"),
        "timm.models._hub": hub,
        "resampy": types.ModuleType("resampy"),
        "julius": types.ModuleType("julius"),
        "six": types.ModuleType("six"),
    }


def shaken(network: nn.Module) -> nn.Module:
    """Every parameter and running variance with noise, so that no zero or one of the initialisation hides an error."""
    torch.manual_seed(0)
    for value in network.parameters():
        value.data += 0.02 * torch.randn_like(value)
    return network.eval()


def noise(seconds: float, sample_rate: int) -> Float32:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((2, round(seconds * sample_rate)))).astype(np.float32)


def compare(
    name: str, state: dict[str, Any], theirs: Callable[[Float32], Float32], lengths: Sequence[float] = SECONDS
) -> float:
    """Largest difference over clips of several lengths in seconds; ``theirs``: clips (2, samples) -> frames and logits (2, d)."""
    plugin = plugins.load("embedders", name)
    rate = plugin.spec.sample_rates[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.pt"
        torch.save(state, path)
        embedder = plugin.load(path, sample_rate=rate, device="cpu")
    worst = 0.0
    for seconds in lengths:
        clips = noise(seconds, rate)
        ours = np.stack(
            [np.concatenate([f.frames.ravel(), *(() if f.logits is None else (f.logits,))]) for f in embedder.embed(clips)]
        )
        expected = theirs(clips)
        worst = max(worst, float(np.abs(ours - expected).max() / np.abs(expected).max()))
    return worst


def passt() -> float:
    from hear21passt.base import AugmentMelSTFT, PasstBasicWrapper, get_model_passt

    mel = AugmentMelSTFT(
        n_mels=128, sr=32_000, win_length=800, hopsize=320, n_fft=1024, fmin_aug_range=10, fmax_aug_range=2000
    )
    network = shaken(get_model_passt("passt_s_swa_p16_128_ap476", pretrained=False))
    wrapper = PasstBasicWrapper(mel=mel, net=network, mode="all").eval()

    def theirs(clips: Float32) -> Float32:
        found = wrapper(torch.from_numpy(clips)).numpy()
        return np.concatenate([found[:, 527:], found[:, :527]], axis=1)

    return compare("passt", network.state_dict(), theirs)


def audiobox_aesthetics() -> float:
    from audiobox_aesthetics.infer import AXES_NAME, make_inference_batch
    from audiobox_aesthetics.model.aes import AesMultiOutput

    scales = {axis: {"mean": 5.0 + i, "std": 1.5 + i} for i, axis in enumerate(AXES_NAME)}
    config = {"proj_num_layer": 5, "proj_ln": True, "target_transform": scales}
    network = shaken(AesMultiOutput(**config))

    def theirs(clips: Float32) -> Float32:
        windows, masks, weights, owners = make_inference_batch([torch.from_numpy(clip[None]) for clip in clips])
        found = network({"wav": torch.stack(windows), "mask": torch.stack(masks)})
        scores = np.stack([found[axis].numpy() * scales[axis]["std"] + scales[axis]["mean"] for axis in AXES_NAME], axis=1)
        owner = np.array(owners)
        return np.stack(
            [np.average(scores[owner == i], axis=0, weights=np.array(weights)[owner == i]) for i in range(len(clips))]
        )

    state = {f"model.{key}": value for key, value in network.state_dict().items()}
    return compare(
        "audiobox_aesthetics",
        {"state_dict": state, "model_cfg": config, "target_transform": scales},
        theirs,
        (12.5, *SECONDS),
    )


def msclap() -> float:
    """The networks alone: both sides read the same tokens, and clips of 7 s. GPT-2 is transformers' on both sides."""
    from msclap.models import clap
    from transformers import GPT2Config, GPT2Model

    from reaudio_eval.features.embedders import _msclap

    sizes = (44_100, 1024, 320, 64, 50, 8000, 527, 768, "gpt2", 768, 1024)
    with patch.object(clap.AutoModel, "from_pretrained", lambda _: GPT2Model(GPT2Config())):
        theirs = shaken(clap.CLAP("HTSAT", *sizes))
    state, cpu = _msclap.renamed(theirs.state_dict()), torch.device("cpu")
    ours = build(lambda: _msclap.MsClap(_msclap.PUBLISHED), state, path=Path("random"), what="msclap", device=cpu)
    clips = torch.from_numpy(noise(7.0, 44_100))
    tokens = torch.randint(1, 50_257, (2, 12))
    padded = {"input_ids": F.pad(tokens, (0, 65)), "attention_mask": (torch.arange(77) < 12).long().expand(2, -1)}
    pairs = (
        (ours.audio_features(clips), theirs.audio_encoder(clips)[0]),
        (ours.text_features(tokens), theirs.caption_encoder(padded)),
    )
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def openl3() -> float:
    from torchopenl3.models import PytorchOpenl3
    from torchopenl3.utils import preprocess_audio_batch

    network = shaken(PytorchOpenl3("env", "mel256", 512))

    def theirs(clips: Float32) -> Float32:
        windows = preprocess_audio_batch(torch.from_numpy(clips), 48_000, center=True, hop_size=0.5)
        return network(windows).reshape(len(clips), -1).numpy()

    return compare("openl3", network.state_dict(), theirs, (3.2, 1.0, 0.3))


COMPARISONS: dict[str, Callable[[], float]] = {
    "passt": passt,
    "audiobox_aesthetics": audiobox_aesthetics,
    "msclap": msclap,
    "openl3": openl3,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(COMPARISONS), choices=[[], *COMPARISONS])
    names = parser.parse_args(arguments).names
    without_native_libraries()
    for name in names:
        with contextlib.redirect_stdout(io.StringIO()), torch.inference_mode():
            worst = COMPARISONS[name]()
        print(f"{name:22}{worst:.1e}", flush=True)


if __name__ == "__main__":
    main()
