"""Published systems as models: files, record, resumption, memory, and refused requests."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import public_checkpoints as checkpoints
import pytest
import soundfile
from tiny_model import tiny_pairs

from reaudio_eval import plugins
from reaudio_eval.clips.collect import Generation, SystemRequest, collect, collect_one
from reaudio_eval.clips.models import ClipRequest, Fetch, _public_model
from reaudio_eval.clips.models.public.audioldm2 import AudioLdm2
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.encoders.clap import Clap
from reaudio_model.retrieval.embedding import clap_embedders
from reaudio_model.retrieval.index_build import build_index
from reaudio_model.retrieval.pairs import PairTable

PROMPTS = tuple(Prompt(f"clip{i}", text) for i, text in enumerate(("a dog barks", "birds sings", "rain")))
DATASET = Dataset("audiocaps", "test", PROMPTS, {}, {})

pytestmark = pytest.mark.usefixtures("small")


def request(output: Path, weights: Path, variant: str = "", **more: Any) -> ClipRequest:
    return ClipRequest(
        PROMPTS, DATASET, output, variant=variant, weights=weights, batch_size=2, cache_dir=output / "cache", **more
    )


def content(clips: Mapping[str, Path]) -> dict[str, bytes]:
    return {clip_id: path.read_bytes() for clip_id, path in clips.items()}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("audioldm-s", {"steps": 3, "guidance_scale": 2.5, "scheduler": "ddim", "eta": 1.0, "seconds": 0.64}),
        ("tango", {"steps": 3, "guidance_scale": 3.0, "sampler": "ddpm", "eta": 0.0}),
        ("audiogen-medium", {"steps": None, "guidance_scale": 3.0, "top_k": 250, "temperature": 1.0}),
        ("stable-audio-open", {"steps": 3, "guidance_scale": 7.0, "sampler": "CosineDPMSolverMultistepScheduler"}),
    ],
)
@pytest.mark.slow
def test_files_and_their_record(model: str, expected: Mapping[str, Any], written: dict[str, Path], tmp_path: Path) -> None:
    plugin, variant = plugins.load("models", model), plugins.find("models", model).variant
    asked = request(tmp_path, written[model], variant)
    clips = plugin.clips(asked)
    assert list(clips) == ["clip0", "clip1", "clip2"]
    found = plugin.sampling(asked, clips)
    assert expected.items() <= found.items()
    assert {
        "seed": 0,
        "k": 0,
        "retrieval": "none",
        "candidates": 1,
        "dtype": "float32",
        "device": "cpu",
    }.items() <= found.items()
    assert all(len(sha256) == 64 for sha256 in found["weights_sha256"].values())
    assert soundfile.info(clips["clip0"]).subtype == "PCM_16"
    assert soundfile.info(clips["clip0"]).channels == (2 if model == "stable-audio-open" else 1)
    assert asked.spent.clips == 3
    before = content(clips)
    again = request(tmp_path, written[model], variant)
    assert content(plugin.clips(again)) == before
    assert again.spent.clips == 0, "finished clips are kept"


@pytest.mark.slow
def test_an_interrupted_generation_goes_on_to_the_same_clips(
    written: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = plugins.load("models", "tango")
    whole = content(plugin.clips(request(tmp_path / "whole", written["tango"])))
    from reaudio_eval.clips.models.public.tango import Tango

    generate, calls = Tango.generate, []

    def stop(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return generate(*arguments)

    monkeypatch.setattr(Tango, "generate", stop)
    with pytest.raises(KeyboardInterrupt):
        plugin.clips(request(tmp_path / "cut", written["tango"]))
    assert len(list((tmp_path / "cut").rglob("*.wav"))) == 2
    asked = request(tmp_path / "cut", written["tango"])
    assert content(plugin.clips(asked)) == whole
    assert (len(calls), asked.spent.clips) == (3, 1)


@pytest.mark.slow
def test_other_settings_other_weights_and_another_seed_are_other_folders(written: dict[str, Path], tmp_path: Path) -> None:
    plugin = plugins.load("models", "tango")
    asked = request(tmp_path, written["tango"])
    other_scale = checkpoints.write_tango(tmp_path / "other")
    (other_scale / "vae_config.json").write_text(json.dumps({"scale_factor": 2.0}))
    folders = {
        next(iter(plugin.clips(each).values())).parent
        for each in (
            asked,
            replace(asked, seed=1),
            replace(asked, sampling=Sampling(steps=2)),
            replace(asked, sampling=Sampling(guidance=2.0)),
            replace(asked, weights=other_scale, kept={}),
        )
    }
    assert len(folders) == 5


@pytest.mark.slow
def test_one_system_at_a_time_stays_in_memory(written: dict[str, Path], tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    plugins.load("models", "tango").clips(request(tmp_path / "t", written["tango"], kept=kept))
    ((system, _),) = kept.values()
    network = weakref.ref(system._network)
    del system
    plugins.load("models", "audioldm").clips(request(tmp_path / "a", written["audioldm-s"], "s", kept=kept))
    gc.collect()
    assert len(kept) == 1
    assert network() is None


def test_settings_of_the_user_replace_those_of_the_authors() -> None:
    plugin = plugins.load("models", "audioldm")
    own = plugin.own("s")
    assert plugin.resolved(Sampling(), "s") == own
    fast = plugin.resolved(Sampling(steps=25, scheduler="dpm-solver++", candidates=3, dtype="bfloat16"), "s")
    assert (fast.steps, fast.scheduler, fast.eta, fast.candidates, fast.dtype) == (25, "dpm-solver++", 0.0, 3, "bfloat16")
    assert plugin.resolved(Sampling(scheduler="ddim", eta=0.0), "s").eta == 0.0
    with pytest.raises(ReaudioError, match="--eta is the noise of ddim"):
        plugin.resolved(Sampling(scheduler="unipc", eta=0.5), "s")


@pytest.mark.parametrize(
    ("model", "of_others"),
    [
        ("tango", Sampling(candidates=3, scheduler="ddim", eta=0.5, k=3, retrieval="audio+text")),
        ("audioldm2", Sampling(k=3)),
        ("audioldm-s", Sampling(retrieval="audio+text")),
        ("audiogen-medium", Sampling(steps=50)),
        ("stable-audio-open", Sampling(scheduler="unipc")),
    ],
)
def test_options_of_other_models_of_the_command_change_and_record_nothing(model: str, of_others: Sampling) -> None:
    plugin, variant = plugins.load("models", model), plugins.find("models", model).variant
    assert plugin.resolved(of_others, variant) == plugin.own(variant)


@pytest.mark.slow
def test_candidates_of_another_model_are_not_those_of_tango(written: dict[str, Path], tmp_path: Path) -> None:
    how = Generation(sampling=Sampling(candidates=2), cache_dir=tmp_path / "cache")
    asked = SystemRequest("tango", "tango", weights=written["tango"])
    found = collect_one(asked, PROMPTS, DATASET, tmp_path / "clips", how, Reporter(quiet=True))
    assert (found.candidates, found.sampling["candidates"]) == (1, 1)


def test_the_miniature_has_no_published_systems() -> None:
    with pytest.raises(ReaudioError, match=r"audioldm2 generates real sounds.*choose another --dataset"):
        plugins.load("models", "audioldm2").check("miniature", None, "", Fetch())


def test_tango_is_bundled_on_the_miniature_and_published_elsewhere(tmp_path: Path) -> None:
    tango = plugins.load("models", "tango")
    tango.check("miniature", None, "", Fetch())
    with pytest.raises(CheckpointError, match="The weights of tango are not on this machine: give --weights tango=PATH"):
        tango.check("audiocaps", None, "", Fetch(cache_dir=tmp_path))
    tango.check("audiocaps", None, "", Fetch(allow_download=True, cache_dir=tmp_path))
    assert tango.defaults("audiocaps", None, "").guidance == 3.0
    assert "scheduler" in tango.sampling_options("miniature", None, "")
    assert "scheduler" not in tango.sampling_options("audiocaps", None, "")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "tango",
            "no folder of Tango: it has no main_config.json, vae_config.json, pytorch_model_main.bin, pytorch_model_vae.bin",
        ),
        ("audiogen-medium", "no folder of AudioGen: it has no state_dict.bin and no compression_state_dict.bin"),
        ("audioldm-s", "no diffusers folder of AudioLDM: it has no unet, vae, vocoder, text_encoder"),
        ("audioldm2", "model_index.json"),
        ("stable-audio-open", "model_index.json"),
    ],
)
def test_a_folder_of_something_else_is_refused_before_work(model: str, message: str, tmp_path: Path) -> None:
    plugin, variant = plugins.load("models", model), plugins.find("models", model).variant
    for fetch in (Fetch(cache_dir=tmp_path), Fetch(allow_download=True, cache_dir=tmp_path)):
        with pytest.raises(CheckpointError, match=message):
            plugin.check("audiocaps", tmp_path, variant, fetch)
        with pytest.raises(CheckpointError, match="there is no such file or folder"):
            plugin.check("audiocaps", tmp_path / "not/there/at/all", variant, fetch)


@pytest.mark.parametrize("model", ["tango", "audioldm-s", "audioldm2", "audiogen-medium", "stable-audio-open"])
def test_a_download_that_was_interrupted_can_be_completed(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "snapshot").mkdir()
    monkeypatch.setattr(_public_model, "find_weights", lambda *_, **__: tmp_path / "snapshot")
    plugin, variant = plugins.load("models", model), plugins.find("models", model).variant
    with pytest.raises(
        CheckpointError, match=rf"copy of the weights of {model} in the hub's cache is incomplete .*--allow-download to comp"
    ):
        plugin.check("audiocaps", None, variant, Fetch(cache_dir=tmp_path))
    plugin.check("audiocaps", None, variant, Fetch(allow_download=True, cache_dir=tmp_path))


def test_audioldm_without_a_size_is_the_model_of_this_package() -> None:
    with pytest.raises(
        ReaudioError,
        match=r"^The published AudioLDM is audioldm-s, audioldm-m or audioldm-l: name one",
    ):
        plugins.load("models", "audioldm").check("audiocaps", None, "", Fetch(allow_download=True))


@pytest.mark.slow
def test_a_library_that_fails_is_one_sentence(
    written: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB.")

    monkeypatch.setattr(AudioLdm2, "generate", fail)
    with pytest.raises(
        ReaudioError, match=r"^audioldm2 failed: RuntimeError CUDA out of memory\. Tried to allocate 2 GiB\.$"
    ):
        plugins.load("models", "audioldm2").clips(request(tmp_path, written["audioldm2"]))


def test_an_empty_prompt_is_refused(written: dict[str, Path], tmp_path: Path) -> None:
    asked = replace(request(tmp_path, written["tango"]), prompts=(Prompt("a", " "),))
    with pytest.raises(ReaudioError, match="The prompt of 'a' is empty"):
        plugins.load("models", "tango").clips(asked)


class TestRetrieval:
    @pytest.fixture
    def index(self, written: dict[str, Path], tmp_path: Path) -> Path:
        """Of three clips, with AudioLDM 2's own CLAP."""
        from reaudio_eval.clips.models.public.audioldm2 import load_pipeline

        pipeline = load_pipeline(written["audioldm2-rag"])
        clap = Clap(pipeline.text_encoder, pipeline.tokenizer)
        pairs = tiny_pairs(tmp_path / "pool", 3)
        build_index(PairTable(pairs, []), clap_embedders(clap), tmp_path / "index")
        return tmp_path / "index"

    @pytest.mark.slow
    def test_retrieved_pairs_are_written_beside_the_clips(
        self, written: dict[str, Path], index: Path, tmp_path: Path
    ) -> None:
        plugin = plugins.load("models", "audioldm2-rag")
        asked = request(tmp_path / "out", written["audioldm2-rag"], index=index)
        clips = plugin.clips(asked)
        found = plugin.retrieved(asked, clips)
        assert found.k == 1
        assert set(found.neighbours) == {"clip0", "clip1", "clip2"}
        sampling = plugin.sampling(asked, clips)
        assert (sampling["k"], sampling["retrieval"], sampling["search"]["key"]) == (1, "audio", "audio")
        control = plugins.load("models", "audioldm2").clips(request(tmp_path / "control", written["audioldm2"]))
        none = plugin.clips(replace(asked, index=None, sampling=Sampling(k=0)))
        assert content(none) == content(control)
        assert all(content(none)[c] != content(clips)[c] for c in clips)

    @pytest.mark.slow
    def test_it_needs_an_index(self, written: dict[str, Path], tmp_path: Path) -> None:
        plugin = plugins.load("models", "audioldm2-rag")
        with pytest.raises(ReaudioError, match=r"uses retrieved pairs: give --index FOLDER"):
            plugin.clips(request(tmp_path, written["audioldm2-rag"]))

    def test_captions_are_not_read(self) -> None:
        with pytest.raises(ReaudioError, match="reads the audio of retrieved pairs alone"):
            plugins.load("models", "audioldm2-rag").resolved(Sampling(retrieval="audio+text"), "")


