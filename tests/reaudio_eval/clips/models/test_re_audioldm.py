"""Models that generate: bundled systems on the miniature, the user's pipelines elsewhere, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from notes import Notes
from tiny_model import tiny_conditioner, tiny_pairs, tone

from reaudio_eval import plugins
from reaudio_eval.clips.collect import takes_candidates
from reaudio_eval.clips.models import ClipRequest, Fetch, Spent, audioldm, copy_retrieved, re_audioldm, tango
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.audio import decode, wav_bytes
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.resample import resample
from reaudio_model.config import PRESETS, retrieves
from reaudio_model.miniature import bundled, world
from reaudio_model.pipeline.assemble import build_pipeline, load_pipeline
from reaudio_model.retrieval.embedding import clap_embedders
from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.index_build import build_index
from reaudio_model.retrieval.pairs import PairTable

PROMPTS = tuple(Prompt(clip_id, world.describe(clip_id).caption) for clip_id in world.clip_ids("test")[:3])
ELSEWHERE = Dataset("audiocaps", "test", (Prompt("a", "a dog barks"), Prompt("b", "rain")), {}, {})
MINIATURE = Dataset("miniature", "test", PROMPTS, {}, {})


def request(dataset: Dataset, output: Path, **fields: object) -> ClipRequest:
    sampling = Sampling(steps=1)
    return ClipRequest(dataset.prompts, dataset, output, **{"sampling": sampling, "device": "cpu", **fields})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved pipeline that looks at pairs, and an index for it beside it."""
    folder = tmp_path_factory.mktemp("weights")
    conditioner = tiny_conditioner()
    build_pipeline(PRESETS["tiny"], conditioner).save_pretrained(folder / "pipeline")
    build_index(PairTable(tiny_pairs(folder / "audio"), []), clap_embedders(conditioner.clap), folder / "index")
    return folder


@pytest.mark.parametrize(
    ("model", "variant", "name"),
    [
        (re_audioldm.PLUGIN, "l", "re-audioldm-l"),
        (re_audioldm.PLUGIN, "s-none", "re-audioldm-s-none"),
    ],
)
def test_without_weights_one_sentence_says_what_to_do(model: object, variant: str, name: str, tmp_path: Path) -> None:
    message = (
        rf"no public weights of {name} for audiocaps: train it \(reaudio-model train diffusion .*--weights {name}=FOLDER"
    )
    with pytest.raises(ReaudioError, match=message):
        model.clips(request(ELSEWHERE, tmp_path, variant=variant))  # type: ignore[attr-defined]


def test_the_users_weights_on_any_dataset(weights: Path, tmp_path: Path) -> None:
    asked = request(ELSEWHERE, tmp_path, variant="s", weights=weights / "pipeline", index=weights / "index")
    clips = re_audioldm.PLUGIN.clips(asked)
    assert set(clips) == {"a", "b"}
    assert decode(clips["a"]).samples.shape == (10_240, 1)
    found = re_audioldm.PLUGIN.retrieved(asked, clips)
    assert found is not None
    assert set(found.neighbours) == {"a", "b"}
    assert all(n.pair.audio is not None and n.pair.audio.is_file() for own in found.neighbours.values() for n in own)
    assert (found.k, found.about["pool"], found.about["key"]) == (3, "train", "audio")
    assert found.encoder_sha256 == RetrievalIndex.load(weights / "index").encoder_sha256
    before = clips["a"].stat().st_mtime_ns
    assert re_audioldm.PLUGIN.clips(asked)["a"].stat().st_mtime_ns == before  # finished clips are kept
    other = re_audioldm.PLUGIN.clips(replace(asked, seed=1))["a"]
    assert other != clips["a"]
    assert other.read_bytes() != clips["a"].read_bytes()


