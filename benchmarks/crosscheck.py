"""Our networks and our Frechet distance beside laion-clap, frechet-audio-distance and panns-inference themselves.

    make crosscheck

These packages need NumPy 1 and so an environment of their own (``crosscheck-requirements.txt``). Nothing is downloaded:
weights are random, written to files in the published layouts and read back by both sides. Differences are the largest
absolute difference over the largest absolute value of the reference. "contrast" is the same measure between the
reference's own rows (clips, texts, pairs of samples): a tolerance far below it tells them apart.

VGGish is left out: frechet-audio-distance fetches its source from GitHub, none of the packages contains it.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read at the first import; without it laion_clap retries for minutes

import importlib
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import nn

NETWORK_TOLERANCE = 1e-5  # the same network in fp32, operations in another order: 1.5e-6 at most was seen
FULL_RANK_TOLERANCE = 1e-10  # float64 on both sides: 3e-15 was seen
SINGULAR_TOLERANCE = 1e-6  # sqrtm takes roots of eigenvalues that should be 0 and are 1e-16: 1.4e-8 was seen
MIN_CONTRAST = 100  # tolerances
VOCABULARY_SIZE = 50_265  # RoBERTa's
CAPTIONS = (
    "Rain",
    "A dog barks twice",
    "A man speaks into a microphone in a large hall while a crowd laughs and applauds, then a trumpet plays a slow waltz",
)

Array = npt.NDArray[Any]


class Check(NamedTuple):
    """ours, theirs: the same quantity, one row a clip, text or pair of samples."""

    what: str
    ours: Array
    theirs: Array
    tolerance: float

    def line(self) -> tuple[bool, str]:
        scale = np.abs(self.theirs).max()
        difference = np.abs(self.ours - self.theirs).max() / scale
        contrast = np.ptp(self.theirs, axis=0).max() / scale
        ok = bool(difference <= self.tolerance and contrast >= MIN_CONTRAST * self.tolerance)
        verdict = "ok" if ok else "FAIL"
        return ok, f"{self.what:<46}{difference:12.1e}{self.tolerance:12.0e}{contrast:11.1e}   {verdict}"


def allow_missing_binaries() -> None:
    """torchvision and torchaudio built for another torch (CUDA wheels beside a CPU torch) fail to import, although only
    their Python code is needed here. Where they load, nothing is changed."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch.library.define("torchvision::qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    try:
        importlib.import_module("torchaudio")
    except OSError:
        extension: Any = ModuleType("torchaudio._extension")
        extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
        extension.fail_if_no_align = lambda function: function
        sys.modules["torchaudio._extension"] = extension


def write_tokenizer(folder: Path) -> Any:
    """A tokenizer of whole words, of RoBERTa's size and with its special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted(set(re.findall(r"\w+|[^\w\s]", " ".join(CAPTIONS))))
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *words]
    tokens += [f"token{number}" for number in range(VOCABULARY_SIZE - len(tokens))]
    tokenizer = Tokenizer(models.WordLevel({token: number for number, token in enumerate(tokens)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.save_pretrained(folder)
    return fast


@contextmanager
def without_downloads(home: Path, tokenizer: Any) -> Iterator[None]:
    """panns_inference runs wget at import unless its label file is in the home folder; laion_clap asks the hub for three
    tokenizers at import and for RoBERTa's weights when a model is made."""
    import transformers

    labels = home / "panns_data/class_labels_indices.csv"
    labels.parent.mkdir()
    labels.write_text("index,mid,display_name\n" + "".join(f"{number},/m/{number},label\n" for number in range(527)))
    config = transformers.RobertaConfig(
        vocab_size=VOCABULARY_SIZE, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    )
    with ExitStack() as stack:
        stack.enter_context(patch.object(Path, "home", return_value=home))
        for name in ("BertTokenizer", "RobertaTokenizer", "BartTokenizer"):
            stack.enter_context(patch.object(getattr(transformers, name), "from_pretrained", return_value=tokenizer))
        roberta = transformers.RobertaModel
        stack.enter_context(patch.object(roberta, "from_pretrained", side_effect=lambda _: roberta(config)))
        yield


def enliven(network: nn.Module) -> None:
    """Fresh random weights give all inputs nearly the same output: spread them, and batch norm's statistics too."""
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.dim() == 2:  # the front end's kernels are frozen
            parameter.data.mul_(1.5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)


def noise_clips(sample_rate: int) -> list[npt.NDArray[np.float32]]:
    """Ten seconds of white noise, of low-pass noise and of noise that swells."""
    white = np.random.default_rng(0).normal(0, 0.1, (3, 10 * sample_rate))
    low = np.convolve(white[1], np.ones(64) / 8, mode="same")
    return [clip.astype(np.float32) for clip in (white[0], low, white[2] * np.linspace(0, 1, white.shape[1]) ** 4)]


