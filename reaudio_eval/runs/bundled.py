"""Bundled baselines: scores that come with the package.

``bundled_runs/<system>/`` is a run directory (:mod:`reaudio_eval.runs.directory`) of a bundled system on the miniature's test split,
with its clips as MP3 in ``clips/``. Its manifest names what the scores depend on; where anything of it has changed they are refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reaudio_eval.clips.retrieval import Compared, neighbours_sha256
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.runs.directory import Run, read_run, write_run
from reaudio_eval.runs.manifest import DamagedRunError
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.analysis import Alert
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, canonical_sha256
from reaudio_model.common.progress import Reporter
from reaudio_model.config import retrieves
from reaudio_model.miniature import bundled
from reaudio_model.miniature.world import WORLD_VERSION
from reaudio_model.retrieval.records import Pair

FOLDER = Path(__file__).parent / "bundled_runs"
BASELINES = ("re-audioldm-s-none",)
COPY = "copy-retrieved"  # needs no network but CLAP, so it is always made anew
SAMPLER = ("dpm-solver++", 0.0, "float32")  # scheduler, eta and precision of the bundled scores
KEY = "bundled"  # of the manifest
NEIGHBOURS = "neighbours_sha256"  # of the manifest
REMEDY = "give --baselines fresh to generate it anew, or --baselines none to leave it out"


def baseline_names(dataset: Dataset, models: Sequence[str]) -> list[str]:
    """Baselines in the report of a bundled model, without those among ``models``; none on other datasets."""
    if dataset.name != "miniature" or not any(name in bundled.DENOISERS for name in models):
        return []
    return [name for name in (*BASELINES, COPY) if name not in models]


def pool_control(dataset: Dataset, cache_dir: Path | None = None, reporter: Reporter | None = None) -> Compared:
    """The pairs that bundled systems retrieve, with which clips of bundled systems without retrieval are compared.

    Args:
        dataset: the miniature.
        cache_dir: where synthesised clips are kept; None is the user's cache.
        reporter: of progress.
    """
    from reaudio_model.common.inference import open_device
    from reaudio_model.encoders.clap import load_clap
    from reaudio_model.miniature.neighbours import search_pool

    prompts = [Pair(p.clip_id, p.caption, None, p.source_id) for p in dataset.prompts]
    k = next(bundled.sizes(name).k for name, denoiser in bundled.DENOISERS.items() if retrieves(denoiser.retrieval))
    clap = load_clap(bundled.part("clap"), device=open_device("auto"))
    retrieved = search_pool(prompts, k, clap, cache_dir=cache_dir, progress=reporter or Reporter(quiet=True))
    return Compared("the retrieval pool", dict(zip((p.clip_id for p in prompts), retrieved.retrieved, strict=True)))


def dependencies(name: str, protocol: str, seed: int) -> dict[str, Any]:
    """What the scores of a bundled system depend on, as its manifest keeps it under ``KEY``."""
    return {
        "world_version": WORLD_VERSION,
        "weights": bundled.identity(name),
        "sizes": canonical_sha256(dataclasses.asdict(bundled.sizes(name))),
        "sampling": {"steps": bundled.STEPS, "guidance": bundled.GUIDANCE, "key": bundled.KEY},
        "protocol": protocol,
        "seed": seed,
    }


def known_baselines(
    dataset: Dataset,
    models: Sequence[str],
    *,
    clip_ids: Sequence[str],
    metrics: Sequence[MetricInfo],
    protocol: str,
    strata: Sequence[Stratum],
    sampling: Sampling | None = None,
    selection: bool = False,
    control: Compared | None = None,
) -> tuple[list[SystemScores], list[Alert]]:
    """The baselines of these models, and notes on those left out.

    Args:
        dataset, models: of the evaluation.
        sampling: of the evaluation, None for the models' own; scores with other settings are left out.
        clip_ids, metrics, protocol, strata, selection, control: see :func:`read_baseline`.

    Raises:
        ReaudioError: see :func:`read_baseline`.
    """
    scores: list[SystemScores] = []
    notes: list[Alert] = []
    for name in (n for n in baseline_names(dataset, models) if n != COPY):
        result = _other_sampling(name, sampling or Sampling()) or read_baseline(
            name,
            clip_ids=clip_ids,
            metrics=metrics,
            protocol=protocol,
            strata=strata,
            selection=selection,
            control=control,
        )
        if isinstance(result, str):
            notes.append(Alert("note", result))
        else:
            scores.append(result)
    return scores, notes


def _other_sampling(name: str, asked: Sampling) -> str:
    """Why the scores of a bundled system do not hold for these sampling options, or ""."""
    guidance = bundled.GUIDANCE if asked.guidance is None else asked.guidance
    sampler = (asked.scheduler or SAMPLER[0], asked.eta or SAMPLER[1], asked.dtype or SAMPLER[2])
    usual = (asked.steps or bundled.STEPS, guidance, asked.candidates or 1) == (bundled.STEPS, bundled.GUIDANCE, 1)
    if usual and sampler == SAMPLER and asked.peak is None:
        return ""
    return (
        f"{name} is left out: its bundled scores are of {bundled.STEPS} steps, guidance {bundled.GUIDANCE:g} "
        f"and one candidate; {REMEDY}."
    )


def read_baseline(
    name: str,
    *,
    clip_ids: Sequence[str],
    metrics: Sequence[MetricInfo],
    protocol: str,
    strata: Sequence[Stratum],
    selection: bool = False,
    control: Compared | None = None,
    folder: Path = FOLDER,
) -> SystemScores | str:
    """The scores of a bundled system.

    Args:
        name: of the system.
        clip_ids: the clips of this evaluation.
        metrics: of this evaluation; others are left out.
        protocol: of this evaluation.
        strata: of this evaluation; where the scores have others, set metrics are kept over all clips only.
        selection: this evaluation is of some of the test clips on purpose: scores of those are given, without set metrics.
        control: the neighbours that systems without retrieval are compared with in this evaluation; where the bundled scores were
            compared with others, those metrics are left out.
        folder: of the bundled runs.

    Returns:
        The scores, or a sentence that says why they are left out.

    Raises:
        ReaudioError: they are of other weights, another miniature or other embedders than this package's.
    """
    run = _read_bundled(folder / name)
    _check_identity(run, name, metrics)
    if run.manifest[KEY]["protocol"] != protocol:
        return f"{name} is left out: its bundled scores are of the protocol {run.manifest[KEY]['protocol']}; {REMEDY}."
    known, wanted = {p.clip_id for p in run.dataset.prompts}, set(clip_ids)
    if not (wanted <= known if selection else wanted == known):
        return f"{name} is left out: its bundled scores are of all {len(known)} test clips; {REMEDY}."
    scores = _against(_restricted(run, metrics, strata, folder / name / "clips"), run, control)
    return _selected(scores, wanted) if selection else scores


def _read_bundled(path: Path) -> Run:
    try:
        return read_run(path)
    except DamagedRunError as error:
        raise ReaudioError(f"The bundled scores in {path} are damaged: install the package again, or {REMEDY}.") from error


def _against(scores: SystemScores, run: Run, control: Compared | None) -> SystemScores:
    """The scores without those measured against other neighbours than the evaluation's."""
    if control is not None and run.manifest.get(NEIGHBOURS) == neighbours_sha256(
        control, [p.clip_id for p in run.dataset.prompts]
    ):
        return dataclasses.replace(scores, neighbours_of=control.system)
    names = {m.name for m in scores.metrics if m.role == "copying"}
    reason = f"its bundled scores were compared with other retrieved clips; {REMEDY}"
    return dataclasses.replace(
        scores,
        scores=scores.scores[~scores.scores["metric"].isin(names)],
        copies=scores.copies.iloc[:0],
        undefined=dict(scores.undefined) | dict.fromkeys(sorted(names), reason),
    )


