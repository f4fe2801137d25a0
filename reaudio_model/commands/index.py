"""``reaudio-model index``: build a retrieval index, look things up in it, say what it holds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reaudio_model.clap import Clap
    from reaudio_model.records import Pair
    from reaudio_model.retrieval import Exclusion, Pool, RetrievalIndex

app = typer.Typer(
    no_args_is_help=True, context_settings=HELP_OPTIONS, help="Build, search and describe an index of (text, audio) pairs."
)
PRINTED = 5  # neighbours shown in a terminal


class KeyChoice(StrEnum):
    audio = "audio"
    text = "text"
    mean = "mean"


class PoolChoice(StrEnum):
    train = "train"
    train_val = "train+val"
    all = "all"


class BackendChoice(StrEnum):
    auto = "auto"
    exact = "exact"
    faiss = "faiss"


class ExcludeChoice(StrEnum):
    self_ = "self"
    source = "source"
    caption = "caption"
    nothing = "nothing"


ClapOption = Annotated[
    Path | None, typer.Option("--clap", help="CLAP: LAION's .pt file or a folder of transformers' ClapModel.")
]
IndexArgument = Annotated[Path, typer.Argument(help="Folder of an index.")]
AudioRootOption = Annotated[
    Path | None, typer.Option("--audio-root", help="Folder of the audio. Default: what the table, or the index, says.")
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
    captions: Annotated[int, typer.Option("--captions", help="Which caption of several, from 1.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an index that is there.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse missing or unreadable clips instead of leaving them out.")
    ] = False,
    batch_size: BatchOption = 32,
    device: DeviceOption = "auto",
    jobs: JobsOption = DEFAULT_JOBS,
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Embed every pair with CLAP and write the index. A killed command goes on where it was when it is given again."""
    from reaudio_model.embedding import clap_embedders
    from reaudio_model.index_build import build_index, index_stats, stats_text
    from reaudio_model.index_files import MANIFEST
    from reaudio_model.pairs import read_pair_tables

    if (output / MANIFEST).exists() and not overwrite:
        raise ReaudioError(f"{output} holds an index already: give --overwrite or another --output.")
    table = read_pair_tables(tables, audio_root=audio_root, split=split, caption_number=captions)
    if dry_run:
        print_json({"output": str(output), "n": len(table.pairs), "missing": table.missing})
        return
    embedders = clap_embedders(_load_clap(clap, device, cache_dir), jobs)
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
    prompts: Annotated[list[str] | None, typer.Argument(help="What to look for.")] = None,
    prompt_table: Annotated[
        Path | None,
        typer.Option("--prompts", help="CSV of prompts: clip_id, caption and optionally source_id (or youtube_id)."),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Ask with the captions of a split of the index itself; needs no CLAP.")
    ] = None,
    clap: ClapOption = None,
    k: Annotated[
        int | None,
        typer.Option("--k", help="Neighbours of a prompt. Default: 5, or 50 with --output, if there are as many."),
    ] = None,
    key: Annotated[KeyChoice, typer.Option("--key", help="What prompts are compared with.")] = KeyChoice.audio,
    pool: Annotated[PoolChoice | None, typer.Option("--pool", help="Splits searched. Default: train.")] = None,
    exclude: Annotated[
        list[ExcludeChoice] | None,
        typer.Option("--exclude", help="What a prompt may not retrieve; repeatable. Default: self and source."),
    ] = None,
    exclude_text_from: Annotated[
        float | None, typer.Option("--exclude-text-from", help="Leave out captions with at least this cosine.")
    ] = None,
    paper_protocol: Annotated[
        bool, typer.Option("--paper-protocol", help="The paper's pool: all splits, test clips included, nothing excluded.")
    ] = False,
    used: Annotated[int, typer.Option("--used", help="Neighbours a model will use, for the leak report.")] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for retrieved.parquet and leak_report.json.")
    ] = None,
    backend: Annotated[
        BackendChoice, typer.Option("--backend", help="Exact search and FAISS give the same.")
    ] = BackendChoice.auto,
    audio_root: AudioRootOption = None,
    device: DeviceOption = "auto",
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """The nearest pairs of prompts, what they give away of the answer, and a table of them for a run."""
    from reaudio_model.index_search import Question, ask
    from reaudio_model.retrieval import RetrievalIndex

    if sum((bool(prompts), prompt_table is not None, split is not None)) != 1:
        raise ReaudioError("Give prompts, or --prompts with a table of them, or --split: one of the three.")
    if paper_protocol and (pool or exclude or exclude_text_from is not None):
        raise ReaudioError("--paper-protocol sets pool and exclusions: drop it, or --pool and the --exclude options.")
    embedder = _load_clap(clap, device, cache_dir) if split is None else None
    found = RetrievalIndex.load(index, embedder.sha256 if embedder else None, audio_root=audio_root)
    asked = _prompts(found, prompts, prompt_table, split)
    chosen: Pool = "all" if paper_protocol else (pool or PoolChoice.train).value
    question = Question(
        k=min(PRINTED, len(found.pool_rows(chosen))) if k is None and output is None else k,
        key=key.value,
        pool=chosen,
        exclude=_exclusion([ExcludeChoice.nothing] if paper_protocol else exclude, exclude_text_from),
        backend=backend.value,
        used=used,
    )
    vectors = embedder.embed_text([prompt.caption for prompt in asked]).cpu().numpy() if embedder else None
    answer = ask(found, asked, question, vectors)
    if paper_protocol:
        reporter(quiet).note("Paper protocol: all splits are searched, test clips included, and nothing is excluded.")
    if output is not None:
        answer.save(output)
    if as_json:
        print_json(answer.to_json() if output is None else answer.facts())
    else:
        typer.echo(answer.to_text() if output is None else answer.leaks.to_text())


