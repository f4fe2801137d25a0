"""Direction, range and title of a metric, by options and by a file beside the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_eval.scores.external.metrics import (
    SOURCE,
    StatedMetric,
    is_metric_name,
    merged,
    parse_stated,
    read_sidecar,
    sidecar_path,
)
from reaudio_eval.scores.system_scores import UNBOUNDED, MetricInfo, Range
from reaudio_model.common.errors import ReaudioError

SIDECAR = """
relevance: {direction: higher, range: [0, 10], title: Relevance, unit: points, source: listeners}
wer: {direction: lower, range: [0, null]}
"""


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("higher", StatedMetric(True)),
        ("lower", StatedMetric(False)),
        ("higher,0,10", StatedMetric(True, Range(0.0, 10.0))),
        (" lower , 0 , ", StatedMetric(False, Range(0.0, None))),
        ("higher,,1", StatedMetric(True, Range(None, 1.0))),
        ("higher,,", StatedMetric(True, UNBOUNDED)),
        ("higher,-1e-3,2.5", StatedMetric(True, Range(-0.001, 2.5))),
    ],
)
def test_an_option_states_direction_and_range(text: str, stated: StatedMetric) -> None:
    assert parse_stated({"m": text}) == {"m": stated}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("up", r"--score-metric m=up must have the form NAME=DIRECTION\[,LOW,HIGH\], for example relevance=higher,0,10"),
        ("higher,0", "must have the form"),
        ("higher,0,1,2", "must have the form"),
        ("higher,a,b", "the range must be two numbers"),
        ("higher,1,1", "the range must go from a smaller to a larger finite number"),
        ("higher,2,1", "the range must go from"),
        ("higher,nan,1", "the range must go from"),
        ("higher,0,inf", "the range must go from"),
    ],
)
def test_another_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        parse_stated({"m": text})


def test_the_file_beside_a_table(tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.gz", "a.parquet", "a.csv.zip"):
        assert sidecar_path(tmp_path / name) == tmp_path / "a.yaml"
    assert sidecar_path(tmp_path / "a.b.csv") == tmp_path / "a.b.yaml"
    assert read_sidecar(tmp_path / "a.csv") == {}
    (tmp_path / "a.yaml").write_text(SIDECAR)
    found = read_sidecar(tmp_path / "a.csv")
    assert found == {
        "relevance": StatedMetric(True, Range(0.0, 10.0), "Relevance", "points", "listeners"),
        "wer": StatedMetric(False, Range(0.0, None)),
    }
    assert found["relevance"].info("relevance", "clip") == MetricInfo(
        "relevance", "Relevance", "clip", True, "points", "", source="listeners", range=Range(0.0, 10.0)
    )
    assert found["wer"].info("wer", "label") == MetricInfo(
        "wer", "wer", "label", False, "", "", source=SOURCE, range=Range(0.0)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "must hold a mapping for each metric, such as"),
        ("m: higher", "must hold a mapping for each metric"),
        ("m: {range: [0, 1]}", "m: direction must be 'higher' or 'lower', whichever is better, not None"),
        ("m: {direction: up}", "direction must be"),
        ("m: {direction: higher, range: [0]}", r"the range must be \[low, high\], null for no bound, not \[0\]"),
        ("m: {direction: higher, range: ['0', 1]}", "the range must be"),
        ("m: {direction: higher, range: [1, 0]}", "the range must go from"),
        ("m: {direction: higher, titel: M}", "Unknown entry of .*m 'titel'. Did you mean 'title'"),
        ("m: {direction: higher", "is not YAML"),
    ],
)
def test_a_file_that_states_something_else_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ReaudioError, match=message):
        read_sidecar(tmp_path / "a.csv")


def test_an_option_is_taken_before_files_which_must_agree() -> None:
    file = StatedMetric(True, Range(0, 10), "Relevance", "points")
    options = {"a": StatedMetric(False), "b": StatedMetric(True, Range(0, 1)), "new": StatedMetric(True)}
    found = merged(options, [(Path("x.yaml"), {"a": file, "b": file}), (Path("y.yaml"), {"b": file, "c": file})])
    assert found["a"] == StatedMetric(False, Range(0, 10), "Relevance", "points")
    assert found["b"] == StatedMetric(True, Range(0, 1), "Relevance", "points")
    assert (found["c"], found["new"]) == (file, StatedMetric(True))
    with pytest.raises(ReaudioError, match=r"x\.yaml and y\.yaml state different things of 'a': make them agree"):
        merged({}, [(Path("x.yaml"), {"a": file}), (Path("y.yaml"), {"a": StatedMetric(True)})])


def test_names_of_metrics_can_be_file_names() -> None:
    assert all(map(is_metric_name, ("relevance", "kl_panns", "MOS-1.2", "a" * 80)))
    assert not any(map(is_metric_name, ("", "a b", "../x", ".x", "a/b", "a" * 81, "Güte")))
