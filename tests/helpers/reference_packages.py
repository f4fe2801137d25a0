"""Stand-ins for laion-clap, panns-inference and frechet-audio-distance that download as these do, with small networks."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

PANNS_CHANNELS = (2, 4, 4, 6, 6, 8)

_PANNS_CONFIG = """
import csv
from pathlib import Path

path = Path.home() / "panns_data/class_labels_indices.csv"
if not path.is_file():
    raise SystemExit("wget")
labels = [row[2] for row in csv.reader(path.read_text().splitlines())][1:]
"""
_PANNS_MODELS = f"""
import torch

from reaudio_eval.features.embedders import _panns


class Cnn14(_panns.Cnn14):
    def __init__(self, sample_rate, window_size, hop_size, mel_bins, fmin, fmax, classes_num):
        assert (window_size, hop_size) == (_panns.N_FFT[sample_rate], _panns.HOP[sample_rate])
        assert (mel_bins, fmin, fmax, classes_num) == (64, 50, {{16_000: 8_000, 32_000: 14_000}}[sample_rate], 527)
        torch.rand(3)
        super().__init__(sample_rate, {PANNS_CHANNELS})

    def forward(self, input, mixup_lambda=None):
        embedding, logits = super().forward(input)
        return {{"clipwise_output": torch.sigmoid(logits), "embedding": embedding}}
"""
_LAION = """
import torch
import transformers
from torch import nn

for name in ("BertTokenizer", "RobertaTokenizer", "BartTokenizer"):
    getattr(transformers, name).from_pretrained("a name of the hub")  # fails without a network
N_WORDS, WIDTH = {n_words}, 16


class Network(nn.Module):
    joint_embed_shape = WIDTH

    def __init__(self):
        super().__init__()
        self.audio_branch = nn.ModuleDict({{"patch_embed": nn.ModuleDict({{"proj": nn.Conv2d(1, 96, 4)}})}})
        words = nn.Embedding(N_WORDS, WIDTH)
        self.text_branch = nn.ModuleDict({{"embeddings": nn.ModuleDict({{"word_embeddings": words}})}})


class CLAP_Module(nn.Module):
    def __init__(self, enable_fusion=True, device=None, amodel="HTSAT-tiny", tmodel="roberta"):
        super().__init__()
        assert (enable_fusion, device, amodel) == (False, "cpu", "HTSAT-tiny")
        transformers.RobertaModel.from_pretrained("roberta-base")
        self.model = Network()
        self.tokenize = transformers.RobertaTokenizer.from_pretrained("roberta-base")

    def load_ckpt(self, *args):
        raise SystemExit("unpickled")

    def get_audio_embedding_from_data(self, x, use_tensor=False):
        assert use_tensor and all(len(clip) <= 480_000 for clip in x), "cropped at random, or rounded"
        kernel = self.model.audio_branch["patch_embed"]["proj"].weight.flatten()[: 16 * 96].view(WIDTH, 96)
        means = torch.stack([clip[: len(clip) // 96 * 96].view(-1, 96).square().mean(0) for clip in x])
        return nn.functional.normalize(means @ kernel.T, dim=-1)

    def get_text_embedding(self, x, tokenizer=None, use_tensor=False):
        words = self.model.text_branch["embeddings"]["word_embeddings"].weight
        return nn.functional.normalize(torch.stack([words[self.tokenize(each)["input_ids"]].mean(0) for each in x]), dim=-1)
"""

_TORCHVGGISH = """
from torch import nn


class VGG(nn.Module):
    def __init__(self, features, postprocess):
        super().__init__()
        assert not postprocess
        self.features = features
        self.embeddings = nn.Sequential(nn.Linear(8, 4), nn.ReLU())

    def forward(self, x):
        return self.embeddings(self.features(x))


def make_layers():
    return nn.Identity()
"""
_VGGISH_INPUT = """
import torch


def waveform_to_examples(data, sample_rate):
    assert sample_rate == 16_000
    n = len(data) // 15_360
    return torch.tensor(data[: n * 15_360].reshape(n, 8, -1).std(axis=2), requires_grad=True)
"""
_FAD = """
import laion_clap
import numpy as np
import torch
from torch import nn


class FrechetAudioDistance:
    def __init__(self, model_name, sample_rate, use_pca, use_activation):
        assert (model_name, sample_rate, use_pca, use_activation) == ("vggish", 16_000, False, False)
        self.model = torch.hub.load(repo_or_dir="harritaylor/torchvggish", model="vggish")
        self.model.embeddings = nn.Sequential(*list(self.model.embeddings.children())[:-1])

    def get_embeddings(self, x, sr):
        print("progress")
        return np.concatenate([self.model.forward(clip, sr).detach().numpy() for clip in x])
"""


def write_frechet_audio_distance(folder: Path) -> None:
    """Packages ``frechet_audio_distance`` and ``torchvggish`` in ``folder``."""
    for package, files in {
        "frechet_audio_distance": {"__init__": _FAD},
        "torchvggish": {"__init__": "", "torchvggish": _TORCHVGGISH, "vggish_input": _VGGISH_INPUT},
    }.items():
        (folder / package).mkdir(parents=True)
        for name, text in files.items():
            (folder / package / f"{name}.py").write_text(text, encoding="utf-8")


def forget(*packages: str) -> None:
    """Let packages be imported anew."""
    for each in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[each]


def write_panns_inference(folder: Path) -> None:
    """A package ``panns_inference`` in ``folder``, which goes on ``sys.path``."""
    (folder / "panns_inference").mkdir(parents=True)
    files = {
        "__init__": "from .config import labels\nassert len(labels) == 527\n",
        "config": _PANNS_CONFIG,
        "models": _PANNS_MODELS,
    }
    for name, text in files.items():
        (folder / "panns_inference" / f"{name}.py").write_text(text, encoding="utf-8")


def write_laion_clap(folder: Path, n_words: int) -> None:
    """A package ``laion_clap`` in ``folder`` whose text encoder knows ``n_words`` tokens."""
    (folder / "laion_clap").mkdir(parents=True)
    (folder / "laion_clap" / "__init__.py").write_text(_LAION.format(n_words=n_words), encoding="utf-8")


def laion_clap_state(n_words: int) -> dict[str, Tensor]:
    """Weights of the stand-in's network under LAION's names, with the positions that older transformers saved."""
    weights = torch.Generator().manual_seed(0)
    return {
        "module.audio_branch.patch_embed.proj.weight": torch.randn(96, 1, 4, 4, generator=weights),
        "module.audio_branch.patch_embed.proj.bias": torch.zeros(96),
        "module.text_branch.embeddings.word_embeddings.weight": torch.randn(n_words, 16, generator=weights),
        "module.text_branch.embeddings.position_ids": torch.arange(514)[None],
    }