@app.command(epilog="Example: [bold]reaudio-model index stats audiocaps-index/[/bold]")
def stats(index: IndexArgument, as_json: JsonOption = False) -> None:
    """How many pairs, recordings and captions an index holds, from which CLAP, and what was left out."""
    from reaudio_model.index_build import index_stats, stats_text
    from reaudio_model.retrieval import RetrievalIndex

    found = index_stats(RetrievalIndex.load(index))
    if as_json:
        print_json(found)
    else:
        typer.echo(stats_text(found))


def _prompts(index: RetrievalIndex, texts: list[str] | None, table: Path | None, split: str | None) -> Sequence[Pair]:
    from reaudio_model.index_search import free_prompts, own_prompts
    from reaudio_model.pairs import read_prompts

    if table is not None:
        return read_prompts(table)
    return own_prompts(index, split) if split is not None else free_prompts(texts or [])


def _exclusion(excluded: list[ExcludeChoice] | None, text_from: float | None) -> Exclusion:
    from reaudio_model.retrieval import Exclusion

    chosen = set(excluded or (ExcludeChoice.self_, ExcludeChoice.source))
    if ExcludeChoice.nothing in chosen and len(chosen) > 1:
        raise ReaudioError("--exclude nothing goes with no other --exclude.")
    return Exclusion(
        self_=ExcludeChoice.self_ in chosen,
        same_source=ExcludeChoice.source in chosen,
        identical_caption=ExcludeChoice.caption in chosen,
        min_similarity_text=text_from,
    )


def _load_clap(path: Path | None, device: str, cache_dir: Path | None) -> Clap:
    if path is None:
        raise ReaudioError("CLAP is needed: give --clap with LAION's .pt file or a folder of transformers' ClapModel.")
    from reaudio_model.clap import load_clap
    from reaudio_model.common.files import default_cache_dir
    from reaudio_model.common.inference import open_device

    return load_clap(path, device=open_device(device), cache_dir=cache_dir or default_cache_dir())
