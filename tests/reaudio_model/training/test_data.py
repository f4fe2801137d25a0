"""Crops, tokens and latents: what each draw gives, and what is stored."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from tiny_model import RATE, tiny_conditioner, tiny_pairs, tone

from reaudio_model.codec.codec import Codec, build_vae, build_vocoder
from reaudio_model.codec.mel import PEAK
from reaudio_model.common.audio import wav_bytes
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.conditioning.feature_store import FeatureStore
from reaudio_model.conditioning.features import build_features
from reaudio_model.config import TINY_CODEC, TINY_CONDITION
from reaudio_model.encoders.clap_front_end import LAION
from reaudio_model.retrieval.records import Neighbour, Pair
from reaudio_model.training.data import AudioClips, ClapClip, DiffusionClips, MaeClip, RandomCrop, TensorClips
from reaudio_model.training.latents import LatentStore, build_latents
from reaudio_model.training.order import Clips, Draw, TrainingOrder, loader

K = 3
# stored as float16: 11 bits
STORED_TOLERANCE = 2e-3


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return build_vae(TINY_CODEC).eval()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    return tiny_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def latents(vae: AutoencoderKL, pairs: list[Pair], tmp_path_factory: pytest.TempPathFactory) -> LatentStore:
    return build_latents(pairs, vae, TINY_CODEC, tmp_path_factory.mktemp("latents"), rows=4, batch_size=3)


@pytest.fixture(scope="module")
def features(pairs: list[Pair], tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return build_features(pairs, tiny_conditioner(), tmp_path_factory.mktemp("features"))


def diffusion_clips(latents: LatentStore, features: FeatureStore, pairs: list[Pair], **options: object) -> DiffusionClips:
    ids = [pair.clip_id for pair in pairs]
    neighbours = [[other for other in ids if other != own] for own in ids]
    text = torch.nn.functional.normalize(torch.randn(len(ids), TINY_CONDITION.clap_dim), dim=1)
    return DiffusionClips(latents, text, neighbours, features, **{"k": K, **options})  # type: ignore[arg-type]


def test_a_crop_belongs_to_its_draw(pairs: list[Pair]) -> None:
    files = [pair.audio for pair in pairs if pair.audio]
    clips = AudioClips(files, RandomCrop(2000, RATE), seed=1)
    first, again, later = clips[Draw(0, 2)], clips[Draw(0, 2)], clips[Draw(1, 2)]
    assert first["waveform"].shape == (2000,)
    assert torch.equal(first["waveform"], again["waveform"])
    assert not torch.equal(first["waveform"], later["waveform"])
    assert not torch.equal(first["waveform"], AudioClips(files, RandomCrop(2000, RATE), seed=2)[Draw(0, 2)]["waveform"])


def test_crops_reach_both_ends_and_are_cut_from_the_normalised_clip() -> None:
    ramp = np.linspace(-1, 1, 50, dtype=np.float32)
    crop = RandomCrop(48, RATE)
    drawn = np.stack([crop(ramp, RATE, np.random.default_rng(seed)) for seed in range(40)])
    np.testing.assert_allclose(np.unique(drawn[:, 0]), (ramp * PEAK)[:3], atol=1e-6)
    assert drawn.max() == pytest.approx(PEAK)


def test_short_clips_are_filled_with_silence_and_stereo_is_mixed(tmp_path: Path) -> None:
    stereo = np.stack([tone(0, 0.1), np.zeros(1600, np.float32)], axis=1)
    (tmp_path / "a.wav").write_bytes(wav_bytes(stereo, RATE))
    waveform = AudioClips([tmp_path / "a.wav"], RandomCrop(4000, RATE))[Draw(0, 0)]["waveform"]
    assert waveform.shape == (4000,)
    assert waveform[:1600].abs().max().item() == pytest.approx(PEAK, rel=1e-5)
    assert waveform[1600:].abs().max() == 0


def test_encoders_clips_have_their_lengths(pairs: list[Pair]) -> None:
    files = [pair.audio for pair in pairs if pair.audio]
    assert AudioClips(files, ClapClip())[Draw(0, 0)]["waveform"].shape == (LAION.n_samples,)
    config = TINY_CONDITION
    assert AudioClips(files, MaeClip(config))[Draw(0, 0)]["waveform"].ndim == 1


def test_rows_beside_a_waveform_are_those_of_its_clip(pairs: list[Pair]) -> None:
    files = [pair.audio for pair in pairs if pair.audio]
    extra = {"labels": torch.arange(len(files))[:, None]}
    clips = AudioClips(files, RandomCrop(800, RATE), extra=extra)
    batch = next(iter(loader(clips, TrainingOrder(len(files), 4, seed=0, stop=1))))
    expected = [draw.clip for draw in next(iter(TrainingOrder(len(files), 4, seed=0, stop=1)))]
    assert batch["labels"][:, 0].tolist() == expected
    assert batch["waveform"].shape == (4, 800)
    assert len(TensorClips(extra)) == len(clips) == 6


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(AudioError, match=r"broken\.wav cannot be decoded"):
        AudioClips([tmp_path / "broken.wav"], RandomCrop(10, RATE))[Draw(0, 0)]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_file_is_one_sentence_from_a_loading_process_too(pairs: list[Pair], tmp_path: Path, workers: int) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    clips = AudioClips([tmp_path / "broken.wav"], RandomCrop(10, RATE))
    with pytest.raises(AudioError) as refused:
        next(loader(clips, TrainingOrder(1, 1, seed=0, stop=1), workers))
    assert str(refused.value) == f"{tmp_path / 'broken.wav'} cannot be decoded: it is damaged or not audio."


def test_a_file_that_is_replaced_during_a_training_is_named(pairs: list[Pair]) -> None:
    files = [pair.audio for pair in pairs if pair.audio]
    clips = AudioClips(files, RandomCrop(10, RATE), sha256=["another"] * len(files))
    with pytest.raises(ReaudioError, match=r"clip-2\.wav was changed during the training: put the earlier file back"):
        clips[Draw(0, 2)]


class Fatal(Clips):
    """The loading process is killed, as by a system that is out of memory."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, draw: Draw) -> dict[str, torch.Tensor]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_killed_loading_process_is_one_sentence() -> None:
    with pytest.raises(
        ReaudioError, match=r"A data-loading process was killed .*: repeat the command with fewer loop\.workers"
    ):
        next(loader(Fatal(), TrainingOrder(1, 1, seed=0, stop=1), workers=1))


