"""Identity of the code that computes a result.

The files are found by following the import statements of the sources, also those inside functions; nothing is listed by hand and
nothing is imported.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from types import ModuleType

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256

OWN = ("reaudio_eval", "reaudio_model")
# Packages that move and check data but compute nothing: another version of them cannot change a number.
NO_ARITHMETIC = frozenset(
    {"MarkupSafe", "PyYAML", "filelock", "huggingface_hub", "Jinja2", "platformdirs", "pyarrow", "pydantic", "pydantic_core", "rich",
     "safetensors", "typer"}
)  # fmt: skip
_INIT = "__init__.py"


def code_closure(*modules: ModuleType | str) -> dict[str, Path]:
    """Module name -> source file of modules and of all that they import, sorted by name.

    Followed are imports from this distribution, from the top-level packages of ``modules``, and from files outside the installed
    packages (a plug-in's own helpers). Installed packages are identified by their versions: :func:`code_packages`. Imports for
    type checking are left out. Of a package that is only on the way to a module, the imports at its top level are followed.

    Args:
        modules: imported modules (plug-ins among them), or names of modules.

    Raises:
        ReaudioError: a source file cannot be read or is not Python.
    """
    return {name: path for name, (path, _) in _follow(modules).items()}


def code_sha256(*modules: ModuleType | str) -> str:
    """SHA-256 (hex) of the source files of :func:`code_closure`: their names and bytes.

    Raises:
        ReaudioError: see there.
    """
    digest = hashlib.sha256()
    for name, path in code_closure(*modules).items():
        digest.update(f"{name}\0{hashlib.sha256(_read(path)).hexdigest()}\n".encode())
    return digest.hexdigest()


def code_packages(*modules: ModuleType | str) -> dict[str, str]:
    """Distribution -> installed version of the packages that the files of :func:`code_closure` import, sorted.

    Left out are packages that are not installed, and those of ``NO_ARITHMETIC``.

    Raises:
        ReaudioError: see :func:`code_closure`.
    """
    tops = {each for _, others in _follow(modules).values() for each in others} - sys.stdlib_module_names
    return dict(sorted(each for top in tops for each in _versions(top) if each[0] not in NO_ARITHMETIC))


@cache
def computation_sha256(*modules: str) -> str:
    """SHA-256 (hex) of what computes a stored result: :func:`code_sha256` and :func:`code_packages` of modules.

    Raises:
        ReaudioError: see there.
    """
    return canonical_sha256([code_sha256(*modules), code_packages(*modules)])


@cache
def _versions(top: str) -> list[tuple[str, str]]:
    found = []
    for name in _distributions().get(top, []):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


@cache
def _distributions() -> dict[str, list[str]]:
    return {top: sorted(set(names)) for top, names in packages_distributions().items()}


def _follow(modules: Iterable[ModuleType | str]) -> dict[str, tuple[Path, frozenset[str]]]:
    """Module name -> its file and the top-level packages that it imports from elsewhere."""
    roots = [(*_named(each), True) for each in modules]
    followed = frozenset({*OWN, *(name.partition(".")[0] for name, _, _ in roots)})
    found: dict[str, tuple[Path, frozenset[str]]] = {}
    complete: set[str] = set()
    waiting = roots
    while waiting:
        name, path, deep = waiting.pop()
        if name in complete or (name in found and not deep):
            continue
        if deep:
            complete.add(name)
        inside, others = _imported(name, path, deep, followed)
        found[name] = (path, others)
        waiting += inside
    return dict(sorted(found.items()))


def _named(module: ModuleType | str) -> tuple[str, Path]:
    if not isinstance(module, str):
        if module.__file__ is None:
            raise ReaudioError(f"The module {module.__name__} has no source file, so results cannot be tied to its code.")
        return module.__name__, Path(module.__file__)
    place = _module_file(module)
    if place is None:
        raise ReaudioError(f"The source of the module {module} was not found.")
    return module, place


def _imported(
    name: str, path: Path, deep: bool, followed: frozenset[str]
) -> tuple[list[tuple[str, Path, bool]], frozenset[str]]:
    """What a file imports: followed modules as (name, file, whether its functions are followed), and other packages."""
    package = name if path.name == _INIT else name.rpartition(".")[0]
    inside: list[tuple[str, Path, bool]] = []
    others: set[str] = set()
    targets = [(parent, False) for parent in _parents(name)]
    for level, base, names in _statements(path, *_stamp(path), deep):
        origin = _absolute(package, level, base)
        submodules = [f"{origin}.{each}" for each in names if _place(f"{origin}.{each}", name, path, followed)]
        # A package that only holds the imported modules is not used itself.
        targets.append((origin, not names or len(submodules) < len(names)))
        targets += [(each, True) for each in submodules]
        targets += [(parent, False) for parent in _parents(origin)]
    for wanted, is_used in targets:
        place = _place(wanted, name, path, followed)
        if place is not None:
            inside.append((wanted, place, is_used))
        elif "." not in wanted:
            others.add(wanted)
    return inside, frozenset(others)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _absolute(package: str, level: int, base: str) -> str:
    """The module that ``from .. import`` names."""
    if not level:
        return base
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [base])])


@cache
def _statements(path: Path, _mtime: int, _size: int, deep: bool) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """(level, module, names) of every import statement of a file; without ``deep`` only those outside functions."""
    try:
        tree = ast.parse(_read(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ReaudioError(f"The source file {path} is not Python: {error}.") from error
    found: list[tuple[int, str, tuple[str, ...]]] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found += [(0, each.name, ()) for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", tuple(each.name for each in node.names)))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif deep or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return tuple(found)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise ReaudioError(f"The source file {path} cannot be read: {error.strerror}.") from error
    return stat.st_mtime_ns, stat.st_size


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReaudioError(f"The source file {path} cannot be read: {error.strerror}.") from error


def _place(wanted: str, importer: str, importer_path: Path, followed: frozenset[str]) -> Path | None:
    """The source of an imported module, where it is followed."""
    top = wanted.partition(".")[0]
    if top in sys.stdlib_module_names:
        return None
    if top == importer.partition(".")[0] and top not in OWN:  # a plug-in's own package, whose modules lie beside it
        beside = _beside(wanted, importer, importer_path)
        if beside is not None:
            return beside
    found = _module_file(wanted)
    return found if found is not None and (top in followed or not _is_installed(found)) else None


def _beside(wanted: str, importer: str, importer_path: Path) -> Path | None:
    """The file of a module of the importer's own package, found from where the importer lies."""
    package = importer if importer_path.name == _INIT else importer.rpartition(".")[0]
    folder = importer_path.parent
    if not package or not wanted.startswith(f"{package}."):
        return None
    return _in_folder(folder, wanted[len(package) + 1 :].split("."))


def _module_file(name: str) -> Path | None:
    """The source file of a module on ``sys.path``; None for one without (built in, compiled) or that is not there."""
    top, *rest = name.split(".")
    for folder, file in _top_places(top, tuple(sys.path)):
        if not rest:
            return file
        if folder is not None:
            found = _in_folder(folder, rest)
            if found is not None:
                return found
    return None


@cache
def _top_places(top: str, path: tuple[str, ...]) -> tuple[tuple[Path | None, Path | None], ...]:
    """(folder of a package or None, source file or None) for a top-level name."""
    loaded = sys.modules.get(top)
    spec = loaded.__spec__ if loaded is not None else None
    for finder in () if spec else sys.meta_path:
        spec = finder.find_spec(top, None) if hasattr(finder, "find_spec") else None
        if spec is not None:
            break
    if spec is None:
        return ()
    file = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    folders = [Path(each) for each in spec.submodule_search_locations or ()]
    return tuple((folder, file) for folder in folders) or ((None, file),)


def _in_folder(folder: Path, parts: list[str]) -> Path | None:
    for part in parts[:-1]:
        folder = folder / part
    name = parts[-1]
    for path in (folder / name / _INIT, folder / f"{name}.py"):
        if path.is_file():
            return path
    return None


def _is_installed(path: Path) -> bool:
    """Whether a file belongs to the standard library or an installed package, which its version identifies."""
    places = {sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(path.is_relative_to(place) for place in places if place)
