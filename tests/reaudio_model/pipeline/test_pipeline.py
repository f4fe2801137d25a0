"""The whole tiny model: prompts to audio, save and load to the bit, guidance, candidates, bad input."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_model import CAPTIONS, ranked, tiny_clap, tiny_conditioner
from tiny_pipeline import tiny_pipeline

from reaudio_model.codec.codec import build_vocoder
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.resample import resample
from reaudio_model.conditioning.features import build_features
from reaudio_model.config import PRESETS, Retrieval, get_preset
from reaudio_model.denoiser.sampling import SCHEDULERS
from reaudio_model.pipeline.assemble import build_pipeline
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
from reaudio_model.retrieval.records import Neighbour, Pair

TINY = PRESETS["tiny"]
PROMPTS = list(CAPTIONS[:3])
# Of the largest value. float32 matrix products over other batch sizes, through 3 steps
BATCH_TOLERANCE = 1e-5
# another clip, prompt or condition moves the output by more
DIFFERENT = 1e-3
# tokens kept as float16, or a network in bfloat16 (8 bits), through 3 steps
STORED_TOLERANCE, HALF_TOLERANCE = 1e-2, 5e-2


@pytest.fixture(scope="module")
def retrieved(pairs: list[Pair]) -> list[list[Neighbour]]:
    return [ranked(pairs[i : i + 3]) for i in range(3)]


def generate(pipeline: ReAudioLDMPipeline, prompt: Any = PROMPTS, **options: Any) -> np.ndarray:
    settings = {"num_inference_steps": 3, "seeds": [1, 2, 3], "output_type": "np", **options}
    audios = pipeline(prompt, **settings).audios
    return np.asarray(audios)


def latents(pipeline: ReAudioLDMPipeline, prompt: Any = PROMPTS, **options: Any) -> np.ndarray:
    return generate(pipeline, prompt, **options, output_type="latent")


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference over the largest value of b."""
    return float(np.abs(a.astype(np.float64) - b).max() / np.abs(b).max())


def test_shape_range_and_dtype(pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]]) -> None:
    audio = generate(pipeline, retrieved=retrieved)
    assert audio.shape == (3, 10_240)
    assert audio.dtype == np.float32
    assert 1e-3 < np.abs(audio).max() <= 1
    assert latents(pipeline, retrieved=retrieved).shape == (3, *TINY.codec.latent_shape)
    (tensor,) = pipeline("a dog", seeds=[1], num_inference_steps=1, output_type="pt", return_dict=False)
    assert isinstance(tensor, torch.Tensor)


@pytest.mark.parametrize("retrieval", ["none", "audio", "audio+text"])
def test_save_and_load_give_the_same_audio_to_the_bit(retrieval: Retrieval, pairs: list[Pair], tmp_path: Path) -> None:
    pipeline = tiny_pipeline(retrieval)
    pipeline.set_scheduler("unipc")
    options: dict[str, Any] = {} if retrieval == "none" else {"retrieved": [ranked(pairs[:2])] * 3}
    before = generate(pipeline, **options)
    pipeline.save_pretrained(tmp_path)
    loaded = ReAudioLDMPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    np.testing.assert_array_equal(generate(loaded, **options), before)
    assert type(loaded.scheduler) is type(pipeline.scheduler)
    assert loaded.model_config == pipeline.model_config
    assert loaded.conditioner.identity() == pipeline.conditioner.identity()


@pytest.mark.slow
def test_a_pipeline_of_an_earlier_version_is_loaded(pipeline: ReAudioLDMPipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    path = tmp_path / "model_index.json"
    index = json.loads(path.read_text())
    assert index["unet"] == ["reaudio_model.denoiser.unet", "RetrievalUNet"]
    path.write_text(json.dumps(index | {"unet": ["reaudio_model.unet", "RetrievalUNet"]}))
    again = ReAudioLDMPipeline.from_pretrained(tmp_path)
    for name, weight in pipeline.unet.state_dict().items():
        assert torch.equal(again.unet.state_dict()[name], weight), name


def test_a_clip_depends_on_neither_batch_nor_order(pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]]) -> None:
    pipeline.set_scheduler("ddim")
    together = latents(pipeline, retrieved=retrieved, eta=1.0)
    backwards = latents(pipeline, PROMPTS[::-1], retrieved=retrieved[::-1], seeds=[3, 2, 1], eta=1.0)
    alone = [latents(pipeline, PROMPTS[i], retrieved=[retrieved[i]], seeds=[i + 1], eta=1.0)[0] for i in range(len(PROMPTS))]
    pipeline.set_scheduler("dpm-solver++")
    assert distance(backwards[::-1], together) < BATCH_TOLERANCE
    assert distance(np.stack(alone), together) < BATCH_TOLERANCE
    assert distance(together[0], together[1]) > DIFFERENT


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_runs(pipeline: ReAudioLDMPipeline, name: str) -> None:
    pipeline.set_scheduler(name)
    assert np.isfinite(generate(pipeline)).all()
    pipeline.set_scheduler("dpm-solver++")


