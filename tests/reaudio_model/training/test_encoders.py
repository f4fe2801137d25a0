"""Training of the four encoders: losses in closed form, gradients everywhere, learning on a fixed batch, the same figures again."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from task_run import TaskRun
from tiny_model import (
    CAPTIONS,
    N_SENTINELS,
    RATE,
    tiny_clap_network,
    tiny_t5_config,
    tiny_tokenizer,
    tone,
)
from torch import Tensor
from torch.nn import functional as F
from transformers import T5EncoderModel, T5ForConditionalGeneration

from reaudio_model.config import TINY_CONDITION
from reaudio_model.encoders.audio_mae import audio_mae_input, build_audio_mae
from reaudio_model.encoders.clap_front_end import LAION
from reaudio_model.encoders.tagger import Tagger, TaggerConfig
from reaudio_model.training.audio_mae import MASK_RATIO, AudioMaeTask
from reaudio_model.training.clap import ClapTask, contrastive_loss, gather_rows
from reaudio_model.training.t5 import IGNORED, T5Task, corrupt
from reaudio_model.training.tagger import TaggerTask
from reaudio_model.training.task import Batch, Task

N = 4
SENTINELS = [tiny_tokenizer("t5").get_vocab()[f"<extra_id_{i}>"] for i in range(N_SENTINELS)]
# one fp32 network, other batch sizes
BATCH_TOLERANCE = 1e-5


def tones(seconds: float = 0.64, rate: int = RATE) -> Tensor:
    return torch.stack([torch.from_numpy(tone(seed, seconds, rate)) for seed in range(N)])


def clap_case() -> tuple[Task, Batch, float]:
    clips = torch.stack([torch.from_numpy(LAION.fit(clip.numpy())) for clip in tones(10.0, 48_000)])
    tokens = tiny_tokenizer("roberta")(list(CAPTIONS[:N]), padding=True, return_tensors="pt")
    batch = {"waveform": clips, "input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
    return ClapTask(tiny_clap_network()), batch, 1e-3


def audio_mae_case() -> tuple[Task, Batch, float]:
    torch.manual_seed(0)
    encoder = build_audio_mae(TINY_CONDITION)
    task = AudioMaeTask(encoder, TINY_CONDITION, decoder_dim=16, decoder_layers=1, decoder_heads=2)
    return task, {"waveform": tones()}, 1e-2


def t5_case() -> tuple[Task, Batch, float]:
    torch.manual_seed(0)
    tokens = tiny_tokenizer("t5")(list(CAPTIONS[:N]), padding=True, return_tensors="pt")
    batch = {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
    return T5Task(T5ForConditionalGeneration(tiny_t5_config()), SENTINELS), batch, 1e-2


def tagger_case() -> tuple[Task, Batch, float]:
    torch.manual_seed(0)
    tagger = Tagger(TaggerConfig(n_classes=5, channels=(4, 8), embedding=8, n_bins=16))
    return TaggerTask(tagger), {"waveform": tones(), "labels": torch.eye(5)[:N]}, 1e-2


Case = Callable[[], tuple[Task, Batch, float]]
CASES: dict[str, Case] = {"clap": clap_case, "audio-mae": audio_mae_case, "t5": t5_case, "tagger": tagger_case}
every_task = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.mark.slow
@every_task
def test_the_loss_of_a_fixed_batch_falls(case: Case) -> None:
    task, batch, learning_rate = case()
    run = TaskRun(task, learning_rate)
    before = run.validate(batch)["loss"]
    losses = [run.step(batch, number)["loss"] for number in range(20)]
    assert all(math.isfinite(loss) for loss in losses)
    assert run.validate(batch)["loss"] < 0.8 * before


@every_task
def test_one_step_reaches_every_parameter(case: Case) -> None:
    task, batch, learning_rate = case()
    run = TaskRun(task, learning_rate)
    run.step(batch, 0)
    (optimizer,) = run.optimizers
    named = chain.from_iterable(module.named_parameters(name) for name, module in task.modules().items())
    unreached = [
        name
        for name, parameter in named
        if parameter not in optimizer.state or not optimizer.state[parameter]["exp_avg_sq"].any()
    ]
    assert unreached == []
    assert task.ema_module() is None


@every_task
def test_a_step_is_a_function_of_weights_batch_and_seed(case: Case) -> None:
    results = []
    for seed in (3, 3, 4):
        task, batch, learning_rate = case()
        run = TaskRun(task, learning_rate)
        torch.manual_seed(seed)  # dropout, as the loop seeds it
        run.step(batch, seed)
        results.append(run.weights())
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())
    assert any(not torch.equal(value, results[2][name]) for name, value in results[0].items())


@every_task
def test_bfloat16_stays_near_float32(case: Case) -> None:
    losses = []
    for precision in ("no", "bf16"):
        task, batch, learning_rate = case()
        torch.manual_seed(0)  # dropout
        losses.append(TaskRun(task, learning_rate, precision).step(batch, 0)["loss"])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)  # 8 bits of mantissa through a whole network


@every_task
def test_validation_gives_the_same_figures_and_changes_nothing(case: Case) -> None:
    task, batch, learning_rate = case()
    run = TaskRun(task, learning_rate)
    before = run.weights()
    assert run.validate(batch) == run.validate(batch)
    assert all(torch.equal(value, before[name]) for name, value in run.weights().items())


# --- CLAP ---


def unit_rows(n: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_the_contrastive_loss_in_closed_form() -> None:
    """Orthogonal pairs: each row has one logit s and n - 1 zeros."""
    rows = torch.eye(4)
    scales = torch.tensor(2.0), torch.tensor(5.0)
    expected = (math.log(1 + 3 * math.exp(-2.0)) + math.log(1 + 3 * math.exp(-5.0))) / 2
    assert contrastive_loss(rows, rows, scales).item() == pytest.approx(expected, rel=1e-6)


def test_both_directions_count() -> None:
    """Two audio clips alike: their texts cannot be told apart from audio, though each audio is found from its text."""
    text = torch.eye(3)
    audio = F.normalize(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0]]), dim=1)
    scale = torch.tensor(10.0)
    rows = F.cross_entropy(scale * text @ audio.T, torch.arange(3))
    columns = F.cross_entropy(scale * audio @ text.T, torch.arange(3))
    assert rows.item() != pytest.approx(columns.item(), rel=0.1)
    assert contrastive_loss(text, audio, (scale, scale)).item() == pytest.approx((rows + columns).item() / 2, rel=1e-6)


def test_several_processes_have_the_gradient_of_the_whole_batch() -> None:
    """Each computes the loss of all rows with a gradient into its own; the loop takes the mean over processes."""
    text, audio = unit_rows(6, 0).requires_grad_(), unit_rows(6, 1).requires_grad_()
    scale = torch.tensor(3.0, requires_grad=True)
    whole = contrastive_loss(text, audio, (scale, 2 * scale))
    expected = torch.autograd.grad(whole, [text, audio, scale])
    losses = []
    for rank in range(2):
        own = slice(3 * rank, 3 * rank + 3)
        gathered = []
        for rows in (text, audio):
            process = SimpleNamespace(num_processes=2, process_index=rank, gather=lambda _, rows=rows: rows.detach())
            gathered.append(gather_rows(rows[own], process))
        assert torch.equal(gathered[0], text)
        losses.append(contrastive_loss(*gathered, (scale, 2 * scale)))
    mean = sum(losses) / 2
    torch.testing.assert_close(mean, whole)
    for found, value in zip(torch.autograd.grad(mean, [text, audio, scale]), expected, strict=True):
        torch.testing.assert_close(found, value)


def test_the_temperature_has_a_limit() -> None:
    task, batch, _ = clap_case()
    with torch.no_grad():
        task.network.logit_scale_t.fill_(50.0)
    assert math.isfinite(TaskRun(task, 1e-3).validate(batch)["loss"])


def test_clap_recall_counts_texts_whose_audio_is_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    task, batch, _ = clap_case()
    monkeypatch.setattr(task, "_embed", lambda batch: (torch.eye(4), torch.eye(4)[[0, 1, 3, 2]]))
    assert task.validation_step(batch)["recall"] == 0.5


# --- AudioMAE ---


def test_the_encoder_sees_the_visible_patches_only() -> None:
    """What the hidden patches hold changes the targets, not the prediction."""
    task, batch, _ = audio_mae_case()
    inputs = audio_mae_input(batch["waveform"], TINY_CONDITION)
    order = torch.arange(32).flip(0).expand(N, -1)
    visible = order[:, :6]
    changed = inputs.clone()
    changed[:, :, :8, :8] += 1.0  # patch 0, hidden
    with torch.no_grad():
        assert torch.equal(task._encode(inputs, visible), task._encode(changed, visible))
        changed[:, :, -8:, -8:] += 1.0  # patch 31, visible
        assert not torch.equal(task._encode(inputs, visible), task._encode(changed, visible))


def test_the_encoder_on_all_patches_is_the_vit() -> None:
    task, batch, _ = audio_mae_case()
    inputs = audio_mae_input(batch["waveform"], TINY_CONDITION)
    every = torch.arange(32).expand(N, -1)
    with torch.no_grad():
        expected = task.encoder(pixel_values=inputs).last_hidden_state
        torch.testing.assert_close(task._encode(inputs, every), expected, atol=BATCH_TOLERANCE, rtol=0)


def test_targets_are_normalised_patches_in_the_order_of_the_encoder() -> None:
    task, batch, _ = audio_mae_case()
    inputs = audio_mae_input(batch["waveform"], TINY_CONDITION)
    targets = task._targets(inputs)
    assert targets.shape == (N, 32, 64)
    patch = inputs[1, 0, 8:16, 16:24].flatten()  # second in time, third in frequency: 1 * 4 + 2
    torch.testing.assert_close(targets[1, 6], (patch - patch.mean()) / (patch.var() + 1e-6).sqrt())


def test_the_loss_is_that_of_the_hidden_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that knows every target but those of the visible patches has no loss; zeros have the variance of targets."""
    task, batch, _ = audio_mae_case()
    inputs = audio_mae_input(batch["waveform"], TINY_CONDITION)
    n_visible = 32 - round(MASK_RATIO * 32)

    def all_knowing(tokens: Tensor, order: Tensor) -> Tensor:
        assert tokens.shape[1] == 1 + n_visible
        return task._targets(inputs).scatter(1, order[:, :n_visible, None].expand(-1, -1, 64), 99.0)

    monkeypatch.setattr(task, "decoder", all_knowing)
    assert task.reconstruction_loss(inputs, torch.Generator().manual_seed(0)).item() == 0.0
    monkeypatch.setattr(task, "decoder", lambda tokens, order: torch.zeros(N, 32, 64))
    loss = task.reconstruction_loss(inputs, torch.Generator().manual_seed(0)).item()
    assert 0.8 < loss < 1.0  # 63/64, and the last patches hold zero padding, whose variance is smaller than noise


