"""Sections of a page, and how they are found."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

Content = Mapping[str, Any]
R = TypeVar("R", contravariant=True)


@dataclass(frozen=True)
class Section(Generic[R]):
    """A section of a page, with all that is needed to show it.

    Attributes:
        place: sections stand in ascending order of it.
        id: anchor, unique in the page.
        title: in the navigation.
        template: Jinja text with the section's own heading. The macros of ``macros.html.j2`` can be called; everything it
            shows is escaped unless it is ``Markup``.
        content: report -> variables of the template; None leaves the section out.
    """

    place: int
    id: str
    title: str
    template: str
    content: Callable[[R], Content | None]


def find_sections(package: str) -> list[Section[Any]]:
    """Every ``Section`` that a module of ``package`` (dotted name) defines, in order of place."""
    folder = import_module(package)
    modules = [import_module(f"{package}.{found.name}") for found in pkgutil.iter_modules(folder.__path__)]
    sections = [value for module in modules for value in vars(module).values() if isinstance(value, Section)]
    return sorted(sections, key=lambda section: (section.place, section.id))
