"""Audit of the input: clips that are missing, unreadable or unusual.

An unreadable or missing clip is listed with its reason. A readable but unusual one is scored and flagged: leaving it out would favour
the system that made it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from reaudio_model.common.audio import DecodedAudio
from reaudio_model.common.errors import AudioError

SILENT_DB = -80.0  # three steps of 16-bit audio
SHORT_SECONDS = 1.0
LONG_SECONDS = 60.0
ODD_LENGTH_RATIO = 2.0
CLIPPED_LEVEL = 0.999
CLIPPED_RUN = 3  # one sample at full scale is what peak normalisation leaves behind
CLIPPED_SHARE = 1e-4

FLAGS: Mapping[str, str] = {
    "silent": f"the peak is below {SILENT_DB:.0f} dB full scale",
    "clipped": f"at least {CLIPPED_SHARE:.2%} of the samples lie in runs of {CLIPPED_RUN} or more at full scale",
    "short": f"shorter than {SHORT_SECONDS:g} s, or than half the folder's median",
    "long": f"longer than {LONG_SECONDS:g} s, or than twice the folder's median",
    "duplicate": "byte for byte the same as another clip of the folder",
}
Status = Literal["ok", "unreadable", "missing"]


@dataclass(frozen=True, slots=True)
class ClipAudit:
    """Facts of one clip's file.

    Attributes:
        clip_id: of its prompt.
        status: "ok", "unreadable" or "missing".
        path: the file, or None when missing.
        sha256: of the file's bytes, or None when it could not be opened.
        reason: a sentence when not "ok".
        sample_rate: Hz.
        channels: in the file.
        seconds: duration.
        peak: largest absolute sample, full scale 1.
        rms_db: root mean square over all channels, dB full scale; None for digital silence.
        flags: keys of ``FLAGS``.
    """

    clip_id: str
    status: Status
    path: Path | None = None
    sha256: str | None = None
    reason: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    seconds: float | None = None
    peak: float | None = None
    rms_db: float | None = None
    flags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"path": None if self.path is None else str(self.path), "flags": list(self.flags)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ClipAudit:
        path = value["path"]
        return cls(**{**value, "path": None if path is None else Path(path), "flags": tuple(value["flags"])})


def audit_clip(clip_id: str, path: Path, sha256: str | None, decoded: DecodedAudio | AudioError) -> ClipAudit:
    """Facts and flags of one file, from samples that are already decoded."""
    if isinstance(decoded, AudioError):
        return ClipAudit(clip_id, "unreadable", path, sha256, reason=str(decoded))
    samples, sample_rate = decoded.samples, decoded.sample_rate
    level = np.abs(samples)
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    seconds = len(samples) / sample_rate
    peak = float(level.max())
    flags = {
        "silent": peak < 10 ** (SILENT_DB / 20),
        "clipped": _clipped_share(level) >= CLIPPED_SHARE,
        "short": seconds < SHORT_SECONDS,
        "long": seconds > LONG_SECONDS,
    }
    return ClipAudit(
        clip_id,
        "ok",
        path,
        sha256,
        sample_rate=sample_rate,
        channels=samples.shape[1],
        seconds=seconds,
        peak=peak,
        rms_db=10 * math.log10(power) if power > 0 else None,
        flags=tuple(name for name, is_set in flags.items() if is_set),
    )


def missing_clip(clip_id: str) -> ClipAudit:
    """The entry of a clip that no file was found for."""
    return ClipAudit(clip_id, "missing", reason=f"No file for the clip {clip_id!r}.")


def _clipped_share(level: npt.NDArray[np.float32]) -> float:
    """Proportion of the samples that start a run of ``CLIPPED_RUN`` at full scale in their channel."""
    full = level >= CLIPPED_LEVEL
    if np.count_nonzero(full) < CLIPPED_RUN or len(full) < CLIPPED_RUN:
        return 0.0
    runs = np.lib.stride_tricks.sliding_window_view(full, CLIPPED_RUN, axis=0).all(axis=-1)
    return np.count_nonzero(runs) / level.size


def compare_clips(audits: Sequence[ClipAudit]) -> list[ClipAudit]:
    """Add the flags that need the whole folder: lengths far from the median, and files with the same bytes."""
    lengths = [a.seconds for a in audits if a.seconds is not None]
    middle = median(lengths) if lengths else 0.0
    copies = Counter(a.sha256 for a in audits if a.status == "ok" and a.sha256 is not None)
    return [_compare(a, middle, copies) for a in audits]


def _compare(audit: ClipAudit, middle: float, copies: Counter[str]) -> ClipAudit:
    if audit.seconds is None:
        return audit
    flags = set(audit.flags)
    if audit.seconds * ODD_LENGTH_RATIO < middle:
        flags.add("short")
    if audit.seconds > ODD_LENGTH_RATIO * middle:
        flags.add("long")
    if audit.sha256 is not None and copies[audit.sha256] > 1:
        flags.add("duplicate")
    return replace(audit, flags=tuple(name for name in FLAGS if name in flags))


def summarise(audits: Sequence[ClipAudit]) -> dict[str, Any]:
    """JSON-able summary of one folder: counts, ranges, and an entry for every clip with a flag or a reason.

    Folder-wide flags are added here (see :func:`compare_clips`).
    """
    compared = compare_clips(audits)
    status = Counter(a.status for a in compared)
    flags = Counter(flag for a in compared for flag in a.flags)
    lengths = [a.seconds for a in compared if a.seconds is not None]
    return {
        "n_clips": len(compared),
        "n_ok": status["ok"],
        "n_unreadable": status["unreadable"],
        "n_missing": status["missing"],
        "flags": {name: flags[name] for name in FLAGS if flags[name]},
        "sample_rates": sorted({a.sample_rate for a in compared if a.sample_rate is not None}),
        "channels": sorted({a.channels for a in compared if a.channels is not None}),
        "seconds": {"min": min(lengths), "median": median(lengths), "max": max(lengths)} if lengths else None,
        "clips": [a.to_json() for a in compared if a.flags or a.status != "ok"],
    }