# --- T5 ---


def restored(source: list[int], target: list[int]) -> list[int]:
    """The text a source and its labels come from: each sentinel replaced by what the labels say follows it."""
    spans: dict[int, list[int]] = {}
    for token in target[:-1]:
        if token in SENTINELS:
            spans[token] = []
        else:
            spans[list(spans)[-1]].append(token)
    return list(chain.from_iterable(spans.get(token, [token]) for token in source))


@pytest.mark.parametrize("length", [1, 2, 3, 7, 20, 50, 200])
def test_corruption_loses_nothing_and_hides_its_share(length: int) -> None:
    text = [*(3 + i % 60 for i in range(length)), 1]
    for seed in range(20):
        ids, mask, labels = corrupt([text], SENTINELS, 1, 0, torch.Generator().manual_seed(seed))
        source, target = ids[0].tolist(), labels[0].tolist()
        assert mask.all()
        assert restored(source, target) == text
        hidden = [token for token in target if token not in SENTINELS][:-1]
        assert len(hidden) == max(1, round(0.15 * length))
        used = [token for token in source if token in SENTINELS]
        assert used == SENTINELS[: len(used)]
        assert [token for token in target if token in SENTINELS] == SENTINELS[: len(used) + 1]


def test_every_word_of_a_short_text_is_hidden_some_time() -> None:
    text = [3, 4, 5, 6, 7, 1]
    generator = torch.Generator().manual_seed(0)
    hidden = {corrupt([text], SENTINELS, 1, 0, generator).labels[0, 1].item() for _ in range(100)}
    assert hidden == {3, 4, 5, 6, 7}


