"""Preparing the training of each part.

Task, clips, and what is written at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reaudio_model.codec.codec import build_vae, build_vocoder, latent_scale, remove_weight_norm
from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder
from reaudio_model.codec.mel import log_mel
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.common.tables import read_table
from reaudio_model.config import Part
from reaudio_model.denoiser.sampling import make_scheduler
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.denoiser.unet_checkpoints import load_unet
from reaudio_model.encoders.audio_mae import build_audio_mae
from reaudio_model.encoders.clap import MAX_TOKENS, load_clap
from reaudio_model.encoders.encoder_checkpoints import load_audio_mae
from reaudio_model.encoders.tagger_files import new_tagger, save_tagger
from reaudio_model.pipeline.assemble import assemble_pipeline, load_parts_conditioner, load_unet_folder
from reaudio_model.retrieval.pairs import PairTable, TableOptions, read_pair_tables
from reaudio_model.retrieval.records import Pair
from reaudio_model.training.audio_mae import AudioMaeTask
from reaudio_model.training.clap import ClapTask
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
OPTIONS = TableOptions(skip_option="", root_option="data.audio_root")


@dataclass(frozen=True)
class Setting:
    """Environment of a run. cache: for latents, index and features; cache_dir: of the package, for converted checkpoints."""

    device: torch.device
    cache: Path
    cache_dir: Path | None
    reporter: Reporter


class Prepared(NamedTuple):
    """task, training, validation: for the loop. export: writes the trained part to a folder; called after the last step."""

    task: Task
    training: Clips
    validation: Clips | None
    export: Callable[[Path], None]


def prepare(config: TrainConfig, setting: Setting) -> Prepared:
    """Networks and clips of a run.

    Raises:
        ReaudioError: no clips, or a table, file or checkpoint that is missing, damaged or of other sizes.
    """
    return _PREPARE[config.part](config, setting)


def _tables(config: TrainConfig) -> tuple[PairTable, list[Pair]]:
    """Training and validation clips."""
    data = config.data
    if not data.pairs:
        raise ReaudioError("There is nothing to train on: name the tables of the clips with data.pairs.")
    training = read_pair_tables(data.pairs, audio_root=data.audio_root, split=data.split, options=OPTIONS)
    if not data.validation:
        return training, []
    return training, read_pair_tables(
        data.validation, audio_root=data.audio_root, split=data.validation_split, options=OPTIONS
    ).pairs


def _audio(
    config: TrainConfig, prepare_clip: Prepare, extra: Callable[[Sequence[Pair]], dict[str, Tensor]] | None = None
) -> tuple[AudioClips, AudioClips | None]:
    """Waveforms of the training and validation clips, with rows of further tensors."""

    def clips(pairs: Sequence[Pair]) -> AudioClips:
        paths = [pair.audio for pair in pairs if pair.audio is not None]
        return AudioClips(paths, prepare_clip, seed=config.loop.seed, extra=extra(pairs) if extra else None)

    training, validation = _tables(config)
    return clips(training.pairs), clips(validation) if validation else None


def _vae(config: TrainConfig, setting: Setting) -> Prepared:
    codec, start = config.model.sizes().codec, config.parts.vae
    vae = build_vae(codec) if config.from_scratch or start is None else load_vae(start, codec)
    discriminator = None if config.discriminator_width is None else PatchDiscriminator(config.discriminator_width)
    vae.train().requires_grad_(True)
    if config.vae.decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    task = VaeTask(vae, codec.mel, loss=config.vae, discriminator=discriminator)
    training, validation = _audio(config, RandomCrop(codec.n_samples, codec.mel.sample_rate))

    def export(folder: Path) -> None:
        if config.vae.decoder_only:  # the latents, and with them their scale, are those it began with
            vae.save_pretrained(folder / "vae")
            return
        order = EveryClip(len(training), config.loop.batch_size)
        batches = islice(loader(training, order), SCALE_BATCHES)
        vae.eval()
        scale = latent_scale(vae, (log_mel(batch["waveform"], codec.mel) for batch in batches))
        vae.register_to_config(scaling_factor=scale)
        vae.save_pretrained(folder / "vae")

    return Prepared(task, training, validation, export)


def _vocoder(config: TrainConfig, setting: Setting) -> Prepared:
    codec, start = config.model.sizes().codec, config.parts.vocoder
    vocoder = build_vocoder(codec) if config.from_scratch or start is None else load_vocoder(start, codec)
    width = config.discriminator_width
    discriminator = None if width is None else WaveformDiscriminator(width, width)
    task = VocoderTask(vocoder.requires_grad_(True), codec.mel, loss=config.vocoder, discriminator=discriminator)

    def export(folder: Path) -> None:
        remove_weight_norm(vocoder)
        vocoder.save_pretrained(folder / "vocoder")

    return Prepared(task, *_audio(config, RandomCrop(SEGMENT, codec.mel.sample_rate)), export)


def _diffusion(config: TrainConfig, setting: Setting) -> Prepared:
    sizes, options, parts = config.model.sizes(), config.diffusion, config.parts
    if options.cuda_graph and (config.loop.precision != "float32" or options.gradient_checkpointing):
        raise ReaudioError("diffusion.cuda_graph needs loop.precision float32 and no diffusion.gradient_checkpointing.")
    conditioner = load_parts_conditioner(parts, sizes, setting.device, setting.cache_dir)
    training, validation = _tables(config)
    clips = denoiser_clips(config, conditioner, training, validation, setting.cache, setting.reporter)
    null = conditioner.null(1, k=sizes.k)
    conditioner.to(torch.device("cpu"))  # no longer needed; frees memory for the denoiser
    if parts.unet is not None and not config.from_scratch:
        unet = load_unet_folder(parts.unet)
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

    def export(folder: Path) -> None:
        unet.save_pretrained(folder / "unet")
        if parts.vocoder is not None:
            pipeline = assemble_pipeline(parts, sizes, unet=unet, conditioner=conditioner)
            pipeline.scheduler = make_scheduler("dpm-solver++", options.prediction)
            pipeline.save_pretrained(folder / "pipeline")

    return Prepared(task, clips.training, clips.validation, export)


def _clap(config: TrainConfig, setting: Setting) -> Prepared:
    clap = load_clap(config.parts.need("clap"), device=torch.device("cpu"), cache_dir=setting.cache_dir)
    network = type(clap.network)(clap.network.config) if config.from_scratch else clap.network

    def export(folder: Path) -> None:
        network.save_pretrained(folder / "clap")
        clap.tokenizer.save_pretrained(folder / "clap")

    length = min(MAX_TOKENS, clap.max_tokens)
    clips = _audio(config, ClapClip(clap.front_end), lambda pairs: _tokens(pairs, clap.tokenizer, length))
    return Prepared(ClapTask(network.requires_grad_(True)), *clips, export)


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
    return Prepared(task, *_audio(config, MaeClip(condition)), lambda folder: encoder.save_pretrained(folder / "audio_mae"))


def _t5(config: TrainConfig, setting: Setting) -> Prepared:
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    condition = config.model.sizes().condition
    name = config.parts.t5 or condition.t5_name
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name, local_files_only=True)
        network: Any = T5ForConditionalGeneration.from_pretrained(name, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The T5 {name} is not on this machine or is damaged: give its folder as parts.t5.") from error
    if config.from_scratch:
        network = T5ForConditionalGeneration(network.config)
    unknown = tokenizer.unk_token_id
    ids = tokenizer.convert_tokens_to_ids([f"<extra_id_{i}>" for i in range(N_SENTINELS)])

    def export(folder: Path) -> None:
        network.save_pretrained(folder / "t5")
        tokenizer.save_pretrained(folder / "t5")

    training, validation = (
        TensorClips(_tokens(pairs, tokenizer, condition.t5_length)) if pairs else None for pairs in _captions(config)
    )
    assert training is not None  # _tables refuses an empty list
    return Prepared(T5Task(network, [i for i in ids if i != unknown]), training, validation, export)


def _captions(config: TrainConfig) -> tuple[list[Pair], list[Pair]]:
    training, validation = _tables(config)
    return training.pairs, validation


def _tagger(config: TrainConfig, setting: Setting) -> Prepared:
    codec = config.model.sizes().codec
    labels = _labels([*config.data.pairs, *config.data.validation])
    classes = sorted({label for found in labels.values() for label in found})
    tagger = new_tagger(config.tagger.architecture, len(classes))

    def label_rows(pairs: Sequence[Pair]) -> dict[str, Tensor]:
        rows = [[float(name in labels[pair.clip_id]) for name in classes] for pair in pairs]
        return {"labels": torch.tensor(rows)}

    def export(folder: Path) -> None:
        save_tagger(tagger, tuple(classes), folder / "tagger")

    clips = _audio(config, RandomCrop(codec.n_samples, codec.mel.sample_rate), label_rows)
    return Prepared(TaggerTask(tagger, config.tagger.loss), *clips, export)


def _labels(tables: Sequence[Path]) -> dict[str, set[str]]:
    """Labels of each clip: a column "labels", separated by ";"."""
    labels: dict[str, set[str]] = {}
    for path in tables:
        table = read_table(path, ["clip_id", "labels"], "the labels of the clips", option=OPTIONS.skip_option)
        table.require_unique(["clip_id"])
        rows = table.finish()
        for clip_id, value in zip(rows["clip_id"], rows["labels"], strict=True):
            labels[clip_id] = {label.strip() for label in value.split(";") if label.strip()}
    return labels


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
