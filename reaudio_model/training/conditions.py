"""Training data of the denoiser, computed once and cached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from reaudio_model.codec.codec_checkpoints import load_vae
from reaudio_model.common.inference import network_sha256
from reaudio_model.common.progress import Reporter
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.conditioning.feature_store import FeatureStore
from reaudio_model.conditioning.features import build_features
from reaudio_model.config import ConditionConfig, retrieves
from reaudio_model.retrieval.clip_check import CheckedClips, require_unchanged
from reaudio_model.retrieval.embedding import clap_embedders
from reaudio_model.retrieval.index import TOP, QueryBatch, RetrievalIndex
from reaudio_model.retrieval.index_build import build_index
from reaudio_model.retrieval.pairs import PairTable
from reaudio_model.retrieval.records import Pair
from reaudio_model.training.clips import RunClips
from reaudio_model.training.config import TrainConfig
from reaudio_model.training.data import DiffusionClips
from reaudio_model.training.latents import build_latents

EMBED_BATCH = 64  # clips embedded, or rows read, at a time


class DenoiserClips(NamedTuple):
    """training, validation: for the loop; validation is None without validation clips. networks: name -> SHA-256 of weights."""

    training: DiffusionClips
    validation: DiffusionClips | None
    networks: dict[str, str]


def denoiser_clips(
    config: TrainConfig,
    conditioner: Conditioner,
    clips: RunClips,
    cache: Path,
    reporter: Reporter,
) -> DenoiserClips:
    """Latents, index and features in ``cache``; existing ones of the same clips, networks and code are reused.

    Training clips retrieve from the training clips, but neither themselves nor their own recording; so do validation clips.

    Raises:
        ReaudioError: a clip that is changed meanwhile; a full disk.
        AudioError, CheckpointError: unreadable audio or VAE.
    """
    sizes = config.model.sizes()
    vae = load_vae(config.parts.need("vae"), sizes.codec).to(conditioner.device)
    training = clips.training
    index, features = None, None
    if retrieves(sizes.retrieval):
        table = PairTable(training.pairs, list(training.left_out))
        embedders = clap_embedders(conditioner.clap)
        index = build_index(table, embedders, cache / "index", sha256=training.sha256, progress=reporter)
        features = build_features(training.pairs, conditioner, cache / "features", sha256=training.sha256, progress=reporter)
    job = _Job(config, conditioner, vae, index, features, cache, reporter)
    held_out = job.clips(clips.validation, "validation") if clips.validation is not None else None
    return DenoiserClips(job.clips(training, "training"), held_out, networks_of(conditioner, vae))


def networks_of(conditioner: Conditioner, vae: AutoencoderKL) -> dict[str, str]:
    """Name -> SHA-256 of the weights of the frozen networks."""
    return {"vae": network_sha256(vae), "clap": conditioner.clap.sha256, **conditioner.identity()}


@dataclass(frozen=True)
class _Job:
    """Everything that training and validation clips share."""

    config: TrainConfig
    conditioner: Conditioner
    vae: AutoencoderKL
    index: RetrievalIndex | None
    features: FeatureStore | None
    cache: Path
    reporter: Reporter

    def clips(self, checked: CheckedClips, name: Literal["training", "validation"]) -> DiffusionClips:
        pairs, sha256 = checked.pairs, checked.sha256
        data, sizes, conditioner = self.config.data, self.config.model.sizes(), self.conditioner
        train = name == "training"
        neighbours = _neighbours(self.index, pairs, conditioner)
        by_sound = train and self.features is not None and data.by_sound > 0
        return DiffusionClips(
            build_latents(
                pairs, self.vae, sizes.codec, self.cache / f"latents-{name}", sha256=sha256, progress=self.reporter
            ),
            _text_vectors(pairs, conditioner, data.told if train else "caption", sha256),
            neighbours,
            self.features,
            k=sizes.k if neighbours is not None else 0,
            choice=data.choice if train else "first",
            nearest=data.nearest,
            similar=_similar(pairs, self.features, conditioner.config) if by_sound and self.features is not None else None,
            by_sound=data.by_sound,
            prompts=_prompts(pairs, conditioner) if sizes.retrieval == "prompt" else None,
            seed=self.config.loop.seed,
        )


def _text_vectors(pairs: Sequence[Pair], conditioner: Conditioner, source: str, sha256: Mapping[str, str]) -> Tensor:
    """E^t of each clip, from its caption or its sound: float32 (n, clap_dim), on the CPU."""
    if conditioner.retrieval == "prompt":
        return conditioner.clap.embed_text([""]).cpu().repeat(len(pairs), 1)
    if source == "caption":
        return conditioner.clap.embed_text([pair.caption for pair in pairs]).cpu().clone()
    embed = clap_embedders(conditioner.clap).audio
    paths = [pair.audio for pair in pairs if pair.audio is not None]
    parts = [np.asarray(embed(paths[i : i + EMBED_BATCH])) for i in range(0, len(paths), EMBED_BATCH)]
    require_unchanged(pairs, sha256)
    return torch.from_numpy(np.concatenate(parts))


def _prompts(pairs: Sequence[Pair], conditioner: Conditioner) -> tuple[Tensor, Tensor]:
    tokens, mask = conditioner.encode_captions([pair.caption for pair in pairs])
    return tokens.cpu(), mask.cpu()


def _similar(pairs: Sequence[Pair], features: FeatureStore, sizes: ConditionConfig) -> list[list[str]]:
    """Ids of the 50 clips most similar in sound to each clip, without the clip itself and its recording.

    Similarity is the cosine of the AudioMAE tokens, averaged over time and standardised over the set.
    """
    bands = sizes.mae_bins // sizes.mae_patch // sizes.mae_pool[1]
    ids = [pair.clip_id for pair in pairs]
    blocks = []
    for start in range(0, len(ids), EMBED_BATCH):
        tokens = features.tokens(ids[start : start + EMBED_BATCH]).audio.float()
        blocks.append(tokens.reshape(len(tokens), -1, bands * sizes.mae_dim).mean(dim=1))
    vectors = torch.cat(blocks)
    vectors = torch.nn.functional.normalize((vectors - vectors.mean(dim=0)) / (vectors.std(dim=0) + 1e-6), dim=1)
    rows = vectors.numpy()
    index = RetrievalIndex(tuple(pairs), rows, rows, "audio_mae")
    queries = QueryBatch(rows, ids, [pair.source_id for pair in pairs])
    retrieved = index.search(queries, k=min(TOP, len(index)), pool="all")
    return [[neighbour.pair.clip_id for neighbour in ranked] for ranked in retrieved]


def _neighbours(index: RetrievalIndex | None, pairs: Sequence[Pair], conditioner: Conditioner) -> list[list[str]] | None:
    """Ids of the 50 nearest pairs of each clip's caption, without the clip and its recording."""
    if index is None:
        return None
    vectors = np.asarray(conditioner.clap.embed_text([pair.caption for pair in pairs]).cpu())
    queries = QueryBatch(vectors, [pair.clip_id for pair in pairs], [pair.source_id for pair in pairs])
    found = index.search(queries, k=min(TOP, len(index)), pool="all")  # the index holds training clips alone
    return [[neighbour.pair.clip_id for neighbour in neighbours] for neighbours in found]
