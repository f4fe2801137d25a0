"""Import of torchvision and torchaudio beside another build of torch.

Their wheels hold native libraries for one build of torch. Beside another (wheels for CUDA beside a torch for CPUs, say) ``import
torchvision`` and ``import torchaudio`` fail, and with them most models of transformers and diffusers, which need only their Python code.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def _no_op(function: Any) -> Any:
    return function


# Module that uses the native library at its import -> names that other modules take from it.
_NEED_LIBRARIES: dict[str, dict[str, Any]] = {
    "torchvision._meta_registrations": {},
    "torchaudio._extension": {"_IS_TORCHAUDIO_EXT_AVAILABLE": False, "fail_if_no_align": _no_op},
}


class _WithoutLibrary(Loader):
    """Runs a module; where its native library does not load, the module has no more than ``names``."""

    def __init__(self, loader: Loader, names: dict[str, Any]) -> None:
        self._loader, self._names = loader, names

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self._loader.exec_module(module)
        except (OSError, RuntimeError):
            vars(module).update(self._names)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        names = _NEED_LIBRARIES.get(fullname)
        spec = None if names is None else PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None or names is None:
            return None
        spec.loader = _WithoutLibrary(spec.loader, names)
        return spec


def tolerate_other_builds() -> None:
    """Let torchvision and torchaudio be imported without their native operators where these do not load; elsewhere nothing changes."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
