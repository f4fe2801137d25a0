"""Reading and importing one plug-in file."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from traceback import extract_tb
from types import CodeType, ModuleType
from typing import NamedTuple

from reaudio_model.common.errors import ReaudioError

VARIANTS = "VARIANTS"


class Contents(NamedTuple):
    """What a file says without being run.

    Attributes:
        descriptions: variant -> description; ``{"": first line of the docstring}`` of a file without variants.
        fault: why it cannot be used, or "".
    """

    descriptions: dict[str, str]
    fault: str = ""


def read_contents(path: Path, needed: str) -> Contents:
    """Descriptions and faults of a file, literals as in Markdown; nothing is run.

    Args:
        path: the file.
        needed: what it must define: a name, and after a comma its meaning ("PLUGIN, an instance of ...").
    """
    try:
        return _contents(path.read_bytes(), needed)
    except OSError as error:
        return Contents({"": ""}, f"it cannot be read: {error.strerror}")


@cache
def _contents(source: bytes, needed: str) -> Contents:
    try:
        tree = ast.parse(source)  # bytes: the file may declare its encoding
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Contents({"": ""}, f"it is not Python: {_one_line(error)}")
    try:
        variants = _variants(tree)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return Contents({"": ""}, f"its {VARIANTS} is not a literal dict of texts, such as {{'': 'one line'}}")
    text = (ast.get_docstring(tree) or "").partition("\n")[0].replace("``", "`")
    return Contents(variants or {"": text}, "" if _may_define(tree, needed.partition(",")[0]) else f"it needs {needed}")


def _variants(tree: ast.Module) -> dict[str, str] | None:
    for node in tree.body:
        names = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if value and any(isinstance(name, ast.Name) and name.id == VARIANTS for name in names):
            found = ast.literal_eval(value)
            if not isinstance(found, dict) or not all(isinstance(each, str) for item in found.items() for each in item):
                raise TypeError
            return found
    return None


def _may_define(tree: ast.Module, name: str) -> bool:
    """Whether running a module may set a name: assigned or imported anywhere in it, or a star import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) in (name, "*"):
            return True
    return False


class _Source(SourceFileLoader):
    """Runs the bytes that were read: neither a bytecode file of older ones nor a later edit."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self.source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


def import_file(name: str, path: Path) -> ModuleType:
    """A file, or with an ``__init__.py`` the package around it, as the module ``name``. Imported again after an edit."""
    return _import(name, path, path.read_bytes())


@cache
def _import(name: str, path: Path, source: bytes) -> ModuleType:
    package = ""
    for part in name.split(".")[:-1]:  # packages that exist in memory only, so that plug-ins can import their own modules
        package = f"{package}.{part}".strip(".")
        sys.modules.setdefault(package, ModuleType(package)).__path__ = []
    folders = [str(path.parent)] if path.name == "__init__.py" else None
    loader = _Source(name, path, source)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader, submodule_search_locations=folders)
    assert spec is not None
    for stale in [each for each in sys.modules if each.startswith(f"{name}.")]:
        del sys.modules[stale]  # of a package that had this name in another folder
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def explained(what: str, path: Path | None) -> Iterator[None]:
    """Turn any failure of a plug-in's code into one sentence.

    Args:
        what: what was done, e.g. "The plug-in x.py cannot be imported".
        path: the plug-in's file; the sentence names the line in it.

    Raises:
        ReaudioError: the block raised anything but a ReaudioError or an interrupt.
    """
    try:
        yield
    except ReaudioError:
        raise
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
        place = f" (line {lines[-1]})" if lines else ""
        raise ReaudioError(f"{what}: {_one_line(error)}{place}.") from error


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()).removesuffix(".")
    if isinstance(error, SystemExit):
        return f"it ends the program with the code {text}"
    return text if text and isinstance(error, ImportError | SyntaxError) else f"{type(error).__name__} {text}".rstrip()
