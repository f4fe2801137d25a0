"""The participant's page in a browser: it is filled in by keys and clicks, and its file is analysed."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, in_browser

from reaudio_eval import export_listening_test
from reaudio_eval.evaluations.listening.analysis import analyse_answers
from reaudio_eval.evaluations.listening.answers import read_answers
from reaudio_eval.evaluations.listening.records import read_key
from reaudio_eval.evaluations.listening.request import ListeningRequest

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]

# Audio has no device here: a clip is heard when its element says that it has ended.
HELPERS = """
    const id = (name) => document.getElementById(name), all = (what) => [...document.querySelectorAll(what)];
    const key = (k, target = document.body) => target.dispatchEvent(new KeyboardEvent('keydown', {key: k, bubbles: true}));
    const hear = () => all('#players audio').forEach((audio) => audio.dispatchEvent(new Event('ended')));
    const begin = (name) => { id('participant').value = name; id('begin').requestSubmit(); };
    const data = JSON.parse(id('data').textContent);
"""


def page(runs: Path, folder: Path, **options: Any) -> Path:
    request = dataclasses.replace(ListeningRequest((runs,), folder, prompts=3), **options)
    return export_listening_test(request).forms[0]


@pytest.mark.slow
def test_ratings_by_keys_reach_the_analysis(runs: Path, tmp_path: Path) -> None:
    form = page(runs, tmp_path / "t")
    script = """
        const found = {start: id('test').hidden};
        begin('no spaces here'); found.error = id('name-error').textContent;
        begin('anna');
        found.shown = [id('start').hidden, id('test').hidden, document.activeElement.id];
        found.locked = all('fieldset').map((box) => box.disabled);
        key('4'); found.early = all('input:checked').length;
        for (let i = 0; i < data.items.length; i++) {
          hear(); key('4'); key(String(1 + i % 5)); key('ArrowRight');
        }
        found.ended = id('end').hidden; found.missing = id('missing').textContent;
        found.csv = id('csv').value; found.items = data.items.map((item) => item.id);
        key('1'); key('ArrowLeft');
        id('again').click(); key('ArrowUp'); key('ArrowUp'); key('5'); key('ArrowRight');
        found.changed = id('csv').value; found.progress = id('progress').value; found.overflow = document.documentElement.scrollWidth > innerWidth;
        return found;
    """  # noqa: E501
    found = in_browser(form, HELPERS + script, tmp_path / "profile", width=500)
    assert found["start"] is True
    assert "letters, digits" in found["error"]
    assert found["shown"] == [True, False, "caption-head"]
    assert found["locked"] == [True, True]
    assert found["early"] == 0
    assert found["ended"] is False
    assert found["missing"] == "All questions are answered."
    assert not found["overflow"]
    assert found["progress"] == len(found["items"])
    (tmp_path / "anna.csv").write_text(found["csv"], encoding="utf-8")
    key = read_key(tmp_path / "t")
    rows = read_answers(key, [tmp_path / "anna.csv"]).rows
    given = rows.set_index(["item", "question"])["answer"]
    for i, item in enumerate(found["items"]):
        assert (given[item, "OVL"], given[item, "REL"]) == ("4", str(1 + i % 5))
    assert set(rows["participant"]) == {"anna"}
    assert (rows["played"] == 1).all()
    changed = found["changed"].splitlines()
    assert [a for a, b in zip(changed, found["csv"].splitlines(), strict=True) if a.split(",")[6] != b.split(",")[6]] == [
        line for line in changed if line.split(",")[4:7] == [found["items"][-1], "OVL", "5"]
    ]
    analysis = analyse_answers(key, [tmp_path / "anna.csv"], keep_all=True)
    means = analysis.means[analysis.means["stratum"] == "all"].set_index(["question", "system"])["value"]
    assert (means["OVL"] == 4).all()


@pytest.mark.slow
def test_pairs_by_clicks_and_resuming(runs: Path, tmp_path: Path) -> None:
    form = page(runs, tmp_path / "t", design="pairs", per_prompt=1)
    script = """
        begin('bo');
        const half = () => all('#players audio')[0].dispatchEvent(new Event('ended'));
        half(); const found = {half: all('fieldset').map((box) => box.disabled)};
        hear(); found.open = all('fieldset').map((box) => box.disabled);
        all('input[value=B]').forEach((input) => input.click());
        id('next').click(); hear(); key('1'); key('2'); key('ArrowRight');
        found.kept = Object.keys(localStorage);
        found.state = JSON.parse(localStorage.getItem(found.kept[0]));
        for (let i = 2; i < data.items.length; i++) id('next').click();
        found.missing = id('missing').textContent; found.csv = id('csv').value;
        id('missing-items').querySelector('button').click(); found.back = id('count').textContent;
        found.labels = [...all('fieldset')[0].querySelectorAll('label')].map((label) => label.textContent);
        return found;
    """
    found = in_browser(form, HELPERS + script, tmp_path / "profile")
    assert found["half"] == [True, True]
    assert found["open"] == [False, False]
    assert found["labels"] == ["A", "=No difference", "B"]
    key = read_key(tmp_path / "t")
    assert found["kept"] == [f"reaudio-listening-{key.test_id}-1"]
    assert found["state"]["participant"] == "bo"
    n = len(key.forms[0].items)
    assert found["missing"].startswith(f"{n - 2} of {n} are not answered")
    assert found["back"] == f"3 of {n}"
    (tmp_path / "bo.csv").write_text(found["csv"], encoding="utf-8")
    rows = read_answers(key, [tmp_path / "bo.csv"]).rows.set_index(["item", "question"])["answer"]
    first, second = (i.item for i in key.forms[0].items[:2])
    assert [rows[first, "OVL"], rows[first, "REL"], rows[second, "OVL"], rows[second, "REL"]] == ["B", "B", "A", "="]


@pytest.mark.slow
def test_long_scale_has_no_answer_until_moved(runs: Path, tmp_path: Path) -> None:
    form = page(runs, tmp_path / "t", scale=100)
    script = """
        begin('cy'); hear();
        const inputs = all('input[type=range]'), outputs = all('output');
        const found = {before: outputs.map((o) => o.textContent), range: [inputs[0].min, inputs[0].max]};
        inputs[0].value = 73; inputs[0].dispatchEvent(new Event('input'));
        found.after = outputs.map((o) => o.textContent);
        for (let i = 0; i < data.items.length; i++) id('next').click();
        found.rows = id('csv').value.split('\\n').slice(1, 3).map((row) => row.split(',')[6]);
        return found;
    """
    found = in_browser(form, HELPERS + script, tmp_path / "profile")
    assert found["before"] == ["–", "–"]
    assert found["range"] == ["1", "100"]
    assert found["after"] == ["73", "–"]
    assert found["rows"] == ["73", ""]


@pytest.mark.slow
def test_clips_load_and_captions_are_text(runs: Path, tmp_path: Path) -> None:
    form = page(runs, tmp_path / "t")
    script = """
        begin('dee');
        const audio = document.querySelector('#players audio');
        const seconds = await new Promise((done) => {
          if (audio.readyState) done(audio.duration);
          audio.addEventListener('loadedmetadata', () => done(audio.duration));
          audio.addEventListener('error', () => done(audio.error.message));
        });
        return {seconds, caption: id('caption').textContent, inside: id('caption').children.length, dir: id('caption').dir,
                labelled: all('fieldset').every((box) => box.querySelector('legend').textContent)};
    """
    found = in_browser(form, HELPERS + script, tmp_path / "profile")
    assert 0.1 < found["seconds"] < 6
    assert re.search(r"<b>twice</b>", found["caption"])
    assert found["inside"] == 0
    assert found["dir"] == "auto"
    assert found["labelled"]


@pytest.mark.slow
def test_storage_that_is_forbidden_does_not_stop_the_page(runs: Path, tmp_path: Path) -> None:
    form = page(runs, tmp_path / "t")
    script = """
        Storage.prototype.setItem = () => { throw new Error('forbidden'); };
        begin('eve'); hear(); key('2'); key('2'); id('next').click();
        return {count: id('count').textContent, done: id('progress').value};
    """
    found = in_browser(form, HELPERS + script, tmp_path / "profile")
    assert found["count"].startswith("2 of ")
    assert found["done"] == 1
