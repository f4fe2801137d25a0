"""Making a saved pipeline of converted or original parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.files import StrPath, as_path, atomic_folder
from reaudio_model.common.hub import is_on_this_machine
from reaudio_model.config import ModelConfig, reads_text, retrieves
from reaudio_model.pipeline.assemble import Parts

if TYPE_CHECKING:
    from reaudio_model.denoiser.unet import RetrievalUNet
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
    from reaudio_model.training.config import TrainConfig

IN_AUDIOLDM = ("vae", "vocoder", "clap")  # parts of a complete AudioLDM


class Found(NamedTuple):
    """A part of a pipeline. source: file, folder or name; problem: why it cannot be used, without a full stop, or ""."""

    part: str
    source: str | None
    problem: str = ""


@dataclass(frozen=True)
class Assembly:
    """What a pipeline is made of.

    Attributes:
        parts: paths of its parts; ``unet`` is the folder of a training, or an AudioLDM or AudioLDM2 in any layout.
        sizes: of the model.
        prediction: what the denoiser was trained to predict.
        cache_dir: of the package, for converted pickles and tokenizers.
    """

    parts: Parts
    sizes: ModelConfig
    prediction: str
    cache_dir: Path | None

    def found(self) -> list[Found]:
        """Every part that the model needs; nothing is loaded but a tokenizer."""
        names = ["vae", "vocoder", "clap", *(["audio_mae"] if retrieves(self.sizes.retrieval) else []), "unet"]
        found = [self._part(name) for name in names]
        if self.parts.clap is not None and self.parts.clap.exists():
            found.insert(3, self._tokenizer(self.parts.clap))
        return [*found, self._t5()] if reads_text(self.sizes.retrieval) else found

    def _part(self, name: str) -> Found:
        path: Path | None = getattr(self.parts, name)
        if path is None:
            whole = ", or --from with a complete AudioLDM" if name in IN_AUDIOLDM else ""
            return Found(name, None, f"give --{name.replace('_', '-')}{whole}")
        return Found(name, str(path), "" if path.exists() else "does not exist")

    def _tokenizer(self, clap: Path) -> Found:
        from reaudio_model.encoders.clap import HUB_TOKENIZERS, tokenizer_place

        place = tokenizer_place(clap, self.cache_dir)
        folder = (self.cache_dir or clap.parent) / "tokenizer"
        problem = "" if place else f"put tokenizer.json and config.json of {HUB_TOKENIZERS[0]} into {folder}"
        return Found("clap_tokenizer", place, problem)

    def _t5(self) -> Found:
        name = self.parts.t5 or self.sizes.condition.t5_name
        return Found("t5", name, "" if is_on_this_machine(name) else "is not on this machine: give its folder with --t5")


def plan_assembly(config: TrainConfig, given: Parts, whole: StrPath | None, cache_dir: Path | None) -> Assembly:
    """What to make a pipeline of.

    Args:
        config: with the sizes of the model, what it predicts, and paths of parts that are used where others are not given.
        given: parts, before those of ``config``.
        whole: a complete AudioLDM, for VAE, vocoder and CLAP where they are not given otherwise.
        cache_dir: of the package.

    Raises:
        ReaudioError: impossible sizes.
    """
    chosen = {name: path for name, path in asdict(given).items() if path is not None}
    parts = replace(config.parts, **chosen)
    if whole is not None:
        source = as_path(whole)
        parts = replace(parts, vae=parts.vae or source, vocoder=parts.vocoder or source, clap=parts.clap or source)
    return Assembly(parts, config.model.sizes(), config.diffusion.prediction, cache_dir)


def assemble(assembly: Assembly, target: StrPath) -> dict[str, Any]:
    """Load all parts, write the pipeline, and compare what is read back with what was written; then rename the folder.

    The memory of a whole model is needed once.

    Returns:
        JSON-able: target, retrieval, parts (name -> source and, of networks, SHA-256 of the weights).

    Raises:
        ReaudioError: the target exists or cannot be written, or parts are missing; the message names all.
        CheckpointError: a part is damaged or of other sizes.
    """
    folder = as_path(target)
    if folder.exists():
        raise ReaudioError(f"{folder} exists: choose another folder, or remove it.")
    found = assembly.found()
    if problems := [f"{part.part} {part.source or ''}".rstrip() + f": {part.problem}" for part in found if part.problem]:
        raise ReaudioError(f"The pipeline cannot be assembled: {'; '.join(problems)}.")
    with atomic_folder(folder) as temporary:
        pipeline = _pipeline(assembly)
        pipeline.save_pretrained(temporary)
        written = _identities(pipeline)
        del pipeline
        _compare(written, temporary)
    sources = {part.part: {"source": part.source, "sha256": written.get(part.part)} for part in found}
    return {"target": str(folder), "retrieval": assembly.sizes.retrieval, "parts": sources}


def _pipeline(assembly: Assembly) -> ReAudioLDMPipeline:
    from reaudio_model.denoiser.sampling import make_scheduler
    from reaudio_model.pipeline.assemble import assemble_pipeline

    unet = _unet(assembly.parts.need("unet"), assembly.sizes)
    pipeline = assemble_pipeline(replace(assembly.parts, unet=None), assembly.sizes, unet=unet, cache_dir=assembly.cache_dir)
    pipeline.scheduler = make_scheduler("dpm-solver++", assembly.prediction)
    return pipeline


def _unet(path: Path, sizes: ModelConfig) -> RetrievalUNet:
    """A denoiser of a training (its ``unet/``, or the folder of the run), or of AudioLDM or AudioLDM2, averaged where the file has that."""
    from reaudio_model.denoiser.unet import build_unet
    from reaudio_model.denoiser.unet_checkpoints import load_unet
    from reaudio_model.pipeline.assemble import load_unet_folder, require_sizes

    for folder in (path, path / "unet"):
        if _is_ours(folder):
            unet = load_unet_folder(folder)
            require_sizes(unet, sizes, folder)
            return unet
    unet = build_unet(sizes)
    load_unet(unet, path, ema=None)
    return unet


def _is_ours(folder: Path) -> bool:
    from reaudio_model.common.json_files import read_json_object

    settings = folder / "config.json"
    if not settings.is_file():
        return False
    stored = read_json_object(settings, "the settings of a network", remedy="fetch it again", error=CheckpointError)
    return stored.get("_class_name") == "RetrievalUNet"


def _identities(pipeline: ReAudioLDMPipeline) -> dict[str, str]:
    """SHA-256 of the weights of each network, and of each vocabulary."""
    from torch import nn

    from reaudio_model.common.files import canonical_sha256
    from reaudio_model.common.inference import network_sha256

    found = {}
    for name, part in pipeline.components.items():
        if isinstance(part, nn.Module):
            found[name] = network_sha256(part)
        elif name.endswith("_tokenizer") and part is not None:
            found[name] = canonical_sha256(part.get_vocab())
    return found


def _compare(written: dict[str, str], folder: Path) -> None:
    import torch

    from reaudio_model.pipeline.assemble import load_pipeline

    read = _identities(load_pipeline(folder, device=torch.device("cpu")))
    if differing := sorted(name for name in {*written, *read} if written.get(name) != read.get(name)):
        raise CheckpointError(
            f"The pipeline that was written differs from its parts when it is read back ({', '.join(differing)}): check the disk, and "
            "repeat the command."
        )


def to_lines(found: Sequence[Found]) -> list[str]:
    """A line for each part: its source, or what is missing."""
    return [
        f"{part.part:<15} " + ": ".join(filter(None, ["missing" if part.problem else "", part.source, part.problem]))
        for part in found
    ]
