"""Finding datasets, models, embedders, metrics and evaluations by name.

The file name is the registered name; an evaluation is a folder (a package). Each kind is searched for in three places: this
package's own folder (``HOMES``), the folders named in ``REAUDIO_PLUGINS`` (separated like ``PATH``; each may hold ``metrics/``,
``embedders/``, ``datasets/``, ``models/`` and ``evaluations/``), and entry points of installed packages in the groups
``reaudio_eval.metrics`` and so on, each naming a module. Files and folders that start with an underscore are not registered.

A file of datasets, models or embedders has ``PLUGIN``, an instance of the base class of its kind; a file of metrics has ``METRICS``.
A model file may serve several names: ``VARIANTS``, a dict from the end of the name ("" for the file's own) to a line of description,
makes ``re_audioldm.py`` with ``{"s": ..., "l": ...}`` the models ``re-audioldm-s`` and ``re-audioldm-l``. Listing imports nothing: it
reads the first line of each docstring, and ``VARIANTS``, which is therefore a literal. A broken plug-in is listed with its fault and
refused when it is used; nothing else is disturbed.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, overload

from reaudio_eval.plugins.files import explained, import_file, read_contents
from reaudio_model.common.errors import ReaudioError, UnknownNameError

if TYPE_CHECKING:
    from reaudio_eval.clips.models import ModelPlugin
    from reaudio_eval.features.embedders import EmbedderPlugin
    from reaudio_eval.prompts.datasets import DatasetPlugin
    from reaudio_eval.scores.metrics import Metric

# Kind -> the package whose files (or folders) are the plug-ins that come with reaudio-eval.
HOMES = {
    "datasets": "prompts.datasets",
    "models": "clips.models",
    "embedders": "features.embedders",
    "metrics": "scores.metrics",
    "evaluations": "evaluations",
}
KINDS = tuple(HOMES)
# Kind -> the class in its home that every PLUGIN is an instance of. Named here, because importing it would import all stages.
_BASES = {"datasets": "DatasetPlugin", "models": "ModelPlugin", "embedders": "EmbedderPlugin"}
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
OWN = "reaudio-eval"


@dataclass(frozen=True)
class Entry:
    """A registered name, its description and its origin (nothing of it is imported).

    Attributes:
        path: the file; of an evaluation the ``__init__.py`` of its folder; None for an entry point.
        variant: which of the file's ``VARIANTS`` the name means.
        fault: why it cannot be used, as far as that is known without running it; or "".
    """

    name: str
    description: str
    origin: str
    path: Path | None = None
    entry_point: EntryPoint | None = None
    variant: str = ""
    fault: str = ""


def plugin_folders() -> list[Path]:
    """Folders of ``REAUDIO_PLUGINS`` that exist; ``~`` is expanded."""
    return [folder for folder in _named_folders() if folder.is_dir()]


def missing_folders() -> list[Path]:
    """Entries of ``REAUDIO_PLUGINS`` that are no folders."""
    return [folder for folder in _named_folders() if not folder.is_dir()]


def _named_folders() -> list[Path]:
    return [Path(p).expanduser() for p in os.environ.get("REAUDIO_PLUGINS", "").split(os.pathsep) if p]


def _in_folder(kind: str, folder: Path, origin: str) -> list[Entry]:
    paths = sorted(folder.glob("*/__init__.py" if kind == "evaluations" else "*.py"))
    named = ((path.parent.name if kind == "evaluations" else path.stem, path) for path in paths)
    found = []
    for name, path in named:
        if _NAME.fullmatch(name):
            contents = read_contents(path, _needs(kind))
            for variant, text in contents.descriptions.items():
                full = f"{name}_{variant}".strip("_").replace("-", "_")
                shown = f"(broken: {contents.fault})" if contents.fault else text
                found.append(Entry(full, shown, origin, path=path, variant=variant, fault=contents.fault))
    return found


def entries(kind: str) -> dict[str, Entry]:
    """Every registered name of a kind, sorted.

    Raises:
        UnknownNameError: no such kind.
        ReaudioError: two places register the same name (neither is preferred silently).
    """
    table: dict[str, Entry] = {}
    for entry in all_entries(kind):
        if entry.name in table:
            raise ReaudioError(
                f"Two {kind} are called {entry.name!r} ({table[entry.name].origin} and {entry.origin}): rename one."
            )
        table[entry.name] = entry
    return dict(sorted(table.items()))


def all_entries(kind: str) -> list[Entry]:
    """Every entry of a kind, those that come with reaudio-eval first; names may occur twice.

    Raises:
        UnknownNameError: no such kind.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS)
    for folder in missing_folders():
        _say_once(f"{folder} of REAUDIO_PLUGINS is no folder: its plug-ins are not there.")
    found = _in_folder(kind, Path(__file__).parents[1].joinpath(*HOMES[kind].split(".")), OWN)
    for folder in plugin_folders():
        found += _in_folder(kind, folder / kind, str(folder))
    for point in entry_points(group=f"reaudio_eval.{kind}"):
        dist = point.dist.name if point.dist else point.value
        found.append(Entry(point.name, f"from the package {dist}", dist, entry_point=point))
    return found


def public_name(kind: str, name: str) -> str:
    """As users write it: models with hyphens, as papers do; the others as in the names of metrics."""
    return name.replace("_", "-") if kind == "models" else name


