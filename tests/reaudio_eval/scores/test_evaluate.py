"""Scores of systems under embedders that only a plug-in folder knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import write_embedder, write_pair

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.audit import ClipAudit
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.evaluate import Evaluation, Options, evaluate, prepare, scored_clips
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter

LABELS = tuple(f"band{i}" for i in range(8))


def scored(
    tmp_path: Path,
    vocabulary_name: str,
    cut: str | None = None,
    lacks: int | None = None,
    common: bool = False,
    class_names: tuple[str, ...] = (),
    **settings: object,
) -> Evaluation:
    """A system, and with ``lacks`` a second one with the same clips that lacks the first of them."""
    checkpoint = write_embedder(tmp_path / "plugins", "foo")
    generated, reference = write_pair(tmp_path, n=10)
    if cut is not None:
        path = generated / f"{cut}.wav"
        path.write_bytes(path.read_bytes()[:-4000])
    ids = sorted(path.stem for path in generated.iterdir())
    prompts = tuple(Prompt(c, f"caption {c}", (LABELS[i % 8],)) for i, c in enumerate(ids))
    dataset = Dataset(
        "toy",
        "test",
        prompts,
        dict.fromkeys(LABELS, 5),
        {},
        {c: reference / f"{c}.wav" for c in ids},
        vocabulary=LABELS,
        vocabulary_name=vocabulary_name,
        class_names=class_names,
    )
    options = Options(
        embedders=("foo",), checkpoints={"foo": str(checkpoint)}, cache_dir=str(tmp_path / "cache"), **settings
    )  # type: ignore[dict-item, arg-type]
    clips = {c: generated / f"{c}.wav" for c in ids}
    systems = [SystemInfo("ours", "generated", len(ids), clips)]
    if lacks is not None:
        systems.append(SystemInfo("theirs", "generated", len(ids) - lacks, {c: clips[c] for c in ids[lacks:]}))
    quiet = Reporter(quiet=True)
    return evaluate(systems, dataset, strata_scheme("10", {}), prepare(options), options, quiet, common=common)


def test_a_system_counts_its_clips_and_set_metrics_those_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    found = scored(tmp_path, "eight", lacks=3)
    every = tuple(f"c{i:02d}" for i in range(10))
    assert found.clips == {"ours": (every, every[3:]), "theirs": (every[3:], every[3:])}
    assert (found.clip_ids, found.set_clip_ids) == (every, every[3:])
    ours, theirs = found.scores
    assert (ours.system.n_clips, theirs.system.n_clips) == (10, 7)
    assert (ours.set_clip_ids, theirs.set_clip_ids) == (frozenset(every[3:]), None)
    values = [s.scores.set_index(["metric", "clip_id", "label"])["value"] for s in (ours, theirs)]
    assert values[1].equals(values[0][values[0].index.isin(every[3:], level="clip_id")])
    for scores in (ours, theirs):
        overall = scores.set_values[scores.set_values["stratum"] == "all"]
        assert set(overall["n_clips"]) == {7}
    fd = [s.set_values.set_index(["metric", "stratum"]).at[("fd_foo", "all"), "value"] for s in (ours, theirs)]
    assert fd[0] == pytest.approx(fd[1])  # of the same clips
    assert scored(tmp_path, "eight", lacks=3, common=True).clips == dict.fromkeys(("ours", "theirs"), (every[3:], every[3:]))


def test_systems_without_a_common_clip_have_no_set_metrics() -> None:
    ok = {
        name: [ClipAudit(c, "ok" if c in clips else "missing") for c in "abcd"] for name, clips in (("x", "ab"), ("y", "cd"))
    }
    names = {"x": ("x",), "y": ("y",)}
    assert scored_clips(ok, names, strict=False, common=False) == {"x": (("a", "b"), ()), "y": (("c", "d"), ())}
    with pytest.raises(
        ReaudioError, match=r"No clip is readable in every system \(x: 2 of 4 readable, y: .*Leave out --common"
    ):
        scored_clips(ok, names, strict=False, common=True)
    ok["reference"] = [ClipAudit(c, "ok" if c in "ac" else "missing") for c in "abcd"]
    assert scored_clips(ok, names, strict=False, common=False) == {"x": (("a",), ()), "y": (("c",), ())}
    ok["x (seed 1)"] = [ClipAudit(c, "missing") for c in "abcd"]
    with pytest.raises(ReaudioError, match="Name each file after its clip id"):
        scored_clips(ok, {**names, "x": ("x", "x (seed 1)")}, strict=False, common=False)


def test_a_text_embedder_and_tagger_of_another_name_gets_its_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    (scores,) = scored(tmp_path, "eight").scores
    table = scores.scores.groupby("metric")["value"].agg(["count", "min", "max"])
    for name in ("clap_score_foo", "label_accuracy_foo", "label_recall_foo", "label_probability_foo"):
        assert table.loc[name, "count"] == 10, name
    roles = {m.name: m.role for m in scores.metrics}
    assert roles["clap_score_foo"] == "text_similarity"
    assert roles["label_accuracy_foo"] == "label_accuracy"


NAMES = '''
"""Names: number of letters of the classes' names."""

