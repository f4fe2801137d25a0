"""The commands ``reaudio-model index build``, ``search`` and ``stats``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from reaudio_model.cli.commands.options import (
    MACHINE,
    OUTPUT,
    PROMPTS,
    RETRIEVAL,
    AudioRoot,
    ClapPath,
    IndexFolder,
    Jobs,
    Machine,
    Prompts,
    Search,
)
from reaudio_model.common.cli import DEFAULT_JOBS, print_json, reporter
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.executors import LOCAL, Executor
from reaudio_model.common.options import Option, OptionGroup
from reaudio_model.retrieval.records import Backend

if TYPE_CHECKING:
    from reaudio_model.retrieval.embedding import Workers
    from reaudio_model.retrieval.index import RetrievalIndex
    from reaudio_model.retrieval.index_search import SearchResult

PRINTED = 5  # neighbours shown in a terminal


@dataclass(frozen=True)
class BuildOptions(OptionGroup):
    """Which pairs to embed."""

    panel: ClassVar[str] = "Pairs"
    everyday: ClassVar[bool] = True

    tables: Annotated[
        tuple[Path, ...],
        Option(
            "CSVs: clip_id, caption, audio and optionally source_id, split; or AudioCaps' own tables.", "ARGUMENT", "TABLES"
        ),
    ]
    output: Annotated[Path, Option("Folder for the index.", "--output -o", panel=OUTPUT)]
    clap: ClapPath = None
    audio_root: AudioRoot = None
    split: Annotated[str | None, Option("Only this split of the tables.")] = None
    captions: Annotated[int, Option("Which caption of clips with several, from 1.", least=1)] = 1
    overwrite: Annotated[bool, Option("Build an existing index again, also if nothing changed.", panel=OUTPUT)] = False
    skip_bad_rows: Annotated[bool, Option("Leave faulty rows of a table out instead of refusing it.")] = False
    strict: Annotated[bool, Option("Stop at missing, unreadable or truncated clips instead of leaving them out.")] = False
    batch_size: Annotated[int, Option("Clips in a batch.", panel=MACHINE, least=1)] = 32
    jobs: Jobs = DEFAULT_JOBS
    machine: Machine = field(default_factory=Machine)
    where: Executor = LOCAL

    def workers(self) -> Workers | None:
        """What embeds the pairs on Ray; None to embed them here. ``clap`` is given."""
        from functools import partial

        from reaudio_model.common.files import default_cache_dir
        from reaudio_model.common.inference import open_device
        from reaudio_model.retrieval.embedding import Workers, load_clap_embedders

        if not self.where.is_ray or self.clap is None:
            return None
        load = partial(load_clap_embedders, self.clap.resolve(), self.machine.cache_dir or default_cache_dir(), self.jobs)
        return Workers(self.where, load, open_device(self.machine.device).type == "cuda")


@dataclass(frozen=True)
class SearchOptions(OptionGroup):
    """Which prompts to search for, in which index."""

    panel: ClassVar[str] = RETRIEVAL
    everyday: ClassVar[bool] = True

    index: IndexFolder
    prompts: Prompts = field(default_factory=Prompts)
    split: Annotated[
        str | None, Option("Use the captions of a split of the index as prompts; needs no CLAP.", panel=PROMPTS)
    ] = None
    clap: ClapPath = None
    k: Annotated[
        int | None, Option("Neighbours of each prompt. Default: 5, or 50 with --output, or the whole pool if it is smaller.")
    ] = None
    search: Search = field(default_factory=Search)
    used: Annotated[int, Option("Neighbours that a model will use, for the leak report.", least=1)] = 3
    backend: Annotated[Backend, Option("Search library; the results are the same.")] = "auto"
    audio_root: AudioRoot = None
    output: Annotated[
        Path | None, Option("Folder for retrieved.parquet and leak_report.json.", "--output -o", panel=OUTPUT)
    ] = None
    machine: Machine = field(default_factory=Machine)

    def check(self) -> None:
        if self.split is not None and self.prompts != Prompts():
            raise ReaudioError("--split uses captions of the index as prompts: drop it, or the prompts.")


@dataclass(frozen=True)
class StatsOptions(OptionGroup):
    """Which index to describe."""

    index: IndexFolder


def add_to(app: typer.Typer) -> None:
    """Add the group ``index``."""
    group = typer.Typer(no_args_is_help=True, help="Build, search and describe an index of (text, audio) pairs.")
    add_command(
        group,
        "build",
        BuildOptions,
        _build,
        summary="Embed every pair with CLAP and write the index. Repeat an interrupted command to resume.",
        example="reaudio-model index build train.csv val.csv test.csv --audio-root audio/ "
        "--clap music_speech_audioset_epoch_15_esc_89.98.pt -o audiocaps-index/",
        common=("json", "quiet", "dry_run"),
    )
    add_command(
        group,
        "search",
        SearchOptions,
        _search,
        summary="Find the nearest pairs of prompts and report leaks; --output writes them as a table.",
        example='reaudio-model index search audiocaps-index/ "a dog barks" --clap clap.pt --k 3[/bold]. '
        "For a run: [bold]reaudio-model index search audiocaps-index/ --prompts test.csv --clap clap.pt -o run/",
        common=("json", "quiet"),
    )
    add_command(
        group,
        "stats",
        StatsOptions,
        _stats,
        summary="Describe an index: pairs, recordings, captions, CLAP, and clips left out.",
        example="reaudio-model index stats audiocaps-index/",
        common=("json",),
    )
    app.add_typer(group, name="index")


def _build(options: BuildOptions, how: Invocation) -> None:
    from reaudio_model.retrieval.clip_check import check_clips
    from reaudio_model.retrieval.embedding import clap_embedders
    from reaudio_model.retrieval.index_build import build_index
    from reaudio_model.retrieval.pairs import PairTable, TableOptions, read_pair_tables

    output = options.output
    table = read_pair_tables(
        options.tables,
        audio_root=options.audio_root,
        split=options.split,
        caption_number=options.captions,
        options=TableOptions(options.skip_bad_rows),
    )
    progress = reporter(how.quiet)
    for note in table.notes:
        progress.note(note)
    if how.dry_run:
        print_json({"output": str(output), "n": len(table.pairs), "missing": table.missing, "notes": list(table.notes)})
        return
    embedders = clap_embedders(options.machine.load_clap(options.clap), options.jobs)
    checked = check_clips(table, "clips", strict=options.strict, jobs=options.jobs, reporter=progress)
    index = build_index(
        PairTable(checked.pairs, list(checked.left_out)), embedders, output, batch_size=options.batch_size,
        overwrite=options.overwrite, sha256=checked.sha256, progress=progress, workers=options.workers(),
    )  # fmt: skip
    _print_stats(index, how.as_json)


def _search(options: SearchOptions, how: Invocation) -> None:
    result = _result(options, how)
    if options.output is not None:
        result.save(options.output)
    if how.as_json:
        print_json(result.to_json() if options.output is None else result.facts())
    else:
        typer.echo(result.to_text() if options.output is None else result.leaks.to_text())


def _result(options: SearchOptions, how: Invocation) -> SearchResult:
    from reaudio_model.retrieval.index import RetrievalIndex
    from reaudio_model.retrieval.index_search import search_prompts, split_prompts

    settings = options.search.settings(reporter(how.quiet))
    if options.split is not None:
        index, vectors = RetrievalIndex.load(options.index, audio_root=options.audio_root), None
        prompts = split_prompts(index, options.split)
    else:
        prompts = options.prompts.read(reporter(how.quiet))
        clap = options.machine.load_clap(options.clap)
        index = RetrievalIndex.load(options.index, clap.sha256, audio_root=options.audio_root)
        vectors = clap.embed_text([prompt.caption for prompt in prompts]).cpu().numpy()
    k = options.k
    if k is None and options.output is None:
        k = min(PRINTED, len(index.pool_rows(settings.pool)))
    settings = replace(settings, k=k, backend=options.backend, used=options.used)
    return search_prompts(index, prompts, settings, vectors)


def _stats(options: StatsOptions, how: Invocation) -> None:
    from reaudio_model.retrieval.index import RetrievalIndex

    _print_stats(RetrievalIndex.load(options.index), how.as_json)


def _print_stats(index: RetrievalIndex, as_json: bool) -> None:
    from reaudio_model.retrieval.index_build import index_stats, stats_text

    found = index_stats(index)
    if as_json:
        print_json(found)
    else:
        typer.echo(stats_text(found))
