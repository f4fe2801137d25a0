"""Who hears what: balance over forms, sides, repeats, checks, and the same forms from the same layout."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from reaudio_eval.evaluations.listening.assignment import Layout, make_forms, uneven
from reaudio_eval.evaluations.listening.records import Form, TestPrompt
from reaudio_eval.evaluations.listening.request import Design

CAPTIONS = ("a dog barks", "a bell rings", "an owl hoots", "a gong is struck", "a cat purrs", "a duck quacks")


def layout(design: Design = "mos", n_prompts: int = 6, **changes: object) -> Layout:
    prompts = tuple(TestPrompt(f"c{i}", CAPTIONS[i % 6], "head") for i in range(n_prompts))
    labels = {p.clip_id: frozenset([CAPTIONS[i % 6]]) for i, p in enumerate(prompts)}
    made = Layout(design, ("a", "b", "c", "real"), prompts, labels, 4, None, 0.1, 2, 0)
    return replace(made, **changes)  # type: ignore[arg-type]


def rated(forms: tuple[Form, ...]) -> Counter[tuple[str, ...]]:
    return Counter((i.prompt, *sorted(str(c.system) for c in i.clips)) for f in forms for i in f.items if i.kind == "rating")


@pytest.mark.parametrize("design", ["mos", "pairs"])
def test_all_clips_of_every_prompt_in_every_form(design: Design) -> None:
    what = layout(design)
    counts = rated(make_forms(what))
    assert len(counts) == 6 * len(what.units)
    assert set(counts.values()) == {4}


@pytest.mark.parametrize(("design", "per_prompt", "n_forms"), [("mos", 1, 4), ("mos", 2, 4), ("mos", 3, 4), ("pairs", 3, 4)])
def test_partial_forms_rate_every_clip_equally_often(design: Design, per_prompt: int, n_forms: int) -> None:
    what = layout(design, per_prompt=per_prompt, n_forms=n_forms)
    forms = make_forms(what)
    counts = rated(forms)
    assert set(counts.values()) == {n_forms * per_prompt // len(what.units)}
    assert len(counts) == 6 * len(what.units)
    for form in forms:
        in_form = Counter(i.prompt for i in form.items if i.kind == "rating")
        assert set(in_form.values()) == {per_prompt}


@pytest.mark.parametrize(("per_prompt", "n_forms"), [(1, 3), (3, 3), (2, 1)])
def test_uneven_forms_differ_by_one_and_are_named(per_prompt: int, n_forms: int) -> None:
    what = layout(per_prompt=per_prompt, n_forms=n_forms)
    low, high = uneven(what, make_forms(what))
    assert high - low == 1


def test_every_system_is_heard_equally_often_in_a_form_where_prompts_allow() -> None:
    what = layout(n_prompts=8, per_prompt=1)
    for form in make_forms(what):
        systems = Counter(i.clips[0].system for i in form.items if i.kind == "rating")
        assert set(systems.values()) == {2}


def test_sides_are_balanced() -> None:
    first = Counter(
        (frozenset(str(c.system) for c in i.clips), i.clips[0].system)
        for f in make_forms(layout("pairs"))
        for i in f.items
        if i.kind == "rating"
    )
    assert set(first.values()) == {12}  # 24 appearances of a pair, 12 with either system as A


@pytest.mark.parametrize("design", ["mos", "pairs"])
def test_repeats_come_late_and_pairs_swapped(design: Design) -> None:
    for form in make_forms(layout(design, repeat_share=0.25)):
        places = {item.item: k for k, item in enumerate(form.items)}
        repeats = [i for i in form.items if i.kind == "repeat"]
        n_rated = sum(i.kind == "rating" for i in form.items)
        assert len(repeats) == round(0.25 * n_rated)
        for again in repeats:
            assert again.repeats is not None
            first = form.items[places[again.repeats]]
            assert places[again.item] - places[first.item] >= n_rated // 8
            assert again.clips == first.clips[::-1]
            assert again.item != first.item


def test_checks_alternate_and_never_come_first() -> None:
    for form in make_forms(layout(n_checks=4)):
        kinds = [i.kind for i in form.items]
        assert kinds.count("noise") == kinds.count("mismatch") == 2
        assert not {"noise", "mismatch"} & set(kinds[:2])
        for item in form.items:
            if item.kind == "mismatch":
                assert item.clips[0].clip_id != item.prompt
                assert item.clips[0].system == "real"


def test_noise_never_stands_for_something_like_noise() -> None:
    prompts = (TestPrompt("c0", "heavy rain", ""), TestPrompt("c1", "a dog barks", ""), TestPrompt("c2", "white noise", ""))
    for seed in range(10):
        for form in make_forms(layout(prompts=prompts, n_checks=3, seed=seed)):
            assert {i.prompt for i in form.items if i.kind == "noise"} <= {"c1"}


def test_checks_that_cannot_be_made_are_left_out() -> None:
    prompts = (TestPrompt("c0", "heavy rain", ""), TestPrompt("c1", "light rain", ""))
    same = {"c0": frozenset(["rain"]), "c1": frozenset(["rain"])}
    kinds = {i.kind for f in make_forms(layout(prompts=prompts, labels=same, n_checks=3)) for i in f.items}
    assert kinds == {"rating", "repeat"}
    # A pair's mismatch needs a clip that certainly fits.
    without = make_forms(layout("pairs", systems=("a", "b"), n_checks=2))
    assert "mismatch" not in {i.kind for f in without for i in f.items}


def test_neighbours_rarely_share_a_prompt() -> None:
    for form in make_forms(layout(n_prompts=12, n_checks=0, repeat_share=0)):
        close = sum(a.prompt == b.prompt for a, b in zip(form.items, form.items[1:], strict=False))
        assert close <= 1


def test_orders_differ_by_form_and_seed_only() -> None:
    forms = make_forms(layout())
    assert make_forms(layout()) == forms
    assert [i.prompt for i in forms[0].items] != [i.prompt for i in forms[1].items]
    assert make_forms(layout(seed=1)) != forms
    assert len({i.item for f in forms for i in f.items}) == sum(len(f.items) for f in forms)


def test_no_repeats_and_no_checks() -> None:
    assert {i.kind for f in make_forms(layout(repeat_share=0, n_checks=0)) for i in f.items} == {"rating"}
