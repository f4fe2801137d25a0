"""Players: MP3 and spectrogram of ordinary and odd clips."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from PIL import Image

from reaudio_eval.clips.encoding import MAX_SECONDS, Decoded, decode, mp3
from reaudio_eval.reports.media import HEIGHT, INLINE_PLAYERS, WIDTH, media_for, spectrogram
from reaudio_model.common.errors import AudioError

RATE = 16_000
MEL_ROWS_OFF = 2  # WebP blurs edges by a pixel


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE) -> npt.NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def wav(audio: npt.NDArray[np.float32], rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def heard(folder: Path, audio: npt.NDArray[np.float32], rate: int = RATE) -> Decoded:
    (folder / "clip.wav").write_bytes(wav(audio, rate))
    return decode(folder / "clip.wav")


def pixels(audio: npt.NDArray[np.float32], rate: int = RATE) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(spectrogram(audio, rate))).convert("L"))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_mp3_plays_what_was_there(tmp_path: Path, rate: int) -> None:
    decoded = heard(tmp_path, tone(440, 2.0, rate), rate)
    audio, played = soundfile.read(io.BytesIO(mp3(decoded.audio, decoded.rate)))
    assert 16_000 <= played <= 24_000
    assert len(audio) / played == pytest.approx(2.0, abs=0.2)  # MP3 pads to whole frames
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    assert np.fft.rfftfreq(len(audio), 1 / played)[spectrum.argmax()] == pytest.approx(440, abs=2)


def test_ten_seconds_are_forty_kilobytes_in_the_page() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)
    assert len(base64.b64encode(mp3(noise, RATE))) < 45_000
    assert len(spectrogram(noise, RATE)) < 15_000  # noise is the worst case


def test_spectrogram_shows_the_pitch() -> None:
    """The brightest row is the mel band of the tone, counted from the bottom."""
    for frequency in (200, 1_000, 5_000):
        top = 2595 * np.log10(1 + RATE / 2 / 700)
        expected = HEIGHT - 1 - ((HEIGHT + 1) * 2595 * np.log10(1 + frequency / 700) / top - 1)
        image = pixels(tone(frequency))
        assert image.shape == (HEIGHT, WIDTH)
        assert image.mean(axis=1).argmax() == pytest.approx(expected, abs=MEL_ROWS_OFF)


@pytest.mark.parametrize("samples", [1, 10, 3_200, 16_000])
def test_silence_is_dark_and_short_clips_work(samples: int) -> None:
    assert pixels(np.zeros(samples, dtype=np.float32)).max() < 16
    assert pixels(np.full(samples, 0.5, dtype=np.float32)).shape == (HEIGHT, WIDTH)
    assert mp3(np.zeros(samples, dtype=np.float32), RATE)


def test_loud_and_stereo_clips_are_made_playable(tmp_path: Path) -> None:
    assert np.abs(heard(tmp_path, 5 * tone(440)).audio).max() <= 1
    assert heard(tmp_path, np.stack([tone(440), tone(880)], axis=1)).audio.ndim == 1


def test_long_clips_are_cut_and_told(tmp_path: Path) -> None:
    for seconds in (35, 700):
        decoded = heard(tmp_path, np.zeros(seconds * 1_000, dtype=np.float32), 1_000)
        assert len(decoded.audio) == MAX_SECONDS * RATE
        assert decoded.note == "The first 30 s."
    assert heard(tmp_path, np.zeros(int(MAX_SECONDS * RATE), dtype=np.float32)).note == ""


def test_clips_that_cannot_be_decoded_are_told(tmp_path: Path) -> None:
    for audio in (np.full(100, np.inf, dtype=np.float32), np.zeros(0, dtype=np.float32)):
        with pytest.raises(AudioError):
            heard(tmp_path, audio)


def test_beyond_the_inline_limit_clips_go_to_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert INLINE_PLAYERS == 200
    monkeypatch.setattr("reaudio_eval.reports.media.INLINE_PLAYERS", 1)
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.wav")
        paths[-1].write_bytes(wav(tone(300 + 100 * i, 0.2)))
    paths.append(tmp_path / "missing.wav")
    counted: list[int] = []
    found, files = media_for(paths, tmp_path / "out", "inline", 2, counted.append)
    assert (found[paths[0]].audio or "").startswith("data:audio/mpeg;base64,")
    assert (found[paths[1]].audio or "").startswith("media/")
    assert found[paths[3]].audio is None
    assert found[paths[3]].note == "This clip cannot be played: missing.wav cannot be opened: No such file or directory."
    assert len(files) == 4
    assert counted == [1, 2, 3, 4]
    assert media_for(paths, tmp_path / "none", "none", 1, counted.append) == ({}, [])
