"""CLAP's text encoder alone, as diffusers' AudioLDM folders have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ClapTextConfig, ClapTextModelWithProjection

from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.inference import build
from reaudio_model.common.weights import load_state_dict, weights_file
from reaudio_model.encoders.clap import Clap, check_text, load_tokenizer, text_length


class TextClap(Clap):
    """Unit-norm embeddings of text; there is no audio encoder.

    Args:
        network: in evaluation mode; its projections are not normalised.
        tokenizer: of it.
    """

    def __init__(self, network: ClapTextModelWithProjection, tokenizer: Any) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.max_tokens = text_length(network.config)

    @property
    def sample_rate(self) -> int:
        raise ReaudioError("This CLAP has no audio encoder: it embeds text alone.")

    def text_features(self, tokens: Tensor) -> Tensor:
        projected: Tensor = self.network(input_ids=tokens).text_embeds
        return nn.functional.normalize(projected.float(), dim=-1)


def load_text_clap(folder: Path, *, device: torch.device, cache_dir: Path | None = None) -> TextClap:
    """The text encoder in a diffusers folder of AudioLDM: ``text_encoder/``, with the vocabulary in ``tokenizer/`` beside it.

    Raises:
        CheckpointError: missing, damaged, of another network, no usable tokenizer, or an encoder that gives two unrelated sentences the
            same embedding.
    """
    inside = folder / "text_encoder"
    state = load_state_dict(weights_file(inside), cache_dir=cache_dir)
    try:
        config: Any = ClapTextConfig.from_pretrained(inside, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"The folder {inside} has no readable config.json of a CLAP text encoder.") from error
    n = config.max_position_embeddings
    state.setdefault("text_model.embeddings.position_ids", torch.arange(n)[None])
    state.setdefault("text_model.embeddings.token_type_ids", torch.zeros(1, n, dtype=torch.long))
    network = build(
        lambda: ClapTextModelWithProjection(config), state, path=inside, what="CLAP's text encoder", device=device
    )
    clap = TextClap(network, load_tokenizer(folder, cache_dir, config.vocab_size))
    check_text(clap.embed_text, inside)
    return clap
