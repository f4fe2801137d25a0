"""One process of a contrastive loss over several; apart from the test, because a spawned process imports it by name."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from reaudio_model.training.clap import contrastive_loss


def run(rank: int, world: int, folder: Path) -> None:
    """The gradients of this process, written to ``folder/rank.pt``, for its share of the rows in ``folder/rows.pt``."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=world)
    text, audio = (rows.chunk(world)[rank].clone().requires_grad_() for rows in torch.load(folder / "rows.pt"))
    scale = torch.tensor(3.0, requires_grad=True)
    loss = contrastive_loss(text, audio, (scale, 2 * scale), rank, world)
    loss.backward()
    gradients: list[Tensor | None] = [loss.detach(), text.grad, audio.grad, scale.grad]
    torch.save(gradients, folder / f"{rank}.pt")
    dist.destroy_process_group()
