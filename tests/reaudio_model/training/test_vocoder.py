"""Training the vocoder: the losses in closed form, what a step moves, when the discriminators start, resuming."""

from __future__ import annotations

import pytest
import torch
from task_run import TaskRun, same_weights
from torch import Tensor

from reaudio_model.codec.codec import Codec, build_vae, build_vocoder, remove_weight_norm
from reaudio_model.codec.mel import log_mel
from reaudio_model.config import TINY_CODEC
from reaudio_model.training.discriminators import (
    DiscriminatorOutput,
    PeriodDiscriminator,
    ScaleDiscriminator,
    WaveformDiscriminator,
)
from reaudio_model.training.vocoder import (
    SEGMENT,
    VocoderLoss,
    VocoderTask,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
)

RATE = 2e-3
FIGURES = ["loss", "mel", "adversarial", "features", "discriminator"]


def make_task(*, start: int = 0, seed: int = 0) -> VocoderTask:
    torch.manual_seed(seed)
    return VocoderTask(
        build_vocoder(TINY_CODEC),
        TINY_CODEC.mel,
        loss=VocoderLoss(discriminator_start=start),
        discriminator=WaveformDiscriminator(period_width=2, scale_width=16),
    )


@pytest.fixture
def batch() -> dict[str, Tensor]:
    return {"waveform": 0.1 * torch.randn(2, SEGMENT // 2, generator=torch.manual_seed(1))}


def run_of(task: VocoderTask, precision: str = "no") -> TaskRun:
    return TaskRun(task, RATE, precision)


def discriminator_weights(run: TaskRun) -> dict[str, Tensor]:
    return {key: value for key, value in run.weights().items() if key.startswith("discriminator.")}


@pytest.mark.slow
@pytest.mark.parametrize("start", [pytest.param(0, marks=pytest.mark.slow), 10**6], ids=["with discriminators", "without"])
def test_training_lowers_the_loss_of_its_batch(batch: dict[str, Tensor], start: int) -> None:
    run = run_of(make_task(start=start))
    before = run.validate(batch)
    for number in range(20):
        figures = run.step(batch, number)
        assert list(figures) == FIGURES
    assert run.validate(batch)["loss"] < 0.8 * before["loss"]


def test_gradients_reach_every_parameter(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task())
    run.step(batch, 0)
    assert run.without_gradient() == []


def test_the_discriminators_wait_for_their_step(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task(start=2))
    initial = discriminator_weights(run)
    for number in range(3):
        figures = run.step(batch, number)
        assert same_weights(initial, discriminator_weights(run)) == (number < 2)
        for name in ("adversarial", "features", "discriminator"):
            assert (figures[name] == 0.0) == (number < 2)


@pytest.mark.slow
def test_a_run_resumed_from_its_state_makes_the_same_step(batch: dict[str, Tensor]) -> None:
    run, resumed = run_of(make_task()), run_of(make_task(seed=5))
    for number in range(2):
        run.step(batch, number)
    resumed.load(run.state())
    assert run.step(batch, 2) == resumed.step(batch, 2)
    assert same_weights(run.weights(), resumed.weights())


def test_the_loss_is_the_weighted_sum(batch: dict[str, Tensor]) -> None:
    figures = run_of(make_task()).step(batch, 0)
    expected = 45 * figures["mel"] + figures["adversarial"] + 2 * figures["features"]
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_trained_vocoder_without_weight_norm_is_the_one_validated(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task())
    run.step(batch, 0)
    waveform = batch["waveform"][:, :4000]  # 25 frames
    validated = run.validate({"waveform": waveform})["loss"]
    vocoder = run.task.vocoder
    remove_weight_norm(vocoder)
    codec = Codec(build_vae(TINY_CODEC), vocoder, TINY_CODEC.mel)
    with torch.no_grad():
        sound = codec.vocode(log_mel(waveform, codec.mel), 4000)
    l1 = (log_mel(sound, codec.mel) - log_mel(waveform, codec.mel)).abs().mean().item()
    assert validated == pytest.approx(l1, rel=1e-5)


def test_a_segment_is_what_its_frames_become() -> None:
    vocoder = build_vocoder(TINY_CODEC)
    mel = log_mel(torch.zeros(1, SEGMENT), TINY_CODEC.mel)
    assert mel.shape[1] == 51
    assert vocoder(mel).shape == (1, SEGMENT)


def test_whole_clips_are_validated_too() -> None:
    clips = {"waveform": 0.1 * torch.randn(2, TINY_CODEC.n_samples + 77, generator=torch.manual_seed(1))}
    run = run_of(make_task())
    assert run.validate(clips) == run.validate(clips)
    assert run.validate(clips)["loss"] > 0


@pytest.mark.slow
def test_bfloat16_autocast_trains(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task(), precision="bf16")
    before = run.validate(batch)
    for number in range(4):
        run.step(batch, number)
    assert run.validate(batch)["loss"] < before["loss"]


def judgement(logits: list[float], features: list[list[float]]) -> DiscriminatorOutput:
    return DiscriminatorOutput(torch.tensor([logits]), [torch.tensor([feature]) for feature in features])


def test_losses_in_closed_form() -> None:
    real = [judgement([1.0, 0.0], [[0.0, 0.0], [1.0]]), judgement([1.0], [[2.0]])]
    fake = [judgement([0.0, 2.0], [[1.0, 3.0], [1.5]]), judgement([0.5], [[0.0]])]
    assert discriminator_loss(real, fake).item() == (0.5 + 2.0) + (0.0 + 0.25)
    assert adversarial_loss(fake).item() == (0.5 * (1 + 1)) + 0.25
    assert feature_loss(real, fake).item() == 2.0 + 0.5 + 2.0


@pytest.mark.parametrize("period", [2, 3, 11])
def test_a_period_discriminator_sees_each_phase_alone(period: int) -> None:
    torch.manual_seed(0)
    discriminator = PeriodDiscriminator(period, width=2)
    waveform = torch.randn(1, 1500)
    changed = waveform.clone()
    changed[0, 700] += 1
    with torch.no_grad():
        difference = (discriminator(changed).logits - discriminator(waveform).logits).reshape(-1, period)
    phases = difference.abs().sum(dim=0).nonzero().flatten().tolist()
    assert phases == [700 % period]


def test_the_published_discriminators_have_their_sizes() -> None:
    with torch.device("meta"):
        whole, period, scale = WaveformDiscriminator(), PeriodDiscriminator(2), ScaleDiscriminator()
        judgements = whole(torch.empty(2, SEGMENT))
    # multiplied out from the tables of HiFi-GAN's appendix; weight norm adds a length for each output channel
    assert [sum(p.numel() for p in net.parameters()) for net in (whole, period, scale)] == [70_724_591, 8_221_154, 9_874_306]
    assert len(judgements) == 8
    assert [len(j.features) for j in judgements] == [6] * 5 + [8] * 3
    assert all(j.logits.shape[0] == 2 for j in judgements)
    assert [j.logits.shape[1] for j in judgements[5:]] == [128, 65, 33]  # 8192, 4097, 2049 samples, strides 2 2 4 4
