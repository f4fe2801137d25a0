"""Each published system equals an independent composition of the same tensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import public_checkpoints as checkpoints
import pytest
import torch
from diffusers import (
    AudioLDM2Pipeline,
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    StableAudioPipeline,
    UNet2DConditionModel,
)
from tiny_model import ranked, tiny_pairs
from torch import Tensor
from transformers import (
    AutoTokenizer,
    EncodecConfig,
    GPT2LMHeadModel,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForConditionalGeneration,
    T5Config,
    T5EncoderModel,
)

from reaudio_eval.clips.models.public import audiogen, audioldm, audioldm2, audioldm2_rag, stable_audio, tango
from reaudio_eval.clips.models.public.system import Settings
from reaudio_model.codec.codec import build_vocoder
from reaudio_model.config import TINY_CODEC
from reaudio_model.encoders.audio_mae import audio_mae_input, audio_mae_tokens, prepare_clip

PROMPT, SEED = "a dog barks in the rain", 7
EXACT = 2e-6

pytestmark = pytest.mark.usefixtures("small")


def loaded(opener: Any, weights: Path, variant: str = "") -> Any:
    return opener.open(weights, variant, device="cpu", dtype="float32", cache_dir=None)


def sound(vae_state: dict[str, Tensor], latents: Tensor, scale: float) -> npt.NDArray[np.float32]:
    """Latents decoded by the VAE and the vocoder of AudioLDM's names, put into the libraries' classes here."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    vae = AutoencoderKL(
        in_channels=1, out_channels=1, block_out_channels=TINY_CODEC.vae_channels, layers_per_block=TINY_CODEC.vae_layers,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=4, norm_num_groups=4,
    ).eval()  # fmt: skip
    prefixed = {f"first_stage_model.{key}": value for key, value in vae_state.items() if not key.startswith("vocoder.")}
    vae.load_state_dict(convert_ldm_vae_checkpoint(prefixed, vae.config))
    vocoder = build_vocoder(TINY_CODEC).eval()
    names = {
        key.removeprefix("vocoder.").replace("ups.", "upsampler."): v for key, v in vae_state.items() if "vocoder." in key
    }
    vocoder.load_state_dict(names | {"mean": torch.zeros(64), "scale": torch.ones(64)})
    mel = vae.decode(latents / scale).sample[:, 0]
    return vocoder(mel)[:, : round(TINY_CODEC.seconds * 16_000)].numpy()


def noise(seed: int) -> tuple[Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 4, 16, 16, generator=generator), generator