def test_retrieval_matters_and_k_0_is_empty_retrieval(
    pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]], pairs: list[Pair]
) -> None:
    nothing = latents(pipeline)
    np.testing.assert_array_equal(latents(pipeline, retrieved=retrieved, k=0), nothing)
    assert distance(latents(pipeline, retrieved=[[], [], []]), nothing) < BATCH_TOLERANCE
    three = latents(pipeline, retrieved=retrieved, k=3)
    oracle = latents(pipeline, retrieved=[ranked([pair]) for pair in pairs[:3]], k=1)
    for some in (three, oracle, latents(pipeline, retrieved=retrieved)):
        assert distance(some, nothing) > DIFFERENT
    assert distance(three, latents(pipeline, retrieved=retrieved, k=1)) > DIFFERENT


def test_what_is_given_of_the_pairs(pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]]) -> None:
    every = latents(pipeline, retrieved=retrieved, k=3)
    np.testing.assert_array_equal(latents(pipeline, retrieved=retrieved, k=3, retrieval="audio+text"), every)
    np.testing.assert_array_equal(latents(pipeline, retrieved=retrieved, k=3, retrieval="none"), latents(pipeline))
    told = pipeline.conditioner.condition(PROMPTS, retrieved, k=3)
    assert told.captions_mask is not None
    masked = replace(told, captions_mask=torch.zeros_like(told.captions_mask))
    audio = latents(pipeline, retrieved=retrieved, k=3, retrieval="audio")
    np.testing.assert_array_equal(audio, latents(pipeline, conditioning=masked))
    other = [[n._replace(pair=n.pair._replace(caption="a train passes fast")) for n in own] for own in retrieved]
    np.testing.assert_array_equal(latents(pipeline, retrieved=other, k=3, retrieval="audio"), audio)
    for different in (every, latents(pipeline)):
        assert distance(audio, different) > DIFFERENT


def test_stored_features_replace_encoding(
    pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]], pairs: list[Pair], tmp_path: Path
) -> None:
    features = build_features(pairs, pipeline.conditioner, tmp_path)
    now = latents(pipeline, retrieved=retrieved)
    assert 0 < distance(latents(pipeline, retrieved=retrieved, features=features), now) < STORED_TOLERANCE


def test_conditioning_in_the_place_of_prompts(pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]]) -> None:
    told = pipeline.conditioner.condition(PROMPTS, retrieved, k=2)
    np.testing.assert_array_equal(latents(pipeline, None, conditioning=told), latents(pipeline, retrieved=retrieved))


def test_scale_1_never_asks_for_the_null(
    pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    forward = type(pipeline.unet).forward
    monkeypatch.setattr(type(pipeline.unet), "forward", lambda self, x, t, c: rows.append(len(x)) or forward(self, x, t, c))
    monkeypatch.setattr(ReAudioLDMPipeline, "_null", lambda *_: pytest.fail("the null was asked for"))
    conditional = latents(pipeline, retrieved=retrieved, guidance_scale=1.0)
    monkeypatch.undo()
    assert rows == [3, 3, 3]
    assert distance(conditional, latents(pipeline, retrieved=retrieved)) > DIFFERENT


def test_guidance_of_the_pipeline_is_the_formula(pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]]) -> None:
    """One step of DDIM is affine in the prediction, so predictions can be told from latents."""
    pipeline.set_scheduler("ddim")

    def step(**options: Any) -> np.ndarray:
        return latents(pipeline, num_inference_steps=1, seeds=[1, 2, 3], retrieved=retrieved, **options).astype(np.float64)

    full, null_only = step(guidance_scale=1.0), step(guidance_scale=0.0)
    text_only = step(guidance_scale=1.0, retrieval_guidance_scale=0.0)
    single = step(guidance_scale=3.0)
    dual = step(guidance_scale=3.0, retrieval_guidance_scale=5.0)
    pipeline.set_scheduler("dpm-solver++")
    scale = np.abs(full - null_only).max()
    np.testing.assert_allclose(single, null_only + 3 * (full - null_only), atol=1e-3 * scale + 1e-4)
    expected = null_only + 3 * (text_only - null_only) + 5 * (full - text_only)
    np.testing.assert_allclose(dual, expected, atol=1e-3 * scale + 1e-4)
    assert np.abs(dual - single).max() > 0.01 * scale


