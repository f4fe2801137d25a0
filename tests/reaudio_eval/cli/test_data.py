"""``reaudio-eval data prompts``: the list that an evaluation with the same options uses."""

from __future__ import annotations

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.loading import load_dataset
from reaudio_eval.evaluations.options import Data
from reaudio_model.common.files import default_cache_dir
from reaudio_model.common.progress import Reporter

runner = CliRunner()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"limit": 5}, {"sample": 7}])
def test_the_prompts_are_those_of_an_evaluation(options: dict[str, int]) -> None:
    [(name, n)] = options.items()
    printed = runner.invoke(app, ["data", "prompts", f"--{name}", str(n)])
    assert printed.exit_code == 0, printed.output
    rows = list(csv.DictReader(io.StringIO(printed.stdout)))
    dataset = load_dataset(Data.of(options), default_cache_dir(), Reporter(quiet=True))
    assert [row["clip_id"] for row in rows] == [p.clip_id for p in dataset.prompts]
    assert len(rows) == n
    found = json.loads(runner.invoke(app, ["data", "prompts", f"--{name}", str(n), "--json"]).stdout)
    assert found == {"n_prompts": n, "list_sha256": dataset.list_sha256, "output": None}


def test_limit_and_sample_exclude_each_other() -> None:
    result = runner.invoke(app, ["data", "prompts", "--limit", "3", "--sample", "3"])
    assert result.exit_code == 2
    assert "give one of them" in result.stderr
