"""Finding datasets, models, embedders, metrics and evaluations by name.

The file name is the registered name; an evaluation is a folder (a package). Each kind is searched for in three places: this
package's own folder (``HOMES``), the folders named in ``REAUDIO_PLUGINS`` (separated like ``PATH``; each may hold ``metrics/``,
``embedders/``, ``datasets/``, ``models/`` and ``evaluations/``), and entry points of installed packages in the groups
``reaudio_eval.metrics`` and so on, each naming a module. Files and folders that start with an underscore are not registered.

A file of datasets, models or embedders has ``PLUGIN``, an instance of the base class of its kind; a file of metrics has ``METRICS``.
A model file may serve several names: ``VARIANTS``, a dict from the end of the name ("" for the file's own) to a line of description,
makes ``re_audioldm.py`` with ``{"s": ..., "l": ...}`` the models ``re-audioldm-s`` and ``re-audioldm-l``. Listing imports nothing: it
reads the first line of each docstring, and ``VARIANTS``, which is therefore a literal.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, overload

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
    """

    name: str
    description: str
    origin: str
    path: Path | None = None
    entry_point: EntryPoint | None = None
    variant: str = ""


def plugin_folders() -> list[Path]:
    """Folders of ``REAUDIO_PLUGINS`` that exist; ``~`` is expanded."""
    folders = (Path(p).expanduser() for p in os.environ.get("REAUDIO_PLUGINS", "").split(os.pathsep) if p)
    return [folder for folder in folders if folder.is_dir()]


def _descriptions(path: Path) -> dict[str, str]:
    """Variant -> description; ``{"": first line of the docstring}`` of a file without variants; literals as in Markdown."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        return {"": f"(cannot be read: {error})"}
    for node in tree.body:
        names = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if value and any(isinstance(name, ast.Name) and name.id == "VARIANTS" for name in names):
            return {str(key): str(text) for key, text in ast.literal_eval(value).items()}
    return {"": (ast.get_docstring(tree) or "").partition("\n")[0].replace("``", "`")}


def _in_folder(kind: str, folder: Path, origin: str) -> list[Entry]:
    paths = sorted(folder.glob("*/__init__.py" if kind == "evaluations" else "*.py"))
    named = ((path.parent.name if kind == "evaluations" else path.stem, path) for path in paths)
    return [
        Entry(f"{name}_{variant}".strip("_").replace("-", "_"), text, origin, path=path, variant=variant)
        for name, path in named
        if _NAME.fullmatch(name)
        for variant, text in _descriptions(path).items()
    ]


def entries(kind: str) -> dict[str, Entry]:
    """Every registered name of a kind, sorted.

    Raises:
        UnknownNameError: no such kind.
        ReaudioError: two places register the same name (neither is preferred silently).
    """
    if kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS)
    found = _in_folder(kind, Path(__file__).parent.joinpath(*HOMES[kind].split(".")), OWN)
    for folder in plugin_folders():
        found += _in_folder(kind, folder / kind, str(folder))
    for point in entry_points(group=f"reaudio_eval.{kind}"):
        dist = point.dist.name if point.dist else point.value
        found.append(Entry(point.name, f"from the package {dist}", dist, entry_point=point))
    table: dict[str, Entry] = {}
    for entry in found:
        if entry.name in table:
            raise ReaudioError(
                f"Two {kind} are called {entry.name!r} ({table[entry.name].origin} and {entry.origin}): rename one."
            )
        table[entry.name] = entry
    return dict(sorted(table.items()))


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
            raise ReaudioError(
                f"{where} needs METRICS, a tuple of definitions of {home} (ClipMetric, LabelMetric or SetMetric)."
            )
        return metrics
    plugin = vars(module).get("PLUGIN")
    if not isinstance(plugin, bases[_BASES[kind]]):
        raise ReaudioError(f"{where} needs PLUGIN, an instance of a subclass of {home}.{_BASES[kind]}.")
    return plugin


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
    try:
        return _import(kind, entry)
    except ReaudioError:
        raise
    except Exception as error:  # whatever a plug-in raises while it is imported
        raise ReaudioError(f"The plug-in {entry.path or entry.entry_point} cannot be imported: {error}.") from error


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
    return _import_path(f"reaudio_eval_plugins.{kind}.{name}", entry.path)


@cache
def _import_path(name: str, path: Path) -> ModuleType:
    """A file, or with an ``__init__.py`` the package around it, as the module ``name``."""
    package = ""
    for part in name.split(".")[:-1]:  # packages that exist in memory only, so that plug-ins can import their own modules
        package = f"{package}.{part}".strip(".")
        sys.modules.setdefault(package, ModuleType(package)).__path__ = []
    folders = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=folders)
    assert spec is not None
    assert spec.loader is not None
    for stale in [each for each in sys.modules if each.startswith(f"{name}.")]:
        del sys.modules[stale]  # of a package that had this name in another folder
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
