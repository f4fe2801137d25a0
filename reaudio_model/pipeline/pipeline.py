"""Prompts and what was retrieved for them -> audio: the whole model as a diffusers pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import torch
from diffusers import AutoencoderKL
from diffusers.pipelines.pipeline_utils import AudioPipelineOutput, DiffusionPipeline
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor
from transformers import ClapModel, PreTrainedTokenizerBase, SpeechT5HifiGan, T5EncoderModel, ViTModel

from reaudio_model.codec.codec import Codec, build_vae, build_vocoder
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.resample import resample
from reaudio_model.common.seeds import clip_seed
from reaudio_model.common.settings import from_mapping
from reaudio_model.conditioning.conditioner import Conditioner, withhold_captions
from reaudio_model.config import ModelConfig, Retrieval, given_choices, reads_text, retrieves
from reaudio_model.denoiser.sampling import (
    Branch,
    Scheduler,
    clip_generators,
    guidance_branches,
    make_scheduler,
    needs_null,
    sample_latents,
)
from reaudio_model.denoiser.unet import RetrievalUNet, build_unet
from reaudio_model.encoders.clap import Clap
from reaudio_model.retrieval.records import Conditioning, Neighbour

if TYPE_CHECKING:
    from reaudio_model.conditioning.feature_store import FeatureStore

OutputType = Literal["np", "pt", "latent"]


class ReAudioLDMPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Re-AudioLDM (arXiv 2309.08051): text-to-audio generation that looks at retrieved (text, audio) pairs.

    Every network is a component, so ``from_pretrained``, ``save_pretrained``, ``push_to_hub``, ``to`` and offloading work as in any
    pipeline of diffusers. The encoders may be left out where conditioning is computed elsewhere.

    Args:
        vae, vocoder: of :mod:`reaudio_model.codec.codec`.
        unet: the denoiser.
        scheduler: of :func:`reaudio_model.denoiser.sampling.make_scheduler`; :meth:`set_scheduler` exchanges it.
        clap, clap_tokenizer: of the text condition.
        audio_mae: encoder of retrieved audio; needed by a model with retrieval "audio" or "audio+text".
        t5, t5_tokenizer: encoder of retrieved captions, or of the prompt; needed by retrieval "audio+text" and "prompt".
        model: the sizes, as ``dataclasses.asdict`` of a :class:`reaudio_model.config.ModelConfig`; kept in ``model_index.json``.
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
            raise ReaudioError("The pipeline needs its sizes: model=dataclasses.asdict(config), or build_pipeline(config).")
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

    @property
    def codec(self) -> Codec:
        """VAE and vocoder as one."""
        codec = self.model_config.codec
        return Codec(self.vae, self.vocoder, codec.mel, codec.vocoder_refinement)

    @property
    def conditioner(self) -> Conditioner:
        """The encoders that this denoiser needs, as one.

        Raises:
            ReaudioError: one of them is not in the pipeline.
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
        """Exchange the sampler: "ddim" (the paper: 200 steps, eta 1), "dpm-solver++" (the default, 25 steps) or "unipc".

        Raises:
            UnknownNameError: another name.
        """
        self.scheduler = make_scheduler(name, self.scheduler.config.prediction_type)

    def compile_denoiser(self, mode: str = "default") -> None:
        """``torch.compile`` the UNet. Worth it for many calls of one shape: same batch size, length and k.

        Args:
            mode: of ``torch.compile``, e.g. "reduce-overhead".
        """
        self.unet.unet.compile(mode=mode, dynamic=False)
        self._compiled = True  # swapping keys and values of each batch in would compile anew

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
        negative_prompt: str | None = None,
        num_waveforms_per_prompt: int = 1,
        eta: float = 0.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        seeds: Sequence[int] | None = None,
        latents: Tensor | None = None,
        features: FeatureStore | None = None,
        conditioning: Conditioning | None = None,
        reranker: Clap | None = None,
        output_type: OutputType = "np",
        return_dict: bool = True,
    ) -> AudioPipelineOutput | tuple[Any]:
        """Generate audio.

        Args:
            prompt: descriptions of sounds; may be left out with ``conditioning``.
            retrieved: for each prompt what :meth:`reaudio_model.retrieval.index.RetrievalIndex.search` found; None or empty lists for
                nothing, the target itself as the only neighbour for the oracle.
            k: how many of them are used; None takes the model's own k.
            retrieval: what of them the denoiser is given: "audio+text", "audio" (captions masked out, as in training with dropout) or
                "none" (the same as k = 0); None gives all that the model reads.
            audio_length_in_s: seconds of the output, in [0.1, 30]; None takes the length the model is trained on (10.24).
            num_inference_steps: calls of the denoiser.
            guidance_scale: g of classifier-free guidance; 1 is the conditional prediction alone. See ``guidance_branches``.
            retrieval_guidance_scale: a scale of its own for what was retrieved.
            negative_prompt: what guidance leads away from, in the place of the empty text.
            num_waveforms_per_prompt: candidates of each prompt.
            eta: of DDIM.
            generator: one for each clip (prompt by prompt, its candidates together), or one for all, which makes a clip depend on
                its batch.
            seeds: one for each prompt, instead of ``generator``: a clip then depends on neither batch, order nor device.
            latents: the noise itself, float (clips, channels, time, frequency).
            features: stored tokens of the retrieval set.
            conditioning: in the place of ``prompt``, ``retrieved``, ``k``, ``retrieval`` and ``features``; guidance still needs the
                encoders.
            reranker: a CLAP that keeps the best candidate of each prompt. Never the CLAP that scores the result: choosing by a
                judge's own score inflates it. The paper's framework ranks by HTSAT-base.
            output_type: "np", "pt", or "latent" for the scaled latents.
            return_dict: False returns a tuple.

        Returns:
            ``audios``: float32 (clips, samples), in [-1, 1], at ``model_config.codec.mel.sample_rate`` (16 kHz).

        Raises:
            ReaudioError: an empty prompt, a length of 0 or 60 s, or options that do not go together; one sentence says which.
        """
        codec, n = self.codec, num_waveforms_per_prompt
        prompts = [prompt] if isinstance(prompt, str) else list(prompt or [])
        seconds = self.model_config.codec.seconds if audio_length_in_s is None else audio_length_in_s
        frames = codec.latent_frames(seconds, 2 ** (len(self.unet.config.channels) - 1))
        _check_options(n, reranker, prompts, output_type)
        told = self._condition(prompts, retrieved, k, retrieval, features) if conditioning is None else conditioning
        null = None
        if needs_null(guidance_scale, retrieval_guidance_scale):
            null = self._null(told, negative_prompt)
        elif negative_prompt is not None:
            raise ReaudioError("negative_prompt has no effect without guidance: choose a guidance_scale above 1.")
        branches = guidance_branches(told, null, guidance_scale, retrieval_guidance_scale)
        candidates = [row for row in range(len(told)) for _ in range(n)]
        generators = generator if seeds is None else _candidate_generators(seeds, len(told), n)
        audios: Any = sample_latents(
            self.unet,
            self.scheduler,
            self._noise(latents, len(candidates), frames, generators),
            [Branch(weight, each.rows(candidates)) for weight, each in branches],
            steps=num_inference_steps,
            eta=eta,
            generator=generators,
            dtype=self.unet.dtype,
            cache=not self._compiled,
            progress=self.progress_bar,
        )
        if output_type != "latent":
            audios = codec.to_waveform(audios, round(seconds * codec.mel.sample_rate))
        if reranker is not None:
            audios = _best(audios, codec.mel.sample_rate, prompts, reranker)
        if output_type == "np":
            audios = audios.cpu().numpy()
        self.maybe_free_model_hooks()
        return AudioPipelineOutput(audios=audios) if return_dict else (audios,)

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
        if k is not None and k < 0:
            raise ReaudioError(f"k must be 0 or more, not {k}.")
        if retrieved is not None and len(retrieved) != len(prompts):
            raise ReaudioError(f"There are {len(prompts)} prompts, but neighbours of {len(retrieved)}: one list for each.")
        used = (self.model_config.k if k is None else k) if retrieved is not None and retrieval != "none" else 0
        told = self.conditioner.condition(prompts, retrieved, k=used, features=features)
        return withhold_captions(told) if retrieval == "audio" else told

    def _null(self, told: Conditioning, negative_prompt: str | None) -> Conditioning:
        """The null of each row, with as many slots as ``told`` has."""
        conditioner = self.conditioner
        slots = 1 if told.audio is None else told.audio.shape[1] // self.model_config.condition.mae_tokens
        null = conditioner.null(len(told), k=slots).to(told.text.device)
        if negative_prompt is None:
            return null
        negative = conditioner.clap.embed_text([negative_prompt]).to(null.text.device)
        return replace(null, text=negative.expand_as(null.text))

    def _noise(
        self, latents: Tensor | None, clips: int, frames: int, generator: torch.Generator | list[torch.Generator] | None
    ) -> Tensor:
        channels, _, frequency = self.model_config.codec.latent_shape
        shape = (clips, channels, frames, frequency)
        if isinstance(generator, list) and len(generator) != clips:
            raise ReaudioError(f"There are {clips} clips, but {len(generator)} generators: give one for each.")
        device = torch.device(self._execution_device)
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
        if latents.shape != shape:
            raise ReaudioError(f"latents must have the shape {shape}, not {tuple(latents.shape)}.")
        return latents.to(device, torch.float32)