def check_panns(sample_rate: int, n_fft: int, f_max: int, folder: Path) -> Iterator[Check]:
    from panns_inference.models import Cnn14

    from reaudio_eval.features.embedders import panns

    torch.manual_seed(0)
    theirs = Cnn14(sample_rate, n_fft, sample_rate // 100, 64, 50, f_max, 527).eval()
    enliven(theirs)
    torch.save({"iteration": 0, "model": theirs.state_dict()}, folder / "panns.pth")
    clips = noise_clips(sample_rate)
    ours = panns.PLUGIN.load(folder / "panns.pth", sample_rate=sample_rate, device="cpu").embed(clips)
    with torch.inference_mode():
        reference = {name: value.numpy() for name, value in theirs(torch.from_numpy(np.stack(clips))).items()}
    embeddings, probabilities = np.concatenate([o.frames for o in ours]), expit(np.stack([o.logits for o in ours]))
    what = f"PANNs Cnn14, {sample_rate // 1000} kHz"
    yield Check(f"{what}: embeddings", embeddings, reference["embedding"], NETWORK_TOLERANCE)
    yield Check(f"{what}: probabilities", probabilities, reference["clipwise_output"], NETWORK_TOLERANCE)


def check_clap(architecture: str, folder: Path) -> Iterator[Check]:
    """Through both public interfaces; the last clip is short, so that it is repeated and padded."""
    import laion_clap

    from reaudio_eval.features.embedders import clap

    torch.manual_seed(0)
    theirs = laion_clap.CLAP_Module(enable_fusion=False, device="cpu", amodel=architecture)
    enliven(theirs.model)
    state = {f"module.{key}": value for key, value in theirs.model.state_dict().items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]  # as older transformers saved it
    torch.save({"epoch": 0, "name": architecture, "state_dict": state}, folder / "clap.pt")
    with redirect_stdout(sys.stderr):
        theirs.load_ckpt(folder / "clap.pt", verbose=False)
    ours = clap.PLUGIN.load(folder / "clap.pt", sample_rate=48_000, device="cpu")
    clips = noise_clips(48_000)
    clips[-1] = clips[-1][-160_001:]
    audio = np.concatenate([features.frames for features in ours.embed(clips)])
    with torch.inference_mode():
        their_audio = theirs.get_audio_embedding_from_data([torch.from_numpy(c) for c in clips], use_tensor=True).numpy()
        their_text = theirs.get_text_embedding(list(CAPTIONS))
    yield Check(f"LAION-CLAP, {architecture}: audio embeddings", audio, their_audio, NETWORK_TOLERANCE)
    yield Check(f"LAION-CLAP, {architecture}: text embeddings", ours.embed_text(CAPTIONS), their_text, NETWORK_TOLERANCE)


def check_frechet(n: int, tolerance: float, width: int = 128) -> Check:
    from frechet_audio_distance import FrechetAudioDistance as Theirs

    from reaudio_eval.scores.metrics.fad import frechet_distance

    def reference(*samples: Array) -> float:  # these methods use nothing of their object
        statistics = [part for sample in samples for part in Theirs.calculate_embd_statistics(None, sample)]
        return float(Theirs.calculate_frechet_distance(None, *statistics))

    a, b = np.random.default_rng(0).standard_normal((2, n, width)) / np.sqrt(np.arange(1, width + 1))
    pairs = [(a, 1.1 * b + shift) for shift in (0.0, 0.1, 0.3)]
    ours, theirs = (np.array([distance(*pair) for pair in pairs]) for distance in (frechet_distance, reference))
    return Check(f"Frechet distance, d = {width}, n = {n}", ours, theirs, tolerance)


def checks(folder: Path) -> Iterator[Check]:
    yield check_frechet(500, FULL_RANK_TOLERANCE)
    yield check_frechet(64, SINGULAR_TOLERANCE)
    yield from check_panns(16_000, 512, 8_000, folder)
    yield from check_panns(32_000, 1024, 14_000, folder)
    yield from check_clap("HTSAT-tiny", folder)
    yield from check_clap("HTSAT-base", folder)


def main() -> int:
    allow_missing_binaries()
    failed = 0
    print(f"{'compared':<46}{'difference':>12}{'tolerance':>12}{'contrast':>11}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with without_downloads(folder, write_tokenizer(folder / "tokenizer")):
            import laion_clap  # noqa: F401 (frechet_audio_distance imports it too: first under these patches)

            for check in checks(folder):
                ok, line = check.line()
                print(line, flush=True)
                failed += not ok
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
