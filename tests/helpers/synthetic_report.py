"""A made-up analysis with the shape of a real one: long-tailed classes, systems that lose more or less on the tail, real
audio, a noise floor, metrics of all three levels, undefined cells, short clips. No number in it means anything."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from scipy import stats

from reaudio_eval.clips.system import SystemInfo, SystemKind
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis

STRATA = strata_scheme("log10", {})
METRICS = (
    MetricInfo(
        "clap_score", "CLAP score", "clip", True, "cosine", "clap", "a" * 64, "Wu et al. 2023", role="text_similarity"
    ),
    MetricInfo(
        "label_recall_panns", "Label recall (PANNs)", "label", True, "probability", "panns", "b" * 64, "this package"
    ),
    MetricInfo("kl_panns", "KL divergence (PANNs)", "clip", False, "nats", "panns", "b" * 64, "audioldm_eval @ 51b7fdd"),
    MetricInfo("fad_vggish", "FAD (VGGish)", "set", False, "", "vggish", "c" * 64, "Kilgour et al. 2019, eq. 1"),
    MetricInfo("is_panns", "Inception score (PANNs)", "set", True, "", "panns", "b" * 64, "Salimans et al. 2016"),
    MetricInfo("kad_panns", "KAD (PANNs)", "set", False, "×1000", "panns", "b" * 64, "Chung et al. 2025"),
)
NAMES = ("Re-AudioLDM", "AudioGen", "AudioLDM", "AudioLDM 2", "Tango", "Make-An-Audio", "AudioLCM")
FRAMES = ("labels", "strata_sizes", "overall", "by_stratum", "per_class", "curve", "bins", "trend", "paired", "clip_scores")
SOUNDS = (
    "Dog",
    "Speech",
    "Engine",
    "Rain",
    "Bell",
    "Frog",
    "Door",
    "Wind",
    "Train",
    "Whistle",
    "Saw",
    "Clock",
    "Choir",
    "Water",
)

AUDIT = {
    "n_clips": 48,
    "n_ok": 47,
    "n_unreadable": 1,
    "n_missing": 0,
    "flags": {"silent": 1},
    "seconds": {"min": 9.98, "median": 10.0, "max": 10.2},
    "clips": [{"clip_id": "clip005", "status": "ok", "flags": ["silent"], "reason": None}],
}


def _level(metric: MetricInfo) -> tuple[float, float, float]:
    """Value at count 0, slope on log10(1 + n), spread between clips."""
    return {"clap_score": (0.24, 0.035, 0.07), "label_recall_panns": (0.1, 0.12, 0.15), "kl_panns": (2.6, -0.25, 0.5)}.get(
        metric.name, (4.0 if not metric.higher_is_better else 6.0, 0.0, 0.4)
    )


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    if len(values) == 0:
        return np.nan, np.nan, np.nan
    mean = float(np.mean(values))
    half = 1.96 * float(np.std(values, ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return mean, mean - half, mean + half


def write_clips(folder: Path, names: list[str], seed: int, seconds: float = 1.0) -> dict[str, Path]:
    """Short chirps with some noise, 16 kHz mono WAV."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    t = np.arange(int(16_000 * seconds)) / 16_000
    clips = {}
    for name in names:
        start, rate = rng.uniform(150, 1500), rng.uniform(50, 4000) / seconds
        audio = 0.3 * np.sin(2 * np.pi * (start * t + rate * t**2 / 2)) + 0.02 * rng.standard_normal(len(t))
        clips[name] = folder / f"{name}.wav"
        soundfile.write(clips[name], audio, 16_000)
    return clips


