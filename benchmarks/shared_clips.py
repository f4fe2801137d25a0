"""Do intervals and tests over classes hold when clips carry several labels? A simulation on a real label table.

    python benchmarks/shared_clips.py AUDIOCAPS_LABELLED_CSV [--runs 1000]

The CSV has the columns split, youtube_id and labels (separated by ";"). Two equally good systems differ on each test clip by
an independent normal error (sd 0.12). Printed for each compared quantity: how often its 95 % interval covers 0, how often
the sign-flip test rejects at 5 %, and both again with classes taken as independent (no widening for shared clips).
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

import numpy as np

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.statistics.class_table import class_table, summarise
from reaudio_eval.statistics.estimates import Context
from reaudio_eval.statistics.intervals import Draws, sign_flip_p
from reaudio_eval.statistics.paired import quantities

N_FLIPS = 999
CLIP_SD = 0.12


def read_dataset(path: Path) -> Dataset:
    counts: Counter[str] = Counter()
    prompts: dict[str, Prompt] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            labels = tuple(dict.fromkeys(row["labels"].split(";")))
            if row["split"] == "train":
                counts.update(labels)
            elif row["split"] == "test":
                prompts[row["youtube_id"]] = Prompt(row["youtube_id"], "", labels)
    return Dataset("audiocaps", "test", tuple(prompts.values()), counts, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    args = parser.parse_args()
    dataset = read_dataset(args.csv)
    table = class_table(dataset, strata_scheme("log10", dataset.train_counts))
    context = Context(table, Draws(0, 1000), Draws(0, 1000, keep=4))
    rng = np.random.default_rng(0)
    tally: Counter[tuple[str, str]] = Counter()
    for _ in range(args.runs):
        difference = summarise(rng.normal(0, CLIP_SD, len(table.clip_ids)), table)
        for q in quantities(difference, context):
            value, interval = q.estimate
            covers = interval.low <= 0 <= interval.high
            narrow = value - (value - interval.low) / interval.widening, value + (interval.high - value) / interval.widening
            tally[q.name, "covers"] += covers
            tally[q.name, "covers, independent"] += narrow[0] <= 0 <= narrow[1]
            for title, widening in (("rejects", interval.widening), ("rejects, independent", 1.0)):
                tally[q.name, title] += bool(sign_flip_p(q.terms[:, None], rng, [widening], N_FLIPS)[0] <= 0.05)
    titles = ("covers", "rejects", "covers, independent", "rejects, independent")
    print(f"{len(table.clip_ids)} clips, {len(table.labels)} classes, {args.runs} runs")
    print(f"{'quantity':15s}" + "".join(f"{t:>22s}" for t in titles))
    for name in dict.fromkeys(name for name, _ in tally):
        print(f"{name:15s}" + "".join(f"{tally[name, t] / args.runs:22.3f}" for t in titles))


if __name__ == "__main__":
    main()
