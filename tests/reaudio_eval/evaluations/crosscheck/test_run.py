"""``reaudio-eval crosscheck`` with cheap embedders in the place of packages; ``make crosscheck`` runs it with the packages."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from fakes import SAMPLE_RATE, tone, write_embedder
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.crosscheck import packages, run
from reaudio_eval.evaluations.crosscheck.packages import Package
from reaudio_eval.features.feature_set import FeatureSet
from reaudio_eval.features.protocols import PROTOCOLS, WaveformRule
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.packages import Package as Installed

runner = CliRunner()
N = 24
RULE = WaveformRule(mono="mean", remove_dc=False)
TOLERANCE = 1e-9


def read_mean(path: Path, sample_rate: int, seed: int) -> npt.NDArray[np.float32]:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == sample_rate
    return np.asarray(samples.mean(axis=1), dtype=np.float32)


def read_clipped(path: Path, sample_rate: int, seed: int) -> npt.NDArray[np.float32]:
    return np.clip(read_mean(path, sample_rate, seed), -0.1, 0.1)


def package(**changed: Any) -> Package:
    made = Package(
        name="a-package",
        ours="bands",
        theirs="bands_of_a_package",
        metrics=("fd_{embedder}", "kl_{embedder}", "is_{embedder}", "clap_score_{embedder}"),
        rule=RULE,
        own_resampler=True,
        reads=(("its own reader", read_mean),),
    )
    return dataclasses.replace(made, **changed)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stereo clips whose channels differ and have a constant offset, captions, and two embedders of one kind."""
    for folder, base, level in (("generated", 230, 0.2), ("reference", 200, 0.3)):
        (tmp_path / folder).mkdir()
        for i in range(N):
            left, right = tone(base + 80 * i, 0.5, level, seed=i), tone(3 * base + 50 * i, 0.5, level, seed=50 + i)
            soundfile.write(tmp_path / folder / f"c{i:02d}.wav", np.stack([left + 0.1, right], axis=1), SAMPLE_RATE, "FLOAT")
    rows = [f"c{i:02d},{'a sound of rain'[: 5 + i % 9]}" for i in range(N)]
    (tmp_path / "captions.csv").write_text("clip_id,caption\n" + "\n".join(rows) + "\n")
    write_embedder(tmp_path / "plugins")
    write_embedder(tmp_path / "plugins", "bands_of_a_package")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    use(monkeypatch, package())
    return tmp_path


def use(monkeypatch: pytest.MonkeyPatch, *chosen: Package) -> None:
    monkeypatch.setattr(run, "PACKAGES", chosen)


def check(world: Path, **options: Any) -> Any:
    given: dict[str, Any] = {"captions": world / "captions.csv", "checkpoints": {"bands": world / "plugins" / "bands.bin"}}
    return reaudio_eval.crosscheck(world / "generated", world / "reference", **(given | options))


def score(world: Path) -> dict[str, float]:
    """The same metrics by ``score``."""
    found = reaudio_eval.score(
        world / "generated",
        world / "reference",
        captions=world / "captions.csv",
        embedders=["bands"],
        checkpoints={"bands": world / "plugins" / "bands.bin"},
    )
    return {name: metric["value"] for name, metric in found.metrics.items()}


def test_our_value_is_that_of_score_and_the_same_network_agrees(world: Path) -> None:
    expected, found = score(world), check(world)
    assert [row.metric for row in found.rows] == ["fd_bands", "kl_bands", "is_bands", "clap_score_bands"]
    for row in found.rows:
        assert row.ours == pytest.approx(expected[row.metric], rel=TOLERANCE)
        assert row.same == row.ours
        assert row.agrees
    assert found.verdict == ["4 of 4 metrics agree with the packages on the same waveforms."]


