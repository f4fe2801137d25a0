"""Where work runs, as options."""

from __future__ import annotations

import sys

import pytest
from ray_work import doubling

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.executors import LOCAL, Executor
from reaudio_model.common.ray_executor import map_on_ray


def test_work_is_local_by_default() -> None:
    assert Executor() == LOCAL
    assert not LOCAL.is_ray
    assert Executor("ray").is_ray


@pytest.mark.parametrize("options", [{"ray_address": "auto"}, {"ray_gpus": 0.5}])
def test_options_of_ray_need_ray(options: dict[str, str | float]) -> None:
    with pytest.raises(ReaudioError, match=r"options of --executor ray: give it too, or leave them out"):
        Executor.of(options)
    assert Executor.of({"executor": "ray", **options}).is_ray


@pytest.mark.parametrize("options", [{"executor": "slurm"}, {"executor": "ray", "ray_gpus": 0}])
def test_what_is_no_executor_is_refused(options: dict[str, str | float]) -> None:
    with pytest.raises(ReaudioError):
        Executor.of(options)


def test_without_ray_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ReaudioError, match=r'needs Ray: pip install "reaudio-eval\[ray\]", or leave out --executor'):
        Executor("ray")


def test_without_work_nothing_is_connected() -> None:
    assert list(map_on_ray(doubling, [], LOCAL, on_gpu=False, what="doubles")) == []
