"""Separation of matched from mismatched captions by the tag-text score, on real and generated clips.

    python benchmarks/tag_text.py SHARED [--checkpoint mn04_as_mAP_432.pt]

SHARED holds ``data/systems48`` (48 AudioCaps prompts: real clips and seven systems), ``data/esc10`` (400 real sounds) and
``data/audiocaps/audioset_classes.csv``. The area under the ROC curve is the probability that a clip scores higher with its own
caption than another pair of clip and caption does; of ESC-10 the captions are the ten class names.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import mannwhitneyu

from reaudio_eval.features.embedders import Embedder, efficientat
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.features.waveform import apply_rule
from reaudio_eval.prompts.datasets._tables import read_class_list
from reaudio_eval.scores.metrics._word_vectors import embed
from reaudio_eval.scores.metrics.tag_text import tag_text
from reaudio_model.common.audio import decode

BATCH = 8
Float64 = npt.NDArray[np.float64]


def probabilities(files: Sequence[Path], tagger: Embedder) -> Float64:
    """float64 (n, 527) under the default protocol."""
    rule = get_protocol(DEFAULT_PROTOCOL).rule("efficientat")
    logits = []
    for start in range(0, len(files), BATCH):
        clips = [apply_rule(decode(path), rule, tagger.sample_rate) for path in files[start : start + BATCH]]
        logits += [features.logits for features in tagger.embed(clips)]
    return expit(np.array(logits, dtype=np.float64))


def every_pair(tags: Float64, names: Float64, captions: Float64) -> Float64:
    """float64 (n clips, m captions)."""
    return np.stack([tag_text(tags, names, np.tile(caption, (len(tags), 1))) for caption in captions], axis=1)


def auc(scores: Float64, matched: npt.NDArray[np.bool_]) -> float:
    positive, negative = scores[matched], scores[~matched]
    return float(mannwhitneyu(positive, negative).statistic / (positive.size * negative.size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    options = parser.parse_args()
    data = options.shared / "data"
    checkpoint = options.checkpoint or options.shared / "weights/efficientat/mn04_as_mAP_432.pt"
    tagger = efficientat.PLUGIN.load(checkpoint, sample_rate=32_000, device="cpu")
    names = embed(read_class_list(data / "audiocaps/audioset_classes.csv").ordered_names)
    rows = pd.read_csv(data / "systems48/manifest.csv")
    print(f"{'clips':18}{'n':>5}{'AUC':>8}{'mean':>8}")
    for system, own in sorted(rows.groupby("system"), key=lambda each: each[0] != "reference"):
        tags = probabilities([data / "systems48" / path for path in own["path"]], tagger)
        scores = every_pair(tags, names, embed(list(own["caption"])))
        matched = np.equal.outer(own["caption"].to_numpy(), own["caption"].to_numpy())
        print(f"{system:18}{len(own):5}{auc(scores, matched):8.3f}{scores[matched].mean():8.3f}", flush=True)
    rows = pd.read_csv(data / "esc10/manifest.csv")
    classes = sorted(rows["class"].unique())
    tags = probabilities([data / "esc10" / path for path in rows["path"]], tagger)
    scores = every_pair(tags, names, embed([name.replace("_", " ") for name in classes]))
    matched = np.equal.outer(rows["class"].to_numpy(), np.array(classes))
    print(f"{'ESC-10':18}{len(rows):5}{auc(scores, matched):8.3f}{scores[matched].mean():8.3f}")


if __name__ == "__main__":
    main()
