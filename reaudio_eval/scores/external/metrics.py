"""Metrics of external scores: direction, range and title, as the user states them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reaudio_eval.scores.system_scores import UNBOUNDED, Level, MetricInfo, Range
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.yaml_files import read_yaml_file

DIRECTIONS = ("higher", "lower")
FORM = "NAME=DIRECTION[,LOW,HIGH], for example relevance=higher,0,10"
SOURCE = "computed elsewhere (--scores)"
_FACTS = ("direction", "range", "title", "unit", "source")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")  # it becomes part of file names


@dataclass(frozen=True)
class StatedMetric:
    """What is known of a metric.

    Attributes:
        higher_is_better: direction.
        range: possible values, [low, high].
        title, unit, source: for readers; "" where not stated.
    """

    higher_is_better: bool
    range: Range = UNBOUNDED
    title: str = ""
    unit: str = ""
    source: str = ""

    def info(self, name: str, level: Level) -> MetricInfo:
        """The metric of this name, without an embedder."""
        title, source = self.title or name, self.source or SOURCE
        return MetricInfo(name, title, level, self.higher_is_better, self.unit, "", source=source, range=self.range)


def is_metric_name(name: str) -> bool:
    """Whether a metric may be called so: letters, digits, ".", "_" and "-", at most 80."""
    return bool(_NAME.fullmatch(name))


def parse_stated(values: Mapping[str, str]) -> dict[str, StatedMetric]:
    """The metrics of ``--score-metric``, by name.

    Args:
        values: name -> "higher" or "lower", or with the smallest and largest value, "higher,0,10"; either may be left empty.

    Raises:
        ReaudioError: another form, or a range that is none.
    """
    return {name: _parse(name, text) for name, text in values.items()}


def _parse(name: str, text: str) -> StatedMetric:
    direction, *bounds = (part.strip() for part in text.split(","))
    if direction not in DIRECTIONS or len(bounds) not in (0, 2):
        raise ReaudioError(f"--score-metric {name}={text} must have the form {FORM}.")
    return StatedMetric(direction == "higher", _range([b or None for b in bounds], f"--score-metric {name}={text}"))


def _range(bounds: list[Any], where: str) -> Range:
    """[low, high], None for no bound.

    Raises:
        ReaudioError: no two numbers with low < high.
    """
    if not bounds:
        return UNBOUNDED
    try:
        low, high = (None if bound is None else float(bound) for bound in bounds)
    except (TypeError, ValueError) as error:
        raise ReaudioError(
            f"{where}: the range must be two numbers, the smallest and the largest value, not {bounds}."
        ) from error
    known = [bound for bound in (low, high) if bound is not None]
    if not all(map(math.isfinite, known)) or (low is not None and high is not None and low >= high):
        raise ReaudioError(f"{where}: the range must go from a smaller to a larger finite number, not {bounds}.")
    return Range(low, high)


def sidecar_path(table: Path) -> Path:
    """The file beside a table that states its metrics: ``ratings.yaml`` for ``ratings.csv``, ``ratings.csv.gz`` or ``ratings.parquet``."""
    stem = table.name
    for suffix in (".gz", ".bz2", ".xz", ".zip", ".csv", ".parquet"):
        stem = stem.removesuffix(suffix)
    return table.with_name(f"{stem}.yaml")


def read_sidecar(table: Path) -> dict[str, StatedMetric]:
    """The metrics that the file beside a table states (:func:`sidecar_path`); {} where there is none.

    It holds a mapping for each metric, by name: ``direction`` ("higher" or "lower" is better), and optionally ``range`` ([low, high], null
    for no bound), ``title``, ``unit`` and ``source``.

    Raises:
        ReaudioError: not such a file.
    """
    path = sidecar_path(table)
    if not path.is_file():
        return {}
    found = read_yaml_file(path, "the metrics of a table of scores")
    if not isinstance(found, dict) or not all(isinstance(facts, dict) for facts in found.values()):
        raise ReaudioError(
            f"{path} must hold a mapping for each metric, such as 'relevance: {{direction: higher, range: [0, 10]}}'."
        )
    return {str(name): _stated(facts, f"{path}, {name}") for name, facts in found.items()}


def _stated(facts: Mapping[Any, Any], where: str) -> StatedMetric:
    for key in facts:
        one_of(f"entry of {where}", str(key), _FACTS)
    direction, bounds = facts.get("direction"), facts.get("range", [])
    if direction not in DIRECTIONS:
        raise ReaudioError(f"{where}: direction must be 'higher' or 'lower', whichever is better, not {direction!r}.")
    if not isinstance(bounds, list) or len(bounds) not in (0, 2) or any(isinstance(b, bool | str) for b in bounds):
        raise ReaudioError(f"{where}: the range must be [low, high], null for no bound, not {bounds!r}.")
    texts = {key: facts[key] for key in ("title", "unit", "source") if facts.get(key) is not None}
    return StatedMetric(direction == "higher", _range(bounds, where), **{key: str(text) for key, text in texts.items()})


def merged(
    options: Mapping[str, StatedMetric], sidecars: Iterable[tuple[Path, Mapping[str, StatedMetric]]]
) -> dict[str, StatedMetric]:
    """What is stated of each metric; direction and range that an option gives are taken before those of a file.

    Raises:
        ReaudioError: two files state something else of a metric.
    """
    found: dict[str, StatedMetric] = {}
    first: dict[str, Path] = {}
    for path, stated in sidecars:
        for name, metric in stated.items():
            if found.setdefault(name, metric) != metric:
                raise ReaudioError(f"{first[name]} and {path} state different things of {name!r}: make them agree.")
            first.setdefault(name, path)
    for name, metric in options.items():
        known = found.get(name, metric)
        bounds = known.range if metric.range == UNBOUNDED else metric.range
        found[name] = dataclasses.replace(known, higher_is_better=metric.higher_is_better, range=bounds)
    return found