def test_negative_prompt_takes_the_place_of_the_empty_text(pipeline: ReAudioLDMPipeline) -> None:
    plain = latents(pipeline)
    assert distance(latents(pipeline, negative_prompt="a loud engine"), plain) > DIFFERENT
    assert distance(latents(pipeline, negative_prompt=""), plain) < BATCH_TOLERANCE
    with pytest.raises(ReaudioError, match="negative_prompt has no effect without guidance"):
        latents(pipeline, negative_prompt="an engine", guidance_scale=1.0)


def test_more_candidates_leave_the_first_as_it_was(pipeline: ReAudioLDMPipeline) -> None:
    one, three = latents(pipeline), latents(pipeline, num_waveforms_per_prompt=3)
    assert three.shape[0] == 9
    assert distance(three[::3], one) < BATCH_TOLERANCE
    assert np.abs(three[1] - three[2]).max() > 0.1


@pytest.mark.slow
def test_the_reranker_keeps_the_candidate_nearest_to_its_prompt(pipeline: ReAudioLDMPipeline) -> None:
    judge = tiny_clap(seed=5)
    candidates = generate(pipeline, num_waveforms_per_prompt=4).reshape(3, 4, -1)
    texts = judge.embed_text(PROMPTS).numpy()
    best = []
    for row, text in zip(candidates, texts, strict=True):
        audio = judge.embed_audio([resample(c, 16_000, judge.sample_rate) for c in row]).numpy()
        best.append(row[int((audio @ text).argmax())])
    kept = generate(pipeline, num_waveforms_per_prompt=4, reranker=judge)
    np.testing.assert_array_equal(kept, np.stack(best))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(retrieved: list[list[Neighbour]], dtype: torch.dtype) -> None:
    pipeline = tiny_pipeline()
    exact = latents(pipeline, retrieved=retrieved, guidance_scale=1.0)
    pipeline.unet.to(dtype)
    pipeline.vae.to(dtype)
    half = latents(pipeline, retrieved=retrieved, guidance_scale=1.0)
    assert half.dtype == np.float32
    assert 0 < distance(half, exact) < HALF_TOLERANCE
    assert generate(pipeline, retrieved=retrieved).dtype == np.float32
    whole = tiny_pipeline().to(dtype)
    whole.vocoder = build_vocoder(TINY.codec).eval().to(dtype)  # the enlarged one overflows float16
    assert np.isfinite(generate(whole, retrieved=retrieved)).all()


def test_cached_keys_change_nothing(pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]]) -> None:
    cached = latents(pipeline, retrieved=retrieved)
    pipeline._compiled = True  # what compile_denoiser sets
    assert distance(latents(pipeline, retrieved=retrieved), cached) < BATCH_TOLERANCE
    pipeline._compiled = False


@pytest.mark.parametrize("seconds", [0.1, 0.25, 0.64, 1.0])
def test_length_is_the_asked_one(pipeline: ReAudioLDMPipeline, seconds: float) -> None:
    assert generate(pipeline, "rain", seeds=[1], audio_length_in_s=seconds).shape == (1, round(seconds * 16_000))


def test_given_noise_is_used(pipeline: ReAudioLDMPipeline) -> None:
    shape = (3, *TINY.codec.latent_shape)
    noise = torch.stack([torch.randn(shape[1:], generator=torch.Generator().manual_seed(s)) for s in (1, 2, 3)])
    given = latents(pipeline, seeds=None, latents=noise)
    np.testing.assert_array_equal(given, latents(pipeline))
    generators = [torch.Generator().manual_seed(s) for s in (1, 2, 3)]
    np.testing.assert_array_equal(latents(pipeline, seeds=None, generator=generators), given)


