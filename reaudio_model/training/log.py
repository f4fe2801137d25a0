"""Training log: CSV files, and TensorBoard if it is installed."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path
from typing import Any

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, explain_write_error, make_folder


class MetricsLog:
    """``train.csv`` and ``validation.csv`` in a folder: a column "step", then one for each metric.

    Contains no times, so that two runs with one seed write the same files.
    """

    def __init__(self, folder: Path, start_step: int = 0) -> None:
        """Removes the rows after ``start_step``, which an interrupted run may have written.

        Raises:
            ReaudioError: the folder is not writable.
        """
        self.folder = folder
        make_folder(folder)
        for split in ("train", "validation"):
            _truncate(folder / f"{split}.csv", start_step)
        self._board = _tensorboard(folder / "tensorboard", start_step)

    def write(self, split: str, step: int, metrics: dict[str, float]) -> None:
        """Append a row.

        Args:
            split: "train" or "validation".
            step: optimizer steps made.
            metrics: by name; the same names in every row of a split.
        """
        path = self.folder / f"{split}.csv"
        try:
            is_new = not path.exists() or path.stat().st_size == 0
            with path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, ["step", *metrics])
                if is_new:
                    writer.writeheader()
                writer.writerow({"step": step, **metrics})
        except OSError as error:
            raise explain_write_error(error, path) from error
        if self._board is not None:
            for name, value in metrics.items():
                self._board.add_scalar(f"{split}/{name}", value, step)

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a file of :class:`MetricsLog`; an incomplete last line is ignored.

    Raises:
        ReaudioError: not such a file.
    """
    try:
        text = path.read_text(encoding="utf-8")
        complete = text[: text.rfind("\n") + 1]
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(complete))]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise _foreign(path) from error
    if any("step" not in row for row in rows):
        raise _foreign(path)
    return rows


def _foreign(path: Path) -> ReaudioError:
    return ReaudioError(f"{path} is not a metrics file of a training run: move it away.")


def _truncate(path: Path, last_step: int) -> None:
    if not path.exists():
        return
    rows = read_metrics(path)
    lines = path.read_bytes().splitlines(keepends=True)
    kept = lines[: 1 + sum(row["step"] <= last_step for row in rows)] if last_step else []
    atomic_write(path, b"".join(kept))


def _tensorboard(folder: Path, start_step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=start_step + 1)