@pytest.mark.slow
def test_clips_that_were_changed_are_generated_anew(weights: Path, tmp_path: Path) -> None:
    notes = Notes()
    asked = request(ELSEWHERE, tmp_path, variant="s", weights=weights / "pipeline", index=weights / "index", reporter=notes)
    clips = re_audioldm.PLUGIN.clips(asked)
    before = {clip_id: path.read_bytes() for clip_id, path in clips.items()}
    noise = wav_bytes(np.random.default_rng(0).uniform(-0.5, 0.5, 10_240).astype(np.float32), 16_000)
    clips["a"].write_bytes(noise)
    assert re_audioldm.PLUGIN.clips(replace(asked, batch_size=2)) == clips
    assert {clip_id: path.read_bytes() for clip_id, path in clips.items()} == before
    assert notes.lines == ["Made again, because they are no longer the files that were generated: a.wav."]
    for content in ("null", "{}", "[" * 100_000):
        clips["a"].with_name("generation.json").write_text(content)
        clips["b"].write_bytes(noise)
        assert re_audioldm.PLUGIN.clips(asked) == clips
        assert {clip_id: path.read_bytes() for clip_id, path in clips.items()} == before
        assert "are generated anew, since " in notes.lines[-1]
        assert "--output" not in notes.lines[-1]


def test_an_interrupted_generation_goes_on_with_a_smaller_batch(weights: Path, tmp_path: Path) -> None:
    asked = request(ELSEWHERE, tmp_path, variant="s", weights=weights / "pipeline", index=weights / "index")
    clips = re_audioldm.PLUGIN.clips(asked)
    before = clips["a"].stat().st_mtime_ns
    clips["b"].unlink()
    assert re_audioldm.PLUGIN.clips(replace(asked, batch_size=1)) == clips
    assert clips["a"].stat().st_mtime_ns == before
    assert clips["b"].is_file()


@pytest.mark.slow
def test_the_settings_of_the_clips_are_resolved(weights: Path, tmp_path: Path) -> None:
    asked = request(ELSEWHERE, tmp_path, variant="s", weights=weights / "pipeline", index=weights / "index")
    found = re_audioldm.PLUGIN.sampling(asked, re_audioldm.PLUGIN.clips(asked))
    assert found is not None
    expected = {
        "steps": 1, "guidance_scale": 3.5, "k": PRESETS["tiny"].k, "retrieval": "audio+text", "candidates": 1, "dtype": "float32",
        "device": "cpu", "scheduler": "dpm-solver++", "seed": 0,
    }  # fmt: skip
    assert expected.items() <= found.items()
    assert "auto" not in found.values()
    without = replace(asked, sampling=Sampling(steps=2, k=0, guidance=0.0))
    other = re_audioldm.PLUGIN.sampling(without, re_audioldm.PLUGIN.clips(without))
    assert other is not None
    assert (other["steps"], other["guidance_scale"], other["k"], other["retrieval"]) == (2, 0.0, 0, "none")
    assert plugins.load("models", "noise").sampling(asked, {}) is None


@pytest.mark.slow
def test_another_index_or_pool_in_the_place_of_the_first_makes_other_clips(weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "index", tmp_path / "index")
    pairs = tiny_pairs(tmp_path / "audio")
    build_index(PairTable(pairs, []), clap_embedders(tiny_conditioner().clap), tmp_path / "index")
    asked = request(ELSEWHERE, tmp_path / "out", variant="s", weights=weights / "pipeline", index=tmp_path / "index")
    first = re_audioldm.PLUGIN.clips(asked)
    before = first["a"].read_bytes()
    for number, pair in enumerate(pairs):  # the same names, other sounds
        assert pair.audio is not None
        pair.audio.write_bytes(wav_bytes(tone(number + 20), 16_000))
    with pytest.raises(ReaudioError, match=r"was changed since the index .* was built: repeat `reaudio-model index build`"):
        re_audioldm.PLUGIN.clips(asked)
    build_index(PairTable(pairs, []), clap_embedders(tiny_conditioner().clap), tmp_path / "index")
    again = re_audioldm.PLUGIN.clips(asked)
    assert again["a"].read_bytes() != before
    build_index(PairTable(pairs[:4], []), clap_embedders(tiny_conditioner().clap), tmp_path / "index")
    third = re_audioldm.PLUGIN.clips(asked)
    assert len({clips["a"].parent for clips in (first, again, third)}) == 3


def test_a_model_that_looks_at_pairs_needs_an_index(weights: Path, tmp_path: Path) -> None:
    asked = request(ELSEWHERE, tmp_path, variant="s", weights=weights / "pipeline")
    with pytest.raises(ReaudioError, match=r"give --index FOLDER .* or --k 0"):
        re_audioldm.PLUGIN.clips(asked)
    without = replace(asked, sampling=Sampling(steps=1, k=0))
    clips = re_audioldm.PLUGIN.clips(without)
    assert len(clips) == 2
    assert re_audioldm.PLUGIN.retrieved(without, clips) is None


