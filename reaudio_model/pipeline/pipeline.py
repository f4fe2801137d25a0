"""Re-AudioLDM as a diffusers pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from diffusers import AutoencoderKL
from diffusers.pipelines.pipeline_utils import AudioPipelineOutput, DiffusionPipeline
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor
from transformers import ClapModel, PreTrainedTokenizerBase, SpeechT5HifiGan, T5EncoderModel, ViTModel

from reaudio_model.codec.codec import Codec
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import as_path
from reaudio_model.common.inference import own_arithmetic
from reaudio_model.common.settings import from_mapping
from reaudio_model.conditioning.conditioner import Conditioner, withhold_captions
from reaudio_model.config import ModelConfig, Retrieval, given_choices, reads_text, retrieves
from reaudio_model.denoiser.sampling import (
    Branch,
    Scheduler,
    check_sound,
    guidance_branches,
    make_scheduler,
    needs_null,
    sample_latents,
)
from reaudio_model.denoiser.unet import RetrievalUNet
from reaudio_model.encoders.clap import Clap
from reaudio_model.pipeline.arguments import (
    Generators,
    OutputType,
    check_modes,
    check_options,
    check_sources,
    clip_noise,
    finite,
    negative_texts,
    texts,
    whole,
)
from reaudio_model.pipeline.candidates import best_candidates
from reaudio_model.pipeline.part_check import check_parts
from reaudio_model.retrieval.records import Conditioning, Neighbour

if TYPE_CHECKING:
    from reaudio_model.conditioning.feature_store import FeatureStore

# Modules that the model_index.json of earlier versions names.
MOVED = {"reaudio_model.unet": "reaudio_model.denoiser.unet"}


class ReAudioLDMPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Text-to-audio generation conditioned on retrieved (text, audio) pairs: Re-AudioLDM (arXiv 2309.08051).

    Every network is a component, so ``from_pretrained``, ``save_pretrained``, ``push_to_hub``, ``to`` and offloading work as in any
    diffusers pipeline. The encoders may be left out if conditioning is computed elsewhere.

    Args:
        vae, vocoder: see :mod:`reaudio_model.codec.codec`.
        unet: the denoiser.
        scheduler: from :func:`reaudio_model.denoiser.sampling.make_scheduler`; :meth:`set_scheduler` replaces it. Any scheduler of
            diffusers for models that predict noise may be assigned: ``Class.from_config(pipeline.scheduler.config)``.
        clap, clap_tokenizer: text encoder of the prompts.
        audio_mae: encoder of retrieved audio; needed by a model with retrieval "audio" or "audio+text".
        t5, t5_tokenizer: encoder of retrieved captions, or of the prompt; needed by retrieval "audio+text" and "prompt".
        model: the sizes, as ``dataclasses.asdict`` of a :class:`reaudio_model.config.ModelConfig`; stored in ``model_index.json``.

    The arguments of a call, ``pipeline(prompt, ...)``:

        prompt: descriptions of sounds; may be omitted if ``conditioning`` is given.
        retrieved: the neighbours of each prompt, as :meth:`reaudio_model.retrieval.index.RetrievalIndex.search` returns them; None or
            empty lists for no retrieval.
        k: number of neighbours used; None uses the model's own k.
        retrieval: which part of the neighbours conditions the denoiser: "audio+text", "audio" (captions masked out, as in training
            with dropout) or "none" (the same as k = 0); None uses everything the model reads.
        audio_length_in_s: seconds, in [0.1, 30]; None uses the length the model is trained on (10.24).
        num_inference_steps: denoising steps.
        guidance_scale: g of classifier-free guidance; 1 disables it. See ``guidance_branches``.
        retrieval_guidance_scale: a separate scale for the retrieved pairs.
        negative_prompt: what to avoid, one text or one for each prompt: takes the place of the empty text in guidance, read by the
            encoder that reads the prompt (CLAP; T5 in a model with retrieval "prompt").
        num_waveforms_per_prompt: candidates of each prompt.
        eta: of DDIM, in [0, 1].
        generator: one for each clip (prompt by prompt, its candidates together), or one for all, which makes a clip depend on
            its batch. The noise that a scheduler adds comes from it too.
        seeds: one for each prompt, instead of ``generator``: a clip then depends on neither batch, order nor device, with any
            scheduler, but for the rounding of matrix products over batches of another size (1e-5 of the largest value).
        latents: the initial noise, float (clips, channels, time, frequency).
        features: stored tokens of the retrieval set.
        conditioning: instead of ``prompt``, ``retrieved``, ``k``, ``retrieval`` and ``features``; guidance still needs the encoders. A
            reranker compares with ``prompt``.
        reranker: a CLAP that selects the best candidate of each prompt. It must not be the CLAP that scores the result, which
            would inflate the score. The paper's framework ranks by HTSAT-base.
        output_type: "np", "pt", or "latent" for the scaled latents.
        return_dict: False returns a tuple.

    A call returns ``audios``: float32 (clips, samples), in [-1, 1], at ``model_config.codec.mel.sample_rate`` (16 kHz). It raises
    ReaudioError for an empty prompt, a number out of range, options that contradict each other or would have no effect, a scheduler that
    cannot sample the model, and values that are not finite (the message names the stage).

    Threads may share a pipeline while none moves or converts it: each call samples with a copy of the scheduler, and the denoiser works
    for one at a time. Autocast and the default device of the calling program have no effect.
    """

    model_cpu_offload_seq = "clap->t5->audio_mae->unet->vae->vocoder"
    scheduler: Scheduler
    _optional_components: ClassVar[list[str]] = ["clap", "clap_tokenizer", "audio_mae", "t5", "t5_tokenizer"]

    def __init__(
        self,
        vae: AutoencoderKL,
        vocoder: SpeechT5HifiGan,
        unet: RetrievalUNet,
        scheduler: Scheduler,
        clap: ClapModel | None = None,
        clap_tokenizer: PreTrainedTokenizerBase | None = None,
        audio_mae: ViTModel | None = None,
        t5: T5EncoderModel | None = None,
        t5_tokenizer: PreTrainedTokenizerBase | None = None,
        model: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if audio_mae is not None:
            audio_mae.pooler = None  # from_pretrained adds one, with random weights; the tokens do not pass it
        if model is None:
            raise ReaudioError(
                "A Re-AudioLDM pipeline keeps its sizes (model in model_index.json), which are missing here: a folder of another system "
                "becomes one by `reaudio-model assemble`; in Python, reaudio_model.pipeline.assemble.build_pipeline(config) makes one."
            )
        self.register_modules(
            vae=vae,
            vocoder=vocoder,
            unet=unet,
            scheduler=scheduler,
            clap=clap,
            clap_tokenizer=clap_tokenizer,
            audio_mae=audio_mae,
            t5=t5,
            t5_tokenizer=t5_tokenizer,
        )
        self.register_to_config(model=dict(model))
        self.model_config = from_mapping(ModelConfig, model, "model in model_index.json")
        self._compiled = False

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in diffusers; weights that are missing or not finite are refused."""
        pipeline = super().from_pretrained(*args, **kwargs)
        source = args[0] if args else kwargs.get("pretrained_model_name_or_path", "")
        folder = as_path(source)
        if not folder.is_dir():  # the name of a model on the hub, which is on this machine by now
            where = {name: kwargs[name] for name in ("cache_dir", "revision", "variant", "token") if name in kwargs}
            folder = Path(cls.download(str(source), local_files_only=True, **where))
        check_parts(pipeline.components, folder, kwargs.get("variant"), given=kwargs)
        return pipeline

    @classmethod
    def load_config(cls, *args: Any, **kwargs: Any) -> Any:
        """As in diffusers; components of earlier versions are found where they are now."""
        config = super().load_config(*args, **kwargs)
        if isinstance(config, dict) and config.get("unet", [None])[0] in MOVED:
            config = config | {"unet": [MOVED[config["unet"][0]], config["unet"][1]]}
        return config

    @property
    def codec(self) -> Codec:
        """The VAE and the vocoder."""
        codec = self.model_config.codec
        return Codec(self.vae, self.vocoder, codec.mel, codec.vocoder_refinement)

    @property
    def conditioner(self) -> Conditioner:
        """The encoders that this denoiser needs.

        Raises:
            ReaudioError: the pipeline lacks one of them.
        """
        retrieval = self.unet.config.retrieval
        needed = ["clap", "clap_tokenizer"]
        needed += ["audio_mae"] if retrieves(retrieval) else []
        needed += ["t5", "t5_tokenizer"] if reads_text(retrieval) else []
        absent = [name for name in needed if getattr(self, name) is None]
        if absent:
            raise ReaudioError(f"The pipeline was loaded without {', '.join(absent)}: load it whole, or pass conditioning.")
        encoders = [getattr(self, name) if name in needed else None for name in ("audio_mae", "t5", "t5_tokenizer")]
        return Conditioner(self.model_config.condition, Clap(self.clap, self.clap_tokenizer), *encoders)

    def set_scheduler(self, name: str) -> None:
        """Replace the sampler: "ddim" (paper: 200 steps, eta 1), "dpm-solver++" (the default, 25 steps) or "unipc".

        Raises:
            UnknownNameError: another name.
        """
        self.scheduler = make_scheduler(name, self.scheduler.config.prediction_type)

    def compile_denoiser(self, mode: str = "default") -> None:
        """``torch.compile`` the UNet. Pays off for many calls with the same batch size, length and k.

        Args:
            mode: of ``torch.compile``, e.g. "reduce-overhead".
        """
        self.unet.unet.compile(mode=mode, dynamic=False)
        self._compiled = True  # the cache of keys and values would trigger a new compilation

    @own_arithmetic()
    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        *,
        retrieved: Sequence[Sequence[Neighbour]] | None = None,
        k: int | None = None,
        retrieval: Retrieval | None = None,
        audio_length_in_s: float | None = None,
        num_inference_steps: int = 25,
        guidance_scale: float = 3.5,
        retrieval_guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_waveforms_per_prompt: int = 1,
        eta: float = 0.0,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        seeds: int | Sequence[int] | None = None,
        latents: Tensor | None = None,
        features: FeatureStore | None = None,
        conditioning: Conditioning | None = None,
        reranker: Clap | None = None,
        output_type: OutputType = "np",
        return_dict: bool = True,
    ) -> AudioPipelineOutput | tuple[Any]:
        """Generate audio; see the class for the arguments, the result and the errors."""
        prompts = texts("prompt", prompt)
        seconds = self.model_config.codec.seconds if audio_length_in_s is None else audio_length_in_s
        frames = self.codec.latent_frames(finite("audio_length_in_s", seconds), 2 ** (len(self.unet.config.channels) - 1))
        check_options(num_waveforms_per_prompt, reranker, prompts, output_type)
        check_modes(self.components)
        check_sources(prompts, retrieved, k, retrieval, features, conditioning)
        if conditioning is None:
            conditioning = self._condition(prompts, retrieved, k, retrieval, features)
        negative = negative_texts(negative_prompt, len(conditioning))
        branches = self._branches(conditioning, guidance_scale, retrieval_guidance_scale, negative)
        generators = clip_noise(generator, seeds, len(conditioning), num_waveforms_per_prompt)
        noise = self._noise(latents, len(conditioning) * num_waveforms_per_prompt, frames, generators)
        audios = self._sample(noise, branches, num_inference_steps, eta, generators)
        if output_type != "latent":
            audios = self._waveforms(audios, seconds, prompts, reranker)
        self.maybe_free_model_hooks()
        result = audios.cpu().numpy() if output_type == "np" else audios
        return AudioPipelineOutput(audios=result) if return_dict else (result,)

    def _condition(
        self,
        prompts: list[str],
        retrieved: Sequence[Sequence[Neighbour]] | None,
        k: int | None,
        retrieval: Retrieval | None,
        features: FeatureStore | None,
    ) -> Conditioning:
        choices = given_choices(self.unet.config.retrieval)
        if not choices and (retrieved is not None or k or retrieval not in (None, "none")):
            raise ReaudioError("This model retrieves nothing: leave out retrieved, k and retrieval.")
        if choices and retrieval is not None and retrieval not in choices:
            raise ReaudioError(f"This model can be given {', '.join(choices)} of the retrieved pairs, not {retrieval!r}.")
        if k is not None:
            whole("k", k, least=0)
        if k and retrieved is None:
            raise ReaudioError(f"k is {k}, but nothing was retrieved: give retrieved, or leave k out.")
        if retrieved is not None and len(retrieved) != len(prompts):
            raise ReaudioError(f"There are {len(prompts)} prompts, but neighbours of {len(retrieved)}: one list for each.")
        used = (self.model_config.k if k is None else k) if retrieved is not None and retrieval != "none" else 0
        conditioning = self.conditioner.condition(prompts, retrieved, k=used, features=features)
        return withhold_captions(conditioning) if retrieval == "audio" else conditioning

    def _branches(
        self, conditioning: Conditioning, scale: float, retrieval_scale: float | None, negative: list[str] | None
    ) -> list[Branch]:
        for field, value in conditioning.fields().items():
            check_sound(value, f"the encoders give {field} embeddings")
        scale = finite("guidance_scale", scale)
        if retrieval_scale is not None:
            retrieval_scale = finite("retrieval_guidance_scale", retrieval_scale)
        null = None
        if needs_null(scale, retrieval_scale):
            null = self._null(conditioning, negative)
        elif negative is not None:
            raise ReaudioError("negative_prompt has no effect without guidance: choose a guidance_scale above 1.")
        return guidance_branches(conditioning, null, scale, retrieval_scale)

    def _null(self, conditioning: Conditioning, negative: list[str] | None) -> Conditioning:
        """The null conditioning of each row, with as many slots as ``conditioning``."""
        conditioner, audio = self.conditioner, conditioning.audio
        slots = 1 if audio is None else audio.shape[1] // self.model_config.condition.mae_tokens
        return conditioner.null(len(conditioning), k=slots, negative=negative).to(conditioning.text.device)

    def _sample(
        self,
        noise: Tensor,
        branches: list[Branch],
        steps: int,
        eta: float,
        generator: Generators | None,
    ) -> Tensor:
        """Scaled latents; the candidates of a prompt share its conditioning."""
        prompts = len(branches[0].conditioning)
        rows = torch.arange(prompts).repeat_interleave(len(noise) // prompts).tolist()
        return sample_latents(
            self.unet,
            self.scheduler,
            noise,
            [Branch(weight, conditioning.rows(rows)) for weight, conditioning in branches],
            steps=whole("num_inference_steps", steps),
            eta=finite("eta", eta),
            generator=generator,
            dtype=self.unet.dtype,
            cache=not self._compiled,
            progress=self.progress_bar,
        )

    def _waveforms(self, latents: Tensor, seconds: float, prompts: list[str], reranker: Clap | None) -> Tensor:
        """Latents decoded, and the best candidate of each prompt."""
        codec = self.codec
        mel = check_sound(codec.decode(latents), "the VAE gives a spectrogram with values")
        audios = check_sound(codec.vocode(mel, round(seconds * codec.mel.sample_rate)), "the vocoder gives samples")
        return audios if reranker is None else best_candidates(audios, codec.mel.sample_rate, prompts, reranker)

    def _noise(self, latents: Tensor | None, clips: int, frames: int, generator: Generators | None) -> Tensor:
        channels, _, frequency = self.model_config.codec.latent_shape
        shape = (clips, channels, frames, frequency)
        device = torch.device(self._execution_device)
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
        if not isinstance(latents, Tensor):
            raise ReaudioError(f"latents must be a tensor, not {latents!r}.")
        if latents.shape != shape:
            raise ReaudioError(f"latents must have the shape {shape}, not {tuple(latents.shape)}.")
        if not torch.isfinite(latents).all():
            raise ReaudioError("latents must be finite: they contain NaN or infinity.")
        return latents.to(device, torch.float32)
