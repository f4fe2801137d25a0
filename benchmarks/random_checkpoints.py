"""Checkpoints with random weights in the published layouts, made by the reference packages.

    python benchmarks/random_checkpoints.py FOLDER

Writes vggish.pth, cnn14_16k.pth, cnn14_32k.pth, clap_tiny.pt, clap_base.pt and tokenizer/ (2.4 GB).
"""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reaudio_eval.features.embedders import _packages

VOCABULARY_SIZE = 50_265  # RoBERTa's
CAPTIONS = (
    "Rain",
    "A dog barks twice",
    "A man speaks into a microphone in a large hall while a crowd laughs and applauds, then a trumpet plays a slow waltz",
)


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


def spread(network: nn.Module) -> None:
    """Weights under which inputs have different outputs; fresh ones give all nearly the same. The front end's kernels are left alone."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.dim() > 1:
            nn.init.normal_(parameter, 0, math.sqrt(2 / parameter[0].numel()))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)


def write_vggish(folder: Path) -> Path:
    torch.manual_seed(0)
    network = _packages.torchvggish()
    spread(network)
    torch.save(network.state_dict(), folder / "vggish.pth")
    return folder / "vggish.pth"


def write_panns(folder: Path, sample_rate: int) -> Path:
    torch.manual_seed(0)
    network = _packages.panns_inference_cnn14(sample_rate)
    spread(network)
    path = folder / f"cnn14_{sample_rate // 1000}k.pth"
    torch.save({"iteration": 0, "model": network.state_dict()}, path)
    return path


def write_clap(folder: Path, architecture: str) -> Path:
    """With its tokenizer in ``tokenizer/``, and the positions that older transformers saved."""
    torch.manual_seed(0)
    network = _packages.laion_clap_module(architecture, write_tokenizer(folder / "tokenizer")).model
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.dim() == 2:
            parameter.data.mul_(1.5)  # fresh weights give all inputs nearly the same output
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    path = folder / f"clap_{architecture.removeprefix('HTSAT-')}.pt"
    torch.save({"epoch": 0, "name": architecture, "state_dict": state}, path)
    return path


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_vggish(folder)
    for sample_rate in (16_000, 32_000):
        write_panns(folder, sample_rate)
    for architecture in ("HTSAT-tiny", "HTSAT-base"):
        write_clap(folder, architecture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