def _check_identity(run: Run, name: str, metrics: Sequence[MetricInfo]) -> None:
    stored: Mapping[str, Any] = run.manifest.get(KEY, {})
    expected = dependencies(name, str(stored.get("protocol")), int(stored.get("seed", 0)))
    differing = [key for key in expected if stored.get(key) != expected[key]]
    known = {m.embedder: m.embedder_sha256 for m in run.scores.metrics}
    differing += sorted(
        {m.embedder for m in metrics if m.embedder_sha256 and known.get(m.embedder, m.embedder_sha256) != m.embedder_sha256}
    )
    if differing:
        raise ReaudioError(
            f"The bundled scores of {name} do not belong to this package ({', '.join(differing)} differ): {REMEDY}."
        )


def _restricted(run: Run, metrics: Sequence[MetricInfo], strata: Sequence[Stratum], clips: Path) -> SystemScores:
    scores, wanted = run.scores, {m.name for m in metrics}
    sets = scores.set_values[scores.set_values["metric"].isin(wanted)]
    if tuple(strata) != run.strata:
        sets = sets[sets["stratum"] == "all"]
    system = dataclasses.replace(
        scores.system,
        n_clips=len(run.dataset.prompts),
        clips={path.stem: path for path in sorted(clips.glob("*.mp3"))},
        description=f"scores that come with the package ({_origin(run)}); --baselines fresh generates the clips anew",
    )
    return dataclasses.replace(
        scores,
        system=system,
        metrics=tuple(m for m in scores.metrics if m.name in wanted),
        scores=scores.scores[scores.scores["metric"].isin(wanted)],
        set_values=sets,
        undefined={
            name: scores.undefined.get(name, f"not among its bundled scores; {REMEDY}")
            for name in sorted(wanted - {m.name for m in scores.metrics} | wanted & scores.undefined.keys())
        },
    )