def test_texts_of_different_length_are_padded_and_ignored() -> None:
    texts = [[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1], [3, 1], [1]]
    ids, mask, labels = corrupt(texts, SENTINELS, 1, 0, torch.Generator().manual_seed(0))
    assert mask.sum(dim=1).tolist() == [14, 2, 1]
    assert ids[1].tolist()[:3] == [SENTINELS[0], 1, 0]
    assert labels[1].tolist() == [SENTINELS[0], 3, SENTINELS[1], 1, *[IGNORED] * (labels.shape[1] - 4)]
    assert labels[2].tolist() == [1, *[IGNORED] * (labels.shape[1] - 1)]
    assert (labels == IGNORED).any()


def test_the_trained_encoder_is_what_the_conditioner_loads(tmp_path: Path) -> None:
    task, batch, learning_rate = t5_case()
    run = TaskRun(task, learning_rate)
    before = run.weights()["t5.encoder.block.0.layer.0.SelfAttention.q.weight"]
    run.step(batch, 0)
    task.network.save_pretrained(tmp_path)
    encoder = T5EncoderModel.from_pretrained(tmp_path)
    found = encoder.encoder.block[0].layer[0].SelfAttention.q.weight
    assert torch.equal(found, run.weights()["t5.encoder.block.0.layer.0.SelfAttention.q.weight"])
    assert not torch.equal(found, before)


