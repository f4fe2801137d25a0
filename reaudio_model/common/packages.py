"""Optional packages."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple


class Package(NamedTuple):
    """An optional package. module: what is imported; extra: of reaudio-eval, which installs it."""

    module: str
    extra: str

    @property
    def missing(self) -> str | None:
        """Why it cannot be used, with the remedy; None where it is installed."""
        if importlib.util.find_spec(self.module) is not None:
            return None
        return f'needs the package {self.module}: pip install "reaudio-eval[{self.extra}]"'