def test_stored_latents_are_those_of_the_codec(vae: AutoencoderKL, pairs: list[Pair], latents: LatentStore) -> None:
    codec = Codec(vae, build_vocoder(TINY_CODEC).eval())
    clips = AudioClips([pair.audio for pair in pairs if pair.audio], RandomCrop(TINY_CODEC.n_samples, RATE))
    waveforms = torch.stack([clips[Draw(0, i)]["waveform"] for i in range(len(pairs))])
    with torch.no_grad():
        means = codec.encode(waveforms)
    assert len(latents) == len(pairs)
    for clip, mean in enumerate(means):
        draws = torch.stack([latents.draw(clip, np.random.default_rng(seed)) for seed in range(300)])
        assert draws.shape[1:] == TINY_CODEC.latent_shape
        deviation = draws.std(0)
        standard_errors = (draws.mean(0) - mean).abs() / (deviation / 300**0.5)
        assert standard_errors.max() < 5.5  # of 1024 values
        assert torch.equal(draws[0], latents.draw(clip, np.random.default_rng(0)))


def test_latents_go_on_where_a_build_was_killed(vae: AutoencoderKL, pairs: list[Pair], tmp_path: Path) -> None:
    whole = build_latents(pairs, vae, TINY_CODEC, tmp_path, rows=2)
    kept = [(file.read_bytes(), file.stat().st_mtime_ns) for file in whole.files]
    whole.files[1].unlink()
    again = build_latents(pairs, vae, TINY_CODEC, tmp_path, rows=2)
    assert [file.read_bytes() for file in again.files] == [content for content, _ in kept]
    assert again.files[0].stat().st_mtime_ns == kept[0][1]


