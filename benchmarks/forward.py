"""Seconds and peak memory of calls of the denoiser with random weights, and what cached keys and values save.

    python benchmarks/forward.py [--preset re-audioldm-s] [--k 3] [--batch 1] [--calls 3] [--dtype float32] [--device cpu]

``--preset tiny`` is a quick check of the script itself. Weights do not change the time.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from reaudio_model.cli.info import describe, empty_conditioning
from reaudio_model.config import get_preset
from reaudio_model.denoiser.unet import build_unet
from reaudio_model.retrieval.records import Conditioning


def random_conditioning(empty: Conditioning) -> Conditioning:
    """Of the same shapes, and finite."""
    return Conditioning(**{name: torch.randn_like(value) for name, value in empty.fields().items()})


class Seconds(NamedTuple):
    wall: float
    processor: float  # of all threads; other work on the machine hardly changes it


def measure(call: Callable[[], Tensor]) -> Seconds:
    wall, processor = time.perf_counter(), time.process_time()
    if not bool(call().isfinite().all()):  # waits for the device too
        raise SystemExit("the prediction is not finite")
    return Seconds(time.perf_counter() - wall, time.process_time() - processor)


def peak_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="re-audioldm-s")
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--calls", type=int, default=3)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    config = get_preset(options.preset, k=options.k)
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    torch.manual_seed(0)
    unet = build_unet(config).eval().to(device=device, dtype=dtype)
    conditioning = random_conditioning(empty_conditioning(config, options.batch)).to(device, dtype)
    latents = torch.randn(options.batch, *config.codec.latent_shape).to(device, dtype)
    timestep = torch.tensor(500, device=device)
    # In turns, so that other work on the machine slows both alike. An equal object is another one, so it is not cached.
    conditionings = {"plain": replace(conditioning), "cached": conditioning}
    times: dict[str, list[Seconds]] = {name: [] for name in conditionings}
    start = peak_mb(device)
    with torch.inference_mode(), unet.cached(conditioning):
        for _ in range(options.calls):
            for name, condition in conditionings.items():
                times[name].append(measure(partial(unet, latents, timestep, condition)))
    peak = peak_mb(device)

    gflop = options.batch * describe(config)["gflop"]["unet_call"]
    print(
        f"{options.preset}, k {options.k}, batch {options.batch}, {options.dtype} on {options.device}, "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, best of {options.calls}, {gflop:,.1f} GFLOP a call"
    )
    for name, measured in times.items():
        wall, processor = (min(column) for column in zip(*measured, strict=True))
        print(f"{name + ':':8} {wall:.3f} s, {processor:.3f} processor s")
    print(f"peak memory: {peak:,.0f} MB ({start:,.0f} MB before the first call)")


if __name__ == "__main__":
    main()
