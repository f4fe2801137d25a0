"""Finding, decoding and encoding files."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from reaudio_model.common import audio
from reaudio_model.common.audio import content_sha256, decode, decode_many, encode, find_clips, wav_bytes
from reaudio_model.common.errors import AudioError, ReaudioError

HALF_STEP = 0.5 / 32768  # of 16 bits


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
    with pytest.raises(ReaudioError, match="contains no audio files"):
        find_clips(tmp_path)
    for name in ("a.flac", "a.wav"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ReaudioError, match=r"a\.flac and a\.wav .* name the same clip"):
        find_clips(tmp_path)


def test_names_in_both_forms_of_unicode_are_one_clip(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    (tmp_path / f"{decomposed}.wav").write_bytes(b"")
    assert find_clips(tmp_path) == {composed: tmp_path / f"{decomposed}.wav"}
    (tmp_path / f"{composed}.wav").write_bytes(b"")
    with pytest.raises(
        ReaudioError, match=r"'cafe\\u0301\.wav' and 'caf\\xe9\.wav' in .* name the same clip: remove one\.$"
    ):
        find_clips(tmp_path)


def test_names_that_are_not_utf8_are_refused_in_words_that_can_be_printed(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    path.write_bytes(b"")
    with pytest.raises(ReaudioError, match=r"caf\\udce9\.wav' is not UTF-8: rename the file or folder") as found:
        find_clips(tmp_path)
    assert str(found.value).encode()
    (error,) = decode_many([path], 1)
    assert isinstance(error, AudioError)
    assert str(error).encode()


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
    with pytest.raises(AudioError, match=r"a\.wav has NaN or infinite samples"):
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
    with pytest.raises(AudioError, match="has no samples"):
        decode(write(tmp_path / "zero.wav", np.zeros((0, 1), np.float32)))


def test_the_hash_is_of_the_bytes_that_were_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", stereo())
    decoded = decode(path)
    assert decoded.sha256 == content_sha256(path)
    assert decoded.truncated is None
    cut = path.read_bytes()[:-400]
    path.write_bytes(cut)
    assert decode(path).sha256 == hashlib.sha256(cut).hexdigest()
    assert "bytes of samples, but" in str(decode(path).truncated)


def test_a_flac_of_unknown_length_is_decoded(tmp_path: Path) -> None:
    """libsndfile reports 2^63 frames, for which memory was allocated."""
    x = stereo(5_000)
    data = bytearray(write(tmp_path / "a.flac", x).read_bytes())
    whole = decode(tmp_path / "a.flac").samples
    data[21], data[22:26] = data[21] & 0xF0, bytes(4)
    (tmp_path / "a.flac").write_bytes(data)
    np.testing.assert_array_equal(decode(tmp_path / "a.flac").samples, whole)


def test_long_files_are_refused_before_they_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silence = write(tmp_path / "long.flac", np.zeros((601 * 1_000, 1), np.float32), 1_000)
    with pytest.raises(AudioError, match=r"long\.flac is longer than 600 s \(1 channels at 1000 Hz\): cut it\.$"):
        decode(silence)
    assert len(decode(silence, max_seconds=601).samples) == 601 * 1_000
    (result,) = decode_many([silence], jobs=1, max_seconds=5)
    assert str(result).endswith(
        "long.flac is longer than 5 s (1 channels at 1000 Hz): cut it, or give a larger --max-seconds."
    )
    many = write(tmp_path / "many.flac", np.zeros((90_000, 8), np.float32), 96_000)
    with pytest.raises(AudioError, match=r"8 channels at 96000 Hz"):
        decode(many, max_seconds=0.9375)  # 46,875 frames of 8 channels are as many samples as 0.9375 s may have
    monkeypatch.setattr(audio, "TAG_BYTES", 100)
    with pytest.raises(AudioError, match="is larger than 0 MB: cut it"):
        decode(silence, max_seconds=1e-6)


def test_the_head_of_a_long_file(tmp_path: Path) -> None:
    x = stereo(48_000)
    head = decode(write(tmp_path / "a.wav", x, subtype="FLOAT"), max_seconds=1, head_seconds=0.5)
    np.testing.assert_array_equal(head.samples, x[:8_000])


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [(24, 2_000_000, "declares a sampling rate of 2000000 Hz"), (22, 65, "declares 65 channels")],
)
def test_absurd_headers_are_refused(tmp_path: Path, at: int, value: int, said: str) -> None:
    data = bytearray(write(tmp_path / "a.wav", stereo()).read_bytes())
    data[at : at + (4 if at == 24 else 2)] = value.to_bytes(4 if at == 24 else 2, "little")
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(AudioError, match=said):
        decode(tmp_path / "a.wav")


def test_huge_levels_are_refused(tmp_path: Path) -> None:
    x = stereo()
    x[5, 0] = -32_768  # integers without a scale
    assert decode(write(tmp_path / "a.wav", x, subtype="FLOAT")).samples.min() == -32_768
    x[5, 0] = 1e30
    with pytest.raises(AudioError, match=r"a\.wav has samples up to 1e\+30 \(full scale is 1\): scale it"):
        decode(write(tmp_path / "a.wav", x, subtype="FLOAT"))


@pytest.mark.parametrize(
    "error", [ValueError("array is too big"), MemoryError(), TypeError("x"), AssertionError(), OverflowError()]
)
def test_any_error_of_a_decoder_costs_only_the_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(self: soundfile.SoundFile, *args: object, **options: object) -> None:
        raise error

    path = write(tmp_path / "a.wav", stereo())
    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    (result,) = decode_many([path], jobs=1)
    assert str(result) == f"{path} cannot be decoded: it is damaged or not audio."


@functools.cache
def sample_file(suffix: str) -> bytes:
    buffer = io.BytesIO()
    kinds = {"opus": ("OGG", "OPUS"), "wav": ("WAV", "FLOAT"), "mp3": ("MP3", None), "ogg": ("OGG", "VORBIS")}
    container, subtype = kinds.get(suffix, (suffix.upper(), None))
    soundfile.write(buffer, stereo(4_000), 16_000, format=container, subtype=subtype)
    return buffer.getvalue()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["wav", "flac", "ogg", "opus", "mp3", "aiff", "au", "caf", "w64", "rf64"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
    st.binary(max_size=40),
)
def test_damaged_files_are_decoded_to_numbers_or_refused(
    suffix: str, flips: list[tuple[float, int]], cut: float, tail: bytes
) -> None:
    data = bytearray(sample_file(suffix))
    for place, value in flips:
        data[min(int(place * len(data)), len(data) - 1)] ^= value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        path.write_bytes(bytes(data[: round(cut * len(data))]) + tail)
        (result,) = decode_many([path], jobs=1)
    assert isinstance(result, AudioError) or (np.isfinite(result.samples).all() and len(result.samples))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(audio.AUDIO_SUFFIXES)), st.binary(max_size=400))
def test_random_bytes_are_decoded_or_refused(suffix: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(data)
        (result,) = decode_many([path], jobs=1)
    assert isinstance(result, AudioError) or len(result.samples)


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


def test_wav_bytes_round_trip() -> None:
    x = stereo()
    samples, rate = soundfile.read(io.BytesIO(wav_bytes(x, 8_000)), dtype="float32")
    assert rate == 8_000
    np.testing.assert_allclose(samples, x, rtol=0, atol=1.1 * 2 * HALF_STEP)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("container", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")])
def test_samples_that_are_no_numbers_are_not_written(value: float, container: str, subtype: str) -> None:
    """A 16-bit file would hold -32768 for them."""
    x = stereo()
    x[7, 0] = value
    with pytest.raises(
        AudioError, match=r"^a\.wav has NaN or infinite samples and was not written: what made it does not work\.$"
    ):
        encode(x, 16_000, container, subtype, name="a.wav")
    with pytest.raises(AudioError, match="The clip has NaN"):
        wav_bytes(x, 16_000)


def test_nothing_else_opens_audio() -> None:
    """Limits, errors and flags hold for every file because one module reads them."""
    root = Path(audio.__file__).parents[2]
    pattern = re.compile(
        r"(soundfile|sf)\.(read|info|blocks|SoundFile\b|write)|^(import|from) (wave|aifc|librosa|torchaudio)\b", re.MULTILINE
    )
    found = [
        p.relative_to(root).as_posix()
        for name in ("reaudio_eval", "reaudio_model")
        for p in (root / name).rglob("*.py")
        if pattern.search(p.read_text())
    ]
    assert found == ["reaudio_model/common/audio.py"]


def test_a_pipe_or_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    pipe, huge = tmp_path / "pipe.wav", tmp_path / "huge.wav"
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(2**40)  # sparse
    for read in (content_sha256, decode):
        with pytest.raises(AudioError, match=r"pipe\.wav cannot be opened: it is not a regular file"):
            read(pipe)
        with pytest.raises(AudioError, match=r"huge\.wav is larger than 1,987 MB: cut it"):
            read(huge)
        with pytest.raises(AudioError, match="give a larger --max-seconds"):
            read(huge, max_seconds=10.0)  # type: ignore[operator]
