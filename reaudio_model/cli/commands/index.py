"""The commands ``reaudio-model index build``, ``search`` and ``stats``."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reaudio_model.cli.commands.options import (
    ClapOption,
    ExcludeOption,
    ExcludeTextOption,
    KeyChoice,
    KeyOption,
    PaperProtocolOption,
    PoolOption,
    PromptsArgument,
    PromptTableOption,
    open_clap,
    prompts_from_options,
    search_settings,
)
from reaudio_model.common.cli import (
    DEFAULT_JOBS,
    HELP_OPTIONS,
    BatchOption,
    CacheOption,
    DeviceOption,
    DryRunOption,
    JobsOption,
    JsonOption,
    QuietOption,
    print_json,
    reporter,
)
from reaudio_model.common.errors import ReaudioError

app = typer.Typer(
    no_args_is_help=True, context_settings=HELP_OPTIONS, help="Build, search and describe an index of (text, audio) pairs."
)
PRINTED = 5  # neighbours shown in a terminal


class BackendChoice(StrEnum):
    auto = "auto"
    exact = "exact"
    faiss = "faiss"


IndexArgument = Annotated[Path, typer.Argument(help="Folder of an index.")]
AudioRootOption = Annotated[
    Path | None, typer.Option("--audio-root", help="Folder of the audio. Default: from the table or the index.")
]


@app.command(
    epilog="Example: [bold]reaudio-model index build train.csv val.csv test.csv --audio-root audio/ "
    "--clap music_speech_audioset_epoch_15_esc_89.98.pt -o audiocaps-index/[/bold]"
)
def build(
    tables: Annotated[
        list[Path],
        typer.Argument(help="CSVs: clip_id, caption, audio and optionally source_id, split; or AudioCaps' own tables."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the index.")],
    clap: ClapOption = None,
    audio_root: AudioRootOption = None,
    split: Annotated[str | None, typer.Option("--split", help="Only this split of the tables.")] = None,
    captions: Annotated[int, typer.Option("--captions", help="Which caption of clips with several, from 1.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing index.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at missing or unreadable clips instead of leaving them out.")
    ] = False,
    batch_size: BatchOption = 32,
    device: DeviceOption = "auto",
    jobs: JobsOption = DEFAULT_JOBS,
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Embed every pair with CLAP and write the index. Repeat an interrupted command to resume."""
    from reaudio_model.retrieval.embedding import clap_embedders
    from reaudio_model.retrieval.index_build import build_index, index_stats, stats_text
    from reaudio_model.retrieval.index_files import MANIFEST
    from reaudio_model.retrieval.pairs import read_pair_tables

    if (output / MANIFEST).exists() and not overwrite:
        raise ReaudioError(f"{output} contains an index already: give --overwrite or another --output.")
    table = read_pair_tables(tables, audio_root=audio_root, split=split, caption_number=captions)
    if dry_run:
        print_json({"output": str(output), "n": len(table.pairs), "missing": table.missing})
        return
    embedders = clap_embedders(open_clap(clap, device, cache_dir), jobs)
    index = build_index(table, embedders, output, batch_size=batch_size, strict=strict, progress=reporter(quiet))
    stats = index_stats(index)
    if as_json:
        print_json(stats)
    else:
        typer.echo(stats_text(stats))


@app.command(
    epilog='Example: [bold]reaudio-model index search audiocaps-index/ "a dog barks" --clap clap.pt --k 3[/bold]. '
    "For a run: [bold]reaudio-model index search audiocaps-index/ --prompts test.csv --clap clap.pt -o run/[/bold]"
)
def search(
    index: IndexArgument,
    prompts: PromptsArgument = None,
    prompt_table: PromptTableOption = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Use the captions of a split of the index as prompts; needs no CLAP.")
    ] = None,
    clap: ClapOption = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k", help="Neighbours of each prompt. Default: 5, or 50 with --output, or the whole pool if it is smaller."
        ),
    ] = None,
    key: KeyOption = KeyChoice.audio,
    pool: PoolOption = None,
    exclude: ExcludeOption = None,
    exclude_text_from: ExcludeTextOption = None,
    paper_protocol: PaperProtocolOption = False,
    used: Annotated[int, typer.Option("--used", help="Neighbours that a model will use, for the leak report.")] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for retrieved.parquet and leak_report.json.")
    ] = None,
    backend: Annotated[
        BackendChoice, typer.Option("--backend", help="Search library; the results are the same.")
    ] = BackendChoice.auto,
    audio_root: AudioRootOption = None,
    device: DeviceOption = "auto",
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find the nearest pairs of prompts and report leaks; --output writes them as a table."""
    from reaudio_model.retrieval.index import RetrievalIndex
    from reaudio_model.retrieval.index_search import search_prompts, split_prompts

    settings = search_settings(key, pool, exclude, exclude_text_from, paper_protocol, reporter(quiet))
    if split is not None:
        if prompts or prompt_table is not None:
            raise ReaudioError("--split uses captions of the index as prompts: drop it, or the prompts.")
        found, vectors = RetrievalIndex.load(index, audio_root=audio_root), None
        pairs = split_prompts(found, split)
    else:
        pairs = prompts_from_options(prompts, prompt_table)
        embedder = open_clap(clap, device, cache_dir)
        found = RetrievalIndex.load(index, embedder.sha256, audio_root=audio_root)
        vectors = embedder.embed_text([prompt.caption for prompt in pairs]).cpu().numpy()
    if k is None and output is None:
        k = min(PRINTED, len(found.pool_rows(settings.pool)))
    settings = replace(settings, k=k, backend=backend.value, used=used)
    result = search_prompts(found, pairs, settings, vectors)
    if output is not None:
        result.save(output)
    if as_json:
        print_json(result.to_json() if output is None else result.facts())
    else:
        typer.echo(result.to_text() if output is None else result.leaks.to_text())


@app.command(epilog="Example: [bold]reaudio-model index stats audiocaps-index/[/bold]")
def stats(index: IndexArgument, as_json: JsonOption = False) -> None:
    """Describe an index: pairs, recordings, captions, CLAP, and clips left out."""
    from reaudio_model.retrieval.index import RetrievalIndex
    from reaudio_model.retrieval.index_build import index_stats, stats_text

    found = index_stats(RetrievalIndex.load(index))
    if as_json:
        print_json(found)
    else:
        typer.echo(stats_text(found))
