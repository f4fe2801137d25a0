"""Commands with ``--executor ray``: the same files, to the bit, as in one process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from model_command import run as run_model
from ray_cluster import local_cluster
from ray_work import open_tone
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_eval.clips.models.public.generate import identity, write_clips
from reaudio_eval.clips.models.public.system import Settings
from reaudio_eval.prompts.dataset import Prompt
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.executors import LOCAL, Executor
from reaudio_model.common.progress import Reporter
from reaudio_model.miniature import bundled, materials

pytest.importorskip("ray", reason='needs Ray: pip install "reaudio-eval[ray]"')

pytestmark = pytest.mark.slow  # a cluster takes seconds to start

QUIET = Reporter(quiet=True)
COMPARED = ("*.wav", "*.parquet", "metrics.json", "*.safetensors")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with local_cluster() as cluster:
        yield cluster.address


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def evaluate(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output


def files(folder: Path) -> dict[str, bytes]:
    """The files that must be equal, by path below ``folder``."""
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for pattern in COMPARED for p in folder.rglob(pattern)}
    assert found
    # rows of these name files of the two folders
    return {name: content for name, content in found.items() if not name.endswith(("/clips.parquet", "/retrieved.parquet"))}


EVALUATIONS = {
    "longtail": ("--model", "re-audioldm-s", "--limit", "5", "--baselines", "none", "--seeds", "2"),
    "zeroshot": ("--model", "re-audioldm-s-none", "--limit", "2", "--baselines", "none", "--no-oracle"),
    "sweep": ("--model", "re-audioldm-s", "--over", "k=0,1", "--limit", "2"),
}


@pytest.mark.parametrize("command", EVALUATIONS)
def test_an_evaluation_writes_the_same_scores_and_clips(command: str, address: str, tmp_path: Path) -> None:
    common = (*EVALUATIONS[command], "--steps", 1, "--media", "none", "--quiet", "--batch-size", 2)
    for name, where in (("here", ()), ("ray", ("--executor", "ray", "--ray-address", address))):
        folders = ("--output", tmp_path / name, "--cache-dir", tmp_path / f"cache-{name}")
        evaluate(command, *common, *folders, *where)
    assert files(tmp_path / "ray") == files(tmp_path / "here")


def test_generate_and_score_write_the_same(address: str, cache: Path, tmp_path: Path) -> None:
    options = ("--model", "re-audioldm-s-none", "--limit", 3, "--steps", 1, "--batch-size", 2, "--quiet")
    on_ray = ("--executor", "ray", "--ray-address", address)
    evaluate("generate", *options, "--output", tmp_path / "here")
    evaluate("generate", *options, "--output", tmp_path / "ray", *on_ray)
    assert files(tmp_path / "ray") == files(tmp_path / "here")
    clips = tmp_path / "here/re-audioldm-s-none"
    real = materials.write_clips(tmp_path / "real", [path.stem for path in clips.glob("*.wav")], jobs=1)
    values = []
    for name, where in (("here", ()), ("ray", on_ray)):
        given = (clips, next(iter(real.values())).parent, "--protocol", "miniature", "--embedder", "miniature_tagger")
        arguments = ["score", *given, "--json", "--quiet", "--cache-dir", tmp_path / f"features-{name}", *where]
        result = CliRunner().invoke(app, [str(each) for each in arguments])
        assert result.exit_code == 0, result.output
        values.append(json.loads(result.stdout)["metrics"])
    assert values[0] == values[1]


def test_an_index_is_the_same(address: str, cache: Path, tmp_path: Path) -> None:
    table = materials.write_tables(tmp_path / "world", ["val"], limit=7, jobs=1)["val"]
    build = ("index", "build", table, "--clap", bundled.part("clap"), "--batch-size", 2, "--quiet")
    for name, where in (("here", ()), ("ray", ("--executor", "ray", "--ray-address", address))):
        result = run_model(*build, "-o", tmp_path / name, *where)
        assert result.exit_code == 0, result.output
    assert files(tmp_path / "ray") == files(tmp_path / "here")


def tone(folder: Path, executor: Executor, load: Any) -> dict[str, bytes]:
    prompts = tuple(Prompt(f"clip-{i}", f"sound {i}") for i in range(5))
    system = open_tone(0.5, "cpu")
    settings = Settings(guidance=1.0, seconds=0.1, steps=1)
    write_clips(
        system, prompts, folder, settings, weights=identity(system), seed=0, batch_size=2, reporter=QUIET,
        executor=executor, load=load,
    )  # fmt: skip
    return files(folder)


def test_a_published_system_is_loaded_in_each_worker(address: str, tmp_path: Path) -> None:
    on_ray = Executor("ray", address)
    same = tone(tmp_path / "ray", on_ray, partial(open_tone, 0.5))
    assert same == tone(tmp_path / "here", LOCAL, None)
    assert len(same) == 5
    with pytest.raises(ReaudioError, match="A worker on Ray loaded other weights than this process"):
        tone(tmp_path / "other", on_ray, partial(open_tone, 0.4))
