"""Zero-shot analysis: means and paired differences by training regime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.zeroshot.caveats import zeroshot_alerts
from reaudio_eval.evaluations.zeroshot.comparisons import RegimeClasses, compared_pairs, paired_rows
from reaudio_eval.frames.evaluations import ZEROSHOT_FRAMES
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.regimes import RARE, REGIMES, Regime, described, label_regime, present
from reaudio_eval.prompts.training_labels import Training
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_eval.statistics.class_table import ClassTable, Summary, class_table, score_arrays, summarise
from reaudio_eval.statistics.context import Context, Estimand
from reaudio_eval.statistics.estimates import macro
from reaudio_eval.statistics.families import Family, corrected, named_pairs
from reaudio_eval.statistics.intervals import undefined
from reaudio_eval.statistics.rows import Row
from reaudio_eval.statistics.scale import Scale
from reaudio_eval.statistics.thresholds import MIN_CLASSES

Arrays = Mapping[str, Mapping[str, Floats]]  # system -> metric -> array of ``class_table.score_arrays``


@dataclass(frozen=True)
class ZeroshotAnalysis:
    """Everything the zero-shot report shows. Undefined numbers are NaN, with a ``reason`` or ``status`` beside.

    Attributes:
        systems, regimes, classes, by_regime, per_class, paired: DataFrames, columns as in ``frames.evaluations.ZEROSHOT_FRAMES``.
        base: long-tail analysis of the same scores: systems, metrics, prompts, scores of each clip, alerts.
        family: the confirmatory tests among ``paired``; its quantities are regimes.
        few_shot: a class with 1 to this many training clips is few-shot.
        every_prompt: whether all prompts of the split were used, and not only those with a rare class.
        alerts: of ``base`` that hold here, and those of this analysis.
    """

    base: LongtailAnalysis
    family: Family
    few_shot: int
    every_prompt: bool
    systems: pd.DataFrame
    regimes: pd.DataFrame
    classes: pd.DataFrame
    by_regime: pd.DataFrame
    per_class: pd.DataFrame
    paired: pd.DataFrame
    alerts: tuple[Alert, ...] = ()

    @property
    def metrics(self) -> tuple[MetricInfo, ...]:
        """The metrics that have a value of a class."""
        known = set(self.per_class["metric"])
        return tuple(m for m in self.base.metrics if m.name in known)

    @property
    def primary(self) -> MetricInfo | None:
        """The metric the verdict rests on."""
        return next((m for m in self.metrics if m.name == self.family.metric), None)

    def role(self, system: str) -> str:
        """The role of a system."""
        return str(self.systems.set_index("system").at[system, "role"])


def analyse_zeroshot(
    scores: Sequence[SystemScores],
    dataset: Dataset,
    base: LongtailAnalysis,
    *,
    training: Mapping[str, Training],
    few_shot: int,
    every_prompt: bool = False,
    estimand: Estimand = "sampled-classes",
    min_classes: int = MIN_CLASSES,
    alerts: Sequence[Alert] = (),
) -> ZeroshotAnalysis:
    """Means by regime with intervals, and paired differences with tests, by the mixed model of the long-tail analysis.

    Further systems or another order change no number but ``p_holm``.

    Args:
        scores: of every system, on the same clips.
        dataset: the prompts of those clips, with training and pool counts.
        base: ``longtail.analyse`` of the same scores.
        training: of every system.
        few_shot: see ``regimes.regime_of``.
        every_prompt: whether the prompts are all of the split.
        estimand: see :func:`reaudio_eval.statistics.longtail.analyse`.
        min_classes: regimes with fewer classes have means without intervals and tests.
        alerts: shown before those found here.
    """
    table = class_table(dataset, base.strata)
    context = Context(table, min_classes, estimand)
    classes = _regime_classes(dataset, context, training, few_shot)
    shown = present(dataset, few_shot)
    frames = _class_frames(dataset, classes, few_shot, shown)
    arrays = {s.system.name: score_arrays(s, table) for s in scores}
    rows = _score_rows(arrays, base, classes, frames["classes"], shown)
    family = _family(base, {row["metric"] for row in rows["per_class"]}, shown)
    rows["paired"] = _paired(arrays, base, classes, training, shown, family)
    rows["systems"] = [_system_row(s, training[s.name]) for s in base.systems]
    frames |= {name: ZEROSHOT_FRAMES[name].frame(content) for name, content in rows.items()}
    frames["paired"] = corrected(frames["paired"], base.metrics)
    alerts = (*alerts, *zeroshot_alerts(shown, classes, base.systems, training, every_prompt))
    return ZeroshotAnalysis(base, family, few_shot, every_prompt, alerts=alerts, **frames)


def _regime_classes(dataset: Dataset, context: Context, training: Mapping[str, Training], few_shot: int) -> RegimeClasses:
    labels = context.table.labels
    regime = np.array([REGIMES.index(label_regime(dataset, label, few_shot)) for label in labels], dtype=np.intp)
    trained = {name: np.array([data.saw(label) for label in labels], dtype=bool) for name, data in training.items()}
    return RegimeClasses(context, regime, trained)


def _class_frames(
    dataset: Dataset, classes: RegimeClasses, few_shot: int, shown: Sequence[Regime]
) -> dict[str, pd.DataFrame]:
    sizes = ZEROSHOT_FRAMES["regimes"].frame(_size_row(r, classes, few_shot) for r in shown)
    return {"classes": _classes(dataset, classes.context.table, few_shot), "regimes": sizes}


def _family(base: LongtailAnalysis, with_classes: set[str], shown: Sequence[Regime]) -> Family:
    """The primary metric (without values of classes the first that has some), systems against controls and each other, the rare regimes."""
    metrics = [m.name for m in base.metrics if m.name in with_classes]
    if not metrics:
        return Family()
    primary = base.primary if base.primary in metrics else metrics[0]
    return Family(primary, named_pairs(base.systems), tuple(r.name for r in shown if r in RARE))


def _score_rows(
    arrays: Arrays, base: LongtailAnalysis, classes: RegimeClasses, class_frame: pd.DataFrame, shown: Sequence[Regime]
) -> dict[str, list[Row]]:
    """Rows of each metric with a value per clip or label."""
    order, table = [s.name for s in base.systems], classes.context.table
    rows: dict[str, list[Row]] = {"by_regime": [], "per_class": []}
    for metric in (m for m in base.metrics if m.level != "set"):
        for name in (n for n in order if metric.name in arrays[n]):
            summary = summarise(arrays[name][metric.name], table, Scale.of(metric.range))
            keys = {"system": name, "metric": metric.name}
            rows["by_regime"] += [keys | _regime_row(summary, r, name, classes) for r in shown]
            rows["per_class"] += [keys | row for row in _class_rows(summary, name, class_frame, classes)]
    return rows


def _paired(
    arrays: Arrays,
    base: LongtailAnalysis,
    classes: RegimeClasses,
    training: Mapping[str, Training],
    shown: Sequence[Regime],
    family: Family,
) -> list[Row]:
    pairs, rare = list(compared_pairs(base.systems)), [r for r in shown if r in RARE]
    metrics = [m for m in base.metrics if m.level != "set"]
    return [row for metric in metrics for row in paired_rows(metric, pairs, rare, arrays, classes, training, family)]


def _system_row(system: SystemInfo, training: Training) -> Row:
    return {"system": system.name, "role": system.role, "trained_on": training.text, "training_known": training.known}


def _size_row(regime: Regime, classes: RegimeClasses, few_shot: int) -> Row:
    n_classes, n_clips = classes.size(regime)
    meaning = described(regime, few_shot).meaning
    return {
        "regime": regime.name, "title": regime.title, "meaning": meaning, "n_classes": n_classes, "n_clips": n_clips,
    }  # fmt: skip


def _classes(dataset: Dataset, table: ClassTable, few_shot: int) -> pd.DataFrame:
    n_test = table.member.sum(axis=0)
    rows = [
        {
            "label": label,
            "name": dataset.label_names.get(label, label),
            "regime": label_regime(dataset, label, few_shot).name,
            "n_train": dataset.n_train(label),
            "n_pool": dataset.n_pool(label),
            "n_test": int(n_test[i]),
        }
        for i, label in enumerate(table.labels)
    ]
    order = {regime.name: i for i, regime in enumerate(REGIMES)}
    rows.sort(key=lambda row: (order[str(row["regime"])], -dataset.n_train(str(row["label"])), row["label"]))
    return ZEROSHOT_FRAMES["classes"].frame(rows)


def _regime_row(summary: Summary, regime: Regime, system: str, classes: RegimeClasses) -> Row:
    inside, allowed = classes.members(regime), classes.allowed(regime, system)
    n_seen = int((inside & ~allowed).sum())
    if n_seen and not allowed.any():
        estimate = undefined("n/a (seen): every class of this regime is in the system's own training data")
    else:
        estimate = macro(summary, allowed, classes.context)
    value, interval = estimate
    return {
        "regime": regime.name, "value": value, "ci_low": interval.low, "ci_high": interval.high, "ci_method": interval.method,
        "n_classes": int((allowed & summary.defined).sum()), "n_clips": summary.n_clips(allowed), "n_seen": n_seen,
        "reason": interval.reason,
    }  # fmt: skip


def _class_rows(summary: Summary, system: str, class_frame: pd.DataFrame, classes: RegimeClasses) -> Iterator[Row]:
    position = {label: i for i, label in enumerate(classes.context.table.labels)}
    rare = {regime.name for regime in RARE}
    for row in class_frame.to_dict("records"):
        i = position[row["label"]]
        seen = row["regime"] in rare and bool(classes.trained[system][i])
        shared = {str(key): row[key] for key in ("label", "name", "regime", "n_train", "n_pool")}
        value = np.nan if seen else float(summary.class_means[i])
        yield shared | {"n_clips": int(summary.class_counts[i]), "value": value, "status": "seen" if seen else ""}
