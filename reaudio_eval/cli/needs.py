"""What embedders and models need from the network."""

from __future__ import annotations

import hashlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from reaudio_eval import plugins
from reaudio_eval.clips.models import Fetch, ModelPlugin
from reaudio_eval.features.checkpoints import HUB_TOKENIZER_FILES, published_files
from reaudio_eval.features.download import download, hub_snapshot, verify
from reaudio_eval.features.embedders import CheckpointFile, EmbedderSpec
from reaudio_eval.features.protocols import Protocol
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.files import has_file
from reaudio_model.common.weights import sha256_file

_WEIGHTS = (".bin", ".ckpt", ".pt", ".pth", ".safetensors")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Need(ABC):
    """A file or repository.

    Attributes:
        needed_by: the embedders or models, e.g. "panns".
        name: file name, hub id or package.
        source: where it comes from.
        place: where it lies, or has to lie.
        n_bytes: approximate size, or 0 where unknown.
        licence: of the content; "" where unknown.
        by_hand: what to do without a network, as a part of a sentence.
    """

    needed_by: tuple[str, ...]
    name: str
    source: str
    place: Path
    n_bytes: int
    licence: str
    by_hand: str

    @abstractmethod
    def is_there(self) -> bool:
        """Whether it is on this machine, as far as is known without reading it."""

    @abstractmethod
    def get(self) -> None:
        """Fetch what is not there, and verify it.

        Raises:
            CheckpointError: it cannot be fetched, or is damaged.
            ReaudioError: the disk is full, or the folder cannot be written.
        """


@dataclass(frozen=True)
class FileNeed(Need):
    """A published checkpoint, verified by its SHA-256."""

    file: CheckpointFile

    def is_there(self) -> bool:
        return has_file(self.place)

    def get(self) -> None:
        if self.is_there():
            verify(self.place, self.file, sha256_file(self.place))
        elif not self.file.sha256:
            raise CheckpointError("its authors published no SHA-256, so it is not downloaded automatically")
        else:
            download(self.file, self.place.parent)


@dataclass(frozen=True)
class RepositoryNeed(Need):
    """Files of a repository of the Hugging Face hub; the hub's cache names every file by its digest.

    Attributes:
        patterns: of the files that are used.
        find: from whether the network may be used to the folder; raises CheckpointError where there is none.
    """

    patterns: tuple[str, ...]
    find: Callable[[bool], Path] = field(compare=False)

    def is_there(self) -> bool:
        if any((self.place / "blobs").glob("*.incomplete")):
            return False
        try:
            folder = self.find(False)
        except CheckpointError:
            return False
        return not _absent(folder, self.patterns)

    def get(self) -> None:
        folder = self.find(True)
        absent = _absent(folder, self.patterns)
        if absent:
            raise CheckpointError(f"it is not whole: {', '.join(absent)} is not there")
        verify_snapshot(folder)


@dataclass(frozen=True)
class PackageNeed(Need):
    """An optional Python package, which the user installs."""

    why: str

    def is_there(self) -> bool:
        return False

    def get(self) -> None:
        raise CheckpointError(f"it is not installed ({self.why})")


def _absent(folder: Path, patterns: Iterable[str]) -> list[str]:
    """Weights that are named in full and are not there."""
    named = (p for p in patterns if "*" not in p and p.endswith(_WEIGHTS))
    return [name for name in named if not has_file(folder / name)]