def _origin(run: Run) -> str:
    """Seed, day and code of bundled scores, for readers."""
    code = run.manifest.get("code_sha256")
    by = "by an earlier version of the scoring code" if code is None else f"by the scoring code {code[:10]}"
    return f"seed {run.manifest[KEY]['seed']}, scored on {run.manifest['created'][:10]} {by}"


def _selected(scores: SystemScores, clip_ids: set[str]) -> SystemScores:
    clips = {clip_id: path for clip_id, path in scores.system.clips.items() if clip_id in clip_ids}
    return dataclasses.replace(
        scores,
        system=dataclasses.replace(scores.system, n_clips=len(clip_ids), clips=clips),
        scores=scores.scores[scores.scores["clip_id"].isin(clip_ids)],
        set_values=scores.set_values.iloc[:0],
        copies=scores.copies[scores.copies["clip_id"].isin(clip_ids)],
    )


def export_baseline(run_path: Path, protocol: str, target: Path) -> Path:
    """Write a finished run of a bundled system as the package ships it: clips as MP3, without the audit, which names files.

    Args:
        run_path: run over all test clips, with its audio.
        protocol: that it was scored under.
        target: folder; replaced.

    Raises:
        ReaudioError: no such run, or its clips are gone.
    """
    from reaudio_eval.clips.encoding import decode, mp3

    run = read_run(run_path)
    name, seed = run.scores.system.name, int(run.manifest["seed"])
    for clip_id, path in run.scores.system.clips.items():
        decoded = decode(path)
        atomic_write(target / "clips" / f"{clip_id}.mp3", mp3(decoded.audio, decoded.rate))
    scores = dataclasses.replace(run.scores, system=dataclasses.replace(run.scores.system, clips={}))
    keys = ("created", "seed", "clip_ids_sha256", "protocol", "packages", "reaudio_eval", "code_sha256", NEIGHBOURS)
    kept = {key: run.manifest[key] for key in keys if key in run.manifest}
    manifest = kept | {KEY: dependencies(name, protocol, seed)}
    write_run(target, scores, dataclasses.replace(run.dataset, references={}), run.strata, run.metrics, {}, manifest)
    return target
