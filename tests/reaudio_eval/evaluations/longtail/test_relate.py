"""Ratings of published systems by listeners (RELATE), through ``scores``: means by stratum and class as plain pandas computes them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from relate import STATED, ratings

from reaudio_eval.evaluations.longtail import run as steps
from reaudio_eval.evaluations.longtail.request import LongtailRequest
from reaudio_eval.evaluations.longtail.result import LongtailResult
from reaudio_model.common.progress import Reporter

ROUNDING = 1e-9  # sums of some thousand ratings in another order
STRATA = {"head": (1000, 10**9), "medium": (100, 1000), "tail": (1, 100), "zero-shot": (0, 1)}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    path = shared / "data" / "relate"
    if not path.is_dir():
        pytest.skip(f"no ratings at {path}")
    return path


@pytest.fixture(scope="module")
def found(shared: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> LongtailResult:
    output = tmp_path_factory.mktemp("relate")
    request = LongtailRequest.of(
        {"scores": ratings(folder), "score_metrics": STATED, "dataset": "audiocaps", "data_root": shared / "data" / "audiocaps",
         "split": "all", "output": output}
    )  # fmt: skip
    quiet = Reporter(quiet=True)
    return steps.run(steps.plan(request, quiet), quiet)


@pytest.fixture(scope="module")
def plain(shared: Path, folder: Path) -> pd.DataFrame:
    """system, metric, label, n_train, value and n of every class, by means of raters and then of captions."""
    captions = pd.read_csv(shared / "data" / "audiocaps" / "audiocaps_labelled.csv", dtype=str)
    pairs = captions.assign(label=captions["labels"].str.split(";")).explode("label")
    train = pairs[pairs["split"] == "train"].drop_duplicates(["youtube_id", "start_time", "label"])
    counts = train["label"].value_counts()
    of_caption = ratings(folder).groupby(["system", "metric", "clip_id"])["value"].mean().reset_index()
    joined = of_caption.merge(pairs[["audiocap_id", "label"]], left_on="clip_id", right_on="audiocap_id")
    classes = joined.groupby(["system", "metric", "label"])["value"].agg(["mean", "count"]).reset_index()
    return classes.assign(n_train=classes["label"].map(counts).fillna(0).astype(int))


def test_class_means_by_stratum_are_those_of_pandas(found: LongtailResult, plain: pd.DataFrame) -> None:
    rows = found.tables["by_stratum"].set_index(["system", "metric", "stratum"])
    assert set(rows.index.get_level_values("system")) == {"audioldm", "audioldm2", "tango", "tango2", "real"}
    compared = 0
    for (system, metric), classes in plain.groupby(["system", "metric"]):
        for stratum, (low, high) in STRATA.items():
            inside = classes[(classes["n_train"] >= low) & (classes["n_train"] < high)]
            row = rows.loc[(system, metric, stratum)]
            assert row["n_classes"] == len(inside)
            if len(inside):
                assert row["value"] == pytest.approx(inside["mean"].mean(), abs=ROUNDING)
                compared += 1
    assert compared >= 5 * 2 * 3


def test_every_class_has_the_mean_of_pandas(found: LongtailResult, plain: pd.DataFrame) -> None:
    keys = ["system", "metric", "label"]
    both = found.tables["per_class"].merge(plain, on=keys, suffixes=("", "_plain"), how="outer")
    assert (both["n_clips"] == both["count"]).all()
    assert (both["n_train"] == both["n_train_plain"]).all()
    assert (both["value"] - both["mean"]).abs().max() < ROUNDING


def test_pairs_are_of_the_prompts_that_both_have(found: LongtailResult, folder: Path) -> None:
    clips = {key: set(rows["clip_id"]) for key, rows in ratings(folder).groupby(["metric", "system"])}
    paired = found.tables["paired"]
    for row in paired[paired["quantity"] == "all"].to_dict("records"):
        a, b = (clips[row["metric"], row[side]] for side in ("system_a", "system_b"))
        assert row["n_clips"] == len(a & b)


def test_what_the_page_says_of_the_prompts(found: LongtailResult, shared: Path, folder: Path) -> None:
    captions = pd.read_csv(shared / "data" / "audiocaps" / "audiocaps_labelled.csv", dtype=str)
    rated = captions[captions["audiocap_id"].isin(ratings(folder)["clip_id"])]
    n_clips, n_train = len(rated.drop_duplicates(["youtube_id", "start_time"])), (rated["split"] == "train").sum()
    messages = [alert.message for alert in found.alerts]
    assert any(m.startswith(f"{n_train:,} of {len(rated):,} prompts are of the split train") for m in messages)
    assert any("share no prompt with" in m for m in messages)
    assert (
        f"The prompts are {len(rated):,} captions of {n_clips:,} clips, which the tables of scores name by audiocap_id."
        in messages
    )