def build_pipeline(config: ModelConfig, conditioner: Conditioner | None = None) -> ReAudioLDMPipeline:
    """A pipeline with random VAE, vocoder and UNet, DPM-Solver++, and the encoders of ``conditioner``.

    Components are attributes; replace them, or load weights into them.
    """
    encoders: dict[str, Any] = {}
    if conditioner is not None:
        encoders = {
            "clap": conditioner.clap.network,
            "clap_tokenizer": conditioner.clap.tokenizer,
            "audio_mae": conditioner.audio_mae,
            "t5": conditioner.t5,
            "t5_tokenizer": conditioner.t5_tokenizer,
        }
    vae, vocoder, unet = build_vae(config.codec), build_vocoder(config.codec), build_unet(config)
    scheduler = make_scheduler("dpm-solver++")
    return ReAudioLDMPipeline(vae.eval(), vocoder.eval(), unet.eval(), scheduler, **encoders, model=asdict(config))


def _check_options(n: int, reranker: Clap | None, prompts: list[str], output_type: str) -> None:
    if n < 1:
        raise ReaudioError(f"num_waveforms_per_prompt must be 1 or more, not {n}.")
    if output_type not in get_args(OutputType):
        raise UnknownNameError("output_type", output_type, get_args(OutputType))
    if reranker is not None and (not prompts or output_type == "latent"):
        raise ReaudioError("A reranker compares audio with prompts: give prompts, and another output_type than 'latent'.")


def _candidate_generators(seeds: Sequence[int], prompts: int, n: int) -> list[torch.Generator]:
    """The first candidate of a prompt has its seed, the others seeds made of it: more candidates leave the first as it was."""
    if len(seeds) != prompts:
        raise ReaudioError(f"There are {prompts} prompts, but {len(seeds)} seeds: give one for each.")
    return clip_generators([clip_seed(seed, f"candidate {i}") if i else seed for seed in seeds for i in range(n)])


def _best(audios: Tensor, sample_rate: int, prompts: list[str], reranker: Clap) -> Tensor:
    """Of each prompt's candidates (prompt by prompt) the one whose CLAP cosine with it is highest; the first under ties."""
    at_clap_rate = [resample(audio, sample_rate, reranker.sample_rate) for audio in audios.cpu().numpy()]
    candidates = reranker.embed_audio(at_clap_rate).reshape(len(prompts), -1, reranker.dim)
    similarity = (candidates * reranker.embed_text(prompts)[:, None]).sum(-1)
    best = similarity.argmax(1).to(audios.device)
    return audios.reshape(len(prompts), -1, audios.shape[-1])[torch.arange(len(prompts)), best]
