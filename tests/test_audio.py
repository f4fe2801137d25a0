"""Finding and decoding files, and every step of the waveform rules."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from reaudio_eval import audio
from reaudio_eval.audio import (
    DecodedAudio,
    apply_rule,
    content_sha256,
    decode,
    decode_many,
    find_clips,
    wav_bytes,
    waveforms,
)
from reaudio_eval.errors import AudioError, ReaudioError
from reaudio_eval.protocols import WaveformRule, get_protocol
from reaudio_eval.resample import resample

HALF_STEP = 0.5 / 32768  # of 16 bits
PLAIN = WaveformRule(mono="mean", remove_dc=False)


def stereo(n: int = 800, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n, 2)).astype(np.float32)


def write(path: Path, samples: npt.NDArray[np.float32], rate: int = 16_000, **options: str) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


# --- finding ---------------------------------------------------------------------------------------------------------


def test_find_clips_sorts_and_ignores_other_files(tmp_path: Path) -> None:
    for name in ("b.wav", "a.FLAC", "c.d.ogg", ".hidden.wav", "notes.txt", "e.m4a"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "z.wav").write_bytes(b"")
    found = find_clips(tmp_path)
    assert list(found) == ["a", "b", "c.d", "e"]
    assert found["a"] == tmp_path / "a.FLAC"


def test_find_clips_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="does not exist"):
        find_clips(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ReaudioError, match="is a file; give the folder"):
        find_clips(tmp_path / "file")
    with pytest.raises(ReaudioError, match="holds no audio files"):
        find_clips(tmp_path)
    for name in ("a.flac", "a.wav"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ReaudioError, match=r"a\.flac and a\.wav .* name the same clip"):
        find_clips(tmp_path)


def test_content_sha256(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"abc")
    assert content_sha256(tmp_path / "a.wav") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(AudioError, match=r"none\.wav cannot be opened: No such file"):
        content_sha256(tmp_path / "none.wav")


# --- decoding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.au", "a.w64", "a.caf"])
def test_lossless_formats_come_back(tmp_path: Path, name: str) -> None:
    x = stereo()
    decoded = decode(write(tmp_path / name, x, 22_050, subtype="PCM_16"))
    assert decoded.sample_rate == 22_050
    assert decoded.samples.dtype == np.float32
    np.testing.assert_allclose(
        decoded.samples, x, rtol=0, atol=1.1 * 2 * HALF_STEP
    )  # libsndfile scales by 32767 and reads by 32768


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_formats_are_read(tmp_path: Path, name: str) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100).astype(np.float32) / 2
    decoded = decode(write(tmp_path / name, tone, 44_100))
    assert decoded.sample_rate == 44_100
    spectrum = np.abs(np.fft.rfft(decoded.samples[:44_100, 0]))
    assert spectrum.argmax() == 440


def test_a_file_without_suffix_of_its_format_is_decoded_by_content(tmp_path: Path) -> None:
    x = stereo()
    flac = write(tmp_path / "a.flac", x)
    flac.rename(tmp_path / "a.wav")
    assert len(decode(tmp_path / "a.wav").samples) == len(x)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_decode_refuses_samples_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    x = stereo()
    x[3, 1] = value
    with pytest.raises(AudioError, match=r"a\.wav holds NaN or infinite samples"):
        decode(write(tmp_path / "a.wav", x, subtype="FLOAT"))


def test_decode_refuses_what_is_no_audio(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot be opened: No such file"):
        decode(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="cannot be opened: Is a directory"):
        decode(tmp_path)
    for name, data in (("empty.wav", b""), ("text.wav", b"hello, I am not audio"), ("cut.flac", b"fLaC\x00\x00")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(AudioError, match=f"{name} cannot be decoded: it is damaged or not audio"):
            decode(tmp_path / name)
    (tmp_path / "a.m4a").write_bytes(b"\x00\x00\x00\x20ftypM4A ")
    with pytest.raises(AudioError, match=r"a\.m4a cannot be decoded: convert it to wav or flac"):
        decode(tmp_path / "a.m4a")
    with pytest.raises(AudioError, match="holds no samples"):
        decode(write(tmp_path / "zero.wav", np.zeros((0, 1), np.float32)))


def test_decode_many_keeps_order_and_returns_errors(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.wav", stereo(10 + i)) for i in range(9)]
    (tmp_path / "bad.wav").write_bytes(b"no")
    paths.insert(4, tmp_path / "bad.wav")
    for jobs in (1, 3):
        results = list(decode_many(paths, jobs))
        lengths = [None if isinstance(r, AudioError) else len(r.samples) for r in results]
        assert lengths == [10, 11, 12, 13, None, 14, 15, 16, 17, 18]


def test_decode_many_looks_ahead_a_bounded_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", stereo())
    taken: list[int] = []

    def paths(n: int):
        for i in range(n):
            taken.append(i)
            yield path

    stream = decode_many(paths(100), jobs=2)
    next(stream)
    assert len(taken) == 2 * audio.LOOK_AHEAD
    stream.close()
    assert len(taken) == 2 * audio.LOOK_AHEAD


# --- the waveform rules ----------------------------------------------------------------------------------------------


def test_mono() -> None:
    x = stereo()
    decoded = DecodedAudio(x, 16_000)
    np.testing.assert_array_equal(apply_rule(decoded, replace(PLAIN, mono="first"), 16_000), x[:, 0])
    np.testing.assert_allclose(apply_rule(decoded, PLAIN, 16_000), (x[:, 0] + x[:, 1]) / 2, rtol=0, atol=1e-7)


def test_dc_is_removed_before_resampling() -> None:
    x = stereo() + np.float32(0.25)
    rule = WaveformRule()
    y = apply_rule(DecodedAudio(x, 48_000), rule, 16_000)
    expected = resample((x[:, 0] - x[:, 0].mean()).astype(np.float32), 48_000, 16_000)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6)
    after = resample(x[:, 0], 48_000, 16_000)
    assert np.abs(y - (after - after.mean())).max() > 1e-3  # the other order is another waveform, at the ends


@pytest.mark.parametrize("resampler", ["sinc_hann", "sinc_kaiser", "soxr_hq"])
def test_each_resampler_is_used(resampler: str) -> None:
    x = stereo(2000)
    y = apply_rule(DecodedAudio(x, 44_100), replace(PLAIN, resampler=resampler), 16_000)
    np.testing.assert_array_equal(y, resample(x.mean(axis=1), 44_100, 16_000, resampler))


def test_rates_are_visited_in_turn() -> None:
    x = stereo(2000)
    y = apply_rule(DecodedAudio(x, 16_000), replace(PLAIN, rates=(8_000, 48_000)), 48_000)
    np.testing.assert_array_equal(y, resample(resample(x.mean(axis=1), 16_000, 8_000), 8_000, 48_000))


def test_peak() -> None:
    y = apply_rule(DecodedAudio(stereo(), 16_000), replace(PLAIN, peak_db=-1.0), 16_000)
    assert np.abs(y).max() == pytest.approx(10 ** (-1 / 20), rel=1e-6)
    silence = apply_rule(DecodedAudio(np.zeros((50, 1), np.float32), 16_000), replace(PLAIN, peak_db=-1.0), 16_000)
    np.testing.assert_array_equal(silence, np.zeros(50))


def test_int16() -> None:
    x = np.array([[0.0], [1.0], [-1.0], [2.0], [-2.0], [0.3], [0.6 / 32768]], np.float32)
    y = apply_rule(DecodedAudio(x, 16_000), replace(PLAIN, int16=True), 16_000)
    np.testing.assert_array_equal(y * 32768, [0, 32767, -32768, 32767, -32768, round(0.3 * 32768), 1])


def test_crop_and_pad() -> None:
    rule = replace(PLAIN, max_seconds=0.05, min_samples=900)
    long = apply_rule(DecodedAudio(stereo(4000), 16_000), rule, 16_000)
    assert len(long) == 900  # the crop comes first
    assert np.all(long[800:] == 0)
    assert np.any(long[:800] != 0)
    short = stereo(5)
    y = apply_rule(DecodedAudio(short, 16_000), rule, 16_000)
    np.testing.assert_array_equal(y, np.pad(short.mean(axis=1), (0, 895)))


def test_the_default_protocol_feeds_clap_as_its_source_does() -> None:
    """First channel, DC out, 32 kHz, padded to 32,000 samples there, then 48 kHz, then the first 480,000 samples."""
    rule = get_protocol("audioldm-eval-2023-06").rule("clap")
    x = stereo(8000)
    x[-1, 0] = 1  # rings beyond the end of the clip in the second resampling
    y = apply_rule(DecodedAudio(x, 16_000), rule, 48_000)
    at_32k = resample((x[:, 0] - x[:, 0].mean()).astype(np.float32), 16_000, 32_000)
    np.testing.assert_allclose(y, resample(np.pad(at_32k, (0, 16_000)), 32_000, 48_000), rtol=0, atol=1e-6)
    assert np.abs(y[24_000:24_010]).max() > 1e-3
    assert len(apply_rule(DecodedAudio(np.tile(x, (30, 1)), 16_000), rule, 48_000)) == 480_000


def test_rule_leaves_the_decoded_samples_alone() -> None:
    x = stereo()
    before = x.copy()
    full = WaveformRule(peak_db=-3.0, int16=True, min_samples=2000)
    y = apply_rule(DecodedAudio(x, 16_000), full, 16_000)
    np.testing.assert_array_equal(x, before)
    assert y.dtype == np.float32
    assert y.flags.c_contiguous


def test_waveforms_shares_equal_targets() -> None:
    decoded = DecodedAudio(stereo(), 48_000)
    targets = [(WaveformRule(), 16_000), (WaveformRule(), 32_000), (WaveformRule(), 16_000)]
    first, second, third = waveforms(decoded, targets)
    assert first is third
    np.testing.assert_array_equal(second, apply_rule(decoded, WaveformRule(), 32_000))


def test_wav_bytes_round_trip() -> None:
    x = stereo()
    samples, rate = soundfile.read(io.BytesIO(wav_bytes(x, 8_000)), dtype="float32")
    assert rate == 8_000
    np.testing.assert_allclose(samples, x, rtol=0, atol=1.1 * 2 * HALF_STEP)