def verify_snapshot(folder: Path) -> None:
    """Compare every file of a snapshot in the hub's cache with the digest that its blob is named by: SHA-256, or Git's SHA-1.

    Raises:
        CheckpointError: a file differs.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        blob = path.resolve()
        if len(blob.name) == 64:
            found = sha256_file(blob)
        elif len(blob.name) == 40:
            found = _git_sha1(blob)
        else:  # a cache without links
            continue
        if found != blob.name:
            raise CheckpointError(f"{path} is damaged: delete {blob} and fetch it again")


def _git_sha1(path: Path) -> str:
    """SHA-1 (hex) that Git names a file by."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def embedder_needs(names: Iterable[str], protocol: Protocol, cache_dir: Path) -> Iterator[Need]:
    """What the embedders need under a protocol.

    Raises:
        UnknownNameError: no such embedder.
        ReaudioError: a plug-in that is broken.
    """
    for name in names:
        spec = plugins.load("embedders", name).spec
        if spec.package is not None and spec.package.missing:
            remedy = spec.package.missing.rpartition(": ")[2]
            module = spec.package.module
            yield PackageNeed((name,), module, "PyPI", Path(sys.prefix), 0, "", remedy, spec.package.missing)
        if spec.bundled is None:
            yield from _checkpoints(name, spec, protocol, cache_dir)
        if spec.tokenizer is not None:
            patterns = tuple(HUB_TOKENIZER_FILES)
            yield _repository(name, spec.tokenizer, patterns, _snapshot_finder(spec.tokenizer, patterns))


def _checkpoints(name: str, spec: EmbedderSpec, protocol: Protocol, cache_dir: Path) -> Iterator[Need]:
    """The published file that the protocol uses, unless another that it may use is there."""
    known_as = spec.same_as or name
    rate = protocol.sample_rates.get(known_as, spec.sample_rates[0])
    files = published_files(spec, rate, protocol.checkpoint(known_as))
    needs = []
    for file in files:
        place = cache_dir / "checkpoints" / file.filename
        by_hand = f"put {file.filename} from {file.url} at {place}, or name your file with `reaudio-eval longtail --checkpoint {name}=PATH`"
        needs.append(FileNeed((name,), file.filename, file.url, place, file.n_bytes, file.licence, by_hand, file))
    yield from [need for need in needs if need.is_there()][:1] or needs[:1]


def model_needs(names: Iterable[str], cache_dir: Path) -> Iterator[Need]:
    """What the models need; nothing for those without published weights.

    Raises:
        UnknownNameError: no such model.
        ReaudioError: a plug-in that is broken.
    """
    for name in names:
        plugin, variant = plugins.load("models", name), plugins.find("models", name).variant
        found = plugin.published(variant)
        if found is None:
            continue
        need = _repository(name, found.hub_id, found.files, _finder(plugin, variant, cache_dir))
        own = f", or give `reaudio-eval longtail --weights {name}=FOLDER` ({found.layout})"
        yield replace(need, n_bytes=round(found.gigabytes * 1e9), licence=found.licence, by_hand=need.by_hand + own)
        for hub_id, patterns, _ in found.also:
            yield _repository(name, hub_id, patterns, _snapshot_finder(hub_id, patterns))


def has_published_weights(model: str) -> bool:
    """Whether a model has published weights.

    Raises:
        UnknownNameError: no such model.
    """
    return plugins.load("models", model).published(plugins.find("models", model).variant) is not None


def _finder(plugin: ModelPlugin, variant: str, cache_dir: Path) -> Callable[[bool], Path]:
    return lambda allow_download: plugin.find_published(variant, Fetch(allow_download, cache_dir))


def _snapshot_finder(hub_id: str, patterns: tuple[str, ...]) -> Callable[[bool], Path]:
    return lambda allow_download: hub_snapshot(hub_id, list(patterns), allow_download=allow_download)


def _repository(needed_by: str, hub_id: str, patterns: tuple[str, ...], find: Callable[[bool], Path]) -> RepositoryNeed:
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}"
    include = " --include ".join(f"'{pattern}'" for pattern in patterns)
    by_hand = (
        f"run `hf download {hub_id} --include {include}` on another machine and copy its folder {place.name}, links included, "
        f"to {place}"
    )
    return RepositoryNeed((needed_by,), hub_id, f"https://huggingface.co/{hub_id}", place, 0, "", by_hand, patterns, find)


def merged(needs: Iterable[Need]) -> list[Need]:
    """Each thing once, in the order of the first that needs it."""
    found: dict[tuple[object, ...], Need] = {}
    for need in needs:
        key = (need.place, need.patterns if isinstance(need, RepositoryNeed) else ())
        earlier = found.get(key)
        found[key] = need if earlier is None else replace(earlier, needed_by=(*earlier.needed_by, *need.needed_by))
    return list(found.values())