def find(kind: str, name: str) -> Entry:
    """The entry registered as ``name`` (hyphens read as underscores); nothing is imported.

    Raises:
        UnknownNameError: no such name; the message suggests near ones.
    """
    table = entries(kind)
    key = name.replace("-", "_")
    if key not in table:
        raise UnknownNameError(kind.removesuffix("s"), name, [public_name(kind, each) for each in table])
    return table[key]


@overload
def load(kind: Literal["datasets"], name: str) -> DatasetPlugin: ...
@overload
def load(kind: Literal["models"], name: str) -> ModelPlugin: ...
@overload
def load(kind: Literal["embedders"], name: str) -> EmbedderPlugin: ...
@overload
def load(kind: Literal["metrics"], name: str) -> tuple[Metric, ...]: ...
@overload
def load(kind: Literal["evaluations"], name: str) -> ModuleType: ...
def load(kind: str, name: str) -> object:
    """The plug-in registered as ``name``, imported and checked.

    Returns:
        The file's ``PLUGIN``, an instance of its kind's base class; of metrics the tuple ``METRICS``; of evaluations the package.

    Raises:
        UnknownNameError: no such name.
        ReaudioError: the file cannot be imported, or lacks what its kind needs.
    """
    module = load_module(kind, name)
    if kind == "evaluations":
        return module
    home = f"reaudio_eval.{HOMES[kind]}"
    bases = vars(importlib.import_module(home))
    where = module.__file__ or module.__name__
    if kind == "metrics":
        metrics = vars(module).get("METRICS")
        if not isinstance(metrics, tuple) or not all(isinstance(each, bases["Metric"]) for each in metrics):
            raise ReaudioError(f"{where} needs {_needs(kind)}.")
        return metrics
    plugin = vars(module).get("PLUGIN")
    if not isinstance(plugin, bases[_BASES[kind]]):
        raise ReaudioError(f"{where} needs {_needs(kind)}.")
    if kind == "embedders":
        with explained(f"The plug-in {where} has no readable spec", Path(where)):
            is_spec = isinstance(plugin.spec, bases["EmbedderSpec"])
        if not is_spec:
            raise ReaudioError(f"{where} needs PLUGIN.spec, an instance of {home}.EmbedderSpec.")
    return plugin


def usable(kind: Literal["metrics"]) -> dict[str, tuple[Metric, ...]]:
    """Name -> content of every registered file of a kind. A broken plug-in is left out, with a line on stderr.

    Raises:
        ReaudioError: two of one name, or a file that comes with reaudio-eval is broken.
    """
    found = {}
    for name, entry in entries(kind).items():
        try:
            found[name] = load(kind, name)
        except ReaudioError as error:
            if entry.origin == OWN:
                raise
            _say_once(f"The {kind.removesuffix('s')} {name!r} is left out: {error}")
    return found


@cache
def _say_once(message: str) -> None:
    print(message, file=sys.stderr)


def guarded(kind: str, name: str, what: str) -> AbstractContextManager[None]:
    """A block that runs the code of a plug-in: its failures become one sentence. Those of our own files are not caught.

    Args:
        kind, name: of the plug-in.
        what: what it does, e.g. "cannot load x.pth"; the sentence starts with kind, name and file.

    Raises:
        ReaudioError: the block raised anything but a ReaudioError or an interrupt.
    """
    entry = find(kind, name)
    if entry.origin == OWN:
        return nullcontext()
    title = f"The {kind.removesuffix('s')} {public_name(kind, entry.name)}"
    return explained(f"{title} ({entry.path or entry.origin}) {what}", entry.path)


def modules(kind: str, names: Iterable[str]) -> tuple[ModuleType, ...]:
    """The modules registered as ``names``: with ``reaudio_model.common.code.code_sha256`` the identity of their code.

    Raises:
        UnknownNameError: no such name.
        ReaudioError: one cannot be imported.
    """
    return tuple(load_module(kind, name) for name in names)


def load_module(kind: str, name: str) -> ModuleType:
    """The module registered as ``name``, imported and not checked; :func:`load` gives its typed content.

    Raises:
        UnknownNameError: no such name.
        ReaudioError: it cannot be imported.
    """
    return import_entry(kind, find(kind, name))


def import_entry(kind: str, entry: Entry) -> ModuleType:
    """The module of an entry, imported and not checked.

    Raises:
        ReaudioError: it cannot be imported.
    """
    if entry.fault:
        raise ReaudioError(f"The plug-in {entry.path} cannot be used: {entry.fault}.")
    with explained(f"The plug-in {entry.path or entry.entry_point} cannot be imported", entry.path):
        return _import(kind, entry)


def _needs(kind: str) -> str:
    home = f"reaudio_eval.{HOMES[kind]}"
    if kind == "metrics":
        return f"METRICS, a tuple of definitions of {home} (ClipMetric, LabelMetric or SetMetric)"
    if kind == "evaluations":
        return f"EVALUATIONS, a tuple of instances of {home}.base.Evaluation"
    return f"PLUGIN, an instance of a subclass of {home}.{_BASES[kind]}"


def _import(kind: str, entry: Entry) -> ModuleType:
    if entry.entry_point is not None:
        loaded = entry.entry_point.load()
        if not isinstance(loaded, ModuleType):
            raise ReaudioError(f"The entry point {entry.name!r} of {entry.origin} must name a module.")
        return loaded
    assert entry.path is not None
    name = entry.path.parent.name if kind == "evaluations" else entry.path.stem
    if entry.origin == OWN:
        return importlib.import_module(f"reaudio_eval.{HOMES[kind]}.{name}")
    return import_file(f"reaudio_eval_plugins.{kind}.{name}", entry.path)