@torch.no_grad()
def test_audioldm_takes_the_averaged_weights_ddim_and_its_own_scale(written: dict[str, Path]) -> None:
    settings = Settings(2.5, TINY_CODEC.seconds, 3, "ddim", eta=1.0)
    system = loaded(audioldm.OPENER, written["audioldm-s"], "s")
    ours = system.generate([PROMPT], [SEED], settings)
    state = torch.load(written["audioldm-s"], weights_only=True)["state_dict"]
    text = system._clap
    unet = system._network
    # averaged weights: 0.9 of the others
    name = "input_blocks.0.0.weight"
    torch.testing.assert_close(unet.unet.conv_in.weight, state[f"model.diffusion_model.{name}"] * 0.9)
    scheduler = DDIMScheduler(
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    scheduler.set_timesteps(3)
    latents, generator = noise(SEED)
    embedded = torch.cat([text.embed_text([""]), text.embed_text([PROMPT])])
    for timestep in scheduler.timesteps:
        null, conditional = unet.unet(latents.repeat(2, 1, 1, 1), timestep, None, class_labels=embedded).sample.chunk(2)
        guided = null + 2.5 * (conditional - null)
        latents = scheduler.step(guided, timestep, latents, eta=1.0, generator=generator).prev_sample
    first_stage = {k.removeprefix("first_stage_model."): v for k, v in state.items() if k.startswith("first_stage_model.")}
    np.testing.assert_allclose(ours, sound(first_stage, latents, checkpoints.SCALE), atol=EXACT)


@pytest.mark.slow
def test_audioldm_of_a_diffusers_folder_equals_the_original_without_averages(
    written: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = checkpoints.write_audioldm_folder(tmp_path / "folder", heads=2)
    state = torch.load(written["audioldm-s"], weights_only=True)["state_dict"]
    plain = tmp_path / "plain" / "audioldm-s-full.ckpt"
    checkpoints.write_tokenizer(plain.parent / "tokenizer")
    torch.save({"state_dict": {k: v for k, v in state.items() if not k.startswith("model_ema.")}}, plain)
    settings = Settings(2.5, TINY_CODEC.seconds, 3, "ddim", eta=1.0)
    of_folder = loaded(audioldm.OPENER, folder, "s").generate([PROMPT], [SEED], settings)
    assert "states 2 attention heads; the authors' network has [4, 8], which are used" in caplog.text
    of_file = loaded(audioldm.OPENER, plain, "s").generate([PROMPT], [SEED], settings)
    np.testing.assert_allclose(of_folder, of_file, atol=EXACT)


def test_audioldm_reads_long_prompts_to_the_length_of_the_encoder(written: dict[str, Path], tmp_path: Path) -> None:
    for weights in (written["audioldm-s"], checkpoints.write_audioldm_folder(tmp_path / "folder", heads=[4, 8])):
        system = loaded(audioldm.OPENER, weights, "s")
        prompts = [" ".join(["rain"] * 100 + [last]) for last in ("dog", "birds")]
        length = 82 - 2  # of the small text encoder; LAION's CLAP would stop at 77
        tokens = system._clap.tokenizer(prompts[0], truncation=True, max_length=length, return_tensors="pt")["input_ids"]
        conditioning, _ = system.condition(prompts, None)
        with torch.no_grad():
            expected = system._clap.text_features(tokens)
        np.testing.assert_allclose(conditioning.text[:1], expected, atol=EXACT)
        assert tokens.shape == (1, length)


def test_a_folder_that_states_the_authors_heads_gives_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = checkpoints.write_audioldm_folder(tmp_path / "folder", heads=[4, 8])
    loaded(audioldm.OPENER, folder, "s")
    assert "attention heads" not in caplog.text


@torch.no_grad()
def test_tango_is_ddpm_with_velocity_over_stable_diffusions_noise(written: dict[str, Path]) -> None:
    folder = written["tango"]
    ours = loaded(tango.OPENER, folder).generate([PROMPT], [SEED], Settings(3.0, TINY_CODEC.seconds, 3))
    state = torch.load(folder / "pytorch_model_main.bin", weights_only=True)
    unet = UNet2DConditionModel(**checkpoints.TANGO_UNET).eval()
    unet.load_state_dict({k.removeprefix("unet."): v for k, v in state.items() if k.startswith("unet.")})
    t5 = T5EncoderModel(T5Config(**checkpoints.TANGO_T5)).eval()
    t5.load_state_dict({k.removeprefix("text_encoder."): v for k, v in state.items() if k.startswith("text_encoder.")})
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    prompt = tokenizer([PROMPT], return_tensors="pt")
    null = tokenizer([""], padding="max_length", max_length=prompt.input_ids.shape[1], return_tensors="pt")
    tokens = torch.cat([t5(null.input_ids, null.attention_mask)[0], t5(prompt.input_ids, prompt.attention_mask)[0]])
    mask = torch.cat([null.attention_mask, prompt.attention_mask]) == 1
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    scheduler = DDPMScheduler(trained_betas=betas, prediction_type="v_prediction", clip_sample=False)
    scheduler.set_timesteps(3)
    assert scheduler.timesteps.tolist() == [666, 333, 0]
    latents, generator = noise(SEED)
    for timestep in scheduler.timesteps:
        unguided, guided = unet(latents.repeat(2, 1, 1, 1), timestep, tokens, encoder_attention_mask=mask).sample.chunk(2)
        predicted = unguided + 3 * (guided - unguided)
        latents = scheduler.step(predicted, timestep, latents, generator=generator).prev_sample
    vae_state = torch.load(folder / "pytorch_model_vae.bin", weights_only=True)
    np.testing.assert_allclose(ours, sound(vae_state, latents, checkpoints.SCALE), atol=EXACT)


@pytest.mark.slow
def test_audioldm2_equals_the_library(written: dict[str, Path]) -> None:
    folder = written["audioldm2"]
    ours = loaded(audioldm2.OPENER, folder).generate([PROMPT], [SEED], Settings(3.5, TINY_CODEC.seconds, 3, "ddim"))
    language_model = GPT2LMHeadModel.from_pretrained(folder / "language_model")
    pipeline = AudioLDM2Pipeline.from_pretrained(folder, language_model=language_model)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        [PROMPT],
        num_inference_steps=3,
        guidance_scale=3.5,
        audio_length_in_s=TINY_CODEC.seconds,
        generator=torch.Generator().manual_seed(SEED),
    ).audios
    np.testing.assert_allclose(ours, theirs, atol=EXACT)


@pytest.mark.slow
def test_audioldm2_ranks_the_candidates_of_each_prompt(written: dict[str, Path]) -> None:
    system = loaded(audioldm2.OPENER, written["audioldm2"])
    settings = Settings(3.5, TINY_CODEC.seconds, 3, "ddim", candidates=2)
    prompts, seeds = [PROMPT, "birds sings"], [1, 2]
    chosen = system.generate(prompts, seeds, settings)
    clap = system.reranker()
    for prompt, seed, best in zip(prompts, seeds, chosen, strict=True):
        from reaudio_model.common.resample import resample
        from reaudio_model.common.seeds import clip_seed

        both = [
            system.generate([prompt], [s], replace(settings, candidates=1))[0]
            for s in (seed, clip_seed(seed, "candidate 1"))
        ]
        embedded = clap.embed_audio([resample(each, 16_000, 48_000) for each in both])
        order = (embedded @ clap.embed_text([prompt])[0]).argsort(descending=True)
        np.testing.assert_allclose(best, both[int(order[0])], atol=EXACT)


@pytest.mark.slow
def test_rag_without_pairs_is_audioldm2(written: dict[str, Path]) -> None:
    settings = Settings(3.5, TINY_CODEC.seconds, 3, "ddim")
    rag = loaded(audioldm2_rag.OPENER, written["audioldm2-rag"])
    plain = loaded(audioldm2.OPENER, written["audioldm2"])
    np.testing.assert_array_equal(rag.generate([PROMPT], [SEED], settings, [[]]), plain.generate([PROMPT], [SEED], settings))


@pytest.mark.slow
def test_rag_gives_the_denoiser_the_tokens_of_the_retrieved_clips(written: dict[str, Path], tmp_path: Path) -> None:
    rag = loaded(audioldm2_rag.OPENER, written["audioldm2-rag"])
    pairs = tiny_pairs(tmp_path, 3)
    conditional, null = rag.condition([PROMPT, "birds sings"], [ranked(pairs[:2]), ranked(pairs[2:])])
    plain, plain_null = loaded(audioldm2.OPENER, written["audioldm2"]).condition([PROMPT, "birds sings"], None)
    import soundfile

    waveforms = [prepare_clip(soundfile.read(p.audio, dtype="float32")[0], 16_000, checkpoints.RAG_CONDITION) for p in pairs]
    inputs = audio_mae_input(torch.from_numpy(np.stack(waveforms)), checkpoints.RAG_CONDITION)
    with torch.no_grad():
        tokens = audio_mae_tokens(rag._audio_mae, inputs, checkpoints.RAG_CONDITION)
    assert tokens.shape == (3, 1, 24)
    torch.testing.assert_close(conditional.audio[0, :2], tokens[:2, 0])
    torch.testing.assert_close(conditional.audio[1, :1], tokens[2])
    assert conditional.audio_mask.sum(1).tolist() == [2, 1]
    torch.testing.assert_close(conditional.captions, plain.captions)
    torch.testing.assert_close(null.audio, plain_null.audio)
    sounds = rag.generate([PROMPT] * 2, [SEED] * 2, Settings(3.5, 0.64, 3, "ddim"), [ranked(pairs[:1]), ranked(pairs[1:2])])
    assert np.abs(sounds[0] - sounds[1]).max() > 10 * EXACT


def test_stable_audio_equals_the_library(written: dict[str, Path]) -> None:
    folder = written["stable-audio-open"]
    system = loaded(stable_audio.OPENER, folder, "open")
    assert system.sample_rate == 8000
    ours = system.generate([PROMPT], [SEED], Settings(7.0, 0.64, 4))
    pipeline = StableAudioPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        [PROMPT],
        num_inference_steps=4,
        guidance_scale=7.0,
        audio_end_in_s=0.64,
        generator=[torch.Generator().manual_seed(SEED)],
    ).audios
    np.testing.assert_allclose(ours, theirs.numpy().transpose(0, 2, 1).clip(-1, 1), atol=EXACT)