def test_settings_unless_told_otherwise(weights: Path, tmp_path: Path) -> None:
    assert re_audioldm.PLUGIN.defaults("miniature", None, "l") == Sampling(bundled.STEPS, bundled.GUIDANCE, 3, "audio+text")
    assert re_audioldm.PLUGIN.defaults("miniature", None, "s-audio").retrieval == "audio"
    assert (
        re_audioldm.PLUGIN.defaults("miniature", None, "s-none")
        == audioldm.PLUGIN.defaults("miniature", None, "")
        == tango.PLUGIN.defaults("miniature", None, "")
    )
    assert tango.PLUGIN.defaults("miniature", None, "") == Sampling(bundled.STEPS, bundled.GUIDANCE, 0, "none")
    tiny = PRESETS["tiny"]
    assert re_audioldm.PLUGIN.defaults("audiocaps", weights / "pipeline", "s") == Sampling(25, 3.5, tiny.k, tiny.retrieval)
    with pytest.raises(
        CheckpointError, match=r"is no saved Re-AudioLDM pipeline \(model_index.json is missing or damaged\)"
    ):
        re_audioldm.PLUGIN.defaults("audiocaps", tmp_path, "s")


@pytest.mark.slow
def test_what_is_given_of_the_pairs_guidance_0_and_what_it_took(weights: Path, tmp_path: Path) -> None:
    asked = request(ELSEWHERE, tmp_path, variant="s", weights=weights / "pipeline", index=weights / "index")

    def first(**sampling: object) -> bytes:
        return re_audioldm.PLUGIN.clips(replace(asked, sampling=Sampling(steps=1, **sampling)))["a"].read_bytes()  # type: ignore[arg-type]

    spelled_out = {"guidance": 3.5, "k": PRESETS["tiny"].k, "retrieval": "audio+text"}
    assert first() == first(**spelled_out)
    assert first(retrieval="none") == first(k=0)
    assert len({first(), first(retrieval="audio"), first(retrieval="none"), first(guidance=0.0)}) == 4
    again = replace(asked, output=tmp_path / "again", spent=Spent())
    re_audioldm.PLUGIN.clips(again)
    assert again.spent.clips == 2
    assert again.spent.seconds > 0
    without = replace(again, index=None, sampling=Sampling(steps=1, retrieval="none"))
    assert len(re_audioldm.PLUGIN.clips(without)) == 2  # no index where nothing is retrieved


@pytest.mark.slow
def test_the_models_own_clap_chooses_among_candidates(weights: Path, tmp_path: Path) -> None:
    asked = request(ELSEWHERE, tmp_path, variant="s", weights=weights / "pipeline", index=weights / "index")
    three = replace(asked, sampling=Sampling(steps=1, candidates=3))
    clap, chosen, first = (
        load_pipeline(weights / "pipeline", device=torch.device("cpu")).conditioner.clap,
        re_audioldm.PLUGIN.clips(three),
        re_audioldm.PLUGIN.clips(asked),
    )
    assert chosen["a"] != first["a"]  # one candidate and three do not share files
    alone = decode(re_audioldm.PLUGIN.clips(replace(three, batch_size=1))["b"]).samples
    np.testing.assert_allclose(alone, decode(chosen["b"]).samples, atol=1e-3)  # rounding differs with the shape of a batch
    changed = 0
    for prompt in ELSEWHERE.prompts:
        told = clap.embed_text([prompt.caption])[0]
        near = [
            float(
                clap.embed_audio([resample(decode(found[prompt.clip_id]).samples[:, 0], 16_000, clap.sample_rate)])[0] @ told
            )
            for found in (first, chosen)
        ]
        assert near[1] >= near[0] - 1e-3  # the first is among the three; files have 16 bits
        changed += chosen[prompt.clip_id].read_bytes() != first[prompt.clip_id].read_bytes()
    assert changed  # 1 in 9 that neither is better than its first
    assert not takes_candidates("noise", "miniature", None)
    assert all(takes_candidates(name, "miniature", None) for name in ("re-audioldm-l", "audioldm", "tango", "oracle-s"))
    assert [name for name in ("audioldm-s", "tango", "audioldm2") if takes_candidates(name, "audiocaps", None)] == [
        "audioldm-s",
        "audioldm2",
    ]


