"""Writing clips in batches: level, silence, record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.progress import Reporter
from reaudio_model.pipeline.clip_writer import ClipWriter
from reaudio_model.pipeline.generation_record import MACHINES
from reaudio_model.pipeline.request import RECORD, GenerateRequest
from reaudio_model.retrieval.index_search import free_prompts

STEREO = np.array([[[0.1, -0.2]] * 4, [[0.0, 1e-5]] * 4, [[0.5, 0.25]] * 4], dtype=np.float32)


def written(folder: Path, peak: float | None) -> list[npt.NDArray[np.float64]]:
    files = [folder / f"{name}.wav" for name in "abc"]
    record = {"settings": {}, "clips": [{"file": f.name, "sha256": None} for f in files], MACHINES: [{"device": "cpu"}]}
    writer = ClipWriter(lambda rows: STEREO[rows.start : rows.stop], 8000, 2, folder / RECORD, peak)
    done = writer.write(files, set(), record, Reporter(quiet=True))
    assert (done.made, done.computed) == (3, 3)
    stored = read_json_object(folder / RECORD, "the record", remedy="none")["clips"]
    assert all(len(clip["sha256"]) == 64 for clip in stored)
    return [soundfile.read(file)[0] for file in files]


def test_a_peak_scales_every_clip_by_itself_and_leaves_silence(tmp_path: Path) -> None:
    loud, silent, other = written(tmp_path, 0.8)
    np.testing.assert_allclose(loud, [[0.4, -0.8]] * 4, atol=2**-15)
    np.testing.assert_array_equal(silent, np.zeros((4, 2)))
    np.testing.assert_allclose(other, [[0.8, 0.4]] * 4, atol=2**-15)


def test_without_a_peak_the_level_is_kept(tmp_path: Path) -> None:
    for found, expected in zip(written(tmp_path, None), STEREO, strict=True):
        np.testing.assert_allclose(found, expected, atol=2**-15)


@pytest.mark.parametrize("peak", [0.0, -0.5, 1.5, float("nan")])
def test_a_peak_out_of_range(peak: float, tmp_path: Path) -> None:
    request = GenerateRequest(free_prompts(["rain"]), tmp_path, k=0, peak=peak)
    with pytest.raises(ReaudioError, match="peak must be"):
        request.check(None, "none", 0)
