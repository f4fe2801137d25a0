"""Execute the notebooks of the documentation in place: ``python docs/notebooks.py``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbclient
import nbformat

PATHS = sorted((Path(__file__).parent / "pages" / "notebooks").glob("*.ipynb"))


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with new outputs, without progress and times; its files go into ``folder``."""
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=280, record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


if __name__ == "__main__":
    for each in PATHS:
        with tempfile.TemporaryDirectory() as target:
            nbformat.write(execute(each, Path(target)), each)
