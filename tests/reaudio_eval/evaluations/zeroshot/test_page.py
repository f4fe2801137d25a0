"""The zero-shot page: verdict, tables, figure, players, escaping, and how it behaves in a browser."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, in_browser
from markupsafe import Markup

from reaudio_eval.clips.system import Role, SystemInfo, SystemKind
from reaudio_eval.evaluations.zeroshot import tables as zeroshot_tables
from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis, analyse_zeroshot
from reaudio_eval.evaluations.zeroshot.figure import regime_figure
from reaudio_eval.evaluations.zeroshot.page import choose_prompts, render_zeroshot
from reaudio_eval.evaluations.zeroshot.verdict import sentences
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.prompts.training_labels import NOTHING, OWN, UNKNOWN, Training
from reaudio_eval.scores.system_scores import MetricInfo, Range, SystemScores
from reaudio_eval.statistics.longtail import analyse
from reaudio_model.common.audio import wav_bytes

EVIL = "<script>alert(1)</script>"
CLASSES = [*(f"p{i}" for i in range(8)), *(f"n{i}" for i in range(4)), *(f"f{i}" for i in range(10)), "seen"]
COUNTS = {f"f{i}": 1 + i for i in range(10)} | {"seen": 500}
NAMES = {label: label.upper() for label in CLASSES} | {"n0": EVIL}
PROMPTS = tuple(
    Prompt(f"{label}-{take}", f"the sound of {NAMES[label]}", (label,)) for label in CLASSES for take in range(3)
)
DATASET = Dataset(
    "d", "test", PROMPTS, COUNTS, NAMES, pool_counts={f"p{i}": 16 for i in range(8)} | COUNTS, banner="A toy world."
)
ACCURACY = MetricInfo("label_accuracy_net", "Label accuracy (net)", "clip", True, "share", "net", role="label_accuracy")
CLAP = MetricInfo("clap_score", "CLAP score", "clip", True, "cosine", "clap", role="text_similarity")
SYSTEMS: dict[str, tuple[SystemKind, Role, float]] = {
    "ours": ("generated", "system", 0.6), "plain": ("generated", "control", 0.2), "copied": ("generated", "copy", 0.6),
    "oracle-l (upper reference)": ("generated", "oracle", 0.8), "real": ("real", "real", 0.9), "noise": ("noise", "noise", 0.0),
}  # fmt: skip


def build(
    folder: Path | None = None,
    training: dict[str, Training] | None = None,
    systems: dict[str, tuple[SystemKind, Role, float]] = SYSTEMS,
) -> ZeroshotAnalysis:
    """Systems whose class values lie about the given mean; with a folder, clips to play."""
    rng, scores = np.random.default_rng(0), []
    for name, (kind, role, mean) in systems.items():
        rows = [
            (p.clip_id, m.name, None, mean + 0.05 * rng.standard_normal()) for m in (ACCURACY, CLAP) for p in PROMPTS
        ]  # fmt: skip
        clips = {} if folder is None or kind == "noise" else {p.clip_id: _clip(folder, name, p.clip_id) for p in PROMPTS}
        frame = pd.DataFrame(rows, columns=SCORES.required)
        info = SystemInfo(name, kind, len(PROMPTS), clips, description="not compared" if "oracle" in name else "", role=role)
        scores.append(SystemScores(info, (ACCURACY, CLAP), frame, pd.DataFrame(columns=SET_VALUES.names)))
    known = {name: NOTHING if kind != "generated" else OWN for name, (kind, _, _) in systems.items()} | (training or {})
    base = analyse(scores, DATASET, strata_scheme("10,100", COUNTS), primary=ACCURACY.name)
    return analyse_zeroshot(scores, DATASET, base, training=known, few_shot=19)


def _clip(folder: Path, system: str, clip_id: str) -> Path:
    path = folder / system / f"{clip_id}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav_bytes(np.full(1600, 0.1, dtype=np.float32), 16_000))
    return path


@pytest.fixture(scope="module")
def analysis() -> ZeroshotAnalysis:
    return build()


ORDER = ["seen", "few-shot", "only in the pool", "in neither training nor pool"]


def test_common_to_rare_in_every_table_and_figure(analysis: ZeroshotAnalysis) -> None:
    assert [row.head for row in zeroshot_tables.regimes_table(analysis).groups[0]] == ORDER
    assert [c.title for c in zeroshot_tables.by_regime_table(analysis, ACCURACY).columns][1:] == ORDER
    classes = zeroshot_tables.classes_table(analysis, ACCURACY, {})
    trained = [int(row.cells[0].text) for group in classes.groups for row in group]
    assert trained == sorted(trained, reverse=True)
    chart = regime_figure(analysis, ACCURACY)
    assert chart is not None
    (ax,) = chart.figure.axes
    assert [t.get_text().split("\n")[0] for t in ax.get_xticklabels()] == ORDER
    place = {label: ORDER.index({"p": ORDER[2], "n": ORDER[3], "f": ORDER[1]}.get(label[0], "seen")) for label in CLASSES}
    for name, rows in chart.points.items():
        (line,) = (line for line in ax.lines if line.get_gid() == name)
        found = dict(zip(analysis.classes["label"].iloc[list(rows)], np.asarray(line.get_xdata()).round(), strict=True))
        assert found == place
        few = [x for label, x in zip(analysis.classes["label"].iloc[list(rows)], np.asarray(line.get_xdata()), strict=True)
               if label in sorted(COUNTS, key=COUNTS.__getitem__)[:10]]  # fmt: skip
        assert few == sorted(few)


def test_the_axis_of_the_figure_ends_at_the_range_of_the_metric(analysis: ZeroshotAnalysis) -> None:
    values = analysis.per_class.loc[analysis.per_class["metric"] == ACCURACY.name, "value"]
    metric = dataclasses.replace(ACCURACY, range=Range(float(values.min()), float(values.max())))
    chart = regime_figure(analysis, metric)
    assert chart is not None
    assert chart.figure.axes[0].get_ylim() == pytest.approx(metric.range)


def plain(verdict: list[Markup]) -> list[str]:
    return [sentence.striptags() for sentence in verdict]


def test_the_verdict_says_what_the_tests_say(analysis: ZeroshotAnalysis) -> None:
    levels, control, copies, untold = plain(sentences(analysis))
    assert levels.startswith(
        "ours has label accuracy (net) 0.659 on seen classes (1 class only), 0.614 on few-shot classes, 0.594 on zero-shot classes"
    )
    assert levels.endswith("(real audio 0.964, 0.879, 0.905, 0.891).")
    assert (
        "Compared with its control plain (0.208, 0.189, 0.184, 0.219), it is significantly better on few-shot classes (+0.425"
        in control
    )
    assert "corrected p < 0.001" in control
    assert (
        "not tested on zero-shot classes in neither training nor pool (+0.376, 4 classes: an interval needs at least 5)"
        in control
    )
    assert "the copies of the retrieved clips copied, a reference" in copies
    assert "it is not significantly different on few-shot classes (+0.019" in copies
    assert untold.startswith("No test could be made on zero-shot classes in neither training nor pool: 4 classes")


def test_worse_is_called_worse() -> None:
    swapped = SYSTEMS | {"ours": ("generated", "system", 0.1)}
    _, control, copies, *_ = plain(sentences(build(systems=swapped)))
    assert "Compared with its control plain" in control
    assert "it is significantly worse on few-shot classes (−0.075" in control
    assert "copied, a reference" in copies
    assert "it is significantly worse on few-shot classes (−0.481" in copies


def test_unknown_training_is_said_in_the_verdict() -> None:
    first = plain(sentences(build(training={"ours": UNKNOWN})))[0]
    assert first.endswith("its training data are not known, so this is not called a zero-shot or few-shot score.")


@pytest.mark.slow
def test_many_systems_leave_the_verdict_short() -> None:
    many = SYSTEMS | {f"other{i}": ("generated", "system", 0.3) for i in range(4)}  # type: ignore[dict-item]
    verdict = plain(sentences(build(systems=many)))
    assert len(verdict) < 12
    assert verdict[0].startswith("Of 6 systems, ours has the highest label accuracy (net) on few-shot classes, 0.614")


def test_without_anything_to_compare_with() -> None:
    alone = build(systems={"ours": ("generated", "system", 0.5)})
    assert zeroshot_tables.paired_table(alone, ACCURACY) is None
    (only,) = plain(sentences(alone))
    assert only.startswith("ours has label accuracy (net) 0.559 on seen classes")


def test_classes_that_a_system_met_are_marked() -> None:
    met = build(training={"ours": Training("a list", labels=frozenset({"p0", *(f"n{i}" for i in range(4))}))})
    table = zeroshot_tables.classes_table(met, ACCURACY, {})
    rows = {row.head: row for group in table.groups for row in group}
    assert rows["P0"].cells[4].text == "n/a (seen)"
    assert rows["P1"].cells[4].text.startswith("0.")
    regimes = zeroshot_tables.by_regime_table(met, ACCURACY)
    ours = next(row for group in regimes.groups for row in group if row.head == "ours")
    assert ours.cells[2].detail == "7 classes, 21 clips, 1 n/a (seen)"
    assert ours.cells[3].text == "n/a (seen)"
    assert zeroshot_tables.SEEN_NOTE in regimes.footnotes


def test_page_and_files(analysis: ZeroshotAnalysis, tmp_path: Path) -> None:
    report = render_zeroshot(analysis, tmp_path, media="none")
    page = report.html.read_text(encoding="utf-8")
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "A toy world." in page
    assert page.index("A toy world.") < page.index('id="verdict"')
    for anchor in ("verdict", "regimes", "scores", "gains", "alerts", "classes", "listen", "audit", "provenance"):
        assert f'id="{anchor}"' in page
    assert "oracle: conditioned on the real clip (upper reference, not compared)" in page
    assert page.count("<svg") > 2
    names = ("levels", "zeroshot-label_accuracy_net", "zeroshot-clap_score")
    assert {p.name for p in report.figures} == {f"{name}.{s}" for name in names for s in ("svg", "pdf", "png")}
    content = json.loads(report.json.read_text(encoding="utf-8"))
    assert content["primary"] == ACCURACY.name
    assert {row["regime"] for row in content["by_regime"]} == {"pool_only", "neither", "few_shot", "seen"}
    assert render_zeroshot(analysis, tmp_path / "again", media="none").html.read_bytes() == report.html.read_bytes()
    tables = {p.name: p.read_text(encoding="utf-8") for p in report.tables}
    table = tables["zeroshot-regimes-label_accuracy_net.tex"]
    assert r"\toprule" in table
    assert r"{\scriptsize [" not in table
    assert r"{\scriptsize [" in tables["zeroshot-regimes-label_accuracy_net-intervals.tex"]
    _, compared, references = table.split(r"\midrule")
    assert "oracle" in references
    assert "oracle" not in compared
    assert tables["zeroshot-regimes-label_accuracy_net.csv"].count("\n") == 1 + len(analysis.base.systems)
    assert tables["zeroshot_paired.csv"].splitlines()[0].startswith("metric,regime,system,against,role,difference")


@pytest.mark.slow
@pytest.mark.usefixtures("page_only")
def test_players_of_every_zero_shot_class(tmp_path: Path) -> None:
    made = build(tmp_path / "clips")
    listening = choose_prompts(made, 200)
    assert [title for title, _ in listening.groups][:2] == [
        "P0: only in the pool (16 clips)",
        "P1: only in the pool (16 clips)",
    ]
    assert len(listening.groups) == 12
    assert all(len(items) == 2 for _, items in listening.groups)
    assert {player.name for player in listening.chosen[0].players} == set(SYSTEMS) - {"noise"}
    assert len(choose_prompts(made, 60).chosen) == 12
    assert not choose_prompts(made, 59).groups
    page = render_zeroshot(made, tmp_path, media="inline", max_players=60).html.read_text(encoding="utf-8")
    assert page.count("<audio ") == 60


def test_few_shot_classes_are_played_where_none_is_zero_shot(tmp_path: Path) -> None:
    made = build(tmp_path)
    classes = made.classes[~made.classes["regime"].isin(["pool_only", "neither"])]
    regimes = made.regimes[~made.regimes["regime"].isin(["pool_only", "neither"])]
    titles = [title for title, _ in choose_prompts(dataclasses.replace(made, classes=classes, regimes=regimes), 200).groups]
    assert titles[-1] == "F0: few-shot (1 training clip)"


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.usefixtures("page_only")
def test_in_a_browser(analysis: ZeroshotAnalysis, tmp_path: Path) -> None:
    page = render_zeroshot(analysis, tmp_path, media="none").html
    found = in_browser(
        page,
        """
        const chart = document.querySelector('.chosen .points-chart');
        chart.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
        const tip = document.getElementById('tip').textContent;
        chart.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}));
        const row = document.getElementById(location.hash.slice(1)), cells = [...row.cells].map((c) => c.textContent.trim());
        const box = document.getElementById('filter');
        box.value = 'neither'; box.dispatchEvent(new Event('input'));
        const root = document.documentElement;
        return {tip, cells, matches: document.getElementById('matches').textContent, wide: root.scrollWidth <= root.clientWidth};
        """,
        tmp_path / "profile",
        500,
    )
    name, counts, value = found["tip"].split("\n")
    assert name == f"{found['cells'][0]} ({found['cells'][2]})"
    assert counts == f"{found['cells'][1]} training, {found['cells'][3]} test clips"
    assert value == f"ours: {found['cells'][5]}"
    assert found["matches"] == "4 of 23 classes"
    assert found["wide"]