def test_a_pipeline_without_encoders_takes_conditioning(retrieved: list[list[Neighbour]]) -> None:
    bare = build_pipeline(TINY)
    bare.set_progress_bar_config(disable=True)
    told = tiny_conditioner().condition(PROMPTS, retrieved, k=2)
    assert latents(bare, None, conditioning=told, guidance_scale=1.0).shape[0] == 3
    with pytest.raises(ReaudioError, match="loaded without clap, clap_tokenizer, audio_mae, t5, t5_tokenizer"):
        latents(bare)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ""}, "Prompt 1 of 1 is empty"),
        ({"prompt": []}, "There is no prompt"),
        ({"prompt": None}, "There is no prompt"),
        ({"prompt": ["rain", " "]}, "Prompt 2 of 2 is empty"),
        ({"audio_length_in_s": 0.0}, "duration must be between 0.1 and 30 seconds, not 0"),
        ({"audio_length_in_s": 60.0}, "duration must be between 0.1 and 30 seconds, not 60"),
        ({"num_inference_steps": 0}, "num_inference_steps must be between 1 and 999"),
        ({"num_waveforms_per_prompt": 0}, "num_waveforms_per_prompt must be 1 or more"),
        ({"k": -1}, "k must be 0 or more, not -1"),
        ({"retrieved": []}, "3 prompts, but neighbours of 0"),
        ({"seeds": [1]}, "3 prompts, but 1 seeds"),
        ({"seeds": None, "generator": [torch.Generator()]}, "3 clips, but 1 generators"),
        ({"latents": torch.zeros(1, 2)}, r"latents must have the shape \(3, 4, 16, 16\), not \(1, 2\)"),
        ({"output_type": "mp3"}, "Unknown output_type 'mp3'"),
        ({"eta": 1.0}, "eta is an option of DDIM"),
    ],
)
def test_bad_input_is_one_sentence(pipeline: ReAudioLDMPipeline, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        generate(pipeline, **{"prompt": PROMPTS, **options})


def test_other_bad_input(pipeline: ReAudioLDMPipeline, retrieved: list[list[Neighbour]]) -> None:
    with pytest.raises(ReaudioError, match="A reranker compares audio with prompts"):
        latents(pipeline, reranker=tiny_clap())
    with pytest.raises(UnknownNameError, match="Unknown scheduler 'euler'"):
        pipeline.set_scheduler("euler")
    plain = tiny_pipeline("none")
    for options in ({"retrieved": retrieved}, {"k": 2}):
        with pytest.raises(ReaudioError, match="This model retrieves nothing"):
            generate(plain, **options)
    with pytest.raises(ReaudioError, match="This model retrieves nothing: leave out retrieved, k and retrieval"):
        generate(plain, retrieval="audio")
    with pytest.raises(ReaudioError, match="This model can be given none, audio of the retrieved pairs, not 'audio\\+text'"):
        generate(tiny_pipeline("audio"), retrieval="audio+text")
    with pytest.raises(ReaudioError, match="leave out retrieval_guidance_scale"):
        generate(plain, retrieval_guidance_scale=2.0)
    with pytest.raises(
        ReaudioError, match=r"keeps its sizes .* a folder of another system becomes one by `reaudio-model assemble`"
    ):
        ReAudioLDMPipeline(plain.vae, plain.vocoder, plain.unet, plain.scheduler)


def test_a_prompt_of_2000_words_is_cut_with_a_warning(
    pipeline: ReAudioLDMPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    assert np.isfinite(generate(pipeline, "rain and wind " * 667, seeds=[1])).all()
    assert "CLAP read the first 77" in caplog.text


def test_the_sizes_in_a_saved_pipeline_are_checked(pipeline: ReAudioLDMPipeline) -> None:
    sizes = asdict(get_preset("tiny")) | {"bass_channels": 32}
    with pytest.raises(UnknownNameError, match=r"'bass_channels'. Did you mean 'base_channels'"):
        ReAudioLDMPipeline(pipeline.vae, pipeline.vocoder, pipeline.unet, pipeline.scheduler, model=sizes)
