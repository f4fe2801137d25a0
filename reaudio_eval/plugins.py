"""Finding datasets, models, embedders and metrics: the file name is the registered name.

A model file may serve several names: ``VARIANTS``, a dict literal from the end of the name ("" for the file's own) to a line of
description, makes ``re_audioldm.py`` with ``{"s": ..., "l": ...}`` the models ``re-audioldm-s`` and ``re-audioldm-l``.

Three places are searched: this package's folders, the folders named in ``REAUDIO_PLUGINS`` (separated like ``PATH``; each
holds ``metrics/``, ``embedders/``, ``datasets/``, ``models/``), and entry points of installed packages in the groups
``reaudio_eval.scores.metrics`` and so on. Listing reads names and the first line of docstrings and imports nothing.
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

from reaudio_model.common.errors import ReaudioError, UnknownNameError

KINDS = ("datasets", "models", "embedders", "metrics", "evaluations")
# Kind -> the package whose files are the plug-ins that come with reaudio-eval.
HOMES = {
    "datasets": "prompts.datasets",
    "models": "clips.models",
    "embedders": "features.embedders",
    "metrics": "scores.metrics",
    "evaluations": "evaluations",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")


@dataclass(frozen=True)
class Entry:
    """A registered name, what it is for, and where it comes from (nothing of it is imported)."""

    name: str
    description: str
    origin: str
    path: Path | None = None
    entry_point: EntryPoint | None = None
    variant: str = ""


def plugin_folders() -> list[Path]:
    """Folders of ``REAUDIO_PLUGINS`` that exist."""
    return [Path(p) for p in os.environ.get("REAUDIO_PLUGINS", "").split(os.pathsep) if p and Path(p).is_dir()]


def _described(path: Path) -> dict[str, str]:
    """Variant -> description; ``{"": first line of the docstring}`` of a file without variants."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        return {"": f"(cannot be read: {error})"}
    for node in tree.body:
        names = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        value = getattr(node, "value", None)
        if value and any(isinstance(name, ast.Name) and name.id == "VARIANTS" for name in names):
            return {str(key): str(text) for key, text in ast.literal_eval(value).items()}
    return {"": (ast.get_docstring(tree) or "").partition("\n")[0]}


def _files(folder: Path, origin: str) -> list[Entry]:
    if folder.name == "evaluations":
        return [
            Entry(path.parent.name, _described(path)[""], origin, path=path) for path in sorted(folder.glob("*/__init__.py"))
        ]
    return [
        Entry(f"{path.stem}_{variant}".strip("_").replace("-", "_"), text, origin, path=path, variant=variant)
        for path in sorted(folder.glob("*.py"))
        if _NAME.fullmatch(path.stem)
        for variant, text in _described(path).items()
    ]


def entries(kind: str) -> dict[str, Entry]:
    """Every registered name of a kind, sorted.

    Raises:
        ReaudioError: two places register the same name (neither is preferred silently).
    """
    if kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS)
    found = _files(Path(__file__).parent.joinpath(*HOMES[kind].split(".")), "reaudio-eval")
    for folder in plugin_folders():
        found += _files(folder / kind, str(folder))
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


def load(kind: str, name: str) -> ModuleType:
    """Import the module registered as ``name``; see :func:`find`.

    Raises:
        UnknownNameError: no such name.
    """
    return _import(kind, find(kind, name))


def _import(kind: str, entry: Entry) -> ModuleType:
    if entry.entry_point is not None:
        loaded = entry.entry_point.load()
        if not isinstance(loaded, ModuleType):
            raise ReaudioError(f"The entry point {entry.name!r} of {entry.origin} must name a module.")
        return loaded
    if entry.origin == "reaudio-eval":
        assert entry.path is not None
        stem = entry.path.parent.name if kind == "evaluations" else entry.path.stem
        return importlib.import_module(f"reaudio_eval.{HOMES[kind]}.{stem}")
    assert entry.path is not None
    return _import_file(kind, entry.path)


@cache
def _import_file(kind: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"reaudio_eval_plugins.{kind}.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ReaudioError(f"The plug-in {path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
