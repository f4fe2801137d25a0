"""What the analysis finds in simulated answers is what was put in: means, differences, preferences, metrics, intervals, p-values."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import listening_worlds
import numpy as np
import pandas as pd
import pytest
from raters import Careless, ask, write_answers

from reaudio_eval.evaluations.listening.analyse import with_scores_of
from reaudio_eval.evaluations.listening.analysis import ListeningAnalysis, analyse_answers
from reaudio_eval.evaluations.listening.crossed import Crossed, crossed_mean, crossed_p, prompts_needed
from reaudio_eval.evaluations.listening.preferences import PRIOR_SD, fit_scores
from reaudio_eval.evaluations.listening.records import Key
from reaudio_eval.evaluations.listening.resampling import Draws
from reaudio_model.common.errors import ReaudioError

QUALITY = {**listening_worlds.QUALITY, "real": 1.2}


@pytest.fixture(scope="module")
def rated(mos: Key, tmp_path_factory: pytest.TempPathFactory) -> tuple[ListeningAnalysis, list[Path]]:
    files = ask(tmp_path_factory.mktemp("answers"), mos, QUALITY, 12, seed=2)
    return analyse_answers(mos, files), files


@pytest.fixture(scope="module")
def preferred(pairs: Key, tmp_path_factory: pytest.TempPathFactory) -> ListeningAnalysis:
    return analyse_answers(pairs, ask(tmp_path_factory.mktemp("answers"), pairs, QUALITY, 10, seed=2))


def overall(frame: pd.DataFrame, question: str = "OVL") -> pd.DataFrame:
    return frame[(frame["question"] == question) & (frame["stratum"] == "all")]


def test_means_are_those_of_the_clips(rated: tuple[ListeningAnalysis, list[Path]]) -> None:
    analysis, _ = rated
    means = overall(analysis.means).set_index("system")
    clips = analysis.clips[analysis.clips["question"] == "OVL"].groupby("system")["value"].mean()
    np.testing.assert_allclose(means["value"], clips[means.index], rtol=1e-12)
    assert means["value"].sort_values().index.tolist() == ["weak", "plain", "ours", "real"]
    assert (means["n_prompts"] == 12).all()
    assert (means["n_participants"] == 12).all()
    assert (means["n_answers"] == 144).all()
    assert ((means["ci_low"] < means["value"]) & (means["value"] < means["ci_high"])).all()


def test_differences_are_found_and_oriented(rated: tuple[ListeningAnalysis, list[Path]]) -> None:
    pairs = overall(rated[0].paired).set_index(["system_a", "system_b"])
    for (a, b), row in pairs.iterrows():
        wanted = QUALITY[a] - QUALITY[b]
        assert np.sign(row["difference"]) == np.sign(wanted)
        assert row["ci_low"] < 1.1 * wanted < row["ci_high"] or abs(row["difference"] - wanted) < 0.4
    assert pairs.loc[("weak", "real"), "p_holm"] < 0.05
    assert (pairs["p_holm"] >= pairs["p_value"]).all()
    strata = rated[0].paired[rated[0].paired["stratum"] == "tail"]
    assert (strata["n_prompts"] == 3).all()
    assert strata["detectable"].isna().all()  # three prompts separate nothing


def test_metrics_that_follow_and_one_that_does_not(rated: tuple[ListeningAnalysis, list[Path]]) -> None:
    found = rated[0].metrics[rated[0].metrics["question"] == "REL"].set_index(["metric", "level", "statistic"])
    clap = found.loc[("clap_score_tests", "clip", "spearman")]
    assert clap["value"] > 0.5
    assert clap["ci_low"] > 0.2
    assert clap["n"] == 36  # generated systems only
    # KL is the same measure turned round: its sign is turned back.
    assert found.loc[("kl_tests", "clip", "spearman"), "value"] == pytest.approx(clap["value"], abs=0.03)
    chance = found.loc[("chance_tests", "clip", "spearman")]
    assert chance["ci_low"] < 0 < chance["ci_high"]
    assert found.loc[("clap_score_tests", "choice", "accuracy"), "value"] > 0.85
    assert found.loc[("fad_tests", "system", "spearman"), "value"] == pytest.approx(1)
    assert ("fad_tests", "clip", "spearman") not in found.index


def test_clip_correlation_is_scipys(rated: tuple[ListeningAnalysis, list[Path]], mos: Key) -> None:
    from scipy import stats

    scores = {(s.clip_id, s.system): s.value for s in mos.scores if s.metric == "chance_tests"}
    clips = rated[0].clips[(rated[0].clips["question"] == "OVL") & (rated[0].clips["system"] != "real")]
    x = [scores[p, s] for p, s in zip(clips["prompt"], clips["system"], strict=True)]
    found = rated[0].metrics.set_index(["metric", "question", "level", "statistic"])["value"]
    place = ("chance_tests", "OVL", "clip")
    assert found[(*place, "spearman")] == pytest.approx(stats.spearmanr(x, clips["value"]).statistic)
    assert found[(*place, "kendall")] == pytest.approx(stats.kendalltau(x, clips["value"]).statistic)


def test_order_of_files_changes_no_number(rated: tuple[ListeningAnalysis, list[Path]], mos: Key) -> None:
    again = analyse_answers(mos, rated[1][::-1])
    for name in ("means", "paired", "agreement", "metrics", "clips", "participants"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(rated[0], name))


@pytest.mark.slow
def test_a_careless_participant_is_left_out_and_named(
    mos: Key, rated: tuple[ListeningAnalysis, list[Path]], tmp_path: Path
) -> None:
    extra = write_answers(tmp_path, mos, mos.forms[0], Careless("zed", QUALITY, {}, 1))
    analysis = analyse_answers(mos, [*rated[1], extra])
    pd.testing.assert_frame_equal(analysis.means, rated[0].means)
    assert analysis.n_kept == 12
    assert any("1 participant of 13 excluded: zed failed" in n for n in analysis.notes)
    kept = analyse_answers(mos, [*rated[1], extra], keep_all=True)
    assert kept.n_kept == 13
    assert not kept.means.equals(rated[0].means)
    with pytest.raises(ReaudioError, match="No participant is left"):
        analyse_answers(mos, [extra])


def test_one_participant_has_means_without_intervals(mos: Key, tmp_path: Path) -> None:
    analysis = analyse_answers(mos, ask(tmp_path, mos, QUALITY, 1))
    assert analysis.means["ci_low"].isna().all()
    assert "1 participant: an interval needs at least 2" in set(overall(analysis.means)["reason"])
    assert analysis.paired["p_value"].isna().all()
    assert analysis.agreement["alpha"].isna().all()
    assert analysis.agreement["split_half"].isna().all()


def test_preferences(preferred: ListeningAnalysis) -> None:
    shares = overall(preferred.means).set_index("system")["value"]
    assert shares.sum() == pytest.approx(2)  # every comparison is won once: 4 systems, mean 1/2
    assert shares.sort_values().index.tolist() == ["weak", "plain", "ours", "real"]
    strength = preferred.strength[preferred.strength["question"] == "OVL"].set_index("system")
    assert strength["value"].sum() == pytest.approx(0, abs=1e-9)
    assert strength["value"].sort_values().index.tolist() == ["weak", "plain", "ours", "real"]
    assert ((strength["ci_low"] < strength["value"]) & (strength["value"] < strength["ci_high"])).all()
    assert preferred.means["ci_high"].max() <= 1
    assert preferred.means["ci_low"].min() >= 0
    row = overall(preferred.paired).set_index(["system_a", "system_b"]).loc[("ours", "weak")]
    assert 0 < row["difference"] <= 1
    assert preferred.agreement["alpha"].between(0.3, 1).all()


def test_bradley_terry_of_two_systems_is_the_log_odds() -> None:
    """With a negligible prior's weight the difference of scores is the log odds of the wins."""
    wins = np.array([[0.0, 3000.0], [1000.0, 0.0]])
    scores = fit_scores(wins)
    assert scores[0] - scores[1] == pytest.approx(np.log(3), abs=2e-3)
    assert scores.sum() == pytest.approx(0, abs=1e-9)


