"""Networks of laion-clap, panns-inference and frechet-audio-distance, imported without their downloads.

panns-inference 0.1.1 runs wget at its import unless its class labels lie in the home folder, and its ``AudioTagging`` replaces
checkpoints smaller than 300 MB. laion-clap 1.1.7 asks the hub for three tokenizers at its import and for RoBERTa's weights when a model is
made, and its ``load_ckpt`` unpickles. frechet-audio-distance 0.3.4 imports laion-clap, and fetches the source of VGGish from GitHub. Here
they are imported with stand-ins for what they would download, and weights are read by
:func:`reaudio_model.common.weights.load_state_dict`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.packages import Package
from reaudio_model.common.weights import check_keys

LAION_CLAP = Package("laion_clap", "reference")
PANNS_INFERENCE = Package("panns_inference", "reference")
FRECHET_AUDIO_DISTANCE = Package("frechet_audio_distance", "reference")
TORCHVGGISH = Package("torchvggish", "reference")
N_CLASSES = 527
F_MAX = {16_000: 8_000, 32_000: 14_000}  # Hz, sample rate -> upper end of Cnn14's mel filters
_PATCHES = Lock()  # attributes of other modules are exchanged: one thread at a time
Network = TypeVar("Network", bound=nn.Module)


@contextmanager
def _importing(package: Package) -> Iterator[None]:
    """One thread, messages on stderr, torch's random numbers as before; a failed import is one sentence.

    Raises:
        ReaudioError: the package is not installed, or cannot be imported with the installed versions of others.
    """
    if package.missing:
        raise ReaudioError(f"This embedder {package.missing}.")
    try:
        with _PATCHES, redirect_stdout(sys.stderr), torch.random.fork_rng(devices=[]):
            yield
    except (ImportError, AttributeError) as error:
        raise ReaudioError(
            f"The package {package.module} cannot be imported ({error}): install it with the versions that it needs into an environment "
            f'of its own, pip install "reaudio-eval[{package.extra}]".'
        ) from error


def panns_inference_cnn14(sample_rate: int) -> Any:
    """``Cnn14`` of panns-inference with random weights.

    Args:
        sample_rate: 32,000 Hz as its ``AudioTagging`` has it, or 16,000 Hz with the settings of the checkpoint for that rate.

    Raises:
        ReaudioError: see :func:`_importing`.
    """
    with _importing(PANNS_INFERENCE), _class_labels():
        from panns_inference.models import Cnn14

        n_fft = sample_rate * 32 // 1000
        return Cnn14(sample_rate, n_fft, sample_rate // 100, 64, 50, F_MAX[sample_rate], N_CLASSES)


@contextmanager
def _class_labels() -> Iterator[None]:
    """A home folder with a table of class labels, whose names nothing uses here."""
    with tempfile.TemporaryDirectory() as name:
        table = Path(name) / "panns_data" / "class_labels_indices.csv"
        table.parent.mkdir()
        rows = "".join(f"{number},/m/{number},class {number}\n" for number in range(N_CLASSES))
        table.write_text(f"index,mid,display_name\n{rows}", encoding="utf-8")
        with patch.object(Path, "home", return_value=Path(name)):
            yield


def laion_clap_module(architecture: str, tokenizer: Any) -> Any:
    """``CLAP_Module`` of laion-clap with random weights, without fusion, on the CPU.

    Args:
        architecture: of the audio encoder, "HTSAT-tiny" or "HTSAT-base".
        tokenizer: RoBERTa's.

    Raises:
        ReaudioError: see :func:`_importing`.
    """
    with _importing(LAION_CLAP), _without_hub(tokenizer):
        import laion_clap

        return laion_clap.CLAP_Module(enable_fusion=False, device="cpu", amodel=architecture)


@contextmanager
def _without_hub(tokenizer: Any) -> Iterator[None]:
    """A tokenizer for all that laion-clap asks for, and RoBERTa with random weights."""
    import transformers

    roberta = transformers.RobertaModel

    def untrained(_name: str) -> Any:
        return roberta(
            transformers.RobertaConfig(
                vocab_size=len(tokenizer), max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
            )
        )

    with ExitStack() as stack:
        for name in ("BertTokenizer", "RobertaTokenizer", "BartTokenizer"):
            stack.enter_context(patch.object(getattr(transformers, name), "from_pretrained", return_value=tokenizer))
        stack.enter_context(patch.object(roberta, "from_pretrained", side_effect=untrained))
        yield


def torchvggish() -> Any:
    """VGGish of torchvggish with random weights; called with a waveform and its rate, as frechet-audio-distance does.

    Raises:
        ReaudioError: see :func:`_importing`.
    """
    with _importing(TORCHVGGISH):
        from torchvggish.torchvggish import VGG, make_layers
        from torchvggish.vggish_input import waveform_to_examples

        class Vggish(VGG):  # type: ignore[misc]  # untyped
            def forward(self, waveform: Any, sample_rate: int) -> Tensor:
                examples = waveform_to_examples(waveform, sample_rate)
                found: Tensor = super().forward(examples.to(next(self.parameters()).device))
                return found

        return Vggish(make_layers(), False)


def frechet_audio_distance(network: nn.Module, device: torch.device) -> Any:
    """``FrechetAudioDistance`` of frechet-audio-distance with VGGish, without PCA and the last ReLU.

    Args:
        network: in the place of what torch.hub would fetch.
        device: where it lies.

    Raises:
        ReaudioError: see :func:`_importing`.
    """
    with _importing(FRECHET_AUDIO_DISTANCE), _without_hub(None), patch.object(torch.hub, "load", return_value=network):
        from frechet_audio_distance import FrechetAudioDistance

        found = FrechetAudioDistance(model_name="vggish", sample_rate=16_000, use_pca=False, use_activation=False)
    found.device = device
    found.model = found.model.to(device)
    return found


def with_weights(network: Network, state: Mapping[str, Tensor], *, path: Path, what: str, device: torch.device) -> Network:
    """The network with the weights of a checkpoint, in fp32 and evaluation mode.

    Raises:
        CheckpointError: keys or shapes differ (:func:`reaudio_model.common.weights.check_keys`).
    """
    check_keys(state, network, path, what)
    network.load_state_dict(state)
    return network.float().eval().requires_grad_(False).to(device)
