"""The denoiser's clips: latents, text vectors and what is retrieved for each, computed once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from reaudio_model.codec.codec_checkpoints import load_vae
from reaudio_model.common.progress import Reporter
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.conditioning.feature_store import FeatureStore
from reaudio_model.conditioning.features import build_features
from reaudio_model.config import ConditionConfig, retrieves
from reaudio_model.retrieval.embedding import clap_embedders
from reaudio_model.retrieval.index import TOP, QueryBatch, RetrievalIndex
from reaudio_model.retrieval.index_build import build_index
from reaudio_model.retrieval.index_files import MANIFEST
from reaudio_model.retrieval.pairs import PairTable
from reaudio_model.retrieval.records import Pair
from reaudio_model.training.config import TrainConfig
from reaudio_model.training.data import DiffusionClips
from reaudio_model.training.latents import build_latents

EMBED_BATCH = 64  # clips embedded, or rows read, at a time


class DenoiserClips(NamedTuple):
    """training, validation: for the loop; the latter None where no clips were given."""

    training: DiffusionClips
    validation: DiffusionClips | None


def denoiser_clips(
    config: TrainConfig,
    conditioner: Conditioner,
    training: PairTable,
    validation: Sequence[Pair],
    cache: Path,
    reporter: Reporter,
) -> DenoiserClips:
    """Latents, index and features in ``cache``; what is there of the same clips and networks is used again.

    Training clips retrieve from the training clips, never themselves nor their own recording; so do validation clips.

    Raises:
        ReaudioError: a cache of other clips or networks; a full disk.
        AudioError, CheckpointError: unreadable audio or VAE.
    """
    sizes = config.model.sizes()
    vae = load_vae(config.parts.need("vae"), sizes.codec).to(conditioner.device)

    def clips(pairs: Sequence[Pair], name: str, found: list[list[str]] | None) -> DiffusionClips:
        train = name == "training"
        return DiffusionClips(
            build_latents(pairs, vae, sizes.codec, cache / f"latents-{name}", progress=reporter),
            _told(pairs, conditioner, config.data.told if train else "caption"),
            found,
            features,
            k=sizes.k if found is not None else 0,
            choice=config.data.choice if train else "first",
            nearest=config.data.nearest,
            alike=_alike(pairs, features, conditioner.config) if train and features and config.data.by_sound else None,
            by_sound=config.data.by_sound,
            prompts=_prompts(pairs, conditioner) if sizes.retrieval == "prompt" else None,
            seed=config.loop.seed,
        )

    if not retrieves(sizes.retrieval):
        index, features, pairs = None, None, training.pairs
    else:
        index = _index(training, conditioner, cache / "index", reporter)
        pairs = list(index.pairs)
        features = build_features(pairs, conditioner, cache / "features", progress=reporter)
    held_out = None
    if validation:
        held_out = clips(validation, "validation", _neighbours(index, validation, conditioner))
    return DenoiserClips(clips(pairs, "training", _neighbours(index, pairs, conditioner)), held_out)


def _told(pairs: Sequence[Pair], conditioner: Conditioner, what: str) -> Tensor:
    """E^t of each clip, float32 (n, clap_dim), on the CPU."""
    if conditioner.retrieval == "prompt":
        return conditioner.clap.embed_text([""]).cpu().repeat(len(pairs), 1)
    if what == "caption":
        return conditioner.clap.embed_text([pair.caption for pair in pairs]).cpu().clone()
    embed = clap_embedders(conditioner.clap).audio
    paths = [pair.audio for pair in pairs if pair.audio is not None]
    parts = [np.asarray(embed(paths[i : i + EMBED_BATCH])) for i in range(0, len(paths), EMBED_BATCH)]
    return torch.from_numpy(np.concatenate(parts))


def _prompts(pairs: Sequence[Pair], conditioner: Conditioner) -> tuple[Tensor, Tensor]:
    tokens, mask = conditioner.encode_captions([pair.caption for pair in pairs])
    return tokens.cpu(), mask.cpu()


def _alike(pairs: Sequence[Pair], features: FeatureStore, sizes: ConditionConfig) -> list[list[str]]:
    """Ids of the 50 clips that sound most like each clip, without itself and its recording.

    Compared is the mean of a clip's AudioMAE tokens over time, each coordinate with mean 0 and variance 1 over the set.
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
    found = index.search(queries, k=min(TOP, len(index)), pool="all")
    return [[neighbour.pair.clip_id for neighbour in neighbours] for neighbours in found]


def _index(training: PairTable, conditioner: Conditioner, folder: Path, reporter: Reporter) -> RetrievalIndex:
    """The index in ``folder`` if it is of these pairs and this CLAP, else a new one."""
    wanted = {pair.clip_id for pair in training.pairs}
    if (folder / MANIFEST).exists():
        index = RetrievalIndex.load(folder, conditioner.clap.sha256)
        if {pair.clip_id for pair in index.pairs} | set(index.left_out) >= wanted >= {p.clip_id for p in index.pairs}:
            return index
    return build_index(training, clap_embedders(conditioner.clap), folder, progress=reporter)


def _neighbours(index: RetrievalIndex | None, pairs: Sequence[Pair], conditioner: Conditioner) -> list[list[str]] | None:
    """Ids of the 50 nearest pairs of each clip's caption, without the clip and its recording."""
    if index is None:
        return None
    vectors = np.asarray(conditioner.clap.embed_text([pair.caption for pair in pairs]).cpu())
    queries = QueryBatch(vectors, [pair.clip_id for pair in pairs], [pair.source_id for pair in pairs])
    found = index.search(queries, k=min(TOP, len(index)), pool="all")  # the index holds training clips alone
    return [[neighbour.pair.clip_id for neighbour in neighbours] for neighbours in found]
