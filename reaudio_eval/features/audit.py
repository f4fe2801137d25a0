"""Audit of the input: clips that are missing, unreadable or unusual.

An unreadable or missing clip is listed with its reason. A readable but unusual one is scored and flagged: leaving it out would favour
the system that made it. Levels are those of the samples that the networks get (:func:`audit_inputs`), not of the file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from reaudio_eval.features.protocols import WaveformRule
from reaudio_eval.features.waveform import mono
from reaudio_model.common.audio import DecodedAudio
from reaudio_model.common.errors import AudioError
from reaudio_model.common.resample import Samples

SILENT_DB = -80.0  # three steps of 16-bit audio
SILENT = 10 ** (SILENT_DB / 20)
SHORT_SECONDS = 1.0
LONG_SECONDS = 60.0
ODD_LENGTH_RATIO = 2.0
CLIPPED_LEVEL = 0.999
CLIPPED_RUN = 3  # one sample at full scale is what peak normalisation leaves behind
CLIPPED_SHARE = 1e-4

FLAGS: Mapping[str, str] = {
    "truncated": "the file is cut, damaged or joined: not all that it declares was read",
    "silent": f"the peak of what a network gets, before its level is changed, is below {SILENT_DB:.0f} dB full scale",
    "clipped": f"at least {CLIPPED_SHARE:.2%} of the samples used lie in runs of {CLIPPED_RUN} or more at full scale",
    "short": f"shorter than {SHORT_SECONDS:g} s, or than half the folder's median",
    "long": f"longer than {LONG_SECONDS:g} s, or than twice the folder's median",
    "duplicate": "byte for byte the same as another clip of the folder",
}
Status = Literal["ok", "unreadable", "missing"]


@dataclass(frozen=True, slots=True)
class ClipAudit:
    """Facts of one clip.

    Attributes:
        clip_id: of its prompt.
        status: "ok", "unreadable" or "missing".
        path: the file, or None when missing.
        sha256: of the file's bytes, or None when it could not be opened.
        reason: a sentence when not "ok"; why a clip that is "ok" is "truncated" or, though its file is not, "silent".
        sample_rate: Hz, of the file.
        channels: in the file.
        seconds: duration of the file.
        peak: largest absolute sample that a network gets, full scale 1; the smallest of several waveform rules.
        rms_db: root mean square of these samples, dB full scale; None for digital silence.
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
    """Facts and flags of one file with all its channels, from samples that are already decoded; see :func:`audit_inputs`."""
    if isinstance(decoded, AudioError):
        return ClipAudit(clip_id, "unreadable", path, sha256, reason=str(decoded))
    seconds = len(decoded.samples) / decoded.sample_rate
    peak, rms_db = _level(decoded.samples)
    flags = {
        "truncated": decoded.truncated is not None,
        "silent": peak < SILENT,
        "clipped": _clipped_share(np.abs(decoded.samples)) >= CLIPPED_SHARE,
        "short": seconds < SHORT_SECONDS,
        "long": seconds > LONG_SECONDS,
    }
    return ClipAudit(
        clip_id,
        "ok",
        path,
        sha256,
        None if decoded.truncated is None else f"The file is not whole: {decoded.truncated}.",
        decoded.sample_rate,
        decoded.samples.shape[1],
        seconds,
        peak,
        rms_db,
        tuple(name for name, is_set in flags.items() if is_set),
    )


def audit_inputs(facts: ClipAudit, decoded: DecodedAudio, inputs: Sequence[NetworkInput]) -> ClipAudit:
    """Facts of a file -> facts of what the networks get of it, which may be silent where the file is not.

    Args:
        facts: of :func:`audit_clip`, status "ok".
        decoded: the file.
        inputs: of each network.
    """
    if not inputs:
        return facts
    levels = [_level(each.used) for each in inputs]
    used = [_used(decoded, each.rule) for each in inputs]
    silences = [why for each in inputs if (why := each.silence(decoded))]
    flags = {
        "silent": bool(silences),
        "clipped": any(_clipped_share(np.abs(each)) >= CLIPPED_SHARE for each in used),
    }
    peak, rms_db = min(levels, key=lambda level: level[0])
    kept = {*facts.flags} - flags.keys() | {name for name, is_set in flags.items() if is_set}
    # where the file itself is silent, the flag says all
    reasons = [facts.reason, *([] if "silent" in facts.flags else silences[:1])]
    return replace(
        facts,
        peak=peak,
        rms_db=rms_db,
        flags=tuple(n for n in FLAGS if n in kept),
        reason=" ".join(filter(None, reasons)) or None,
    )


class NetworkInput(NamedTuple):
    """What one network gets: its rule, its rate in Hz, and float32 (n,) of :func:`reaudio_eval.features.waveform.at_file_level`."""

    rule: WaveformRule
    sample_rate: int
    samples: Samples

    @property
    def used(self) -> Samples:
        """The samples that a crop leaves."""
        return self.samples[: _n_used(self.rule, self.sample_rate)]

    def silence(self, decoded: DecodedAudio) -> str | None:
        """Why a network gets silence of a file, as a sentence; None if it gets sound."""
        channel = mono(decoded.samples, self.rule)
        head = channel[: _n_used(self.rule, decoded.sample_rate)]
        if np.abs(channel).max() < SILENT:
            first = "The channel that the protocol uses, the first, is silent."
            return (
                first if self.rule.mono == "first" else "Its channels cancel each other in the mean that the protocol uses."
            )
        if np.ptp(channel) < SILENT:
            return "Its samples are constant, which is no sound."
        if np.ptp(head) < SILENT:
            return f"Its first {self.rule.max_seconds:g} s, which the protocol uses, are silent."
        if np.abs(self.used).max() < SILENT:
            return f"Below {self.sample_rate / 2:,.0f} Hz, the highest frequency that the protocol keeps, it is silent."
        return None


def _n_used(rule: WaveformRule, sample_rate: int) -> int | None:
    return None if rule.max_seconds is None else round(rule.max_seconds * sample_rate)


def _used(decoded: DecodedAudio, rule: WaveformRule) -> Samples:
    """Samples of the file that a rule reads: float32 (n, channels)."""
    channels = decoded.samples[:, :1] if rule.mono == "first" else decoded.samples
    return channels[: _n_used(rule, decoded.sample_rate)]


def _level(samples: Samples) -> tuple[float, float | None]:
    """Peak, and root mean square in dB."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return float(np.abs(samples).max()), 10 * math.log10(power) if power > 0 else None


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