# --- tagger ---


def test_the_tagger_does_not_depend_on_the_batch_in_evaluation() -> None:
    task, batch, _ = tagger_case()
    tagger = task.modules()["tagger"].eval()
    with torch.no_grad():
        together = tagger(batch["waveform"])
        alone = [tagger(row[None]) for row in batch["waveform"]]
    assert together.embedding.shape == (N, 8)
    torch.testing.assert_close(together.logits, torch.cat([a.logits for a in alone]), atol=BATCH_TOLERANCE, rtol=0)
    torch.testing.assert_close(together.embedding, torch.cat([a.embedding for a in alone]), atol=BATCH_TOLERANCE, rtol=0)
    assert (together.embedding >= 0).all()


def test_top1_counts_clips_whose_first_class_is_heard() -> None:
    task, batch, learning_rate = tagger_case()
    run = TaskRun(task, learning_rate)
    heard = torch.tensor([1.0, 1.0, 1.0, 0.0])[:, None].expand(N, 5)
    assert run.validate(batch | {"labels": heard})["top1"] == 0.75


def test_the_default_tagger_has_the_documented_size() -> None:
    tagger = Tagger(TaggerConfig(n_classes=20))
    assert sum(p.numel() for p in tagger.parameters()) == pytest.approx(0.31e6, rel=0.05)
    assert tagger.eval()(torch.zeros(1, 400 + 15 * 160)).logits.shape == (1, 20)