import numpy as np

from reaudio_eval.scores.metrics import ClipMetric

METRICS = (
    ClipMetric(
        "letters_{embedder}", "Letters", True, "", "tests", needs=frozenset({"logits", "captions", "class_names"}),
        compute=lambda data: np.full(len(data.prompts), float(len("".join(data.class_names)))),
    ),
)
'''


@pytest.mark.parametrize(
    ("vocabulary", "names", "value"), [("eight", True, 48.0), ("others", True, None), ("eight", False, None)]
)
def test_names_of_classes_reach_metrics_of_taggers_with_that_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vocabulary: str, names: bool, value: float | None
) -> None:
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    (tmp_path / "plugins/metrics").mkdir(parents=True)
    (tmp_path / "plugins/metrics/letters.py").write_text(NAMES, encoding="utf-8")
    class_names = tuple(f"band {i}" for i in range(8)) if names else ()
    (scores,) = scored(tmp_path, vocabulary, class_names=class_names).scores
    if value is None:
        assert "needs the names of the tagger's classes" in scores.undefined["letters_foo"]
    else:
        found = scores.scores[scores.scores["metric"] == "letters_foo"]["value"]
        assert list(found) == [value] * 10


def test_a_tagger_of_another_vocabulary_has_no_label_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    (scores,) = scored(tmp_path, "others").scores
    assert "order of this tagger's classes is not known" in scores.undefined["label_accuracy_foo"]


def test_a_text_embedder_without_its_methods_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_embedder(tmp_path / "plugins", "foo")
    path = tmp_path / "plugins" / "embedders" / "foo.py"
    monkeypatch.setattr("fakes.EMBEDDER", path.read_text().replace("    encoder_sha256 =", "    identity ="))
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    with pytest.raises(ReaudioError, match="foo has_text, so its network needs embed_text and encoder_sha256"):
        scored(tmp_path, "eight")


def test_truncated_clips_are_listed_and_refused_by_strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    audit = scored(tmp_path, "eight", cut="c03").audit["ours"]
    assert audit["flags"]["truncated"] == 1
    (entry,) = (clip for clip in audit["clips"] if "truncated" in clip["flags"])
    assert entry["clip_id"] == "c03"
    with pytest.raises(
        ReaudioError, match=r"1 clip is missing, unreadable or not whole: ours: c03 \(The file is not whole: it"
    ):
        scored(tmp_path / "strict", "eight", cut="c03", strict=True)
    scored(tmp_path / "whole", "eight", strict=True)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_the_limit_of_length_is_a_positive_number(value: float) -> None:
    with pytest.raises(ReaudioError, match="--max-seconds must be more than 0 and finite"):
        Options(max_seconds=value)


def test_one_name_may_be_given_as_text() -> None:
    options = Options(embedders="panns", metrics="kl", require="kl_panns")  # type: ignore[arg-type]
    assert (options.embedders, options.metrics, options.require) == (("panns",), ("kl",), ("kl_panns",))
    assert Options().metrics is None