def test_bradley_terry_recovers_scores_and_stays_finite() -> None:
    truth = np.array([1.0, 0.3, -0.2, -1.1])
    chance = 1 / (1 + np.exp(truth - truth[:, None]))
    wins = 5000 * chance
    np.fill_diagonal(wins, 0)
    np.testing.assert_allclose(fit_scores(wins), truth - truth.mean(), atol=5e-3)
    always = fit_scores(np.array([[0.0, 10.0], [0.0, 0.0]]))
    assert 0 < always[0] - always[1] < 3 * PRIOR_SD


def test_metrics_of_other_runs(mos: Key, runs: Path) -> None:
    stale = dataclasses.replace(mos, scores=(), metrics=())
    assert set(with_scores_of(stale, [runs]).scores) >= {s for s in mos.scores if s.clip_id}
    with pytest.raises(ReaudioError, match="hold no score"):
        with_scores_of(mos, [runs / "runs" / "tones" / "real"])


def mean(frame: pd.DataFrame, draws: Draws) -> Crossed:
    return crossed_mean(frame, {"": 1.0}, draws)


def simulated(rng: np.random.Generator, n_people: int, n_prompts: int, per_prompt: int, centre: float = 0.0) -> pd.DataFrame:
    """Ratings with effects of people, of prompts, and of single answers; ``per_prompt`` people hear each prompt."""
    people, prompts = rng.normal(0, 0.5, n_people), rng.normal(0, 0.5, n_prompts)
    rows = [
        (f"r{r}", f"p{p:02d}", centre + people[r] + prompts[p] + rng.normal(0, 1), "")
        for p in range(n_prompts)
        for r in rng.permutation(n_people)[:per_prompt]
    ]
    return pd.DataFrame(rows, columns=["participant", "prompt", "value", "group"])


