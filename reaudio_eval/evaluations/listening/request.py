"""Options of the listening test: export, and analysis of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import METRICS, OUTPUT, STATISTICS, Jobs, RunFolders, Seed
from reaudio_model.common.cli import DEFAULT_JOBS
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option

Design = Literal["mos", "pairs"]
AudioFormat = Literal["mp3", "flac"]
SCALES = (5, 100)  # highest rating
TEST, FORMS = "Test", "Forms"


@dataclass(frozen=True)
class ListeningRequest(Request):
    """What a listening test consists of, and where it goes.

    Attributes:
        output: folder for the forms and the key.
        design: "mos" (absolute ratings) or "pairs" (preferences).
        prompts: how many, spread over the strata; ``per_stratum`` instead takes that many of each.
        per_prompt: clips (or pairs) of a prompt in one form; None for all.
        repeats: proportion of the items that come twice, at least one unless 0.
        normalise: bring clips to one RMS level.
    """

    runs: RunFolders
    output: Annotated[Path, Option("Folder for the participants' pages and the key.", panel=OUTPUT, everyday=True)]
    design: Annotated[Design, Option("mos: rate each clip. pairs: which of two is better.", panel=TEST, everyday=True)] = (
        "mos"
    )
    scale: Annotated[int, Option("Highest rating of mos: 5 or 100 (from 1).", panel=TEST, everyday=True)] = 5
    prompts: Annotated[
        int, Option("Prompts, spread over the strata of their rarest label.", panel=TEST, least=1, everyday=True)
    ] = 12
    per_stratum: Annotated[
        int | None, Option("Instead: this many prompts of each stratum.", panel=TEST, least=1, everyday=True)
    ] = None
    real: Annotated[bool, Option("The real audio as hidden anchor.", "--real/--no-real", panel=TEST, everyday=True)] = True
    forms: Annotated[
        int, Option("Participant pages; one page can serve several people.", panel=FORMS, least=1, everyday=True)
    ] = 1
    per_prompt: Annotated[
        int | None, Option("Clips (or pairs) of a prompt in one form. Default: all.", panel=FORMS, least=1, everyday=True)
    ] = None
    repeats: Annotated[
        float, Option("Proportion of the items that come twice; 0 for none.", panel=FORMS, least=0, most=0.5, everyday=True)
    ] = 0.1
    checks: Annotated[int, Option("Attention checks in each form.", panel=FORMS, least=0, everyday=True)] = 2
    normalise: Annotated[
        bool, Option("Bring clips to -26 dB full scale RMS, as far as peaks allow.", panel=FORMS, everyday=True)
    ] = False
    audio: Annotated[
        AudioFormat,
        Option("Clips as MP3 (about 100 kbit/s) or FLAC (exact, three times the size).", panel=FORMS, everyday=True),
    ] = "mp3"
    seed: Seed = 0
    jobs: Jobs = DEFAULT_JOBS

    def check(self) -> None:
        if self.scale not in SCALES:
            raise ReaudioError(f"--scale must be 5 or 100, not {self.scale}.")


@dataclass(frozen=True)
class AnswersRequest(Request):
    """Which answers to analyse.

    Attributes:
        test: folder with ``key.json``.
        answers: participants' CSV files, or folders of them.
        runs: take the metrics of these runs instead of those kept in the key.
        max_failed: attention checks a participant may fail.
    """

    test: Annotated[Path, Option("Folder that `listening export` wrote to (with key.json).", "ARGUMENT")]
    answers: Annotated[tuple[Path, ...], Option("Participants' CSV files, or folders of them.", "ARGUMENT", "ANSWERS")]
    runs: Annotated[
        tuple[Path, ...],
        Option("Take the metrics of these runs instead of those kept in the key; repeatable.", panel=METRICS, everyday=True),
    ] = ()
    keep_all: Annotated[bool, Option("Exclude no participant.", panel=STATISTICS, everyday=True)] = False
    max_failed: Annotated[
        int,
        Option("Attention checks a participant may fail before being excluded.", panel=STATISTICS, least=0, everyday=True),
    ] = 0
    seed: Seed = 0
    output: Annotated[Path, Option("Folder of the report.", panel=OUTPUT, everyday=True)] = Path("reports/listening")