def test_latents_belong_to_the_content_of_their_clips_the_vae_and_the_code(
    vae: AutoencoderKL, pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other audio under the same ids and names gives the latents that an empty folder gives."""
    moved = [pair._replace(audio=tmp_path / f"{pair.clip_id}.wav") for pair in pairs]
    for i, pair in enumerate(moved):
        pair.audio.write_bytes(wav_bytes(tone(i), RATE))

    def drawn(folder: str, vae: AutoencoderKL = vae, size: int = 6) -> torch.Tensor:
        return build_latents(moved[:size], vae, TINY_CODEC, tmp_path / folder, rows=2).draw(1, np.random.default_rng(0))

    first = drawn("cache")
    for i, pair in enumerate(moved):
        pair.audio.write_bytes(wav_bytes(tone(30 + i), RATE))
    replaced = drawn("cache")
    assert not torch.equal(replaced, first)
    assert torch.equal(replaced, drawn("empty"))
    assert torch.equal(drawn("cache", size=3), replaced)
    other = build_vae(TINY_CODEC).eval()
    assert torch.equal(drawn("cache", other), drawn("other", other))
    assert not torch.equal(drawn("cache", other), replaced)
    n_files = len(list((tmp_path / "cache").iterdir()))
    monkeypatch.setattr("reaudio_model.training.latents.computation_sha256", lambda *_modules: "edited")
    drawn("cache")
    assert len(list((tmp_path / "cache").iterdir())) == n_files + 3


def test_damaged_latents_are_computed_again(vae: AutoencoderKL, pairs: list[Pair], tmp_path: Path) -> None:
    whole = build_latents(pairs, vae, TINY_CODEC, tmp_path, rows=2)
    kept = [file.read_bytes() for file in whole.files]
    content = bytearray(kept[1])
    content[-100] ^= 1
    whole.files[1].write_bytes(content)
    notes: list[str] = []
    progress = Reporter(quiet=True)
    progress.note = notes.append  # type: ignore[method-assign]
    again = build_latents(pairs, vae, TINY_CODEC, tmp_path, rows=2, progress=progress)
    assert [file.read_bytes() for file in again.files] == kept
    assert notes == [f"1 of 3 files of latents in {tmp_path} are damaged: they are computed again"]
    with pytest.raises(ReaudioError, match="'clip-0' has no audio file"):
        build_latents([pairs[0]._replace(audio=None)], vae, TINY_CODEC, tmp_path / "new")
    with pytest.raises(ReaudioError, match=r"clip 'clip-0' .* was changed while it was used"):
        build_latents(pairs[:1], vae, TINY_CODEC, tmp_path / "new", sha256={"clip-0": "another"})
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"x")
    with pytest.raises(ReaudioError, match="is missing or damaged: repeat the command"):
        LatentStore([damaged], 1, 1).draw(0, np.random.default_rng(0))


def test_conditions_equal_those_of_inference(latents: LatentStore, features: FeatureStore, pairs: list[Pair]) -> None:
    clips = diffusion_clips(latents, features, pairs)
    item = clips[Draw(0, 0)]
    found = [[Neighbour(pair, rank, 0.5) for rank, pair in enumerate(pairs[1 : 1 + K])]]
    told = tiny_conditioner().condition([pairs[0].caption], found, k=K)
    for name, value in told.fields().items():
        if name != "text":
            torch.testing.assert_close(item[name].to(value.dtype), value[0], atol=STORED_TOLERANCE, rtol=STORED_TOLERANCE)
    assert torch.equal(item["text"], clips.text[0])


def test_random_neighbours_keep_their_order_and_vary(
    latents: LatentStore, features: FeatureStore, pairs: list[Pair]
) -> None:
    clips = diffusion_clips(latents, features, pairs, choice="random", k=2)
    ranked = [pair.clip_id for pair in pairs[1:]]
    chosen = [clips._choose(ranked, np.random.default_rng(seed)) for seed in range(200)]
    assert all(ranked.index(a) < ranked.index(b) for a, b in chosen)
    assert len({tuple(c) for c in chosen}) == 10  # every pair of five
    a, b = clips[Draw(0, 0)], clips[Draw(0, 0)]
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_fewer_neighbours_than_slots_are_masked(latents: LatentStore, features: FeatureStore, pairs: list[Pair]) -> None:
    clips = diffusion_clips(latents, features, pairs)
    clips.neighbours = [[pairs[1].clip_id], *[[] for _ in pairs[1:]]]
    per_slot = TINY_CONDITION.mae_tokens
    assert clips[Draw(0, 0)]["audio_mask"].reshape(K, per_slot).all(1).tolist() == [True, False, False]
    empty = clips[Draw(0, 1)]
    assert not empty["audio_mask"].any()
    assert not empty["captions_mask"].any()
    assert empty["audio"].shape == clips[Draw(0, 0)]["audio"].shape
    zero = diffusion_clips(latents, features, pairs, k=0)[Draw(0, 0)]
    assert zero["audio_mask"].tolist() == [False] * per_slot


def test_a_model_without_retrieval_reads_text_alone(latents: LatentStore) -> None:
    clips = DiffusionClips(latents, torch.zeros(len(latents), 4))
    assert set(clips[Draw(0, 0)]) == {"latents", "text"}


def test_stores_survive_the_way_to_a_reading_process(
    latents: LatentStore, features: FeatureStore, pairs: list[Pair]
) -> None:
    clips = diffusion_clips(latents, features, pairs)
    before = clips[Draw(0, 3)]
    after = pickle.loads(pickle.dumps(clips))[Draw(0, 3)]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_mismatched_or_empty_sets(latents: LatentStore, features: FeatureStore, pairs: list[Pair]) -> None:
    with pytest.raises(ValueError, match="must belong to the same clips"):
        DiffusionClips(latents, torch.zeros(2, 4))
    with pytest.raises(ReaudioError, match="the retrieval set has none"):
        DiffusionClips(latents, torch.zeros(len(latents), 4), [[] for _ in pairs], features, k=1)


def test_neighbours_by_sound_take_the_place_of_those_of_the_caption(
    latents: LatentStore, features: FeatureStore, pairs: list[Pair]
) -> None:
    ids = [pair.clip_id for pair in pairs]
    similar = [[ids[-1]]] * len(ids)
    always = diffusion_clips(latents, features, pairs, k=1, similar=similar, by_sound=1.0)
    never = diffusion_clips(latents, features, pairs, k=1, similar=similar, by_sound=0.0)
    wanted = features.tokens([ids[-1]]).audio[0].float()
    draws = [Draw(epoch, 0) for epoch in range(20)]
    assert all(torch.equal(always[draw]["audio"].float(), wanted) for draw in draws)
    assert not any(torch.equal(never[draw]["audio"].float(), wanted) for draw in draws)
    sometimes = diffusion_clips(latents, features, pairs, k=1, similar=similar, by_sound=0.5)
    hits = [torch.equal(sometimes[draw]["audio"].float(), wanted) for draw in draws]
    assert 0 < sum(hits) < len(hits)


def test_random_neighbours_come_from_the_nearest(latents: LatentStore, features: FeatureStore, pairs: list[Pair]) -> None:
    clips = diffusion_clips(latents, features, pairs, k=1, choice="random", nearest=2)
    near = {features.tokens([pair.clip_id]).audio[0].float().numpy().tobytes() for pair in pairs[1:3]}
    seen = {clips[Draw(epoch, 0)]["audio"].float().numpy().tobytes() for epoch in range(30)}
    assert seen == near


def test_the_prompt_itself_as_tokens(latents: LatentStore, pairs: list[Pair]) -> None:
    conditioner = tiny_conditioner()
    tokens, mask = conditioner.encode_captions([pair.caption for pair in pairs])
    text = torch.zeros(len(pairs), TINY_CONDITION.clap_dim)
    item = DiffusionClips(latents, text, prompts=(tokens, mask))[Draw(0, 2)]
    assert set(item) == {"latents", "text", "captions", "captions_mask"}
    assert torch.equal(item["captions"], tokens[2])
