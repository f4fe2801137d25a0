"""Finished runs found in folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reaudio_eval.runs.directory import Run, read_run
from reaudio_eval.runs.manifest import MANIFEST, is_finished, last_used
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.json_files import read_json


@dataclass(frozen=True)
class RunSet:
    """Runs, in the order found.

    Attributes:
        runs: read.
        named: paths that the user gave: run directories, or folders that contain them.
    """

    runs: tuple[Run, ...]
    named: tuple[Path, ...]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> RunSet:
        """Every finished run at or below the given folders, several of one system included.

        Raises:
            ReaudioError: no folder, a folder without any run, or a damaged run.
        """
        if not paths:
            raise ReaudioError("Name at least one run directory, or the --output of an evaluation.")
        return cls(tuple(read_run(run) for path in paths for run in _finished(path)), tuple(paths))

    def __len__(self) -> int:
        return len(self.runs)

    def paths_not_in(self, other: RunSet) -> list[Path]:
        """Paths of the runs that another set does not hold, sorted."""
        return sorted({run.path for run in self.runs} - {run.path for run in other.runs})

    def over_all_prompts(self, *, or_chosen: bool = False) -> RunSet:
        """Without runs over chosen prompts only (those of ``zeroshot``), except those named themselves.

        Args:
            or_chosen: keep them if there are no others.

        Raises:
            ReaudioError: no other run, without ``or_chosen``.
        """
        kept = [run for run in self.runs if run.manifest.get("selection") is None or run.path in self.named]
        if not kept and not or_chosen:
            raise ReaudioError(
                f"The runs in {', '.join(map(str, self.named))} are of chosen prompts only ({self.runs[0].manifest['selection']}): "
                "name the runs themselves, or score all prompts with `reaudio-eval longtail`."
            )
        return self._keep(kept or self.runs)

    def newest(self) -> RunSet:
        """One run for each system, the one that was scored or reused last; in the order in which systems first appear."""
        return self._keep(_newest(self.runs).values())

    def current(self) -> RunSet:
        """Without runs that another version of the scoring code replaced: of one system, seed and list of clips, those scored by the
        code of the newest run."""
        groups: dict[tuple[Any, ...], list[Run]] = {}
        for run in self.runs:
            groups.setdefault((run.scores.system.name, run.scores.seed, run.manifest["clip_ids_sha256"]), []).append(run)
        kept = set()
        for group in groups.values():
            (newest,) = _newest(group).values()
            kept |= {run.path for run in group if run.manifest.get("code_sha256") == newest.manifest.get("code_sha256")}
        return self._keep(run for run in self.runs if run.path in kept)

    def for_report(self) -> RunSet:
        """The newest run of each system over all prompts.

        Raises:
            ReaudioError: see :meth:`over_all_prompts`.
        """
        return self.over_all_prompts().newest()

    def _keep(self, runs: Iterable[Run]) -> RunSet:
        return RunSet(tuple(runs), self.named)


def _finished(path: Path) -> list[Path]:
    folders = (
        [path] if is_finished(path) else sorted(p.parent for p in path.glob(f"**/{MANIFEST}") if not _of_another_tool(p))
    )
    if not folders:
        raise ReaudioError(f"There is no finished run in {path}: name a run directory, or the --output of an evaluation.")
    return folders


def _of_another_tool(manifest: Path) -> bool:
    """Whether a manifest that was found is certainly none of a run: that of an index or of a training, for instance."""
    if manifest.with_name("scores.parquet").exists():
        return False
    try:
        found = read_json(manifest, "a manifest", remedy="")
    except ReaudioError:
        return False  # a damaged run, as far as one can tell
    return isinstance(found, dict) and not found.keys() & {"metrics", "clip_ids_sha256"}


def _newest(runs: Iterable[Run]) -> dict[str, Run]:
    table: dict[str, Run] = {}
    for run in runs:
        name = run.scores.system.name
        if name not in table or last_used(run.manifest) > last_used(table[name].manifest):
            table[name] = run
    return table
