"""The denoiser's clips: latents, text vectors and what is retrieved for each, computed once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reaudio_model.codec_checkpoints import load_vae
from reaudio_model.common.progress import Reporter
from reaudio_model.conditioning import Conditioner
from reaudio_model.embedding import clap_embedders
from reaudio_model.features import build_features
from reaudio_model.index_build import build_index
from reaudio_model.index_files import MANIFEST
from reaudio_model.pairs import PairTable
from reaudio_model.records import Pair
from reaudio_model.retrieval import TOP, QueryBatch, RetrievalIndex
from reaudio_model.training.config import TrainConfig
from reaudio_model.training.data import DiffusionClips
from reaudio_model.training.latents import build_latents


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
        return DiffusionClips(
            build_latents(pairs, vae, sizes.codec, cache / f"latents-{name}", progress=reporter),
            conditioner.clap.embed_text([pair.caption for pair in pairs]).cpu().clone(),
            found,
            features,
            k=sizes.k if found is not None else 0,
            choice=config.data.choice if name == "training" else "first",
            seed=config.loop.seed,
        )

    if sizes.retrieval == "none":
        index, features, pairs = None, None, training.pairs
    else:
        index = _index(training, conditioner, cache / "index", reporter)
        pairs = list(index.pairs)
        features = build_features(pairs, conditioner, cache / "features", progress=reporter)
    held_out = None
    if validation:
        held_out = clips(validation, "validation", _neighbours(index, validation, conditioner))
    return DenoiserClips(clips(pairs, "training", _neighbours(index, pairs, conditioner)), held_out)


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
