"""Training from a configuration: every part at the tiny size, resumed, exported and used; configurations that are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_model import N_SENTINELS
from training_worlds import run

import reaudio_model
from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.config import TINY_CODEC, TINY_CONDITION, get_preset
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.encoders.clap import load_clap
from reaudio_model.encoders.encoder_checkpoints import load_audio_mae, load_t5
from reaudio_model.pipeline.assemble import load_pipeline, load_unet_folder
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
from reaudio_model.training import parts
from reaudio_model.training import run as training_run
from reaudio_model.training.config import TrainConfig, bundled_configs, read_config
from reaudio_model.training.log import read_metrics
from reaudio_model.training.loop import FitResult

CPU = torch.device("cpu")


@pytest.mark.slow
def test_the_denoiser_is_trained_and_generates(world: Path, tmp_path: Path) -> None:
    held_out = f"data.validation=[{world / 'pairs.csv'}]"
    result = run("diffusion", "tiny", world, tmp_path, held_out, "loop.validate_every=1", "loop.checkpoint_every=1")
    assert result == FitResult(2, True, result.best_loss)
    (row, *_) = read_metrics(tmp_path / "validation.csv")
    assert set(row) == {"step", "loss", "loss_without_retrieval"}
    pipeline = load_pipeline(tmp_path / "pipeline", device=CPU)
    assert type(pipeline) is ReAudioLDMPipeline is reaudio_model.ReAudioLDMPipeline
    assert pipeline("rain", seeds=[1], num_inference_steps=1).audios.shape == (1, 10_240)
    ema = load_file(tmp_path / "checkpoints/step-00000002/ema.safetensors")
    assert all(torch.equal(value, ema[name]) for name, value in pipeline.unet.named_parameters())
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["config"]["loop"]["steps"] == 2
    assert manifest["sizes"]["k"] == 2
    assert set(manifest["versions"]) >= {"torch", "diffusers"}


@pytest.mark.slow
@pytest.mark.parametrize(("width", "warned"), [(16, False), (8, True)])
def test_a_warm_start_has_the_heads_that_are_set(
    world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, width: int, warned: bool
) -> None:
    source = build_unet(get_preset("tiny", retrieval="none", head_width=16))  # 1 and 2 heads
    source.unet.save_pretrained(tmp_path / "published")
    options = [f"diffusion.warm_start={tmp_path / 'published'}", "model.retrieval=none", f"model.head_width={width}"]
    assert run("diffusion", "tiny", world, tmp_path / "run", *options, "loop.learning_rate=1e-12").finished
    trained = load_unet_folder(tmp_path / "run" / "unet")
    assert trained.config["head_width"] == width
    assert ("states [1, 2] attention heads" in caplog.text) == warned
    for name, value in trained.unet.state_dict().items():
        torch.testing.assert_close(value, source.unet.state_dict()[name], rtol=0, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [True, False])
def test_tf32_holds_for_the_steps_and_not_for_what_is_stored(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    seen: dict[str, bool] = {}
    for module, name in ((parts, "prepare"), (training_run, "fit")):
        real = getattr(module, name)

        def noted(*given: Any, real: Any = real, name: str = name, **options: Any) -> Any:
            seen[name] = torch.backends.cuda.matmul.allow_tf32
            return real(*given, **options)

        monkeypatch.setattr(module, name, noted)
    run("t5", "t5", world, tmp_path, f"loop.tf32={str(wanted).lower()}")
    assert seen == {"prepare": False, "fit": wanted}


@pytest.mark.parametrize("unfit", ["loop.precision=bfloat16", "diffusion.gradient_checkpointing=true"])
def test_a_cuda_graph_says_what_it_cannot_stand_beside(world: Path, tmp_path: Path, unfit: str) -> None:
    with pytest.raises(
        ReaudioError, match=r"cuda_graph needs loop\.precision float32 and no diffusion\.gradient_checkpointing"
    ):
        run("diffusion", "tiny", world, tmp_path, "diffusion.cuda_graph=true", unfit)


@pytest.mark.slow
@pytest.mark.parametrize("retrieval", ["none", "audio"])
def test_denoisers_with_less_retrieval(world: Path, tmp_path: Path, retrieval: str) -> None:
    options = [f"model.retrieval={retrieval}", "diffusion.prediction=v_prediction", "diffusion.gradient_checkpointing=true"]
    assert run("diffusion", "tiny", world, tmp_path, *options).finished
    pipeline = load_pipeline(tmp_path / "pipeline", device=CPU)
    assert pipeline.unet.config.retrieval == retrieval
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


@pytest.mark.slow
def test_a_run_from_a_configuration_resumes_to_the_same_weights(world: Path, tmp_path: Path) -> None:
    short = ["loop.steps=4", "loop.checkpoint_every=1"]
    run("diffusion", "tiny", world, tmp_path / "a", *short)
    run("diffusion", "tiny", world, tmp_path / "b", *short, steps=2)
    with pytest.raises(
        ReaudioError, match=r"holds a run with other settings \(loop\.seed was 0, now 5\): resume it with its own"
    ):
        run("diffusion", "tiny", world, tmp_path / "b", *short, "loop.seed=5", resume=True)
    assert run("diffusion", "tiny", world, tmp_path / "b", *short, resume=True).step == 4
    name = "unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rows = {path: read_metrics(tmp_path / path / "train.csv") for path in ("a", "b")}
    assert rows["a"] == rows["b"]


def test_vae(world: Path, tmp_path: Path) -> None:
    assert run("vae", "vae", world, tmp_path, "discriminator_width=4", "vae.discriminator_start=1").finished
    vae = load_vae(tmp_path / "vae", TINY_CODEC)
    assert vae.config.scaling_factor not in (TINY_CODEC.scaling_factor, 1.0)


def test_a_vae_of_which_the_decoder_alone_is_trained_keeps_its_latents_and_their_scale(world: Path, tmp_path: Path) -> None:
    options = ["discriminator_width=4", "vae.discriminator_start=0", "vae.decoder_only=true"]
    assert run("vae", "vae", world, tmp_path, *options).finished
    before, after = (load_vae(folder / "vae", TINY_CODEC) for folder in (world, tmp_path))
    assert after.config.scaling_factor == before.config.scaling_factor
    changed = {name for name, value in after.state_dict().items() if not torch.equal(value, before.state_dict()[name])}
    assert changed
    assert not {name for name in changed if name.startswith(("encoder.", "quant_conv."))}
    assert read_metrics(tmp_path / "train.csv")[1]["discriminator"] > 0


@pytest.mark.slow
def test_vocoder(world: Path, tmp_path: Path) -> None:
    assert run("vocoder", "vocoder", world, tmp_path, "discriminator_width=16", "loop.steps=1").finished
    before, after = load_vocoder(world / "vocoder", TINY_CODEC), load_vocoder(tmp_path / "vocoder", TINY_CODEC)
    assert not torch.equal(before.conv_pre.weight, after.conv_pre.weight)


@pytest.mark.parametrize("scratch", ["true", "false"])
def test_clap(world: Path, tmp_path: Path, scratch: str) -> None:
    assert run("clap", "clap", world, tmp_path, f"from_scratch={scratch}").finished
    if scratch == "false":
        assert load_clap(tmp_path / "clap", device=CPU).sha256 != load_clap(world / "clap", device=CPU).sha256


@pytest.mark.slow
def test_audio_mae(world: Path, tmp_path: Path) -> None:
    assert run("audio-mae", "audio-mae", world, tmp_path).finished
    load_audio_mae(tmp_path / "audio_mae", TINY_CONDITION, device=CPU)


def test_t5(world: Path, tmp_path: Path) -> None:
    validation = f"data.validation=[{world / 'pairs.csv'}]"
    assert run("t5", "t5", world, tmp_path, validation).best_loss is not None
    encoder, tokenizer = load_t5(str(tmp_path / "t5"), device=CPU)
    assert encoder.config.d_model == TINY_CONDITION.t5_dim
    assert len(tokenizer) > N_SENTINELS


def test_tagger(world: Path, tmp_path: Path) -> None:
    assert run("tagger", "tagger", world, tmp_path, f"data.pairs=[{world / 'labels.csv'}]").finished
    assert json.loads((tmp_path / "tagger/config.json").read_text())["classes"] == ["dog", "rain", "wind"]
    assert load_file(tmp_path / "tagger/model.safetensors")["classifier.bias"].shape == (3,)


def test_bundled_configurations_are_whole() -> None:
    names = bundled_configs()
    assert {"re-audioldm-s-none", "re-audioldm-s-any", "re-audioldm-l-audio-text-k10", "vae", "tiny"} <= set(names)
    for name in names:
        config = read_config(name)
        if name.startswith("re-audioldm"):
            sizes = config.model.sizes()
            assert sizes.name == name[: len("re-audioldm-s")]
            assert (config.loop.learning_rate, config.loop.batch_size) == (5e-5, 4)
            if "any" not in name:
                assert f"-k{sizes.k}" in name or sizes.retrieval == "none"
                assert sizes.retrieval.replace("+", "-") in name


def test_overrides_and_numbers(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("part: t5\nloop: {steps: 3, learning_rate: 1e-4}\n")
    config = read_config(tmp_path / "run.yaml", ["loop.steps=5", "data.pairs=[a.csv, b.csv]", "diffusion.dropout.audio=0.5"])
    assert config.loop == replace(TrainConfig("t5", config.loop).loop, steps=5, learning_rate=1e-4)
    assert config.data.pairs == (Path("a.csv"), Path("b.csv"))
    assert config.diffusion.dropout.audio == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "part: t5\nloop: {steps: 3, bach_size: 1}",
            r"Unknown key in run.yaml: loop: 'bach_size'. Did you mean 'batch_size'",
        ),
        ("part: t5\nloop: {steps: three}", r"run.yaml: loop: steps must be a whole number, not 'three'"),
        ("part: t5\nloop: {steps: true}", r"steps must be a whole number, not True"),
        ("part: t5", r"run.yaml lacks 'loop'"),
        ("part: unet\nloop: {steps: 3}", r"Unknown run.yaml: part 'unet'"),
        ("part: t5\nloop: {steps: 3}\ndata: {pairs: a.csv}", r"data: pairs must be a list, not 'a.csv'"),
        ("part: t5\nloop: 3", r"run.yaml: loop must be a list of 'key: value' lines, not 3"),
        ("- 1", r"run.yaml must be a list of 'key: value' lines"),
        ("part: [", r"run.yaml is not YAML"),
        ("part: t5\nloop: {steps: 3}\ndiffusion: {dropout: {audio: 2}}", r"dropout: audio must be between 0 and 1, not 2"),
    ],
)
def test_bad_configurations_are_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ReaudioError, match=message):
        read_config(tmp_path / "run.yaml")


def test_bad_calls(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown configuration 'tini'\. Did you mean 'tiny'"):
        read_config("tini")
    with pytest.raises(ReaudioError, match=r"none\.yaml does not exist"):
        read_config(tmp_path / "none.yaml")
    for override, message in (("steps", "must be written section.key=value"), ("part.x=1", "part is not a section"), ("a=[", "not YAML")):  # fmt: skip  # noqa: E501
        with pytest.raises(ReaudioError, match=message):
            read_config("tiny", [override])
    with pytest.raises(ReaudioError, match="The configuration tiny trains diffusion, not vae"):
        run("vae", "tiny", world, tmp_path)
    with pytest.raises(ReaudioError, match="There is nothing to train on"):
        run("t5", "t5", world, tmp_path, "data.pairs=[]")
    with pytest.raises(ReaudioError, match=r"the checkpoint of clap must be given as parts\.clap"):
        run("diffusion", "tiny", world, tmp_path, "parts.clap=null")
    with pytest.raises(ReaudioError, match="the T5 nowhere is not on this machine"):
        run("t5", "t5", world, tmp_path, "parts.t5=nowhere")
    with pytest.raises(ReaudioError, match="float16 needs a GPU"):
        run("t5", "t5", world, tmp_path, "loop.precision=float16")
    with pytest.raises(AttributeError, match="no attribute 'Pipeline'"):
        _ = reaudio_model.Pipeline  # type: ignore[attr-defined]


def test_a_denoiser_that_reads_the_prompt(world: Path, tmp_path: Path) -> None:
    options = ["model.retrieval=prompt", "model.k=1", "diffusion.dropout.captions=0.0"]
    assert run("diffusion", "tiny", world, tmp_path, *options).finished
    pipeline = load_pipeline(tmp_path / "pipeline", device=CPU)
    assert pipeline.unet.config.retrieval == "prompt"
    one, other = (
        pipeline(text, seeds=[1], num_inference_steps=1, output_type="latent").audios for text in ("rain", "a dog barks")
    )
    assert one.shape == other.shape
    with pytest.raises(ReaudioError, match="This model retrieves nothing"):
        pipeline("rain", k=1)


@pytest.mark.slow
def test_neighbours_by_sound_and_vectors_of_the_sound(world: Path, tmp_path: Path) -> None:
    options = ["data.by_sound=1.0", "data.nearest=1", "data.told=sound", "data.choice=random"]
    assert run("diffusion", "tiny", world, tmp_path, *options).finished
    with pytest.raises(ReaudioError, match=r"by_sound must be between 0 and 1"):
        run("diffusion", "tiny", world, tmp_path / "bad", "data.by_sound=2.0")
    with pytest.raises(ReaudioError, match=r"nearest must be 1 or more"):
        run("diffusion", "tiny", world, tmp_path / "bad", "data.nearest=0")


def test_the_second_kind_of_tagger(world: Path, tmp_path: Path) -> None:
    assert run(
        "tagger",
        "tagger",
        world,
        tmp_path,
        f"data.pairs=[{world / 'labels.csv'}]",
        "tagger={architecture: recurrent, loss: softmax}",
    ).finished
    assert json.loads((tmp_path / "tagger/config.json").read_text())["architecture"] == "recurrent"