@pytest.mark.slow
def test_a_pipeline_is_kept_for_the_next_request(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = bundled.load_bundled
    monkeypatch.setattr(bundled, "load_bundled", lambda name, device="cpu": loaded.append(name) or load(name, device))
    kept: dict[str, object] = {}
    for model, variant, seed in (
        (re_audioldm.PLUGIN, "s-none", 0),
        (re_audioldm.PLUGIN, "s-none", 1),
        (tango.PLUGIN, "", 0),
        (re_audioldm.PLUGIN, "s-none", 2),
    ):
        model.clips(request(MINIATURE, tmp_path, variant=variant, seed=seed, kept=kept, cache_dir=tmp_path))
        assert len(kept) == 1  # one at a time
    assert loaded == ["re-audioldm-s-none", "tango", "re-audioldm-s-none"]


def test_copying_is_of_the_miniature(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="copy-retrieved knows the pool of the miniature only"):
        copy_retrieved.PLUGIN.clips(request(ELSEWHERE, tmp_path))


def test_the_copied_clips_are_of_the_pool_and_none_is_held_out(tmp_path: Path) -> None:
    clips = copy_retrieved.PLUGIN.clips(request(MINIATURE, tmp_path, cache_dir=tmp_path))
    assert set(clips) == {p.clip_id for p in PROMPTS}
    assert {path.stem for path in clips.values()} <= set(world.clip_ids("pool"))
    found = copy_retrieved.PLUGIN.retrieved(request(MINIATURE, tmp_path, cache_dir=tmp_path), clips)
    assert {c: [n.pair.audio for n in own] for c, own in found.neighbours.items()} == {c: [p] for c, p in clips.items()}
    for path in clips.values():
        np.testing.assert_array_equal(decode(path).samples[:, 0], world.render(path.stem))


@pytest.mark.slow
@pytest.mark.parametrize("name", bundled.shipped())
def test_every_bundled_system_is_a_model_and_generates(name: str, tmp_path: Path) -> None:
    entry = plugins.find("models", name)
    model = plugins.load("models", name)
    asked = request(MINIATURE, tmp_path, variant=entry.variant, cache_dir=tmp_path / "cache")
    clips = model.clips(asked)
    assert set(clips) == {p.clip_id for p in PROMPTS}
    found = model.retrieved(asked, clips) if hasattr(model, "retrieved") else None
    assert (found is not None) == retrieves(bundled.DENOISERS[name].retrieval)
    for own in {} if found is None else found.neighbours.values():
        assert len(own) == 3
        assert all(n.pair.audio is not None and n.pair.audio.is_file() for n in own)
    for path in clips.values():
        samples = decode(path).samples
        assert samples.shape == (world.CLIP_SAMPLES, 1)
        assert np.abs(samples).max() > 1e-3


@pytest.mark.parametrize(
    ("plugin", "variant", "message"),
    [
        (
            re_audioldm.PLUGIN,
            "s-none",
            r"are not re-audioldm-s-none: they have retrieval 'audio\+text' and width 128; use its name, ",
        ),
        (re_audioldm.PLUGIN, "l", r"are not re-audioldm-l: .* width 128; use its name, re-audioldm-s\.$"),
        (tango.PLUGIN, "", r"are not tango: they have retrieval 'audio\+text'"),
        (audioldm.PLUGIN, "", r"are not audioldm: "),
    ],
)
def test_a_name_that_is_not_what_the_weights_are(plugin: Any, variant: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"model": asdict(PRESETS["re-audioldm-s"])}))
    with pytest.raises(CheckpointError, match=message):
        plugin.check("audiocaps", tmp_path, variant, Fetch())
    re_audioldm.PLUGIN.check("audiocaps", tmp_path, "s", Fetch())
    (tmp_path / "model_index.json").write_text(json.dumps({"model": asdict(PRESETS["tiny"])}))
    re_audioldm.PLUGIN.check("audiocaps", tmp_path, "l", Fetch())  # of a width of its own
