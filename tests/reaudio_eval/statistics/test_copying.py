"""The analysis of leaks and copies on scores worked by hand: leaks, affected against clean prompts, excess, near copies, alerts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from analysis_worlds import CLAP, RECALL, analyse, pick, system

from reaudio_eval.clips.system import Retrieval
from reaudio_eval.frames.statistics import COPYING_FRAMES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.copying import near_copies
from reaudio_model.retrieval.records import Neighbour, Pair

IDS = [f"c{i:02d}" for i in range(24)]
DATA = Dataset("d", "test", tuple(Prompt(c, f"caption {c}", ("x",), source_id=f"v{c}") for c in IDS), {"x": 20}, {"x": "X"})
STRATA = strata_scheme("log10", DATA.train_counts)
COPYING = MetricInfo("copying_net", "Copying (net)", "clip", False, "cosine", "net", target=0.0, role="copying")
LEAKED = ("c00", "c01", "c02", "c03")


def retrieval(leaked: tuple[str, ...] = LEAKED) -> Retrieval:
    """The first leaked prompt finds itself, the second its recording, the others their caption."""

    def pair(clip: str) -> Pair:
        place = leaked.index(clip) if clip in leaked else -1
        if place == 0:
            return Pair(clip, "another caption")
        caption = f"Caption  {clip}!" if place > 1 else "another caption"
        return Pair(f"n{clip}", caption, None, f"v{clip}" if place == 1 else "")

    return Retrieval({c: (Neighbour(pair(c), 0, 0.5),) for c in IDS}, "sha", judges=("clap",))


def scored(name: str, offset: float, *, found: Retrieval | None = None, of: str = "ours") -> SystemScores:
    values = {c: 0.1 * (c in LEAKED) + 0.01 * i + offset for i, c in enumerate(IDS)}
    real = np.linspace(0.5, 0.73, len(IDS))
    copies = pd.DataFrame(
        {
            "clip_id": IDS,
            "embedder": "net",
            "neighbour_id": [f"n{c}" for c in IDS],
            "similarity": real + offset,
            "real_similarity": real,
        }
    )
    base = system(name, {CLAP: values, COPYING: dict.fromkeys(IDS, offset)})
    return replace(base, system=replace(base.system, retrieval=found), copies=copies, neighbours_of=of)


def both(leaked: tuple[str, ...] = LEAKED) -> list[SystemScores]:
    return [scored("ours", 0.2, found=retrieval(leaked)), scored("twin", 0.0)]


@pytest.fixture(scope="module")
def analysis() -> LongtailAnalysis:
    return analyse(both(), DATA, STRATA)


def test_leaks_are_counted_by_role(analysis: LongtailAnalysis) -> None:
    table = analysis.copying.leaks.set_index("kind")
    assert table["n"].to_dict() == {"target": 1, "same_source": 1, "identical_caption": 2, "any": 4}
    assert table.loc["any", "share"] == pytest.approx(4 / 24)
    assert set(analysis.copying.leaks["system"]) == {"ours"}


def test_scores_on_affected_and_clean_prompts(analysis: LongtailAnalysis) -> None:
    frame = analysis.copying.leak_scores
    own = {g: pick(frame, metric="clap_score", group=g, system="ours", minus="") for g in ("affected", "clean")}
    assert own["affected"]["value"] == pytest.approx(0.1 + 0.015 + 0.2)
    assert own["clean"]["value"] == pytest.approx(0.01 * np.mean(range(4, 24)) + 0.2)
    assert (own["affected"]["n_clips"], own["clean"]["n_clips"]) == (4, 20)
    assert own["affected"]["ci_method"] == "clips as a sample"
    assert own["clean"]["ci_low"] < own["clean"]["value"] < own["clean"]["ci_high"]
    lead = pick(frame, metric="clap_score", group="clean", system="ours", minus="twin")
    assert lead["value"] == pytest.approx(0.2)
    assert set(frame["system"]) == {"ours"}


def test_label_metrics_count_clips() -> None:
    pairs = {(c, "x"): 1.0 for c in IDS}
    ours = system("ours", {RECALL: pairs})
    ours = replace(ours, system=replace(ours.system, retrieval=retrieval()))
    row = pick(analyse([ours], DATA, STRATA).copying.leak_scores, group="clean")
    assert (row["value"], row["n_clips"]) == (1.0, 20)


def test_excess_is_the_first_less_the_second(analysis: LongtailAnalysis) -> None:
    summary = analysis.copying.summary
    row = {q: pick(summary, system="ours", quantity=q) for q in ("similarity", "real_similarity", "excess")}
    assert (
        row["similarity"]["value"] - row["real_similarity"]["value"]
        == pytest.approx(row["excess"]["value"])
        == pytest.approx(0.2)
    )
    overall = pick(analysis.overall, system="ours", metric="copying_net")
    assert row["excess"]["value"] == pytest.approx(overall["value"])
    assert pick(summary, system="twin", quantity="excess")["value"] == 0
    assert analysis.copying.neighbours_of == {"ours": "ours", "twin": "ours"}
    assert (analysis.copying.copies["excess"] >= 0).all()


def test_near_copies_are_above_what_real_clips_reach() -> None:
    real = np.linspace(0, 1, 101)
    share, limit = near_copies(np.where(real > 0.5, 1.0, 0.2), real)
    assert limit.value == pytest.approx(0.99)
    assert share.value == pytest.approx(50 / 101)
    assert share.interval.low < 50 / 101 < share.interval.high
    same, _ = near_copies(real, real)
    assert same.value == pytest.approx(1 / 101)
    holes = np.where(np.arange(len(real)) == 3, np.nan, real)
    some, _ = near_copies(np.where(real > 0.5, 1.0, 0.2), holes)  # a silent real clip has no similarity and hides no copy
    assert some.value == pytest.approx(share.value, abs=2 / len(real))
    few, limit = near_copies(real[:19], real[:19])
    assert np.isnan([few.value, limit.value]).all()
    assert "19 clips: near copies need at least 20" in str(few.interval.reason)


def test_order_of_systems_and_rows_changes_nothing(analysis: LongtailAnalysis) -> None:
    turned = [replace(s, scores=s.scores.iloc[::-1], copies=s.copies.iloc[::-1]) for s in both()[::-1]]
    again = analyse(turned, replace(DATA, prompts=DATA.prompts[::-1]), STRATA).copying
    for name, columns in COPYING_FRAMES.items():
        keys = [c for c, dtype in columns.dtypes.items() if dtype == "object" and c not in ("ci_method", "reason")]
        first, second = (getattr(c, name).sort_values(keys, ignore_index=True) for c in (analysis.copying, again))
        pd.testing.assert_frame_equal(first, second)


def test_a_system_beside_changes_no_number_of_the_others(analysis: LongtailAnalysis) -> None:
    more = analyse([*both(), scored("third", 0.1)], DATA, STRATA).copying
    frame = more.summary[more.summary["system"] != "third"].reset_index(drop=True)
    pd.testing.assert_frame_equal(frame, analysis.copying.summary)


def test_warnings_of_leaks_and_of_a_shared_network(analysis: LongtailAnalysis) -> None:
    warnings = [a.message for a in analysis.alerts if a.level == "warning"]
    leak = next(w for w in warnings if w.startswith("Leakage"))
    assert (
        "the neighbours of ours (k = 1) include the target clip for 1 prompt, a clip of the same recording for 1 prompt"
        in leak
    )
    assert "an identical caption for 2 prompts, of 24" in leak
    judge = next(w for w in warnings if w.startswith("Same network for retrieval and scoring"))
    assert "ours retrieves with the network of CLAP score," in judge


def test_nothing_leaked_nothing_retrieved() -> None:
    clean = analyse(both(leaked=()), DATA, STRATA)
    assert clean.copying.leak_scores.empty
    assert not any(a.message.startswith("Leakage") for a in clean.alerts)
    plain = analyse([system("s", {CLAP: dict.fromkeys(IDS, 0.5)})], DATA, STRATA).copying
    assert all(getattr(plain, name).empty for name in COPYING_FRAMES)
    assert list(plain.copies.columns) == COPYING_FRAMES["copies"].names
