"""What containers declare against what was decoded."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from reaudio_model.common.audio import decode
from reaudio_model.common.containers import CHECKS, truncation, with_length
from reaudio_model.common.containers.checksums import crc, crc32_highest_first, crc_lowest_first
from reaudio_model.common.containers.mpeg import walk
from reaudio_model.common.errors import AudioError

RATE = 16_000
ENCODINGS = {
    "wav": ("WAV", "PCM_16"), "wavex": ("WAVEX", "FLOAT"), "adpcm": ("WAV", "MS_ADPCM"), "rf64": ("RF64", "PCM_24"),
    "w64": ("W64", "PCM_16"), "aiff": ("AIFF", "PCM_16"), "au": ("AU", "PCM_16"), "caf": ("CAF", "PCM_16"),
    "alac": ("CAF", "ALAC_16"), "flac": ("FLAC", "PCM_24"), "ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}  # fmt: skip


def encoded(name: str, seconds: float = 1.2, channels: int = 1, **options: object) -> bytes:
    """Noise, the first half loud and the second quiet, so that a variable bit rate varies."""
    container, subtype = ENCODINGS[name]
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * RATE), channels))
    noise[len(noise) // 2 :] *= 0.01
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, RATE, format=container, subtype=subtype, **options)
    return buffer.getvalue()


def variable_mp3() -> bytes:
    return encoded("mp3", bitrate_mode="VARIABLE", compression_level=0.5)


def reason(folder: Path, data: bytes) -> str | None:
    """What is said of a file: the reason of its flag, the error that refuses it, or None."""
    path = folder / "clip.bin"
    path.write_bytes(data)
    try:
        return decode(path).truncated
    except AudioError as error:
        return str(error)


def n_read(folder: Path, data: bytes) -> int:
    (folder / "clip.bin").write_bytes(data)
    return len(decode(folder / "clip.bin").samples)


# --- whole files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", ENCODINGS)
def test_whole_files_are_not_flagged(tmp_path: Path, name: str, channels: int) -> None:
    for seconds in (0.01, 1.2):
        assert reason(tmp_path, encoded(name, seconds, channels)) is None


@pytest.mark.parametrize(("riff", "size"), [(0xFFFF_FFFF, 0xFFFF_FFFF), (0, 0), (0x7FFF_F024, 0x7FFF_F000)])
def test_a_streamed_wav_does_not_know_its_length(tmp_path: Path, riff: int, size: int) -> None:
    data = bytearray(encoded("wav"))
    at = data.index(b"data") + 4
    data[4:8], data[at : at + 4] = struct.pack("<I", riff), struct.pack("<I", size)
    assert reason(tmp_path, bytes(data)) is None
    assert n_read(tmp_path, bytes(data)) == 1.2 * RATE
    assert "in the middle of a sample" in str(reason(tmp_path, bytes(data[:-1001])))


def test_a_wav_without_samples_has_none(tmp_path: Path) -> None:
    for data in (encoded("wav", 0), encoded("wav", 0) + b"LIST\x04\0\0\0INFO"):
        assert "has no samples" in str(reason(tmp_path, data))


def test_a_streamed_au_does_not_know_its_length(tmp_path: Path) -> None:
    data = encoded("au")
    assert reason(tmp_path, data[:8] + b"\xff" * 4 + data[12:]) is None
    assert "in the middle of a sample" in str(reason(tmp_path, data[:8] + b"\xff" * 4 + data[12:-1001]))


@pytest.mark.parametrize(
    "tail", [b"LIST\x05\0\0\0INFOx\0", b"LIST\x05\0\0\0INFOx", b"\0" * 4000, b"TAG" + b" " * 125, b"id3 \2\0\0\0ab"]
)
def test_chunks_tags_and_zeros_may_follow_the_samples(tmp_path: Path, tail: bytes) -> None:
    assert reason(tmp_path, encoded("wav") + tail) is None


def test_tags_around_an_mp3_are_no_frames(tmp_path: Path) -> None:
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 100, 1, 0xA000_0000) + bytes(8) + b"\xff\xfb" * 50
    id3v2 = b"ID3\4\0\0\0\0\1\0" + b"\xff" * 128
    for data in (id3v2 + encoded("mp3"), encoded("mp3") + b"TAG" + b"x" * 125, encoded("mp3") + ape + b"TAG" + b"x" * 125):
        assert reason(tmp_path, data) is None


def test_an_mp3_of_variable_rate_without_a_header_is_read_whole(tmp_path: Path) -> None:
    """Its length was estimated from the first frames: half of it was read."""
    data = variable_mp3()
    found = walk(data, 0)
    assert found is not None
    assert len(found.headers) == 1
    bare = data[found.frames[0].size :]
    assert n_read(tmp_path, bare) >= 1.2 * RATE
    assert reason(tmp_path, bare) is None
    assert with_length(data, "MP3") is data
    constant = encoded("mp3", bitrate_mode="CONSTANT", compression_level=0.8)
    first = walk(constant, 0)
    assert first is not None
    assert with_length(bare := constant[first.frames[0].size :], "MP3") is bare


# --- files that are cut, damaged or joined ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wav", "bytes of samples, but"), ("wavex", "bytes of samples, but"), ("adpcm", "bytes of samples, but"),
        ("rf64", "bytes of samples, but"), ("w64", "bytes of samples, but"), ("aiff", "bytes of samples, but"),
        ("au", "bytes of samples, but"), ("caf", "cannot be decoded"), ("alac", "cannot be decoded"),
        ("flac", "cannot be decoded"), ("ogg", "in the middle of a page"), ("opus", "in the middle of a page"),
        ("mp3", "in the middle of a frame"),
    ],
)  # fmt: skip
def test_files_cut_at_60_percent(tmp_path: Path, name: str, said: str) -> None:
    data = encoded(name, 5.0)
    assert said in str(reason(tmp_path, data[: len(data) * 6 // 10]))


def pages(data: bytes) -> list[bytes]:
    return [b"OggS" + part for part in data.split(b"OggS")[1:]]


def test_ogg_pages(tmp_path: Path) -> None:
    parts = pages(encoded("ogg", 10.0))
    assert len(parts) > 5
    damaged = parts[4][:-9] + bytes([parts[4][-9] ^ 1]) + parts[4][-8:]
    for order, said in (
        ([*parts[:4], damaged, *parts[5:]], "the page at byte"),
        ([*parts[:4], *parts[5:]], "pages are missing in 1 places"),
        (parts[:-1], "its last page is missing"),
        ([*parts[:4], b"noise" * 99, *parts[4:]], "is damaged"),
        (parts * 2, "2 streams of audio"),
    ):
        assert said in str(reason(tmp_path, b"".join(order)))


@pytest.mark.parametrize("name", ["wav", "rf64", "w64", "aiff", "au", "caf", "flac", "ogg", "opus", "mp3"])
def test_joined_files_are_not_whole(tmp_path: Path, name: str) -> None:
    data = encoded(name)
    assert reason(tmp_path, data + data) is not None


def test_joined_mp3s_with_tags_between(tmp_path: Path) -> None:
    data = encoded("mp3")
    assert "another file" in str(reason(tmp_path, data + b"TAG" + b"x" * 125 + data))
    assert "2 files, one after the other" in str(reason(tmp_path, data + data))


def test_frames_of_an_mp3_are_counted(tmp_path: Path) -> None:
    data = variable_mp3()
    found = walk(data, 0)
    assert found is not None
    kept = sum(frame.size for frame in found.frames[:-9])
    assert f"declares {len(found.frames) - 1} frames, but {len(found.frames) - 10} are there" in str(
        reason(tmp_path, data[:kept])
    )
    assert "that counts its frames is damaged" in str(
        reason(tmp_path, data.replace(b"Xing\0\0\0\x0f\0", b"Xing\0\0\0\x0f\1"))
    )


def test_a_size_that_is_too_small_leaves_samples_unread(tmp_path: Path) -> None:
    data = bytearray(encoded("wav"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 8000)
    assert "belong to no chunk follow its samples" in str(reason(tmp_path, bytes(data)))


def test_a_wav_header_that_contradicts_itself(tmp_path: Path) -> None:
    data = bytearray(encoded("wav"))
    data[22] = 2  # channels
    assert "contradicts itself" in str(reason(tmp_path, bytes(data)))


def flac(total: int | None, md5: bool = True) -> bytes:
    """A FLAC whose STREAMINFO declares ``total`` samples."""
    data = bytearray(encoded("flac", 3.0))
    if total is not None:
        data[21], data[22:26] = data[21] & 0xF0, struct.pack(">I", total)
    if not md5:
        data[26:42] = bytes(16)
    return bytes(data)


def test_a_flac_of_unknown_length_is_read_whole(tmp_path: Path) -> None:
    for md5 in (True, False):
        assert n_read(tmp_path, flac(0, md5)) == 3 * RATE
        assert reason(tmp_path, flac(0, md5)) is None
        assert reason(tmp_path, flac(0, md5)[:-5000]) is not None


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_the_checksum_of_a_flac_of_any_width_is_right(tmp_path: Path, subtype: str) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (RATE, 2))
    noise[0] = [1, -1]
    soundfile.write(tmp_path / "a.flac", noise, RATE, subtype=subtype)
    data = (tmp_path / "a.flac").read_bytes()
    assert reason(tmp_path, data) is None
    other = data[:26] + bytes([data[26] ^ 1]) + data[27:]
    assert "differ from the checksum" in str(reason(tmp_path, other))


def test_a_flac_that_declares_fewer_samples_than_it_holds(tmp_path: Path) -> None:
    assert "differ from the checksum" in str(reason(tmp_path, flac(RATE)))


# --- hostile bytes ---------------------------------------------------------------------------------------------------

MAGICS = (
    b"", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"RF64", b"riff", b"FORM\0\0\0\0AIFF", b"caff\0\1\0\0", b".snd",
    b"fLaC\0\0\0\x22", b"OggS\0\2", b"\xff\xfb\x90\x00", b"ID3\4\0\0\0\0\0\0",
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(CHECKS)), st.sampled_from(MAGICS), st.binary(max_size=200), st.integers(0, 3))
def test_parsing_never_raises(container: str, magic: bytes, data: bytes, n: int) -> None:
    with_length(magic + data, container)
    found = truncation(magic + data, container, np.zeros((n, 1), np.float32), RATE)
    assert found is None or found[0].islower()


def test_checksums_of_the_catalogue() -> None:
    """Check values of "123456789" in the catalogue of parametrised CRC algorithms."""
    digits = b"123456789"
    assert crc(digits, 8, 0x07) == 0xF4  # CRC-8/SMBUS
    assert crc(digits, 16, 0x8005) == 0xFEE8  # CRC-16/UMTS
    assert crc_lowest_first(digits, 16, 0x8005) == 0xBB3D  # CRC-16/ARC
    assert crc32_highest_first(digits) == 0x765E7680 ^ 0xFFFF_FFFF  # CRC-32/CKSUM, without its inversion