@pytest.mark.slow
class TestFailures:
    def requests(self, written: dict[str, Path], tmp_path: Path) -> list[SystemRequest]:
        (tmp_path / "broken").mkdir()
        return [
            SystemRequest("audioldm2", "audioldm2", weights=tmp_path / "broken"),
            SystemRequest("tango", "tango", weights=written["tango"]),
        ]

    def test_the_others_finish(self, written: dict[str, Path], tmp_path: Path) -> None:
        notes: list[str] = []
        reporter = Reporter(quiet=True)
        reporter.note = notes.append  # type: ignore[method-assign]
        how = Generation(cache_dir=tmp_path / "cache")
        found = collect(self.requests(written, tmp_path), PROMPTS, DATASET, tmp_path / "clips", how, reporter)
        assert [system.name for system in found.systems] == ["tango"]
        assert list(found.failed) == ["audioldm2"]
        assert "the list of a pipeline's parts" in found.failed["audioldm2"]
        assert any(note.startswith("audioldm2 failed and is left out: ") for note in notes)

    def test_where_all_fail_the_first_error_ends_the_command(self, written: dict[str, Path], tmp_path: Path) -> None:
        broken = self.requests(written, tmp_path)[:1]
        noise = SystemRequest("noise", "noise")
        with pytest.raises(CheckpointError, match="the list of a pipeline's parts"):
            collect([*broken, noise], PROMPTS, DATASET, tmp_path / "clips", Generation(), Reporter(quiet=True))

    def test_seeds_of_a_published_system(self, written: dict[str, Path], tmp_path: Path) -> None:
        how = Generation(sampling=Sampling(seeds=2), cache_dir=tmp_path / "cache")
        asked = SystemRequest("tango", "tango", weights=written["tango"])
        found = collect_one(asked, PROMPTS, DATASET, tmp_path / "clips", how, Reporter(quiet=True))
        assert found.seeds == (0, 1)
        first, second = (content(clips) for clips in found.by_seed.values())
        assert all(first[c] != second[c] for c in first)


@pytest.mark.slow
def test_clips_are_scaled_to_a_peak(written: dict[str, Path], tmp_path: Path) -> None:
    plugin = plugins.load("models", "tango")
    plain = plugin.clips(request(tmp_path, written["tango"]))
    scaled = plugin.clips(request(tmp_path, written["tango"], sampling=Sampling(peak=0.8)))
    for clip_id, path in scaled.items():
        samples, original = soundfile.read(path)[0], soundfile.read(plain[clip_id])[0]
        assert abs(samples).max() == pytest.approx(0.8, abs=2**-15)
        assert samples == pytest.approx(original * 0.8 / abs(original).max(), abs=2e-4)
    assert plugin.sampling(request(tmp_path, written["tango"]), scaled)["peak"] == 0.8
