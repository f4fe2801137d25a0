"""What makes the entries of a cache folder: code, packages, settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from reaudio_eval import plugins
from reaudio_eval.features import audit, waveform
from reaudio_eval.features.protocols import WaveformRule
from reaudio_model.common import audio
from reaudio_model.common.code import code_packages, code_sha256
from reaudio_model.common.digests import file_sha256
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.weights import tokenizer_folders

LAYOUT = 2  # of the files and folders of a cache
FEATURES, AUDITS, ENCODERS = "features", "audits", "encoders"
KINDS = (FEATURES, AUDITS, ENCODERS)
_SETTINGS = ("*.json", "*.txt")


@dataclass(frozen=True)
class Code:
    """Identity of code. sha256: of its import closure; packages: distribution -> installed version of those that it uses."""

    sha256: str
    packages: Mapping[str, str]


@dataclass(frozen=True)
class Origin:
    """What the entries of one cache folder depend on beside the content that they are of.

    Attributes:
        kind: one of ``KINDS``, the folder of the cache.
        subject: registered name of the embedder; "clips" for audits.
        settings: JSON-able: checkpoint, waveform rule, ...
        code: that makes the entries.
    """

    kind: str
    subject: str
    settings: Mapping[str, Any]
    code: Code = field(compare=False)

    @property
    def name(self) -> str:
        """Of the folder, up to what names the code: entries that were made by other code lie in folders of the same beginning."""
        return f"{self.subject}-{canonical_sha256(dict(self.settings))[:16]}"

    def folder(self, root: Path) -> Path:
        """The folder in a cache."""
        code = canonical_sha256([LAYOUT, self.code.sha256, dict(self.code.packages)])[:12]
        return root / self.kind / f"{self.name}-{code}"

    def to_json(self) -> dict[str, Any]:
        """For the file that says in a folder what made its entries."""
        code = {"sha256": self.code.sha256, "packages": dict(self.code.packages)}
        return {
            "layout": LAYOUT,
            "kind": self.kind,
            "subject": self.subject,
            "settings": dict(self.settings),
            "code": code,
        }


def code_of(kind: str, subject: str) -> Code:
    """The code that makes entries now.

    Raises:
        UnknownNameError: no such embedder.
        ReaudioError: its plug-in cannot be imported, or a source file cannot be read.
    """
    own = (waveform, audio) if kind == FEATURES else (audit, waveform, audio) if kind == AUDITS else ()
    return _code(*own, *(() if kind == AUDITS else plugins.modules("embedders", [subject])))


@cache
def _code(*modules: ModuleType) -> Code:
    """Kept for the process: what was imported is what runs, whatever becomes of the files."""
    return Code(code_sha256(*modules), code_packages(*modules))


def audit_origin(rules: Mapping[str, tuple[WaveformRule, int]]) -> Origin:
    """Of audits. ``rules``: embedder name -> its waveform rule and rate in Hz, which decide which samples a network gets."""
    ways = sorted({canonical_sha256([dataclasses.asdict(rule), rate]) for rule, rate in rules.values()})
    return Origin(AUDITS, "clips", {"rules": ways}, code_of(AUDITS, ""))


def checkpoint_files(checkpoint: Path, has_text: bool, cache_dir: Path) -> dict[str, str]:
    """Place and name -> SHA-256 (hex) of the small files that a network is loaded with beside its weights: sizes and tokenizer.

    Args:
        checkpoint: a folder, or a file.
        has_text: whether a tokenizer is used (``tokenizer_folders``).
        cache_dir: the cache.

    Raises:
        CheckpointError: one of them cannot be read.
    """
    places = tokenizer_folders(checkpoint, cache_dir) if has_text else [checkpoint] if checkpoint.is_dir() else []
    try:
        return {
            f"{place}/{path.name}": file_sha256(path)
            for place, folder in enumerate(places)
            for pattern in _SETTINGS
            for path in sorted(folder.glob(pattern))
        }
    except OSError as error:
        raise CheckpointError(
            f"{error.filename}, a file of the checkpoint {checkpoint}, cannot be read: {error.strerror}."
        ) from error
