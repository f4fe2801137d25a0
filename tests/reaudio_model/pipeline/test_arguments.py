"""Arguments of a call: forms that are accepted, one sentence for the rest, negative prompts, threads, and stages that fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from tiny_model import CAPTIONS, tiny_clap, tiny_conditioner, tiny_t5_config, tiny_tokenizer
from tiny_pipeline import tiny_pipeline
from transformers import T5EncoderModel

from reaudio_model.common.errors import ReaudioError
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.config import PRESETS, TINY_CONDITION, Retrieval
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline

TINY = PRESETS["tiny"]
PROMPTS = list(CAPTIONS[:3])
# Of the largest value. float32 matrix products over other batch sizes, through 3 steps
BATCH_TOLERANCE = 1e-5
# another condition moves the output by more
DIFFERENT = 1e-3
KINDS: tuple[Retrieval, ...] = ("none", "audio", "audio+text", "prompt")


def conditioner(retrieval: Retrieval) -> Conditioner:
    if retrieval != "prompt":
        return tiny_conditioner(retrieval)
    torch.manual_seed(0)
    t5 = T5EncoderModel(tiny_t5_config()).eval()
    return Conditioner(TINY_CONDITION, tiny_clap(), None, t5, tiny_tokenizer("t5"))


def make(retrieval: Retrieval) -> ReAudioLDMPipeline:
    return tiny_pipeline(retrieval, conditioner(retrieval))


@pytest.fixture(scope="module")
def pipeline() -> ReAudioLDMPipeline:
    return make("none")


def latents(pipeline: ReAudioLDMPipeline, prompt: Any = PROMPTS, **options: Any) -> np.ndarray:
    settings = {"num_inference_steps": 3, "seeds": [1, 2, 3], "output_type": "latent", **options}
    return np.asarray(pipeline(prompt, **settings).audios)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b).max() / np.abs(b).max())


@pytest.mark.parametrize("kind", KINDS)
def test_a_negative_prompt_is_read_by_the_encoder_of_the_prompt(kind: Retrieval) -> None:
    encoders = conditioner(kind)
    null, negative = encoders.null(2, k=2), encoders.null(2, k=2, negative=["a dog barks", ""])
    changed = {name for name, value in null.fields().items() if not torch.equal(value[0], getattr(negative, name)[0])}
    assert changed == ({"captions", "captions_mask"} if kind == "prompt" else {"text"})
    assert all(torch.equal(value[1], getattr(negative, name)[1]) for name, value in null.fields().items())
    told = encoders.condition(["a dog barks"], None, k=2)
    for name in changed:
        assert torch.equal(getattr(negative, name)[0], getattr(told, name)[0])
    with pytest.raises(ValueError, match="2 rows, but 1 negative texts"):
        encoders.null(2, negative=["a"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_negative_prompt_changes_the_clip(kind: Retrieval) -> None:
    model = make(kind)
    plain, negative = latents(model), latents(model, negative_prompt="the wind roars")
    assert distance(negative, plain) > DIFFERENT
    np.testing.assert_array_equal(latents(model, negative_prompt=""), plain)
    each = latents(model, negative_prompt=["the wind roars", "", "the wind roars"])
    assert distance(each[[0, 2]], negative[[0, 2]]) < BATCH_TOLERANCE
    assert distance(each[1], plain[1]) < BATCH_TOLERANCE


def test_forms_of_one_meaning(pipeline: ReAudioLDMPipeline) -> None:
    plain = latents(pipeline)
    for seeds in (np.array([1, 2, 3]), torch.tensor([1, 2, 3]), (1, 2, 3), list(np.array([1, 2, 3], np.uint8))):
        np.testing.assert_array_equal(latents(pipeline, seeds=seeds), plain)
    np.testing.assert_array_equal(latents(pipeline, tuple(PROMPTS)), plain)
    np.testing.assert_array_equal(latents(pipeline, np.array(PROMPTS)), plain)
    one = latents(pipeline, PROMPTS[0], seeds=5)
    np.testing.assert_array_equal(latents(pipeline, PROMPTS[:1], seeds=np.int64(5)), one)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]
    np.testing.assert_array_equal(latents(pipeline, seeds=None, generator=tuple(generators)), plain)
    np.testing.assert_array_equal(
        latents(pipeline, negative_prompt=("rain",)), latents(pipeline, negative_prompt=["rain"] * 3)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": [1, 2, 3]}, r"prompt must be a text or a list of texts, not \[1, 2, 3\]"),
        ({"prompt": 7}, "prompt must be a text or a list of texts, not 7"),
        ({"prompt": {"a": 1}}, "prompt must be a text"),
        ({"seeds": 5}, "3 prompts, but 1 seeds: give one for each"),
        ({"seeds": [1, 2, 2.5]}, r"seeds must be whole numbers, one for each prompt, not \[1, 2, 2\.5\]"),
        ({"seeds": "123"}, "seeds must be whole numbers"),
        ({"seeds": [True, True, True]}, "seeds must be whole numbers"),
        ({"seeds": [1, 2, 2**64]}, r"A seed must be between -2\^63 and 2\^64 - 1"),
        ({"generator": torch.Generator()}, "generator and seeds both set the noise: give one of them"),
        ({"seeds": None, "generator": 5}, "generator must be a torch.Generator or a list of them, not 5"),
        ({"seeds": None, "generator": [1, 2, 3]}, "generator must be a torch.Generator or a list"),
        ({"negative_prompt": ["a", "b"]}, "3 prompts, but 2 negative prompts: give one for each, or one text for all"),
        ({"negative_prompt": [1, 2, 3]}, "negative_prompt must be a text or a list of texts"),
        ({"negative_prompt": "rain", "guidance_scale": 1}, "negative_prompt has no effect without guidance"),
        ({"guidance_scale": float("inf")}, "guidance_scale must be a finite number, not inf"),
        ({"guidance_scale": float("nan")}, "guidance_scale must be a finite number, not nan"),
        ({"guidance_scale": "3"}, "guidance_scale must be a finite number, not '3'"),
        ({"retrieval_guidance_scale": float("nan")}, "retrieval_guidance_scale must be a finite number"),
        ({"eta": float("nan")}, "eta must be a finite number, not nan"),
        ({"audio_length_in_s": float("inf")}, "audio_length_in_s must be a finite number"),
        ({"num_inference_steps": 2.5}, "num_inference_steps must be a whole number, not 2.5"),
        ({"num_inference_steps": float("nan")}, "num_inference_steps must be a whole number, not nan"),
        ({"num_waveforms_per_prompt": True}, "num_waveforms_per_prompt must be a whole number, not True"),
        ({"k": 2}, "retrieves nothing"),
        ({"latents": torch.full((3, *TINY.codec.latent_shape), float("nan"))}, "latents must be finite"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_one_sentence(pipeline: ReAudioLDMPipeline, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ReaudioError, match=message) as raised:
        latents(pipeline, **{"prompt": PROMPTS, **options})
    assert "\n" not in str(raised.value)


def test_arguments_without_an_effect_are_refused(pipeline: ReAudioLDMPipeline) -> None:
    told = conditioner("none").condition(PROMPTS)
    with pytest.raises(ReaudioError, match="conditioning takes the place of retrieved and k: leave one or the other out"):
        latents(pipeline, None, conditioning=told, retrieved=[[], [], []], k=0)
    with pytest.raises(ReaudioError, match="There are 1 prompts, but conditioning of 3"):
        latents(pipeline, "rain", conditioning=told)
    with pytest.raises(ReaudioError, match="k is 2, but nothing was retrieved: give retrieved, or leave k out"):
        latents(make("audio"), k=2)


@pytest.mark.parametrize(
    ("part", "stage"), [("unet", "the denoiser"), ("vae", "the VAE"), ("vocoder", "the vocoder"), ("clap", "the encoders")]
)
def test_a_nan_in_generation_names_the_stage(part: str, stage: str) -> None:
    """One NaN in a bias made a valid file of -32768s."""
    broken = make("none")
    bias = {
        "unet": lambda: broken.unet.unet.conv_out.bias,
        "vae": lambda: broken.vae.decoder.conv_out.bias,
        "vocoder": lambda: broken.vocoder.conv_post.bias,
        "clap": lambda: broken.clap.text_projection.linear2.bias,
    }[part]()
    with torch.no_grad():
        bias[0] = float("nan")
    with pytest.raises(ReaudioError, match=rf"^Nothing was generated: {stage} gives? .* that are NaN or infinite; use"):
        latents(broken, output_type="np")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DDPMScheduler", "EulerAncestralDiscreteScheduler", "SASolverScheduler"])
def test_noise_of_other_schedulers_through_the_whole_model(name: str) -> None:
    model = make("none")
    model.scheduler = getattr(diffusers, name).from_config(model.scheduler.config)
    together = latents(model)
    np.testing.assert_array_equal(latents(model), together)
    alone = np.stack([latents(model, PROMPTS[i], seeds=[i + 1])[0] for i in range(3)])
    assert distance(alone, together) < BATCH_TOLERANCE


@pytest.mark.parametrize("kind", ["audio+text", pytest.param("prompt", marks=pytest.mark.slow)])
def test_threads_share_a_pipeline(kind: Retrieval) -> None:
    """The scheduler's state, cached keys and tokenizers belonged to all calls: IndexError, or another clip."""
    model = make(kind)
    expected = [latents(model, num_inference_steps=3 + i % 3) for i in range(4)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda i: latents(model, num_inference_steps=3 + i % 3), range(4)))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any("_Constant" in type(module).__name__ for module in model.unet.modules())
