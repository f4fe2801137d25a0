"""Options shared by the commands of ``reaudio-model``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option, OptionGroup
from reaudio_model.config import Retrieval
from reaudio_model.retrieval.records import Key, Pool

if TYPE_CHECKING:
    from reaudio_model.common.progress import Reporter
    from reaudio_model.encoders.clap import Clap
    from reaudio_model.retrieval.index_search import SearchSettings
    from reaudio_model.retrieval.records import Pair

PROMPTS, MODEL, RETRIEVAL, OUTPUT, MACHINE = "Prompts", "Model", "Retrieval", "Output", "Machine"

Excluded = Literal["self", "source", "caption", "nothing"]

IndexFolder = Annotated[Path, Option("Folder of an index.", "ARGUMENT", "INDEX")]
AudioRoot = Annotated[Path | None, Option("Folder of the audio. Default: from the table or the index.", panel=RETRIEVAL)]
SkipBadRows = Annotated[bool, Option("Leave faulty rows of a table out instead of refusing it.", panel=PROMPTS)]
ClapPath = Annotated[Path | None, Option("CLAP: LAION's .pt file or a folder of transformers' ClapModel.", panel=MODEL)]
RetrievalKind = Annotated[Retrieval | None, Option("Which parts of retrieved pairs condition the denoiser.", panel=MODEL)]
BaseChannels = Annotated[int | None, Option("Width of the UNet: a multiple of 32.", panel=MODEL)]
HeadWidth = Annotated[
    int | None,
    Option("Channels of an attention head: 32, or 64 in AudioLDM-L. Default: the preset's.", panel=MODEL, least=1),
]
Device = Annotated[str, Option("auto, cpu, cuda, cuda:1, ...", panel=MACHINE, everyday=True)]
Jobs = Annotated[int, Option("Threads that decode and encode audio.", panel=MACHINE, least=1)]
CacheDir = Annotated[
    Path | None, Option("Cache of features and checkpoints. Default: $REAUDIO_CACHE or the user cache.", panel=MACHINE)
]


@dataclass(frozen=True)
class Prompts(OptionGroup):
    """Prompts, as arguments or in a table."""

    panel: ClassVar[str] = PROMPTS

    prompts: Annotated[tuple[str, ...], Option("Descriptions of sounds.", "ARGUMENT", "PROMPTS")] = ()
    prompt_table: Annotated[
        Path | None,
        Option("CSV of prompts: clip_id, caption and optionally source_id (or youtube_id).", "--prompts", everyday=True),
    ] = None

    skip_bad_rows: SkipBadRows = False

    def read(self, reporter: Reporter) -> list[Pair]:
        """The prompts; rows of the table that were left out are noted.

        Raises:
            ReaudioError: neither or both; an empty prompt; a bad table.
        """
        from reaudio_model.retrieval.index_search import free_prompts
        from reaudio_model.retrieval.pairs import TableOptions, read_prompts

        if bool(self.prompts) == (self.prompt_table is not None):
            raise ReaudioError("Give prompts as words, or --prompts with a table of them, and not both.")
        if self.prompt_table is None:
            return free_prompts(self.prompts)
        table = read_prompts(self.prompt_table, TableOptions(self.skip_bad_rows))
        for note in table.notes:
            reporter.note(note)
        return table.pairs


@dataclass(frozen=True)
class Search(OptionGroup):
    """Which pairs of an index a prompt may retrieve."""

    panel: ClassVar[str] = RETRIEVAL

    key: Annotated[
        Key | None, Option("Embeddings that prompts are compared with. Default: audio; mean for a bundled system.")
    ] = None
    pool: Annotated[Pool | None, Option("Splits to search. Default: train.", everyday=True)] = None
    exclude: Annotated[
        tuple[Excluded, ...], Option("Pairs a prompt may not retrieve; repeatable. Default: self and source.", everyday=True)
    ] = ()
    exclude_text_from: Annotated[float | None, Option("Exclude captions with at least this cosine.")] = None
    paper_protocol: Annotated[bool, Option("The paper's pool: all splits, test clips included, nothing excluded.")] = False

    def check(self) -> None:
        if self.paper_protocol and (self.pool or self.exclude or self.exclude_text_from is not None):
            raise ReaudioError("--paper-protocol sets pool and exclusions: drop it, or --pool and the --exclude options.")
        if "nothing" in self.exclude and len(set(self.exclude)) > 1:
            raise ReaudioError("--exclude nothing excludes every other --exclude: give one or the other.")

    def settings(self, reporter: Reporter, default_key: Key = "audio") -> SearchSettings:
        """Settings of the search; the paper's protocol is noted on stderr."""
        from reaudio_model.retrieval.exclusion import NOTHING_EXCLUDED, Exclusion
        from reaudio_model.retrieval.index_search import SearchSettings

        key = self.key or default_key
        if self.paper_protocol:
            reporter.note("Paper protocol: all splits are searched, test clips included, and nothing is excluded.")
            return SearchSettings(key=key, pool="all", exclude=NOTHING_EXCLUDED)
        excluded = self.exclude or ("self", "source")
        exclusion = Exclusion(
            self_="self" in excluded,
            same_source="source" in excluded,
            identical_caption="caption" in excluded,
            min_similarity_text=self.exclude_text_from,
        )
        return SearchSettings(key=key, pool=self.pool or "train", exclude=exclusion)


@dataclass(frozen=True)
class Machine(OptionGroup):
    """Device and cache."""

    panel: ClassVar[str] = MACHINE

    device: Device = "auto"
    cache_dir: CacheDir = None

    def load_clap(self, path: Path | None) -> Clap:
        """The CLAP of ``--clap``.

        Raises:
            ReaudioError: ``path`` is None, or see :func:`reaudio_model.encoders.clap.load_clap`.
        """
        if path is None:
            raise ReaudioError("CLAP is needed: give --clap with LAION's .pt file or a folder of transformers' ClapModel.")
        from reaudio_model.common.files import default_cache_dir
        from reaudio_model.common.inference import open_device
        from reaudio_model.encoders.clap import load_clap

        return load_clap(path, device=open_device(self.device), cache_dir=self.cache_dir or default_cache_dir())
