"""``reaudio-eval listening analyse``: a test and its answers to a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reaudio_eval.evaluations.listening.analysis import ListeningAnalysis, analyse_answers
from reaudio_eval.evaluations.listening.material import metrics_of, scores_of
from reaudio_eval.evaluations.listening.page import render_listening
from reaudio_eval.evaluations.listening.records import Key, read_key
from reaudio_eval.runs.directory import read_run
from reaudio_eval.runs.find import find_runs, newest
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class ListeningResult:
    """All numbers, and the page, which has its tables, figures and JSON beside it."""

    analysis: ListeningAnalysis
    html: Path


def analyse_listening_test(
    test: Path,
    answers: Sequence[Path],
    output: Path,
    *,
    runs: Sequence[Path] = (),
    keep_all: bool = False,
    max_failed: int = 0,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> ListeningResult:
    """Analyse the answers to a listening test and write ``listening.html``, ``listening.json``, ``tables/`` and ``figures/``.

    Args:
        test: folder with ``key.json``.
        answers: participants' CSV files, or folders of them.
        output: folder of the report.
        runs: take the metrics of these runs instead of those kept in the key.
        keep_all: exclude nobody.
        max_failed: attention checks a participant may fail.
        seed: of the bootstrap.
        reporter: shows progress.

    Raises:
        ReaudioError: no key, files that are no answers to this test, nobody left, or ``output`` not writable.
    """
    reporter = reporter or Reporter(quiet=True)
    key = read_key(test)
    if runs:
        key = with_scores_of(key, runs)
    with reporter.stage("Analysing", 2) as advance:
        analysis = analyse_answers(key, answers, keep_all=keep_all, max_failed=max_failed, seed=seed)
        advance(1)
        page = render_listening(analysis, output)
        advance(1)
    return ListeningResult(analysis, page)


def with_scores_of(key: Key, runs: Sequence[Path]) -> Key:
    """The key with the metrics of other runs of the same systems, for instance scored again with more embedders.

    Raises:
        ReaudioError: no run, or none of a system of this test.
    """
    found = newest([read_run(p) for p in find_runs(runs)])
    scores = scores_of(found, [s.name for s in key.systems], [p.clip_id for p in key.prompts])
    if not scores:
        raise ReaudioError("These runs hold no score of a clip of this test: give runs of the systems that were rated.")
    return replace(key, metrics=metrics_of(found), scores=scores)
