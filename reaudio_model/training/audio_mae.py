"""Training AudioMAE by masked reconstruction (arXiv 2207.06405)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn
from torch.optim import AdamW, Optimizer

from reaudio_model.config import ConditionConfig
from reaudio_model.encoders.audio_mae import audio_mae_input
from reaudio_model.training.task import Batch, descend

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import ViTModel

MASK_RATIO = 0.8  # AudioMAE's for pre-training
BETAS = (0.9, 0.95)
WEIGHT_DECAY = 1e-4
VARIANCE_EPS = 1e-6
VALIDATION_SEED = 0


class MaeDecoder(nn.Module):
    """Visible tokens -> every patch. Plain transformer blocks (the paper's have local attention) and learned positions."""

    def __init__(self, config: ConditionConfig, n_patches: int, dim: int = 512, layers: int = 8, heads: int = 16) -> None:
        super().__init__()
        self.embed = nn.Linear(config.mae_dim, dim)
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.positions = nn.Parameter(0.02 * torch.randn(1, n_patches + 1, dim))
        block = nn.TransformerEncoderLayer(
            dim, heads, 4 * dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, layers, norm=nn.LayerNorm(dim), enable_nested_tensor=False)
        self.predict = nn.Linear(dim, config.mae_patch**2)

    def forward(self, tokens: Tensor, order: Tensor) -> Tensor:
        """Args:
            tokens: float (B, 1 + visible, mae_dim), class token first.
            order: int (B, n_patches), the permutation of patches, visible ones first.

        Returns:
            float (B, n_patches, patch ** 2), in the order of the image.
        """
        embedded = self.embed(tokens)
        class_token, visible = embedded[:, :1], embedded[:, 1:]
        hidden = self.mask_token.to(visible.dtype).expand(len(tokens), order.shape[1] - visible.shape[1], -1)
        patches = _take(torch.cat([visible, hidden], dim=1), order.argsort(dim=1))
        blocks = self.blocks(torch.cat([class_token, patches], dim=1) + self.positions)
        predicted: Tensor = self.predict(blocks[:, 1:])
        return predicted


class AudioMaeTask:
    """A :class:`reaudio_model.training.task.Task`; only the encoder is used afterwards.

    Batches: "waveform" float (B, clip_samples) at 16 kHz (:func:`reaudio_model.encoders.audio_mae.prepare_clip`).

    Args:
        encoder: :func:`reaudio_model.encoders.audio_mae.build_audio_mae`.
        config: its sizes.
        decoder_dim, decoder_layers, decoder_heads: of the decoder, which is not kept.
    """

    def __init__(
        self,
        encoder: ViTModel,
        config: ConditionConfig,
        *,
        decoder_dim: int = 512,
        decoder_layers: int = 8,
        decoder_heads: int = 16,
    ) -> None:
        self.encoder, self.config = encoder, config
        self.n_patches = (config.mae_frames // config.mae_patch) * (config.mae_bins // config.mae_patch)
        self.decoder = MaeDecoder(config, self.n_patches, decoder_dim, decoder_layers, decoder_heads)

    def modules(self) -> dict[str, nn.Module]:
        return {"audio_mae": self.encoder, "decoder": self.decoder}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        return [AdamW(parameters, lr=learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY)]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        inputs = audio_mae_input(batch["waveform"], self.config)
        with accelerator.autocast():
            loss = self.reconstruction_loss(inputs, generator)
        descend(loss, optimizers[0], accelerator)
        return {"loss": loss.item()}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        inputs = audio_mae_input(batch["waveform"], self.config)
        return {"loss": self.reconstruction_loss(inputs, Generator().manual_seed(VALIDATION_SEED)).item()}

    def ema_module(self) -> nn.Module | None:
        return None

    def reconstruction_loss(self, inputs: Tensor, generator: Generator) -> Tensor:
        """Mean squared error over the hidden patches, each target normalised to mean 0 and variance 1.

        Args:
            inputs: float (B, 1, mae_frames, mae_bins), of :func:`audio_mae_input`.
            generator: on the CPU, selects the hidden patches.
        """
        order = torch.rand(len(inputs), self.n_patches, generator=generator).argsort(dim=1).to(inputs.device)
        visible = self.n_patches - round(MASK_RATIO * self.n_patches)
        predicted = self.decoder(self._encode(inputs, order[:, :visible]), order)
        hidden = order[:, visible:]
        return nn.functional.mse_loss(_take(predicted, hidden).float(), _take(self._targets(inputs), hidden))

    def _encode(self, inputs: Tensor, visible: Tensor) -> Tensor:
        """(B, 1 + visible, mae_dim): the encoder on the visible patches alone, with the positions of all."""
        parts = self.encoder.embeddings
        patches = parts.patch_embeddings(inputs) + parts.position_embeddings[:, 1:]
        class_token = (parts.cls_token + parts.position_embeddings[:, :1]).expand(len(inputs), -1, -1)
        states = torch.cat([class_token, _take(patches, visible)], dim=1)
        for layer in self.encoder.layers:
            states = layer(states)
        normed: Tensor = self.encoder.layernorm(states)
        return normed

    def _targets(self, inputs: Tensor) -> Tensor:
        """float (B, n_patches, patch ** 2), time-major like the encoder's patches."""
        side = self.config.mae_patch
        patches = nn.functional.unfold(inputs, side, stride=side).transpose(1, 2)
        centred = patches - patches.mean(dim=-1, keepdim=True)
        return centred / (patches.var(dim=-1, keepdim=True) + VARIANCE_EPS).sqrt()


def _take(rows: Tensor, index: Tensor) -> Tensor:
    """(B, n, d) and int (B, m) -> (B, m, d)."""
    return rows.gather(1, index[..., None].expand(-1, -1, rows.shape[-1]))