@pytest.mark.slow
@pytest.mark.parametrize(("n_people", "n_prompts", "per_prompt"), [(10, 12, 10), (12, 14, 4), (6, 8, 6)])
def test_coverage_and_null_p_values(n_people: int, n_prompts: int, per_prompt: int) -> None:
    """Nominal 95 % intervals cover the mean of the populations, and p-values under the null are about uniform, never too small."""
    rng, draws = np.random.default_rng(5), Draws(0, 500)
    found = [mean(simulated(rng, n_people, n_prompts, per_prompt), draws) for _ in range(120)]
    covered = np.mean([f.estimate.interval.low <= 0 <= f.estimate.interval.high for f in found])
    assert covered >= 0.90  # 0.95 less 2.5 standard errors of 120 samples
    p = np.concatenate([crossed_p([f], draws) for f in found[:60]])
    assert np.mean(p < 0.05) <= 0.13
    assert 0.3 < np.median(p) < 0.7
    assert np.mean(p < 0.5) > 0.3


def test_an_effect_is_found_and_both_clusters_count() -> None:
    rng, draws = np.random.default_rng(1), Draws(0, 500)
    one = mean(simulated(rng, 10, 12, 10, centre=2.0), draws)
    assert crossed_p([one], draws)[0] < 0.01
    # Ten people who all hear the same are worth more than one person's ten copies.
    copied = simulated(rng, 2, 12, 2)
    copies = pd.concat([copied.assign(participant=copied["participant"] + str(k)) for k in range(5)])
    narrow, wide = (mean(f, draws).estimate.interval for f in (copies, copied))
    assert narrow.high - narrow.low < wide.high - wide.low


def test_unbalanced_prompts_count_alike() -> None:
    rows = [("a", "p1", 1.0), ("b", "p1", 1.0), ("c", "p1", 1.0), ("a", "p2", 4.0), ("b", "p3", 4.0)]
    frame = pd.DataFrame(rows, columns=["participant", "prompt", "value"]).assign(group="")
    assert mean(frame, Draws(0, 100)).estimate.value == pytest.approx(3.0)


def test_differences_use_prompts_with_both_systems() -> None:
    rows = [
        ("a", "p1", 5.0, "x"),
        ("b", "p1", 3.0, "y"),
        ("a", "p2", 4.0, "x"),
        ("b", "p2", 3.0, "y"),
        ("a", "p3", 1.0, "x"),
    ]
    frame = pd.DataFrame(rows, columns=["participant", "prompt", "value", "group"])
    found = crossed_mean(frame, {"x": 1.0, "y": -1.0}, Draws(0, 100))
    assert found.estimate.value == pytest.approx(1.5)
    assert found.prompts == ("p1", "p2")
    # A system that nobody heard leaves no difference, instead of the other's mean.
    alone = crossed_mean(frame[frame["group"] == "x"], {"x": 1.0, "y": -1.0}, Draws(0, 100)).estimate
    assert np.isnan(alone.value)
    assert alone.interval.reason == "no clip of it was rated"


def test_equal_prompts_have_no_interval_and_nobody_has_no_value() -> None:
    frame = pd.DataFrame({"participant": ["a", "b"] * 2, "prompt": ["p", "p", "q", "q"], "value": 1.0, "group": ""})
    found = mean(frame, Draws(0, 100)).estimate
    assert found.value == 1
    assert "same value" in str(found.interval.reason)
    assert np.isnan(mean(frame[:0], Draws(0, 100)).estimate.value)


def test_prompts_needed() -> None:
    assert prompts_needed(1) == 6  # 2**-5 = 0.031
    assert prompts_needed(6) == 8