def whole_audiogen(system: audiogen.AudioGen) -> MusicgenForConditionalGeneration:
    """The library's class for the whole system, with the same tensors."""
    config = MusicgenConfig(
        text_encoder=T5Config(**checkpoints.TANGO_T5).to_dict(),
        audio_encoder=EncodecConfig(**audiogen.ENCODEC).to_dict(),
        decoder=MusicgenDecoderConfig(**audiogen.DECODER).to_dict(),
    )
    whole = MusicgenForConditionalGeneration(config).eval()
    parts = system.networks()
    whole.text_encoder.load_state_dict(parts["t5"].state_dict())
    whole.audio_encoder.load_state_dict(parts["codec"].state_dict())
    whole.decoder.load_state_dict(parts["language_model"].state_dict())
    whole.enc_to_dec_proj.load_state_dict(parts["projection"].state_dict())
    return whole


def test_audiogen_with_the_most_likely_codes_equals_the_library(
    written: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiogen, "TOP_K", 1)
    system = loaded(audiogen.OPENER, written["audiogen-medium"], "medium")
    frames, books = 8, 4
    ours = system.generate([PROMPT], [SEED], Settings(3.0, frames / 50))
    tokens = AutoTokenizer.from_pretrained(written["audiogen-medium"] / "t5")([PROMPT], return_tensors="pt")
    whole = whole_audiogen(system)
    whole.generation_config.pad_token_id = whole.generation_config.decoder_start_token_id = audiogen.DECODER["vocab_size"]
    theirs = whole.generate(
        input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, do_sample=False, guidance_scale=3.0,
        max_new_tokens=frames + books - 1,
    )  # fmt: skip
    np.testing.assert_allclose(ours, theirs[0].numpy().clip(-1, 1), atol=EXACT)
