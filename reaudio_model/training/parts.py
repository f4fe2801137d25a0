"""Preparing the training of each part.

Task, clips, and what is written at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reaudio_model.codec.codec import build_vae, build_vocoder, latent_scale, remove_weight_norm
from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder
from reaudio_model.codec.mel import log_mel
from reaudio_model.common.progress import Reporter
from reaudio_model.config import Part
from reaudio_model.denoiser.sampling import make_scheduler
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.denoiser.unet_checkpoints import load_unet
from reaudio_model.encoders.audio_mae import build_audio_mae
from reaudio_model.encoders.clap import MAX_TOKENS, load_clap
from reaudio_model.encoders.encoder_checkpoints import load_audio_mae, load_whole_t5
from reaudio_model.encoders.tagger_files import new_tagger, save_tagger
from reaudio_model.pipeline.assemble import assemble_pipeline, load_parts_conditioner, load_unet_folder, require_sizes
from reaudio_model.retrieval.clip_check import CheckedClips
from reaudio_model.retrieval.records import Pair
from reaudio_model.training.audio_mae import AudioMaeTask
from reaudio_model.training.clap import ClapTask
from reaudio_model.training.clips import RunClips
from reaudio_model.training.conditions import denoiser_clips
from reaudio_model.training.config import TrainConfig
from reaudio_model.training.data import AudioClips, ClapClip, MaeClip, Prepare, RandomCrop, TensorClips
from reaudio_model.training.diffusion import DiffusionTask
from reaudio_model.training.discriminators import PatchDiscriminator, WaveformDiscriminator
from reaudio_model.training.order import Clips, EveryClip, loader
from reaudio_model.training.t5 import T5Task
from reaudio_model.training.tagger import TaggerTask
from reaudio_model.training.task import Task
from reaudio_model.training.vae import VaeTask
from reaudio_model.training.vocoder import SEGMENT, VocoderTask

N_SENTINELS = 100  # of T5's vocabulary
SCALE_BATCHES = 16  # for measuring the latents' scale


@dataclass(frozen=True)
class Setting:
    """Environment of a run.

    Attributes:
        clips: that it uses.
        device: of the networks.
        cache: for latents, index and features.
        cache_dir: of the package, for converted checkpoints.
        reporter: of progress.
    """

    clips: RunClips
    device: torch.device
    cache: Path
    cache_dir: Path | None
    reporter: Reporter


Save = Callable[[Path], object]  # writes a part to a folder


@dataclass(frozen=True)
class Prepared:
    """What the loop trains, and what is written at the end.

    Attributes:
        task, training, validation: for the loop.
        export: called after the last step; name of a folder -> what writes it.
        networks: name -> SHA-256 of frozen networks that the training depends on.
    """

    task: Task
    training: Clips
    validation: Clips | None
    export: Callable[[], dict[str, Save]]
    networks: Mapping[str, str] = field(default_factory=dict)


def prepare(config: TrainConfig, setting: Setting) -> Prepared:
    """Networks and clips of a run.

    Raises:
        ReaudioError: no clips, or a table, file or checkpoint that is missing, damaged or of other sizes.
    """
    return _PREPARE[config.part](config, setting)


def _audio(
    config: TrainConfig,
    clips: RunClips,
    prepare_clip: Prepare,
    extra: Callable[[Sequence[Pair]], dict[str, Tensor]] | None = None,
) -> tuple[AudioClips, AudioClips | None]:
    """Waveforms of the training and validation clips, with rows of further tensors."""

    def waveforms(found: CheckedClips) -> AudioClips:
        paths = [pair.audio for pair in found.pairs if pair.audio is not None]
        rows = extra(found.pairs) if extra else None
        return AudioClips(paths, prepare_clip, seed=config.loop.seed, extra=rows, sha256=list(found.sha256.values()))

    return waveforms(clips.training), None if clips.validation is None else waveforms(clips.validation)


def _vae(config: TrainConfig, setting: Setting) -> Prepared:
    codec, start = config.model.sizes().codec, config.parts.vae
    vae = build_vae(codec) if config.from_scratch or start is None else load_vae(start, codec)
    discriminator = None if config.discriminator_width is None else PatchDiscriminator(config.discriminator_width)
    vae.train().requires_grad_(True)
    if config.vae.decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    task = VaeTask(vae, codec.mel, loss=config.vae, discriminator=discriminator)
    training, validation = _audio(config, setting.clips, RandomCrop(codec.n_samples, codec.mel.sample_rate))

    def export() -> dict[str, Save]:
        if not config.vae.decoder_only:  # else the latents, and with them their scale, are those it began with
            order = EveryClip(len(training), config.loop.batch_size)
            batches = islice(loader(training, order), SCALE_BATCHES)
            vae.eval()
            scale = latent_scale(vae, (log_mel(batch["waveform"], codec.mel) for batch in batches))
            vae.register_to_config(scaling_factor=scale)
        return {"vae": vae.save_pretrained}

    return Prepared(task, training, validation, export)


def _vocoder(config: TrainConfig, setting: Setting) -> Prepared:
    codec, start = config.model.sizes().codec, config.parts.vocoder
    vocoder = build_vocoder(codec) if config.from_scratch or start is None else load_vocoder(start, codec)
    width = config.discriminator_width
    discriminator = None if width is None else WaveformDiscriminator(width, width)
    task = VocoderTask(vocoder.requires_grad_(True), codec.mel, loss=config.vocoder, discriminator=discriminator)

    def export() -> dict[str, Save]:
        remove_weight_norm(vocoder)
        return {"vocoder": vocoder.save_pretrained}

    return Prepared(task, *_audio(config, setting.clips, RandomCrop(SEGMENT, codec.mel.sample_rate)), export)


def _diffusion(config: TrainConfig, setting: Setting) -> Prepared:
    sizes, options, parts = config.model.sizes(), config.diffusion, config.parts
    conditioner = load_parts_conditioner(parts, sizes, setting.device, setting.cache_dir)
    clips = denoiser_clips(config, conditioner, setting.clips, setting.cache, setting.reporter)
    null = conditioner.null(1, k=sizes.k)
    conditioner.to(torch.device("cpu"))  # no longer needed; frees memory for the denoiser
    if parts.unet is not None and not config.from_scratch:
        unet = load_unet_folder(parts.unet)
        require_sizes(unet, sizes, parts.unet)
    else:
        unet = build_unet(sizes)
        unet.zero_outputs()
        if options.warm_start is not None:
            load_unet(unet, options.warm_start)
    if options.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    task = DiffusionTask(
        unet,
        null,
        sizes.k,
        dropout=options.dropout,
        prediction=options.prediction,
        weight_decay=options.weight_decay,
        max_norm=options.max_norm,
        cuda_graph=options.cuda_graph,
    )

    def export() -> dict[str, Save]:
        made: dict[str, Save] = {"unet": unet.save_pretrained}
        if parts.vocoder is not None:
            pipeline = assemble_pipeline(parts, sizes, unet=unet, conditioner=conditioner)
            pipeline.scheduler = make_scheduler("dpm-solver++", options.prediction)
            made["pipeline"] = pipeline.save_pretrained
        return made

    return Prepared(task, clips.training, clips.validation, export, clips.networks)


def _clap(config: TrainConfig, setting: Setting) -> Prepared:
    clap = load_clap(config.parts.need("clap"), device=torch.device("cpu"), cache_dir=setting.cache_dir)
    network = type(clap.network)(clap.network.config) if config.from_scratch else clap.network

    def save(folder: Path) -> None:
        network.save_pretrained(folder)
        clap.tokenizer.save_pretrained(folder)

    length = min(MAX_TOKENS, clap.max_tokens)
    front_end = ClapClip(clap.front_end)
    clips = _audio(config, setting.clips, front_end, lambda pairs: _tokens(pairs, clap.tokenizer, length))
    return Prepared(ClapTask(network.requires_grad_(True)), *clips, lambda: {"clap": save})


def _audio_mae(config: TrainConfig, setting: Setting) -> Prepared:
    condition, start = config.model.sizes().condition, config.parts.audio_mae
    if config.from_scratch or start is None:
        encoder = build_audio_mae(condition)
    else:
        encoder = load_audio_mae(start, condition, device=torch.device("cpu"), cache_dir=setting.cache_dir)
    sizes = config.mae_decoder
    task = AudioMaeTask(
        encoder.requires_grad_(True),
        condition,
        decoder_dim=sizes.dim,
        decoder_layers=sizes.layers,
        decoder_heads=sizes.heads,
    )
    clips = _audio(config, setting.clips, MaeClip(condition))
    return Prepared(task, *clips, lambda: {"audio_mae": encoder.save_pretrained})


def _t5(config: TrainConfig, setting: Setting) -> Prepared:
    condition = config.model.sizes().condition
    network, tokenizer = load_whole_t5(config.parts.t5 or condition.t5_name)
    if config.from_scratch:
        network = type(network)(network.config)
    unknown = tokenizer.unk_token_id
    ids = tokenizer.convert_tokens_to_ids([f"<extra_id_{i}>" for i in range(N_SENTINELS)])

    def save(folder: Path) -> None:
        network.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    def captions(found: CheckedClips) -> TensorClips:
        return TensorClips(_tokens(found.pairs, tokenizer, condition.t5_length))

    clips = setting.clips
    validation = None if clips.validation is None else captions(clips.validation)
    task = T5Task(network, [i for i in ids if i != unknown])
    return Prepared(task, captions(clips.training), validation, lambda: {"t5": save})


def _tagger(config: TrainConfig, setting: Setting) -> Prepared:
    codec, labels = config.model.sizes().codec, setting.clips.labels
    classes = sorted({label for found in labels.values() for label in found})
    tagger = new_tagger(config.tagger.architecture, len(classes))

    def label_rows(pairs: Sequence[Pair]) -> dict[str, Tensor]:
        rows = [[float(name in labels[pair.clip_id]) for name in classes] for pair in pairs]
        return {"labels": torch.tensor(rows)}

    crop = RandomCrop(codec.n_samples, codec.mel.sample_rate)
    clips = _audio(config, setting.clips, crop, label_rows)
    task = TaggerTask(tagger, config.tagger.loss)
    return Prepared(task, *clips, lambda: {"tagger": partial(save_tagger, tagger, tuple(classes))})


def _tokens(pairs: Sequence[Pair], tokenizer: Any, length: int) -> dict[str, Tensor]:
    """Captions, int (n, length), truncated or padded."""
    inputs = tokenizer(
        [pair.caption for pair in pairs], padding="max_length", truncation=True, max_length=length, return_tensors="pt"
    )
    return {name: inputs[name] for name in ("input_ids", "attention_mask")}


_PREPARE: dict[Part, Callable[[TrainConfig, Setting], Prepared]] = {
    "vae": _vae,
    "vocoder": _vocoder,
    "diffusion": _diffusion,
    "clap": _clap,
    "audio-mae": _audio_mae,
    "t5": _t5,
    "tagger": _tagger,
}
