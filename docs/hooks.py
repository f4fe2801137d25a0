"""Pages that mkdocs makes from the sources: API reference, file tree, example reports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from html import escape
from importlib import import_module
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from reaudio_eval.frames import Schema

ROOT = Path(__file__).parents[1]
PACKAGES = ("reaudio_eval", "reaudio_model")
EXAMPLES = ROOT / "reports" / "example"  # outside the folder of pages, so that the README shows the same pictures


def summary(module: Path) -> str:
    """First line of a module's docstring, without its full stop."""
    return (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "").partition("\n")[0].rstrip(".")


def folders() -> Iterator[Path]:
    """Every folder of the packages that holds modules, parents first."""
    for package in PACKAGES:
        yield from sorted(path.parent for path in (ROOT / package).rglob("__init__.py"))


def modules(folder: Path) -> list[Path]:
    """The modules of a folder other than ``__init__.py`` and ``__main__.py``."""
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("__"))


def dotted(path: Path) -> str:
    """Import name of a folder or module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def api_page(folder: Path) -> str:
    """Reference of a folder's own definitions and of its public modules."""
    names = [dotted(path) for path in modules(folder) if not path.stem.startswith("_")]
    own = f"# {dotted(folder)}\n\n::: {dotted(folder)}\n    options: {{show_root_heading: false}}\n\n"
    return own + "\n".join(f"::: {name}\n" for name in names)


def file_tree() -> str:
    """A table for each folder: its modules with the first lines of their docstrings."""
    parts = ["# File tree\n\nMade from the first line of each module's docstring.\n"]
    for folder in folders():
        parts.append(f"## `{folder.relative_to(ROOT).as_posix()}/`\n\n{summary(folder / '__init__.py')}.\n")
        rows = [f"| `{path.name}` | {summary(path)} |" for path in modules(folder)]
        parts.append("\n".join(["| module | |", "|---|---|", *rows, ""]) if rows else "")
    return "\n".join(parts)


def schemas(module: Path) -> Iterator[Schema]:
    """The schemas that a module of ``reaudio_eval.frames`` defines, alone or in mappings."""
    for name, value in vars(import_module(dotted(module))).items():
        if name.isupper() and f"\n{name} = " in module.read_text(encoding="utf-8"):
            yield from value.values() if isinstance(value, Mapping) else [value] if isinstance(value, Schema) else []


def tables_page() -> str:
    """The columns of every DataFrame."""
    parts = ["# Tables\n\nColumns of every DataFrame of results, run directories and CSV files, by `reaudio_eval.frames`.\n"]
    for module in modules(ROOT / "reaudio_eval" / "frames"):
        for i, schema in enumerate(schemas(module)):
            rows = [f"| `{c.name}` | {c.kind} | {escape(c.meaning)} |" for c in schema.columns]
            head = [f"### {schema.name}", "", escape(schema.meaning), "", "| column | type | meaning |", "|---|---|---|"]
            parts += ["" if i else f"## {summary(module)}\n", "\n".join([*head, *rows, ""])]
    return "\n".join(parts)


def generated() -> dict[str, str]:
    """Path of a page -> its text."""
    made = {"file-tree.md": file_tree(), "tables.md": tables_page()}
    return made | {f"api/{dotted(folder)}.md": api_page(folder) for folder in folders()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages to the navigation."""
    assert config.nav is not None
    pages: dict[str, list[dict[str, str]]] = {package: [] for package in PACKAGES}
    for name in map(dotted, folders()):
        package, _, stage = name.partition(".")
        pages[package].append({stage or "top level": f"api/{name}.md"})
    reference = [{f"API: {package}": entries} for package, entries in pages.items()]
    config.nav += [{"Tables": "tables.md"}, {"File tree": "file-tree.md"}, *reference]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and the example reports to the site."""
    for path, text in generated().items():
        files.append(File.generated(config, path, content=text))
    for path in sorted(EXAMPLES.iterdir()):
        files.append(File.generated(config, f"example/{path.name}", abs_src_path=str(path)))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse scripts, styles and pictures from a network."""
    found = re.search(r"<(script|img|link rel=\"?stylesheet)[^>]+(src|href)=\"?https?:", output)
    if found:
        raise PluginError(f"{page.file.src_path} loads from a network: {found[0]}")
    return output