@pytest.mark.slow
def test_the_packages_value_is_that_of_its_reading_and_the_effects_of_its_conventions_add_up(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = check(world)
    changed = dataclasses.replace(PROTOCOLS["audioldm-eval-2023-06"], waveform=RULE, per_embedder={})
    monkeypatch.setitem(PROTOCOLS, "audioldm-eval-2023-06", changed)
    as_package = score(world)
    for row in found.rows:
        assert row.files == pytest.approx(as_package[row.metric], rel=TOLERANCE)
        assert sum(effect for _, _, effect in row.effects) == pytest.approx(row.files - row.ours, rel=1e-6, abs=1e-9)
    frechet = next(row for row in found.rows if row.metric == "fd_bands")
    changes = [what for what, _, _ in frechet.effects]
    assert changes == [
        "the channel mean instead of the first channel",
        "DC kept instead of DC removed",
        "no zeros at the end instead of zeros up to 32000 samples",
    ]
    causes = found.tables["causes"].query("metric == 'fd_bands'")
    assert list(causes["change"]) == changes
    assert list(causes["effect"]) == [effect for _, _, effect in frechet.effects]


@pytest.mark.slow
def test_a_reader_of_its_own_is_a_cause_of_its_own(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, package(reads=(("its own reader", read_mean), ("clipping", read_clipped))))
    frechet = check(world).rows[0]
    assert [what for what, _, _ in frechet.effects][-1] == "clipping"
    assert "clipping (" in frechet.cause
    assert "its own reader" not in frechet.cause


@pytest.mark.slow
def test_another_network_or_formula_is_said_to_be_unexplained(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def distance(generated: FeatureSet, reference: FeatureSet) -> float:
        return float(np.abs(generated.frames.mean(axis=0) - reference.frames.mean(axis=0)).sum())

    use(monkeypatch, package(metrics=("fd_{embedder}",), distance=distance))
    found = check(world)
    (row,) = found.rows
    assert not row.agrees
    assert row.cause.startswith("network or formula, unexplained (")
    assert found.verdict[-1] == "Not explained by the waveforms: fd_bands (a-package)."


def test_identical_readings_have_no_cause(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = PROTOCOLS["audioldm-eval-2023-06"].rule("bands")
    monkeypatch.setattr("reaudio_eval.evaluations.crosscheck.packages.Package.steps", lambda self, ours: [])
    use(monkeypatch, package(rule=rule, reads=()))
    for row in check(world).rows:
        assert (row.same, row.cause) == (row.files, "none: rounding")


def test_equal_waveforms_are_embedded_once(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reaudio_eval import plugins

    use(
        monkeypatch,
        package(metrics=("clap_score_{embedder}",), reads=(("a", read_mean), ("b", read_mean), ("c", read_mean))),
    )
    check(world)
    calls = plugins.load_module("embedders", "bands_of_a_package").CALLS
    assert sum(calls) == 4 * N, "four readings differ, and the real clips are not needed"


@pytest.mark.slow
def test_files_of_the_report(world: Path, tmp_path: Path) -> None:
    found = check(world, output=tmp_path / "out")
    record = json.loads((tmp_path / "out" / "crosscheck.json").read_text())
    assert [row["metric"] for row in record["crosscheck"]] == [row.metric for row in found.rows]
    assert record["crosscheck"][0]["ours"] == found.rows[0].ours
    assert {p.name for p in (tmp_path / "out" / "tables").iterdir()} == {"crosscheck.csv", "causes.csv"}
    assert "crosscheck.json" in found.to_text()


def arguments(world: Path, *more: str) -> list[str]:
    folders = [str(world / "generated"), str(world / "reference")]
    return ["crosscheck", *folders, "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--quiet", *more]


def test_without_captions_and_with_few_clips_metrics_are_listed_with_the_remedy(world: Path) -> None:
    result = runner.invoke(app, arguments(world, "--json", "--limit", "6"))
    found = json.loads(result.stdout)
    assert "--captions" in found["not_computed"]["clap_score_bands"]
    assert "at least 20" in found["not_computed"]["is_bands"]
    assert [row["metric"] for row in found["crosscheck"]] == ["fd_bands", "kl_bands"]
    assert found["n_clips"] == 6


def test_a_missing_checkpoint_is_asked_for_by_the_name_that_the_command_takes(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PACKAGES", packages.PACKAGES)
    monkeypatch.setattr(Installed, "missing", None)
    result = runner.invoke(app, ["crosscheck", str(world / "generated"), str(world / "reference"), "--quiet"])
    assert result.exit_code == 2
    assert "--checkpoint vggish=PATH" in result.stderr
    assert "frechet_audio_distance" not in result.stderr


def test_the_plan_lists_metrics_and_files(world: Path) -> None:
    result = runner.invoke(app, arguments(world, "--dry-run"))
    found = json.loads(result.stdout)
    assert found["n_clips"] == N
    assert found["embedders"]["bands_of_a_package"] == str(world / "plugins" / "bands.bin")


@pytest.mark.slow
def test_an_unreadable_clip_is_left_out_and_said(world: Path) -> None:
    (world / "reference" / "c03.wav").write_bytes(b"no audio")
    found = check(world)
    assert found.n_clips == N - 1
    assert any("c03 is left out" in alert.message for alert in found.alerts)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--checkpoint", "panns=x.pth"), "Unknown embedder of a package 'panns'"),
        (("--protocol", "fadkt"), "Did you mean 'fadtk'"),
    ],
)
def test_wrong_options_are_one_sentence(world: Path, more: tuple[str, ...], message: str) -> None:
    result = runner.invoke(app, arguments(world, *more))
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_file_that_the_package_cannot_read_is_named(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, sample_rate: int, seed: int) -> npt.NDArray[np.float32]:
        raise ValueError("bad header")

    use(monkeypatch, package(reads=(("its own reader", fail),)))
    with pytest.raises(ReaudioError, match=r"a-package cannot read .*c00\.wav: bad header"):
        check(world)


def test_without_any_package_the_command_says_how_to_install_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: Path
) -> None:
    monkeypatch.setattr(run, "PACKAGES", packages.PACKAGES)
    monkeypatch.setattr(
        Installed, "missing", property(lambda self: f'needs {self.module}: pip install "reaudio-eval[reference]"')
    )
    with pytest.raises(ReaudioError, match=r'pip install "reaudio-eval\[reference\]"'):
        reaudio_eval.crosscheck(world / "generated", world / "reference")


def test_the_random_part_of_long_clips_is_the_same_in_every_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = np.arange(500_000, dtype=np.float32)
    monkeypatch.setattr(packages, "_read_16_bits", lambda path, rate, seed: ramp)
    one, again, other = (packages._read_laion_clap(tmp_path / "a.wav", 48_000, seed) for seed in (0, 0, 1))
    assert len(one) == 480_000
    np.testing.assert_array_equal(one, again)
    assert one[0] != other[0]
