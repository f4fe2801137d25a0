"""Seconds per 10 s clip for each embedder, at batch 1 and 8, on random weights of the published sizes.

    python benchmarks/embedders.py [--device cuda] [--repeats 3]

Weights do not change the time. The best of the repeats is printed; the waveform is decoded and resampled already.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import ClapConfig, ClapModel

from reaudio_eval import plugins
from reaudio_eval.features.embedders import (
    _audiobox,
    _clap,
    _efficientat,
    _msclap,
    _openl3,
    _panns,
    _passt,
    _vggish,
    _wavlm,
)
from reaudio_eval.features.embedders._base import TorchEmbedder
from reaudio_model.common.inference import Network
from reaudio_model.encoders.clap import Clap

SECONDS = 10
BATCHES = (1, 8)
NAMELESS = "0" * 64  # these weights come from no file


def vggish(device: torch.device) -> TorchEmbedder:
    return _vggish.VggishEmbedder(
        ready(_vggish.Vggish(_vggish.PUBLISHED), device),
        plugins.load("embedders", "vggish").spec,
        sha256=NAMELESS,
        device=device,
    )


def panns(sample_rate: int) -> Callable[[torch.device], TorchEmbedder]:
    def make(device: torch.device) -> TorchEmbedder:
        network = ready(_panns.Cnn14(sample_rate, _panns.PUBLISHED), device)
        return _panns.PannsEmbedder(
            network, plugins.load("embedders", "panns").spec, sha256=NAMELESS, sample_rate=sample_rate, device=device
        )

    return make


def efficientat(width: float) -> Callable[[torch.device], TorchEmbedder]:
    def make(device: torch.device) -> TorchEmbedder:
        return _efficientat.EfficientAtEmbedder(
            ready(_efficientat.MobileNetV3(width), device),
            plugins.load("embedders", "efficientat").spec,
            sha256=NAMELESS,
            device=device,
        )

    return make


def clap(device: torch.device) -> TorchEmbedder:
    """HTSAT-base, the size of the default checkpoint."""
    audio = {"patch_embeds_hidden_size": 128, "hidden_size": 1024, "depths": [2, 2, 12, 2]}
    network = ready(ClapModel(ClapConfig(audio_config=audio)), device)
    return _clap.ClapEmbedder(Clap(network, None), plugins.load("embedders", "clap").spec, sha256=NAMELESS, device=device)


def passt(device: torch.device) -> TorchEmbedder:
    network = ready(_passt.PaSST(_passt.PUBLISHED), device)
    return _passt.PasstEmbedder(network, plugins.load("embedders", "passt").spec, sha256=NAMELESS, device=device)


def openl3(device: torch.device) -> TorchEmbedder:
    network = ready(_openl3.OpenL3(_openl3.PUBLISHED), device)
    return _openl3.OpenL3Embedder(network, plugins.load("embedders", "openl3").spec, sha256=NAMELESS, device=device)


def audiobox(device: torch.device) -> TorchEmbedder:
    network, spec = ready(_audiobox.Aesthetics(_wavlm.BASE), device), plugins.load("embedders", "audiobox_aesthetics").spec
    return _audiobox.AestheticsEmbedder(network, _audiobox.PUBLISHED, spec, sha256=NAMELESS, device=device)


def msclap(device: torch.device) -> TorchEmbedder:
    network = ready(_msclap.MsClap(_msclap.PUBLISHED), device)
    return _msclap.MsClapEmbedder(network, None, plugins.load("embedders", "msclap").spec, sha256=NAMELESS, device=device)


def ready(network: Network, device: torch.device) -> Network:
    return network.eval().requires_grad_(False).to(device)


EMBEDDERS: dict[str, Callable[[torch.device], TorchEmbedder]] = {
    "vggish": vggish,
    "panns 16 kHz": panns(16_000),
    "panns 32 kHz": panns(32_000),
    "efficientat mn04": efficientat(0.4),
    "efficientat mn10": efficientat(1.0),
    "clap HTSAT-base": clap,
    "msclap": msclap,
    "passt": passt,
    "audiobox": audiobox,
    "openl3": openl3,
}


def seconds_per_clip(embedder: TorchEmbedder, batch: int, repeats: int) -> float:
    """The best of ``repeats``; ``embed`` returns NumPy arrays, so the device has finished when it does."""
    noise = np.random.default_rng(0).standard_normal((batch, SECONDS * embedder.sample_rate))
    clips = list((0.1 * noise).astype(np.float32))
    embedder.embed(clips)  # warm up
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        embedder.embed(clips)
        times.append(time.perf_counter() - start)
    return min(times) / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--embedder", choices=list(EMBEDDERS), action="append")
    options = parser.parse_args()
    device = torch.device(options.device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads; seconds per {SECONDS} s clip")
    print(f"{'embedder':18}" + "".join(f"{f'batch {batch}':>10}" for batch in BATCHES))
    for name in options.embedder or EMBEDDERS:
        embedder = EMBEDDERS[name](device)
        times = [seconds_per_clip(embedder, batch, options.repeats) for batch in BATCHES]
        print(f"{name:18}" + "".join(f"{t:10.3f}" for t in times), flush=True)


if __name__ == "__main__":
    main()
