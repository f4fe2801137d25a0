"""``reaudio-eval plot per-class``: files, layers, names under the pointer, the table, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from fakes import write_embedder
from synthesise import CLASSES, write_dataset
from typer.testing import CliRunner
from undrawn import titles_of_figures

from reaudio_eval import plot_per_class
from reaudio_eval.cli.app import app
from reaudio_model.common.errors import ReaudioError

runner = CliRunner()
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = tmp_path_factory.mktemp("world")
    sounds = write_dataset(world / "sounds", takes=1)
    with pytest.MonkeyPatch.context() as patch:
        write_embedder(world / "plugins")
        patch.setenv("REAUDIO_PLUGINS", str(world / "plugins"))
        arguments = [
            "longtail", "--dataset", "folder", "--data-root", str(sounds), "--references", str(sounds / "reference"),
            "--clips", f"good={sounds / 'good'}", "--clips", f"<poor>={sounds / 'poor'}", "--embedder", "bands",
            "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--output", str(world / "out"), "--media", "none",
            "--cache-dir", str(world / "cache"), "--quiet",
        ]  # fmt: skip
        with titles_of_figures():
            assert runner.invoke(app, arguments).exit_code == 0
    return world / "out"


def groups(svg: Path, kind: str) -> list[str]:
    return [e.get("id", "") for e in ET.fromstring(svg.read_bytes()).iter() if e.get("id", "").startswith(f"{kind}-")]


def test_three_files_and_a_table(runs: Path, tmp_path: Path) -> None:
    made = plot_per_class(runs, output=tmp_path / "deep" / "per-class", metric="kl_bands")
    assert [p.suffix for p in made.files] == [".svg", ".pdf", ".png"]
    assert made.files[1].read_bytes().startswith(b"%PDF")
    table = pd.read_csv(made.table)
    assert set(table["label"]) == set(CLASSES)
    assert set(table["metric"]) == {"kl_bands"}
    assert table[table["system"] == "good"]["value"].notna().all()


def test_a_point_is_named(runs: Path, tmp_path: Path) -> None:
    made = plot_per_class([runs], output=tmp_path / "f.svg", metric="kl_bands", systems="good")
    assert [p.name for p in made.files] == ["f.svg"]
    root = ET.fromstring(made.files[0].read_bytes())
    titles = [title.text or "" for use in root.iter(f"{SVG}use") for title in use.iter(f"{SVG}title")]
    assert len(titles) == len(CLASSES)
    assert "hum: 5,000 training, 1 test clips" in titles


@pytest.mark.slow
def test_layers_and_systems(runs: Path, tmp_path: Path) -> None:
    for layer, kind in (("points", "points"), ("bins", "bins"), ("smooth", "line")):
        svg = plot_per_class([runs], output=tmp_path / f"{layer}.svg", metric="kl_bands", show=layer).files[0]
        present = {k for k in ("points", "bins", "line") if groups(svg, k)}
        assert present == {kind}
    svg = plot_per_class([runs], output=tmp_path / "two.svg", metric="kl_bands", systems=["noise", "good"]).files[0]
    assert groups(svg, "points") == ["points-0", "points-1"]
    text = svg.read_text(encoding="utf-8")
    assert text.index(">noise<") < text.index(">good<")


@pytest.mark.slow
def test_the_same_bytes_twice_and_user_text_escaped(runs: Path, tmp_path: Path) -> None:
    one, two = (plot_per_class([runs], output=tmp_path / n / "f", metric="kl_bands").files for n in ("a", "b"))
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    assert "&lt;poor&gt;" in one[0].read_text(encoding="utf-8")


@pytest.mark.slow
def test_command(runs: Path, tmp_path: Path) -> None:
    arguments = ["plot", "per-class", str(runs), "-o", str(tmp_path / "f.png"), "--width", "4", "--height", "3"]
    result = runner.invoke(app, [*arguments, "--show", "points,smooth", "--strata", "lvis", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["metric"] == "clap_score_bands"
    assert found["n_classes"] == len(CLASSES)
    assert Path(found["files"][0]).is_file()
    assert str(tmp_path / "f.csv") in runner.invoke(app, arguments).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--metric", "kl_band"], "Did you mean 'kl_bands'"),
        (["--metric", "fd_bands"], "no value for any class"),
        (["--system", "god"], "Did you mean 'good'"),
        (["--show", "dots"], "layer"),
        (["--show", ","], "nothing to draw"),
        (["--width", "1"], "--width must be 2 to 30, not 1"),
        (["--height", "nan"], "--height must be a number, not 'nan'"),
    ],
)
def test_refusals(runs: Path, tmp_path: Path, more: list[str], words: str) -> None:
    result = runner.invoke(app, ["plot", "per-class", str(runs), "-o", str(tmp_path / "f"), *more])
    assert result.exit_code == 2
    assert words in result.stderr
    assert not list(tmp_path.iterdir())


def test_another_kind_of_image_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="figures are written as svg, pdf, png, not jpg"):
        plot_per_class([runs], output=tmp_path / "f.jpg")


def test_no_runs(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="no finished run"):
        plot_per_class([tmp_path], output=tmp_path / "f")