def build(
    audio: Path | None = None, *, n_systems: int = 7, n_classes: int = 100, n_clips: int = 48, n_metrics: int = 6,
    seconds: float = 1.0, references: bool = True,
) -> LongtailAnalysis:  # fmt: skip
    """The analysis; ``audio`` is the folder for the clips, None leaves the players out."""
    rng = np.random.default_rng(7)
    metrics = METRICS[:n_metrics]
    labels = _labels(n_classes, rng)
    ids = [f"clip{i:03d}" for i in range(n_clips)]
    prompts = _prompts(ids, labels, rng)
    labels["n_test"] = [sum(label in p.labels and p.labels_known for p in prompts) for label in labels["label"]]
    systems = _systems(audio, ids, n_systems, seconds, references)
    clips = _clip_scores(systems, metrics, prompts, labels, rng)
    per_class = _per_class(clips, prompts, labels)
    overall, by_stratum = _overall(systems, metrics, clips), _by_stratum(systems, metrics, per_class)
    trend, paired = _trend(systems, metrics, per_class, by_stratum), _paired(systems, metrics, clips)
    curve, bins = _curves(per_class)
    return LongtailAnalysis(
        dataset_name="audiocaps",
        split="test",
        list_sha256="0123456789abcdef" * 4,
        systems=systems,
        metrics=metrics,
        primary=metrics[0].name,
        strata=STRATA,
        prompts=prompts,
        labels=_nullable(labels),
        strata_sizes=_nullable(_sizes(labels, prompts)),
        overall=_nullable(overall),
        by_stratum=_nullable(by_stratum),
        per_class=_nullable(per_class),
        curve=curve,
        bins=_nullable(bins),
        trend=_nullable(trend),
        paired=_nullable(paired),
        clip_scores=clips,
        tail_shape={"gini": 0.81, "imbalance_ratio": 20707.0, "n_classes_train": float(n_classes)},
        alerts=(
            Alert("warning", "Only 4 clips carry a label of the tail: differences below 0.21 cannot be seen."),
            Alert("note", "The clips come from a demo page and were picked by hand."),
        ),
        references=next((dict(s.clips) for s in systems if s.kind == "real"), {}),
        provenance={
            "command": ["reaudio-eval", "longtail", "--dataset", "audiocaps"],
            "packages": {"reaudio-eval": "0.1.0", "numpy": "2.4.0"},
            "git": {"commit": "e1493d9", "dirty": False},
            "notes": ["4 rows are ambiguous.", "Labels are not propagated."],
            "seed": 0,
        },
        audit={s.name: dict(AUDIT) for s in systems if s.kind == "generated"},
    )


def _labels(n: int, rng: np.random.Generator) -> pd.DataFrame:
    counts = np.sort(np.maximum(0, (10 ** rng.uniform(-0.2, 4.3, n)).astype(int)))[::-1]
    counts[-2:] = 0
    stratum = [next(s.name for s in STRATA if s.contains(int(c))) for c in counts]
    names = [f"{SOUNDS[i % len(SOUNDS)]} {i // len(SOUNDS) + 1}" for i in range(n)]
    return pd.DataFrame({
        "label": [f"/m/{i:04d}" for i in range(n)], "name": names, "n_train": counts, "n_test": 0, "stratum": stratum,
    })  # fmt: skip


def _prompts(ids: list[str], labels: pd.DataFrame, rng: np.random.Generator) -> tuple[Prompt, ...]:
    weight = (labels["n_train"].to_numpy() + 30) ** 0.35
    prompts = []
    for i, clip in enumerate(ids):
        chosen = rng.choice(len(labels), size=min(3, len(labels)), replace=False, p=weight / weight.sum())
        names = [labels["name"][k].split()[0].lower() for k in chosen]
        caption = f"A {names[0]} is heard while a {names[-1]} sounds in the distance"
        prompts.append(Prompt(clip, caption, tuple(labels["label"][k] for k in chosen), labels_known=i % 12 != 7))
    return tuple(prompts)


def _systems(audio: Path | None, ids: list[str], n: int, seconds: float, references: bool) -> tuple[SystemInfo, ...]:
    kinds: list[tuple[str, SystemKind]] = [(name, "generated") for name in NAMES[:n]]
    if references:
        kinds += [("real audio", "real"), ("noise", "noise")]
    clips = [write_clips(audio / name, ids, k, seconds) if audio else {} for k, (name, _) in enumerate(kinds)]
    return tuple(SystemInfo(name, kind, len(ids), clips[k]) for k, (name, kind) in enumerate(kinds))


