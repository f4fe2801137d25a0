"""Write the README's file tree: a line for each file, from the first line of its docstring. ``--check`` only compares."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("reaudio_eval", "reaudio_model")
BEGIN, END = "<!-- tree: begin -->", "<!-- tree: end -->"
OTHER = {
    ".css": "style of the page, light, dark and printed",
    ".js": "sorting, filtering, choosing; everything works without it",
    ".j2": "template of a page",
    ".yaml": "training recipe",
}
MANY = 8  # files of one suffix that have nothing to say of themselves get one line together
REST = (
    ("tests/", "mirror the sources; golden/ holds golden values with their origin"),
    ("benchmarks/", "one script for every figure quoted anywhere"),
    ("reports/", "output; example/ holds the miniature's reports, made again by `make example`"),
)


def summary(path: Path) -> str:
    """First line of a module's docstring, or what its suffix says."""
    if path.suffix != ".py":
        return OTHER.get(path.suffix, "")
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0].rstrip(".")


def lines(folder: Path, depth: int = 0) -> list[str]:
    """The files of a folder, then its sub-folders."""
    indent = "  " * depth
    init = folder / "__init__.py"
    title = f"  {summary(init)}" if init.exists() else ""
    found = [f"{indent}{folder.name}/{title}"]
    entries = sorted(p for p in folder.iterdir() if p.name not in ("__pycache__", "__init__.py", "py.typed"))
    files = [p for p in entries if p.is_file()]
    many = {suffix for suffix, n in Counter(p.suffix for p in files).items() if n > MANY and suffix not in (".py", *OTHER)}
    found += [f"{indent}  {path.name}  {summary(path)}".rstrip() for path in files if path.suffix not in many]
    found += [f"{indent}  *{suffix}  {sum(p.suffix == suffix for p in files)} files" for suffix in sorted(many)]
    for path in (p for p in entries if p.is_dir()):
        found += lines(path, depth + 1)
    return found


def tree() -> str:
    rows = [row for folder in FOLDERS for row in lines(ROOT / folder)]
    rows += [f"{name}  {text}" for name, text in REST]
    return "\n".join([BEGIN, "```", *rows, "```", END])


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    updated = text[: text.index(BEGIN)] + tree() + text[text.index(END) + len(END) :]
    if "--check" in sys.argv:
        if updated != text:
            print("README.md's file tree is out of date: run python benchmarks/file_tree.py")
            sys.exit(1)
    else:
        readme.write_text(updated, encoding="utf-8")


if __name__ == "__main__":
    main()
