"""Export of a listening test: participant pages and the key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.listening import stimuli
from reaudio_eval.evaluations.listening.assignment import Layout, make_forms, uneven
from reaudio_eval.evaluations.listening.crossed import prompts_needed
from reaudio_eval.evaluations.listening.form import FormPage, PageItem, form_minutes, render_form
from reaudio_eval.evaluations.listening.material import Material, choose_prompts, gather
from reaudio_eval.evaluations.listening.records import (
    FORMS_FOLDER,
    KEY_NAME,
    Clip,
    Form,
    Key,
    TestPrompt,
    read_key,
)
from reaudio_eval.evaluations.listening.request import ListeningRequest
from reaudio_eval.evaluations.listening.result import ListeningTest
from reaudio_eval.evaluations.listening.stimuli import NOISE_SECONDS, Stimulus
from reaudio_eval.reports.text import count
from reaudio_model.common.audio import content_sha256, declared_seconds
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, canonical_sha256
from reaudio_model.common.progress import Reporter

CONFIG_VERSION = 1  # part of the test id: raise when the same request makes other forms


@dataclass(frozen=True)
class ListeningPlan:
    """The test before any audio is decoded.

    Attributes:
        request: what was asked for.
        key: complete.
        clips: (system, clip id) -> file, those of the test.
        minutes: about how long the longest form takes.
    """

    request: ListeningRequest
    key: Key
    clips: Mapping[tuple[str, str], Path]
    minutes: int

    def to_json(self) -> Json:
        key, items = self.key, self.key.forms[0].items
        kinds = Counter(item.kind for item in items)
        return {
            "test_id": key.test_id,
            "design": key.design,
            "scale": key.scale if key.design == "mos" else None,
            "systems": [{"name": s.name, "kind": s.kind} for s in key.systems],
            "prompts": {name or "no stratum": sum(p.stratum == name for p in key.prompts) for name in key.strata},
            "n_forms": len(key.forms),
            "items_per_form": len(items),
            "items_by_role": dict(sorted(kinds.items())),
            "share_of_repeats_and_checks": round(1 - kinds["rating"] / len(items), 3),
            "minutes_per_form": self.minutes,
            "notes": list(key.notes),
        }


def plan(request: ListeningRequest, reporter: Reporter) -> ListeningPlan:
    """Choose prompts and lay out the forms; reads the clips' bytes but decodes nothing.

    Raises:
        ReaudioError: an option out of range, runs that share nothing, or too little for a test.
        UnknownNameError: no such design.
    """
    material = gather(request.runs, real=request.real)
    prompts = choose_prompts(material, request.seed, request.prompts, request.per_stratum)
    layout = Layout(
        request.design,
        tuple(s.name for s in material.systems),
        prompts,
        material.labels,
        request.forms,
        request.per_prompt,
        request.repeats,
        request.checks,
        request.seed,
    )
    if not layout.units:
        raise ReaudioError(
            "A test of pairs needs two systems; these runs have one: add a run, keep --real, or use --design mos."
        )
    clips = {(s.name, p.clip_id): material.clips[s.name, p.clip_id] for s in material.systems for p in prompts}
    key = _key(request, material, layout, _test_id(request, prompts, clips))
    return ListeningPlan(request, key, clips, max(form_minutes(len(f.items), _seconds(f, clips)) for f in key.forms))


def _key(request: ListeningRequest, material: Material, layout: Layout, test_id: str) -> Key:
    forms, prompts = make_forms(layout), layout.prompts
    return Key(
        test_id,
        request.design,
        request.scale,
        request.seed,
        request.audio,
        request.normalise,
        material.dataset,
        material.systems,
        prompts,
        tuple(s for s in material.strata if any(p.stratum == s for p in prompts)),
        forms,
        material.metrics,
        tuple(s for s in material.scores if s.clip_id is None or any(s.clip_id == p.clip_id for p in prompts)),
        (*material.notes, *_notes(request, layout, forms, material, prompts)),
        material.titles,
    )


def run(plan: ListeningPlan, reporter: Reporter) -> ListeningTest:
    """Write ``forms/listener-N.html`` for participants and ``key.json`` for the experimenter.

    The same request and clips give the same bytes.

    Raises:
        ReaudioError: the folder holds another test; not writable.
        AudioError: a clip cannot be decoded.
    """
    request = plan.request
    _refuse_other_test(request.output, plan.key.test_id)
    paths = list(plan.clips.values())
    with reporter.stage("Encoding", len(set(paths))) as advance:
        sounds = stimuli.prepare(paths, request.audio, request.normalise, request.jobs, lambda _: advance(1))
    notes = _level_notes(request, sounds)
    level = stimuli.median_level(sounds)
    extra = (stimuli.noise(level, request.audio, request.seed), stimuli.calibration(level, request.audio, request.seed))
    written = []
    for form in plan.key.forms:
        page = _page(plan, form, sounds, *extra)
        path = request.output / FORMS_FOLDER / f"listener-{form.form}.html"
        atomic_write(path, page.encode())
        written.append(path)
    atomic_write(request.output / KEY_NAME, plan.key.to_json())
    return ListeningTest(request.output / KEY_NAME, tuple(written), plan.key, plan.to_json(), (*plan.key.notes, *notes))


def _test_id(request: ListeningRequest, prompts: Sequence[TestPrompt], clips: Mapping[tuple[str, str], Path]) -> str:
    config: dict[str, Any] = {
        "schema": [1, CONFIG_VERSION],  # 1 whatever KEY_SCHEMA is: a digest in the key makes no other forms
        "options": [request.design, request.scale, request.forms, request.per_prompt, request.repeats, request.checks],
        "sound": [request.normalise, request.audio],
        "seed": request.seed,
        "prompts": [[p.clip_id, p.caption, p.stratum] for p in prompts],
        "clips": sorted([s, c, content_sha256(path)] for (s, c), path in clips.items()),
    }
    return canonical_sha256(config)[:12]


def _notes(
    request: ListeningRequest, layout: Layout, forms: Sequence[Form], material: Material, prompts: Sequence[TestPrompt]
) -> list[str]:
    notes = []
    fewest, most = uneven(layout, forms)
    what = "clip" if request.design == "mos" else "pair"
    if fewest != most:
        step = len(layout.units)
        notes.append(
            f"Each {what} is in {fewest} or {most} of {count(len(forms), 'form')}: numbers are equal where forms times --per-prompt "
            f"({len(forms)} x {layout.taken}) is a multiple of {step}."
        )
    wanted = request.per_stratum * len(material.strata) if request.per_stratum is not None else request.prompts
    if len(prompts) < wanted:
        notes.append(f"{len(prompts)} of the {wanted} prompts asked for exist.")
    n_pairs = len(layout.systems) * (len(layout.systems) - 1) // 2
    n_strata = len({p.stratum for p in prompts})
    needed = prompts_needed(n_pairs * (1 if n_strata < 2 else 1 + n_strata)) if n_pairs else 2
    if len(prompts) < needed:
        notes.append(
            f"With {count(len(prompts), 'prompt')} no paired test can be significant, however different the systems are: choose "
            f"{needed} or more."
        )
    made = sum(i.kind in ("noise", "mismatch") for i in forms[0].items)
    if made < request.checks:
        notes.append(
            f"{made} of {request.checks} attention checks could be made: every caption may match noise, "
            "and no two prompts are certainly different."
        )
    return notes


def _seconds(form: Form, clips: Mapping[tuple[str, str], Path]) -> float:
    """Seconds of audio in a form; a file that tells no length is taken as five seconds (decoding names it)."""
    of_systems = (declared_seconds(clips[c.system, c.clip_id]) if c.system else None for i in form.items for c in i.clips)
    return sum(NOISE_SECONDS if seconds is None else seconds for seconds in of_systems)


def _refuse_other_test(output: Path, test_id: str) -> None:
    if (output / KEY_NAME).exists():
        other = read_key(output).test_id
        if other != test_id:
            raise ReaudioError(
                f"{output} holds the key of another listening test ({other}), without which its answers cannot be read: "
                "choose another --output."
            )


def _level_notes(request: ListeningRequest, sounds: Mapping[Path, Stimulus]) -> list[str]:
    notes = []
    limited, silent = (sum(getattr(s, what) for s in sounds.values()) for what in ("limited", "silent"))
    if limited:
        notes.append(
            f"{count(limited, 'clip')} of {len(sounds)} stay below {stimuli.LEVEL_DB:g} dB full scale RMS, because their peak would clip."
        )
    if silent:
        notes.append(f"{count(silent, 'clip')} of {len(sounds)} are silent.")
    if not request.normalise:
        notes.append("Levels are as the systems made them; louder clips tend to be preferred (--normalise).")
    return notes


def _page(plan: ListeningPlan, form: Form, sounds: Mapping[Path, Stimulus], noise: Stimulus, calibration: Stimulus) -> str:
    captions = {p.clip_id: p.caption for p in plan.key.prompts}
    places: dict[str, int] = {calibration.uri: 0}

    def sound(clip: Clip) -> Stimulus:
        return noise if clip.system is None else sounds[plan.clips[clip.system, clip.clip_id]]

    items, seconds = [], 0.0
    for item in form.items:
        stimuli_of_item = [sound(clip) for clip in item.clips]
        seconds += sum(s.seconds for s in stimuli_of_item)
        numbers = tuple(places.setdefault(s.uri, len(places)) for s in stimuli_of_item)
        items.append(PageItem(item.item, captions[item.prompt], numbers))
    key = plan.key
    return render_form(FormPage(key.test_id, form.form, key.design, key.scale, items, list(places), 0, seconds))