def _clip_scores(systems, metrics, prompts, labels, rng) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    counts = dict(zip(labels["label"], labels["n_train"], strict=True))
    rarity = np.array([np.mean([np.log10(1 + counts[label]) for label in p.labels]) for p in prompts])
    rows = []
    for metric in metrics:
        if metric.level == "set":
            continue
        base, slope, spread = _level(metric)
        shared = rng.normal(0, spread, len(prompts))
        sign = 1 if metric.higher_is_better else -1
        for k, system in enumerate(systems):
            lift = {"real": 1.2, "noise": -2.5}.get(system.kind, 0.6 - 0.25 * k) * spread * sign
            tilt = {"real": 0.4, "noise": 0.0}.get(system.kind, 0.4 + 0.2 * k) * slope
            values = base + lift + tilt * rarity + shared * 0.7 + rng.normal(0, 0.6 * spread, len(prompts))
            if metric.name == "kl_panns" and system.kind == "real":
                values = np.full(len(prompts), np.nan)
            rows.append(pd.DataFrame({
                "system": system.name, "clip_id": [p.clip_id for p in prompts], "metric": metric.name, "value": values,
            }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def _per_class(clips: pd.DataFrame, prompts: tuple[Prompt, ...], labels: pd.DataFrame) -> pd.DataFrame:
    pairs = pd.DataFrame(
        [(p.clip_id, label) for p in prompts if p.labels_known for label in p.labels], columns=["clip_id", "label"]
    )
    joined = clips.merge(pairs, on="clip_id")
    grouped = joined.groupby(["system", "metric", "label"], sort=False)["value"]
    table = grouped.mean().reset_index().merge(grouped.size().rename("n_clips").reset_index())
    table = table.merge(labels[["label", "name", "n_train", "stratum"]], on="label")
    table["normalised"] = np.clip(table["value"] * 1.5, 0, 1)
    of_stratum = table.groupby(["system", "metric", "stratum"])["value"].transform("mean")
    share = table["n_clips"] / (table["n_clips"] + 2)
    half = 0.4 * of_stratum.abs() / np.sqrt(table["n_clips"] + 2)
    table["shrunken"] = share * table["value"] + (1 - share) * of_stratum
    table["shrunken_low"], table["shrunken_high"] = table["shrunken"] - half, table["shrunken"] + half
    return table[
        ["system", "metric", "label", "name", "n_train", "stratum", "n_clips", "value", "normalised", "shrunken", "shrunken_low",
         "shrunken_high"]
    ]  # fmt: skip


def _overall(systems, metrics, clips) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    rows = []
    for k, system in enumerate(systems):
        for metric in metrics:
            reason, floor = None, np.nan
            if metric.level == "set":
                value, low, high = 2.0 + 0.7 * k, 1.6 + 0.7 * k, 2.5 + 0.7 * k
                floor = 1.31
                if system.kind != "generated":
                    value = low = high = np.nan
                    reason = f"{metric.title} of {system.name} against the real audio is not a comparison."
            else:
                own = clips[(clips["system"] == system.name) & (clips["metric"] == metric.name)]["value"].dropna()
                value, low, high = _interval(own.to_numpy())
                reason = None if np.isfinite(value) else "KL of the real audio against itself is zero by definition."
            rows.append(
                (system.name, metric.name, value, low, high, "jackknife", system.n_clips, floor, value + 0.4, 24, reason)
            )
    return pd.DataFrame(
        rows,
        columns=[
            "system",
            "metric",
            "value",
            "ci_low",
            "ci_high",
            "ci_method",
            "n_clips",
            "floor",
            "matched",
            "floor_n",
            "reason",
        ],
    )


def _by_stratum(systems, metrics, per_class) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    rows = []
    for system in systems:
        for metric in metrics:
            for k, stratum in enumerate(STRATA):
                reason, floor = None, np.nan
                own = per_class[
                    (per_class["system"] == system.name)
                    & (per_class["metric"] == metric.name)
                    & (per_class["stratum"] == stratum.name)
                ]
                value, low, high = _interval(own["value"].dropna().to_numpy())
                n_classes, n_clips = len(own), int(own["n_clips"].sum())
                if metric.level == "set" and system.kind == "generated" and k < 3:
                    value, low, high, floor, n_classes, n_clips = 3.0 + k, 2.1 + k, 4.2 + k, 2.0 + k, 10, (20, 16, 8)[k]
                if not np.isfinite(value):
                    reason = "No clip has a label of this stratum." if n_clips == 0 else "No value for these clips."
                normalised = (value - 0.1) / 0.3 if metric.level != "set" else np.nan
                rows.append(
                    (
                        system.name,
                        metric.name,
                        stratum.name,
                        value,
                        low,
                        high,
                        "mixed model over classes and clips",
                        n_classes,
                        n_clips,
                        normalised,
                        floor,
                        reason,
                    )
                )
    columns = [
        "system",
        "metric",
        "stratum",
        "value",
        "ci_low",
        "ci_high",
        "ci_method",
        "n_classes",
        "n_clips",
        "normalised",
        "floor",
        "reason",
    ]
    return pd.DataFrame(rows, columns=columns)


def _trend(systems, metrics, per_class, by_stratum) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    rows = []
    for system in systems:
        for metric in metrics:
            own = per_class[(per_class["system"] == system.name) & (per_class["metric"] == metric.name)].dropna(
                subset=["value"]
            )
            cells = by_stratum[(by_stratum["system"] == system.name) & (by_stratum["metric"] == metric.name)].set_index(
                "stratum"
            )["value"]
            reason = None if len(own) > 3 else "A set metric has no value per class."
            x = np.log10(1 + own["n_train"].to_numpy(dtype=float))
            fit = stats.linregress(x, own["value"]) if len(own) > 3 else None
            gap = cells["head"] - cells["tail"] if len(own) > 3 else np.nan
            for name, value, half in (
                ("slope", fit.slope if fit else np.nan, 1.96 * fit.stderr if fit else np.nan),
                ("gap_head_tail", gap, 0.05), ("ratio_tail_head", 1 - gap / cells["head"], 0.1),
                ("spearman", stats.spearmanr(x, own["value"])[0] if fit else np.nan, 0.15),
                ("worst_10pct", own["value"].nsmallest(max(1, len(own) // 10)).mean(), np.nan),
                ("macro", own["value"].mean(), 0.02), ("micro", own["value"].mean() + 0.01, 0.02),
            ):  # fmt: skip
                rows.append((system.name, metric.name, name, value, value - half, value + half, len(own), reason))
    return pd.DataFrame(rows, columns=["system", "metric", "statistic", "value", "ci_low", "ci_high", "n_classes", "reason"])


def _paired(systems, metrics, clips) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    generated = [s.name for s in systems if s.kind == "generated"]
    wide = clips.pivot_table(index=["metric", "clip_id"], columns="system", values="value")
    rows = []
    for metric in metrics:
        if metric.level == "set":
            continue
        table = wide.loc[metric.name]
        for quantity, take in (
            ("all", slice(None)),
            ("head", slice(0, 20)),
            ("tail", slice(20, 26)),
            ("gap_head_tail", slice(0, 12)),
            ("slope", slice(0, 9)),
        ):
            for a, b in combinations(generated, 2):
                d = (table[a] - table[b]).iloc[take].to_numpy()
                mean, low, high = _interval(d)
                p = float(stats.ttest_1samp(d, 0).pvalue) if len(d) > 1 else np.nan
                detectable = 2.8 * float(np.std(d, ddof=1)) / np.sqrt(len(d)) if len(d) > 1 else np.nan
                rows.append(
                    (metric.name, quantity, a, b, mean, low, high, p, min(1.0, p * 21), detectable, len(d), 40, None)
                )
    columns = [
        "metric",
        "quantity",
        "system_a",
        "system_b",
        "difference",
        "ci_low",
        "ci_high",
        "p_value",
        "p_holm",
        "detectable",
        "n_clips",
        "n_classes",
        "reason",
    ]
    return pd.DataFrame(rows, columns=columns)


def _curves(per_class: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    curve, bins = [], []
    for (system, metric), own in per_class.dropna(subset=["value"]).groupby(["system", "metric"], sort=False):
        x = np.log10(1 + own["n_train"].to_numpy(dtype=float))
        y = own["value"].to_numpy()
        for g in np.linspace(x.min(), x.max(), 25):
            w = np.exp(-0.5 * ((x - g) / 0.5) ** 2)
            mean = float(w @ y / w.sum())
            se = float(np.sqrt(w**2 @ (y - mean) ** 2) / w.sum())
            curve.append((system, metric, 10**g - 1, mean, mean - 1.96 * se, mean + 1.96 * se))
        for k in range(5):
            inside = (x >= k) & (x < k + 1)
            bins.append((system, metric, 10 ** (k + 0.5) - 1, *_interval(y[inside]), int(inside.sum())))
    columns = ["system", "metric", "n_train", "value", "ci_low", "ci_high"]
    return pd.DataFrame(curve, columns=columns), pd.DataFrame(bins, columns=[*columns, "n_classes"])


def _sizes(labels: pd.DataFrame, prompts: tuple[Prompt, ...]) -> pd.DataFrame:
    counts = dict(zip(labels["label"], labels["n_train"], strict=True))
    rows = []
    for s in STRATA:
        inside = labels["stratum"] == s.name
        any_, rarest = 0, 0
        for p in prompts:
            if p.labels_known:
                any_ += any(s.contains(int(counts[label])) for label in p.labels)
                rarest += s.contains(int(min(counts[label] for label in p.labels)))
        tested = inside & (labels["n_test"] > 0)
        rows.append((s.name, s.low, s.high, int(inside.sum()), int(tested.sum()), any_, rarest))
    columns = ["stratum", "low", "high", "n_classes_train", "n_classes_test", "n_clips_any", "n_clips_rarest"]
    return pd.DataFrame(rows, columns=columns)


def _nullable(frame: pd.DataFrame) -> pd.DataFrame:
    """Counts as nullable integers, as the real analysis has them."""
    counts = [c for c in frame.columns if (str(c).startswith("n_") and c != "n_train") or c in ("low", "high", "floor_n")]
    return frame.astype(dict.fromkeys(counts, "Int64"))


def emptied(analysis: LongtailAnalysis) -> LongtailAnalysis:
    """The same analysis with every frame empty and nothing to rank."""
    empty = {name: getattr(analysis, name).iloc[:0] for name in FRAMES}
    nothing: dict[str, Any] = {
        "systems": (),
        "metrics": (),
        "primary": None,
        "prompts": (),
        "alerts": (),
        "audit": {},
        "provenance": {},
    }
    return replace(analysis, **empty, **nothing, tail_shape={})
