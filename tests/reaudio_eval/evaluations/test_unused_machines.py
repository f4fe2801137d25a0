"""Options of other machines are refused where they would be ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import reaudio_eval
from reaudio_model.common.errors import ReaudioError

STORE = {"feature_store": "memory://features"}


@pytest.mark.parametrize("options", [STORE, {"executor": "ray"}])
def test_crosscheck_runs_in_this_process(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"runs the packages in this process .*leave out --executor and --feature-store"):
        reaudio_eval.CrosscheckRequest.of({"generated": tmp_path, "reference": tmp_path, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": "tango", **STORE}, "`generate` computes none: leave it out"),
        (
            {"external": {"Mine": "run {prompts} {out}"}, "executor": "ray"},
            "a program of --external runs here: leave it out",
        ),
    ],
)
def test_generate_embeds_nothing_and_runs_programs_here(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        reaudio_eval.GenerateRequest.of(options)
