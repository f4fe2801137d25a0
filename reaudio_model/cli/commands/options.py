"""Options shared by the commands of ``reaudio-model``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reaudio_model.common.errors import ReaudioError

if TYPE_CHECKING:
    from reaudio_model.common.progress import Reporter
    from reaudio_model.encoders.clap import Clap
    from reaudio_model.retrieval.index_search import SearchSettings
    from reaudio_model.retrieval.records import Pair


class KeyChoice(StrEnum):
    audio = "audio"
    text = "text"
    mean = "mean"


class PoolChoice(StrEnum):
    train = "train"
    train_val = "train+val"
    all = "all"


class ExcludeChoice(StrEnum):
    self_ = "self"
    source = "source"
    caption = "caption"
    nothing = "nothing"


ClapOption = Annotated[
    Path | None, typer.Option("--clap", help="CLAP: LAION's .pt file or a folder of transformers' ClapModel.")
]
PromptsArgument = Annotated[list[str] | None, typer.Argument(help="Descriptions of sounds.")]
PromptTableOption = Annotated[
    Path | None,
    typer.Option("--prompts", help="CSV of prompts: clip_id, caption and optionally source_id (or youtube_id)."),
]
KeyOption = Annotated[KeyChoice, typer.Option("--key", help="Embeddings that prompts are compared with.")]
PoolOption = Annotated[PoolChoice | None, typer.Option("--pool", help="Splits to search. Default: train.")]
ExcludeOption = Annotated[
    list[ExcludeChoice] | None,
    typer.Option("--exclude", help="Pairs a prompt may not retrieve; repeatable. Default: self and source."),
]
ExcludeTextOption = Annotated[
    float | None, typer.Option("--exclude-text-from", help="Exclude captions with at least this cosine.")
]
PaperProtocolOption = Annotated[
    bool, typer.Option("--paper-protocol", help="The paper's pool: all splits, test clips included, nothing excluded.")
]


def prompts_from_options(texts: list[str] | None, table: Path | None) -> list[Pair]:
    """The prompts from arguments or a table.

    Raises:
        ReaudioError: neither or both; an empty prompt; a bad table.
    """
    from reaudio_model.retrieval.index_search import free_prompts
    from reaudio_model.retrieval.pairs import read_prompts

    if bool(texts) == (table is not None):
        raise ReaudioError("Give prompts as words, or --prompts with a table of them, and not both.")
    return free_prompts(texts or ()) if table is None else read_prompts(table)


def search_settings(
    key: KeyChoice,
    pool: PoolChoice | None,
    exclude: list[ExcludeChoice] | None,
    text_from: float | None,
    paper_protocol: bool,
    reporter: Reporter,
) -> SearchSettings:
    """Search settings from the options; the paper's protocol is noted on stderr.

    Raises:
        ReaudioError: options that contradict each other.
    """
    from reaudio_model.retrieval.index import NOTHING_EXCLUDED, Exclusion
    from reaudio_model.retrieval.index_search import SearchSettings

    if paper_protocol:
        if pool or exclude or text_from is not None:
            raise ReaudioError("--paper-protocol sets pool and exclusions: drop it, or --pool and the --exclude options.")
        reporter.note("Paper protocol: all splits are searched, test clips included, and nothing is excluded.")
        return SearchSettings(key=key.value, pool="all", exclude=NOTHING_EXCLUDED)
    chosen = set(exclude or (ExcludeChoice.self_, ExcludeChoice.source))
    if ExcludeChoice.nothing in chosen and len(chosen) > 1:
        raise ReaudioError("--exclude nothing excludes every other --exclude: give one or the other.")
    exclusion = Exclusion(
        self_=ExcludeChoice.self_ in chosen,
        same_source=ExcludeChoice.source in chosen,
        identical_caption=ExcludeChoice.caption in chosen,
        min_similarity_text=text_from,
    )
    return SearchSettings(key=key.value, pool=(pool or PoolChoice.train).value, exclude=exclusion)


def open_clap(path: Path | None, device: str, cache_dir: Path | None) -> Clap:
    """The CLAP of --clap.

    Raises:
        ReaudioError: none was given, or see ``clap.load_clap``.
    """
    if path is None:
        raise ReaudioError("CLAP is needed: give --clap with LAION's .pt file or a folder of transformers' ClapModel.")
    from reaudio_model.common.files import default_cache_dir
    from reaudio_model.common.inference import open_device
    from reaudio_model.encoders.clap import load_clap

    return load_clap(path, device=open_device(device), cache_dir=cache_dir or default_cache_dir())
