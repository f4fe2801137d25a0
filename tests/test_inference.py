"""A small part of the simulations of ``benchmarks/inference.py``, on the miniature's labels."""

from __future__ import annotations

from typing import Any

import inference as simulation
import pandas as pd
import pytest

pytestmark = pytest.mark.slow

RUNS = 100


def limit(share: float) -> float:
    """Four standard errors of a share of RUNS."""
    return 4 * float((share * (1 - share) / RUNS) ** 0.5)


@pytest.fixture(scope="module")
def table() -> Any:
    return simulation.structures(None)["miniature"]


def test_intervals_cover_their_targets(table: Any) -> None:
    worlds = [
        simulation.World("accuracy", 0.05, "label", 0.0, 0.5),
        simulation.World("accuracy", 0.3, "label", 1.0, 0.5),
        simulation.World("log-normal", 1.0, "clip", 1.0),
        simulation.World("cosine", 0.0, "clip", 1.0),
    ]
    cells = pd.DataFrame([row for world in worlds for row in simulation.coverage("miniature", table, world, RUNS)])
    assert set(cells["quantity"]) >= {"100+", "1-9", "classes", "gap", "slope", "spearman", "worst tenth", "class scores"}
    assert (cells["coverage"] > 0.95 - limit(0.95)).all(), cells.nsmallest(3, "coverage")
    assert 0.93 < cells["coverage"].mean() < 0.985


def test_no_trend_where_classes_are_equal(table: Any) -> None:
    cells = pd.DataFrame(simulation.coverage("miniature", table, simulation.World("accuracy", 0.1, "label"), RUNS))
    of = cells.set_index("quantity")
    assert abs(of.at["spearman", "bias"]) < 0.03
    assert abs(of.at["worst tenth", "bias"]) < 0.03


def test_equal_systems_are_rarely_different(table: Any) -> None:
    """Also where they differ at random by class, except over clips, whose classes are as they are."""
    for classes in (0.0, 1.0):
        world = simulation.World("accuracy", 0.3, "label", classes, 0.5)
        cells = pd.DataFrame(simulation.tests("miniature", table, world, RUNS)).set_index("quantity")
        assert "family" in cells.index
        assert (cells.drop(index="all")["rejected"] < 0.05 + limit(0.05)).all()


def test_detectable_difference_is_detected(table: Any) -> None:
    cells = simulation.power("miniature", table, simulation.World("accuracy", 0.3, "label", 1.0, 0.5), RUNS)
    assert {row["quantity"] for row in cells} == {"classes", "1-9", "zero-shot"}
    assert all(abs(row["power"] - 0.8) < limit(0.8) for row in cells), cells
