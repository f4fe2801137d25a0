"""Loading the dataset of an evaluation, and scores computed elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from reaudio_eval import plugins
from reaudio_eval.clips.seed_folders import first_clips
from reaudio_eval.evaluations.options import Data, Systems
from reaudio_eval.prompts.caption_choice import caption_prompts, choose_captions
from reaudio_eval.prompts.class_prompts import class_prompts
from reaudio_eval.prompts.dataset import ALL_SPLITS, Dataset
from reaudio_eval.prompts.samples import covering_sample
from reaudio_eval.scores.external.matching import UnknownClipsError, id_schemes
from reaudio_eval.scores.external.metrics import parse_stated
from reaudio_eval.scores.external.scores import ExternalScores, match_scores
from reaudio_eval.scores.external.table import ScoreTable, read_score_tables
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.common.tables import SKIP_OPTION


def load_dataset(data: Data, cache_dir: Path, reporter: Reporter, caption: int | None = None) -> Dataset:
    """The dataset with the prompts asked for.

    Args:
        data: as the user gave it.
        cache_dir: where a dataset that makes its audio keeps it.
        reporter: of progress.
        caption: in place of the one asked for.

    Raises:
        ReaudioError: see :func:`whole_dataset`.
    """
    return some_prompts(whole_dataset(data, cache_dir, reporter, caption), data)


def load_with_systems(data: Data, cache_dir: Path, reporter: Reporter, systems: Systems) -> tuple[Dataset, ExternalScores]:
    """The dataset with the prompts asked for, and the scores of the users' tables.

    The names of clips, and the clip ids of tables, may say of which captions they are. Where there are tables alone, the prompts are those
    with a score.

    Args:
        data, cache_dir, reporter: as for :func:`load_dataset`.
        systems: with the folders of clips and the tables.

    Raises:
        ReaudioError: see :func:`whole_dataset`; tables that cannot be used: see
            :func:`reaudio_eval.scores.external.table.read_score_tables` and :func:`reaudio_eval.scores.external.scores.match_scores`.
    """
    skip = data.skip_bad_rows
    tables, stated = read_score_tables(systems.scores, parse_stated(systems.score_metrics), skip=skip)
    whole = whole_dataset(data, cache_dir, reporter, clips=systems.clips, tables=tables, alone=systems.scores_alone)
    try:
        external = match_scores(tables, stated, whole, skip=skip)
    except UnknownClipsError as error:
        raise _of_other_splits(error, data, cache_dir, reporter) or error from error
    if systems.scores_alone:
        whole = _with_scores(whole, external)
    dataset = some_prompts(whole, data)
    return dataclasses.replace(dataset, notes=(*external.notes, *dataset.notes)), external


def whole_dataset(
    data: Data,
    cache_dir: Path,
    reporter: Reporter,
    caption: int | None = None,
    clips: Mapping[str, Path] | None = None,
    tables: Sequence[ScoreTable] = (),
    alone: bool = False,
) -> Dataset:
    """The dataset with all prompts of the split.

    Args:
        data, cache_dir, reporter, caption: as for :func:`load_dataset`.
        clips: system -> folder, of the clips that will be scored; their names may say which captions they were made from
            (:func:`reaudio_eval.prompts.caption_choice.choose_captions`).
        tables: of scores, whose clip ids may say the same.
        alone: there are only tables: each caption that they name is a prompt
            (:func:`reaudio_eval.prompts.caption_choice.caption_prompts`).

    Raises:
        ReaudioError: see the dataset's ``load``, :func:`reaudio_eval.prompts.class_prompts.class_prompts`, ``choose_captions`` and
            ``caption_prompts``; options that do not go together.
    """
    if data.class_prompts:
        for option, value in (("--references", data.references), ("--clip-manifest", data.clip_manifest)):
            if value is not None:
                raise ReaudioError(f"--captions classes makes its own prompts, which have no real clip: leave out {option}.")
    plugin = plugins.load("datasets", data.dataset)
    with plugins.guarded("datasets", data.dataset, "cannot be loaded"):
        dataset = plugin.load(data.files(cache_dir, reporter, caption))
    if data.class_prompts:
        return class_prompts(dataset, data.class_prompts)
    number = data.caption if caption is None else caption
    ids = {table.name: table.clip_ids for table in tables}
    if alone:
        return caption_prompts(dataset, ids, number)
    stems = {system: first_clips(folder) for system, folder in (clips or {}).items()} if dataset.captions else {}
    return choose_captions(dataset, stems, number, ids) if stems or ids else dataset


def some_prompts(dataset: Dataset, data: Data) -> Dataset:
    """The dataset with the first prompts (``--limit``), or some of every class (``--sample``), where these were asked for."""
    if data.limit is not None:
        dataset = first_prompts(dataset, data.limit)
    return covering_sample(dataset, data.sample) if data.sample else dataset


def first_prompts(dataset: Dataset, n: int) -> Dataset:
    """The dataset with its first ``n`` prompts; where that leaves some out, a note says so."""
    n_all = len(dataset.prompts)
    if n >= n_all:
        return dataset
    note = f"Only the first {n} of {n_all} prompts (--limit): strata and classes are of these prompts alone."
    return dataclasses.replace(dataset, prompts=dataset.prompts[:n], notes=(*dataset.notes, note))


def _with_scores(dataset: Dataset, external: ExternalScores) -> Dataset:
    """The dataset with the prompts that have a score; a note says how many have none."""
    known = external.every_clip
    prompts = tuple(p for p in dataset.prompts if p.clip_id in known)
    note = f"{len(prompts):,} of {len(dataset.prompts):,} prompts of {dataset.name}/{dataset.split} have a score; the others are left out."
    notes = dataset.notes if len(prompts) == len(dataset.prompts) else (*dataset.notes, note)
    return dataclasses.replace(dataset, prompts=prompts, notes=notes)


def _of_other_splits(error: UnknownClipsError, data: Data, cache_dir: Path, reporter: Reporter) -> ReaudioError | None:
    """What to say of unknown clip ids that are all prompts of other splits; None for others."""
    if data.split == ALL_SPLITS or data.clip_manifest is not None or data.class_prompts:
        return None
    try:
        every = whole_dataset(dataclasses.replace(data, split=ALL_SPLITS, references=None), cache_dir, reporter)
    except ReaudioError:
        return None  # a dataset without further splits
    known = [*id_schemes(every).values(), *every.captions.values()]
    if not any(all(clip_id in names for clip_id in error.clip_ids) for names in known):
        return None
    return ReaudioError(
        f"{error.table}: {len(error.clip_ids):,} clip ids are of other splits than {data.split}, such as {error.clip_ids[0]!r}: give "
        f"--split {ALL_SPLITS}, which says how many prompts are training data, or leave their rows out with {SKIP_OPTION}."
    )
