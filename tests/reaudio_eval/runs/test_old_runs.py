"""Runs that version 0.1.0 wrote: read, reported again and compared, with the numbers of that version."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_eval.runs.directory import Run, read_run

ARCHIVE = Path(__file__).parents[2] / "golden" / "run-schema-1" / "runs.tar.xz"
EXACT = 1e-9  # relative; the same arithmetic in another order differs less
pytestmark = pytest.mark.usefixtures("no_figures")

SETS = {"kad_bands"}  # metrics of sets of clips
# system -> metric -> value, lower and upper end of its interval; None where undefined
VALUES = {
    "good": {
        "copying_bands": (0.008204470748335, 0.003474773843354, 0.014290820773280),
        "kad_bands": (29.198897029088577, 17.769976628325033, 40.627817429852122),
        "kl_bands": (0.197050225603474, 0.099327808887682, 0.310911928366780),
    },
    "paster": {
        "copying_bands": (0.008375067248373, 0.003663806622856, 0.014489271494382),
        "kad_bands": (29.182676781524929, 17.612257220877023, 40.753096342172839),
        "kl_bands": (0.197801842820960, 0.101829463347023, 0.310720122965085),
    },
    "real": {"copying_bands": (0, 0, 0), "kad_bands": (None, None, None), "kl_bands": (None, None, None)},
    "noise": {
        "copying_bands": (0.002446667957927, -0.004270245416355, 0.009802760543997),
        "kad_bands": (19.456795743542045, 4.445844308653363, 34.467747178430727),
        "kl_bands": (0.258620800730532, 0.153114731542823, 0.382183521020019),
    },
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "runs"


def run_of(runs: Path, system: str) -> Run:
    return read_run(next((runs / "folder" / system).iterdir()))


def command(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--media", "none", "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_every_file_is_read(runs: Path) -> None:
    run = run_of(runs, "paster")
    assert (run.scores.system.kind, run.scores.system.n_clips, run.scores.seed) == ("generated", 24, 0)
    assert [m.name for m in run.scores.metrics] == ["copying_bands", "kad_bands", "kl_bands"]
    assert [s.name for s in run.strata] == ["head", "medium", "tail", "zero-shot"]
    assert [s.title for s in run.strata] == ["common 1,000+", "medium 100-999", "rare 1-99", "unseen"]
    assert run.dataset.prompts[0].caption == "the sound of a hum"
    assert dict(run.dataset.train_counts)["hum"] == 5000
    assert "rumble" not in run.dataset.train_counts
    assert run.scores.scores.groupby("metric").size().to_dict() == {"copying_bands": 24, "kl_bands": 24}
    assert run.scores.scores["label"].isna().all()
    assert [len(r) for r in run.scores.set_values["replicates"]] == [20, 6, 6, 10, 0]
    assert run.scores.set_values["floor"].iloc[0] == pytest.approx(1.456860952844474, rel=EXACT)
    assert run.scores.copies["similarity"].tolist() == pytest.approx([1] * 24)
    assert run.scores.neighbours_of == "paster"
    retrieval = run.scores.system.retrieval
    assert retrieval is not None
    assert (retrieval.k, retrieval.judges, retrieval.about["key"]) == (1, ("bands",), "audio")
    assert retrieval.neighbours["hum0"][0].pair.clip_id == "pool-hum1"
    assert run_of(runs, "real").scores.undefined.keys() == {"kad_bands", "kl_bands"}


@pytest.mark.slow
def test_the_report_has_the_numbers_of_then(runs: Path, tmp_path: Path) -> None:
    found = command("report", str(runs), "--output", str(tmp_path))
    assert any("runs were written by a version that stored no checksums" in alert["message"] for alert in found["alerts"])
    for system, metrics in VALUES.items():
        for metric, expected in metrics.items():
            cell = found["systems"][system][metric]
            # Intervals of the mean of a clip metric follow the inference of today, those of set metrics are the stored jackknife.
            keys = ("value", "ci_low", "ci_high") if metric in SETS else ("value",)
            for key, number in zip(keys, expected, strict=False):
                assert cell[key] == (None if number is None else pytest.approx(number, rel=EXACT)), (system, metric, key)
    data = json.loads((tmp_path / "longtail.json").read_text(encoding="utf-8"))
    assert data["provenance"]["unverified"] == "written by a version that stored no checksums"
    copying = pd.DataFrame(data["copying"]["summary"]).set_index(["system", "quantity"])["value"]
    assert copying["real", "near_copies"] == pytest.approx(1 / 24, rel=EXACT)
    assert copying["good", "limit"] == pytest.approx(0.999724182473693, rel=EXACT)
    leaks = pd.DataFrame(data["copying"]["leaks"]).set_index(["system", "kind"])["n"]
    assert leaks["paster", "identical_caption"] == 1


@pytest.mark.slow
def test_compare_has_the_numbers_of_then(runs: Path, tmp_path: Path) -> None:
    found = command("compare", str(runs), "--baseline", "good", "--output", str(tmp_path))["differences"]
    everything = found["kad_bands"]["all"]["paster"]
    assert everything["difference"] == pytest.approx(-0.016220247563648, rel=EXACT)
    assert everything["ci_low"] == pytest.approx(-0.700494250227315, rel=EXACT)
    assert everything["p_holm"] == 1
    copying = found["copying_bands"]["all"]["paster"]
    assert copying["difference"] == pytest.approx(0.000170596500039, rel=EXACT)
