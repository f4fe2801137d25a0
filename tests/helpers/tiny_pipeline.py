"""The whole tiny model with random weights that make sound."""

from __future__ import annotations

from dataclasses import replace

import torch
from tiny_model import tiny_conditioner

from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.config import PRESETS, Retrieval
from reaudio_model.pipeline.assemble import build_pipeline
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline


def tiny_pipeline(retrieval: Retrieval = "audio+text", conditioner: Conditioner | None = None) -> ReAudioLDMPipeline:
    """A pipeline whose output and whose use of its conditions are far from 0, as random weights alone would not make them."""
    torch.manual_seed(0)
    sizes = replace(PRESETS["tiny"], retrieval=retrieval, k=2)
    pipeline = build_pipeline(sizes, conditioner or tiny_conditioner(retrieval))
    with torch.no_grad():
        for name, weight in pipeline.unet.named_parameters():
            if weight.dim() > 1 and ("attn2" in name or "class_embedding" in name):
                weight.mul_(3)
        for weight in pipeline.vocoder.parameters():
            if weight.dim() > 1:
                weight.mul_(8)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
