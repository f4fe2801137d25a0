"""Label accuracy on prompts of one sound, by the judge and by the network that also conditions, in strata of the feasibility prototype.

    python benchmarks/miniature_floor.py OUTPUT         (OUTPUT of benchmarks/miniature_table.py)

The prototype (32 classes, 128 prompts, one seed; its code is gone, its figures are PROTOTYPE) was judged by the encoder that conditioned
it, on a world where that encoder was never wrong on real clips. Beside the independent judge, the miniature's CLAP (nearest of the 65
plain class captions) therefore gives what compares with it. "real" is the ceiling of each judge. Means over prompts and seeds; classes
in neither training nor pool are left out, as the prototype had none.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reaudio_model.common.audio import decode, find_clips
from reaudio_model.common.resample import Samples
from reaudio_model.encoders.clap import Clap, load_clap
from reaudio_model.miniature import bundled, world
from reaudio_model.miniature.captions import class_caption

JUDGED = {"label_accuracy_miniature_judge": "judge", "clap_score_miniature": "CLAP score"}
BOUNDS, NAMES = [-1, 0, 9, 29, 99, 10_000], ["0, in the pool", "1-9", "10-29", "30-99", "100+"]

PROTOTYPE = pd.DataFrame(
    {"no retrieval": [0.06, 0.04, 0.27, 0.25, 0.88, 0.27], "audio+text": [0.12, 0.33, 0.82, 0.75, 1.00, 0.65]},
    [*NAMES, "all"],
).T
WEIGHTS = pd.Series([16, 24, 44, 28, 16], NAMES) / 128  # the prototype's prompts: strata of other sizes, another "all"


def prompts() -> pd.DataFrame:
    """clip_id, label and stratum of the test clips with one label."""
    specs = [spec for spec in map(world.describe, world.clip_ids("test")) if len(spec.labels) == 1]
    frame = pd.DataFrame({"clip_id": [s.clip_id for s in specs], "label": [s.labels[0] for s in specs]})
    frame = frame[frame["label"].map(world.regime) != "neither"]
    return frame.assign(stratum=pd.cut(frame["label"].map(world.train_counts()), BOUNDS, labels=NAMES))


def clap_accuracy(clap: Clap, asked: pd.DataFrame, waveforms: list[Samples]) -> pd.DataFrame:
    """Whether the class caption nearest to each clip is that of its label."""
    labels = sorted(world.train_counts())
    captions = clap.embed_text([class_caption(label) for label in labels]).numpy()
    nearest = (clap.embed_audio([_levelled(each) for each in waveforms]).numpy() @ captions.T).argmax(axis=1)
    right = np.array(labels)[nearest] == asked["label"].to_numpy()
    return pd.DataFrame({"clip_id": asked["clip_id"], "metric": "CLAP", "value": right.astype(float)})


def clips_of(folder: Path, clip_ids: pd.Series) -> list[Samples]:
    """Clips of a folder, mono."""
    paths = find_clips(folder)
    return [decode(paths[clip_id]).samples.mean(axis=1) for clip_id in clip_ids]


def _levelled(samples: Samples) -> Samples:
    """As the protocol "miniature" does it: no mean, peak 0.5."""
    centred = samples - samples.mean()
    levelled: Samples = (0.5 * centred / np.abs(centred).max()).astype(np.float32)
    return levelled


def main() -> None:
    asked, clap = prompts(), load_clap(bundled.part("clap"), device=torch.device("cpu"))
    tables = []
    for seed in sorted(Path(sys.argv[1]).glob("seed-*")):
        scores = pd.read_csv(seed / "tables" / "clip_scores.csv")
        tables.append(scores[scores["metric"].isin(JUDGED)].assign(metric=lambda frame: frame["metric"].map(JUDGED)))
        tables.append(clap_accuracy(clap, asked, list(map(world.render, asked["clip_id"]))).assign(system="real"))
        clips = seed / "clips"
        for folder in sorted(path.parent for path in clips.rglob(f"{asked['clip_id'].iloc[0]}.wav")):
            found = clap_accuracy(clap, asked, clips_of(folder, asked["clip_id"]))
            tables.append(found.assign(system=folder.relative_to(clips).parts[0]))
    joined = pd.concat(tables).merge(asked, on="clip_id")
    shown = joined.pivot_table(index=["metric", "system"], columns="stratum", values="value", observed=True, sort=False)
    shown["all"] = joined.groupby(["metric", "system"])["value"].mean()
    print(asked["stratum"].value_counts(sort=False).to_string())
    shown["as weighted there"] = shown[NAMES] @ WEIGHTS
    print(shown[[*NAMES, "all", "as weighted there"]].round(3).to_string())
    print(f"prototype:\n{PROTOTYPE.to_string()}")


if __name__ == "__main__":
    main()
