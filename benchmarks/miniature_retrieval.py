"""How often the miniature retrieves the right class, by what prompts are compared with (audio vectors, text vectors, their mean).

    python benchmarks/miniature_retrieval.py

Of each test clip with one label: the share of its first three neighbours that carry the label, averaged within training counts.
"""

from __future__ import annotations

import numpy as np
import torch

from reaudio_model.encoders.clap import load_clap
from reaudio_model.miniature import bundled, world
from reaudio_model.retrieval.index_search import SearchSettings, search_prompts
from reaudio_model.retrieval.records import Pair

K = 3


def group(label: str) -> str:
    """Training count of a class, or its regime where it is not trained on."""
    n, regime = world.train_counts()[label], world.regime(label)
    return regime if n == 0 else "1-9" if n < 10 else "10-99" if n < 100 else "100+"


def main() -> None:
    clap, index = load_clap(bundled.part("clap"), device=torch.device("cpu")), bundled.bundled_index()
    specs = [spec for spec in map(world.describe, world.clip_ids("test")) if len(spec.labels) == 1]
    prompts = [Pair(spec.clip_id, spec.caption, None, spec.clip_id) for spec in specs]
    vectors = clap.embed_text([prompt.caption for prompt in prompts]).numpy()
    for key in ("audio", "text", "mean"):
        found: dict[str, list[float]] = {}
        for spec, neighbours in zip(
            specs, search_prompts(index, prompts, SearchSettings(K, key=key, used=K), vectors).retrieved, strict=True
        ):
            hits = [spec.labels[0] in world.describe(n.pair.clip_id).labels for n in neighbours]
            found.setdefault(group(spec.labels[0]), []).append(float(np.mean(hits)))
        print(key, {name: f"{np.mean(shares):.2f} of {len(shares)} prompts" for name, shares in found.items()})


if __name__ == "__main__":
    main()
