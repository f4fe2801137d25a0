"""Every published system: its clips depend on prompt and seed alone, and wrong or damaged files are refused."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from reaudio_eval import plugins
from reaudio_eval.clips.models.public import audioldm2, latent
from reaudio_eval.clips.models.public.generate import identity
from reaudio_eval.clips.models.public.system import PublicSystem, Settings
from reaudio_model.common.errors import CheckpointError, ReaudioError

MODELS = ("audioldm-s", "tango", "audioldm2", "audiogen-medium", "stable-audio-open")
PROMPTS = ("a dog barks in the rain", "birds sings", "an engine starts and stops while a man speaks")
SEEDS = (1, 2, 3)
ROUNDING = 2e-6  # of batches of another size; a step of 16 bits is 3e-5
FOREIGN = {
    "audioldm-s": "tango",
    "tango": "audioldm2",
    "audioldm2": "tango",
    "audiogen-medium": "tango",
    "stable-audio-open": "audioldm2",
}

pytestmark = pytest.mark.usefixtures("small")


def opened(model: str, weights: Path) -> PublicSystem:
    plugin, variant = plugins.load("models", model), plugins.find("models", model).variant
    opener = importlib.import_module(f"reaudio_eval.clips.models.public.{plugin.module}").OPENER
    return opener.open(weights, variant, device="cpu", dtype="float32", cache_dir=None)


def settings(model: str) -> Settings:
    return plugins.load("models", model).own(plugins.find("models", model).variant)


def generated(system: PublicSystem, model: str, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> npt.NDArray[np.float32]:
    return system.generate(prompts, seeds, settings(model))


@pytest.mark.parametrize("model", MODELS)
def test_a_clip_depends_on_its_prompt_and_seed_alone(model: str, written: dict[str, Path]) -> None:
    system = opened(model, written[model])
    together = generated(system, model, PROMPTS, SEEDS)
    assert together.dtype == np.float32
    assert together.shape[:2] == (3, round(settings(model).seconds * system.sample_rate))
    assert np.abs(together).max() <= 1
    assert np.abs(together).reshape(3, -1).max(1).min() > 0.01, "silence would agree with anything"
    backwards = generated(system, model, PROMPTS[::-1], SEEDS[::-1])[::-1]
    alone = np.concatenate([generated(system, model, (p,), (s,)) for p, s in zip(PROMPTS, SEEDS, strict=True)])
    np.testing.assert_allclose(backwards, together, atol=ROUNDING)
    np.testing.assert_allclose(alone, together, atol=ROUNDING)
    other_seed = generated(system, model, PROMPTS[:1], (9,))
    other_prompt = generated(system, model, PROMPTS[1:2], SEEDS[:1])
    assert np.abs(other_seed - together[:1]).max() > 100 * ROUNDING
    assert np.abs(other_prompt - together[:1]).max() > 10 * ROUNDING


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.slow
def test_the_identity_names_every_network_and_vocabulary(model: str, written: dict[str, Path]) -> None:
    found = identity(opened(model, written[model]))
    assert len(set(found.values())) == len(found) >= 4
    assert all(len(each) == 64 for each in found.values())
    assert found == identity(opened(model, written[model]))


@pytest.mark.parametrize("model", MODELS)
def test_weights_of_another_system_are_refused(model: str, written: dict[str, Path]) -> None:
    with pytest.raises(CheckpointError, match=r"^[^\n]+\.$"):
        opened(model, written[FOREIGN[model]])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.slow
def test_a_truncated_file_is_refused(model: str, written: dict[str, Path], tmp_path: Path) -> None:
    source = written[model]
    if source.is_file():
        shutil.copytree(source.parent, tmp_path / "copy")
        copy = tmp_path / "copy" / source.name
        files = [copy]
    else:
        copy = Path(shutil.copytree(source, tmp_path / "copy"))
        files = [p for p in copy.rglob("*") if p.suffix in (".bin", ".safetensors") and "stft" not in p.name]
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(CheckpointError, match=r"^[^\n]+\.$"):
            opened(model, copy)
        file.write_bytes(whole)


@pytest.mark.parametrize("model", ["tango", "audiogen-medium", "stable-audio-open"])
def test_candidates_need_a_clap(model: str, written: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert not plugins.load("models", model).candidates or model == "tango"  # the miniature's Tango has one
    if model == "tango":
        system = opened(model, written[model])
        monkeypatch.setattr(latent, "sample_latents", None)  # refused before anything is sampled
        with pytest.raises(ReaudioError, match="no CLAP with an audio encoder that could choose among candidates"):
            system.generate(PROMPTS[:1], (1,), Settings(3.0, 0.64, 3, candidates=2))


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_half_precision_is_of_the_generating_network_alone(model: str, written: dict[str, Path]) -> None:
    plugin, variant = plugins.load("models", model), plugins.find("models", model).variant
    opener = importlib.import_module(f"reaudio_eval.clips.models.public.{plugin.module}").OPENER
    system = opener.open(written[model], variant, device="cpu", dtype="bfloat16", cache_dir=None)
    halved = [name for name, network in system.networks().items() if next(network.parameters()).dtype == torch.bfloat16]
    assert halved == [next(iter(system.networks()))]
    sound = system.generate(PROMPTS[:1], (1,), plugin.own(variant))
    assert np.isfinite(sound).all()
    assert sound.dtype == np.float32


@pytest.mark.parametrize("has_folder", [True, False])
def test_audiogen_without_t5_says_where_it_belongs(has_folder: bool, written: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "audiogen"
    shutil.copytree(written["audiogen-medium"], copy, ignore=shutil.ignore_patterns("t5"))
    if has_folder:
        (copy / "t5").mkdir()
    with pytest.raises(
        CheckpointError, match=r"T5-large, which is not in .*audiogen/t5 or is damaged there: put all files of goo"
    ):
        opened("audiogen-medium", copy)


@pytest.mark.slow
def test_weights_of_the_other_size_of_audioldm2_are_refused(
    written: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written["audioldm2"]
    with pytest.raises(
        CheckpointError, match=r"so it is that of audioldm2 and not of audioldm2-large: give it as --model audioldm2 "
    ):
        audioldm2.OPENER.open(folder, "large", device="cpu", dtype="float32", cache_dir=None)
    monkeypatch.setattr(audioldm2, "LARGE", 1000)
    with pytest.raises(CheckpointError, match=r"that of audioldm2-large and not of audioldm2: .*--weights audioldm2-large="):
        opened("audioldm2", folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
@pytest.mark.slow
def test_a_damaged_vocabulary_is_refused(content: str, written: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "audioldm"
    shutil.copytree(written["audioldm-s"].parent, copy)
    (copy / "tokenizer" / "vocab.json").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"There is no tokenizer for .*audioldm-s-full\.ckpt.*: put tokenizer\.json"):
        opened("audioldm-s", copy / "audioldm-s-full.ckpt")


@pytest.mark.parametrize(
    ("model", "part"), [("audioldm2", "tokenizer"), ("audioldm2", "tokenizer_2"), ("stable-audio-open", "tokenizer")]
)
def test_a_folder_without_a_vocabulary_is_refused(model: str, part: str, written: dict[str, Path], tmp_path: Path) -> None:
    """The library makes an empty one, with which every prompt is the same."""
    copy = tmp_path / model
    shutil.copytree(written[model], copy)
    (copy / part / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=rf"The tokenizer in .*{model}/{part} has no words: fetch all its files again"):
        opened(model, copy)
