"""Findings of the verdict in JSON: levels, tests of the family, references; the family in words and the table of levels."""

from __future__ import annotations

import dataclasses

from first_screens import level, make, paired

from reaudio_eval.clips.system import Role
from reaudio_eval.reports.first_screen.family import family_text
from reaudio_eval.reports.first_screen.findings import verdict_json
from reaudio_eval.reports.first_screen.table import levels_table

ROLES: dict[str, Role] = {"ours": "system", "plain": "control", "copies": "copy", "real": "real"}
LEVELS = {
    "ours": (0.5, 0.7, 0.5, 0.4, 0.1), "plain": (0.4, 0.6, 0.4, 0.3, 0.1), "copies": (0.9,) * 5, "real": (0.8,) * 5,
}  # fmt: skip
TESTS = [("ours", "plain", "classes", 0.1, 0.01), ("plain", "ours", "tail", -0.1, 0.3)]
EVIDENCE = make(ROLES, LEVELS, {"ours": level(0.3, 0.1), "plain": level(0.3, 0.4)}, TESTS)


def test_records_of_levels_and_tests() -> None:
    found = verdict_json(EVIDENCE)
    assert found["family"] == {
        "metric": "accuracy", "pairs": [["ours", "plain"]], "quantities": ["classes", "tail", "zero-shot", "gap_head_tail"],
        "n_tests": 2,
    }  # fmt: skip
    by_key = {(r["system"], r["stratum"]): r for r in found["findings"]}
    assert len(by_key) == len(found["findings"]) == 3 * 6  # three systems, all classes, four strata and the gap
    compared = by_key["ours", "tail"]
    assert (compared["value"], compared["against"], compared["difference"]) == (0.4, "plain", 0.1)
    assert (compared["p_holm"], compared["significant"], compared["family"]) == (0.3, False, "confirmatory")
    assert by_key["ours", "classes"]["significant"] is True
    alone = by_key["real", "classes"]
    assert (alone["value"], alone["against"], alone["significant"], alone["reason"]) == (0.8, None, None, None)
    assert verdict_json(None) == {"family": None, "findings": []}


def test_the_family_in_words() -> None:
    assert family_text(EVIDENCE).startswith(
        "Confirmatory tests, named in advance: label accuracy; ours against plain; mean over all classes, rare 1-9, unseen and "
        "common 100+ minus rare 1-9. 2 tests could be made, and Holm's correction runs over all of them."
    )
    assert family_text(make({"ours": "system"}, LEVELS, {})) == ""


def test_only_competitors_are_marked() -> None:
    tests = paired([("ours", "plain", q, 0.1, 0.001) for q in ("classes", "head", "medium", "tail", "zero-shot")])
    table = levels_table(make(ROLES, LEVELS, {"ours": level(0.3, 0.1), "real": level(0.3, 0.1)}, tests))
    marks = {row.head: [cell.mark for cell in row.cells] for rows in table.groups for row in rows}
    assert marks["ours"] == ["best"] * 4 + ["best", "best"]
    assert not any(marks["copies"] + marks["real"])
    assert [c.title for c in table.columns] == [
        "system",
        "all classes",
        "common 100+",
        "medium 10-99",
        "rare 1-9",
        "unseen",
        "loss",
    ]


def test_means_of_few_classes_are_set_apart() -> None:
    levels = {("ours", "classes"): level(0.5, 0.1, 30), ("ours", "zero-shot"): level(0.5, 0.1, 2)}
    ((row,),) = levels_table(dataclasses.replace(make({"ours": "system"}, {}, {}), levels=levels)).groups
    assert (row.cells[0].css, row.cells[4].css) == ("", "thin")


def test_a_copy_alone_has_records() -> None:
    found = verdict_json(make({"copies": "copy", "real": "real"}, {n: LEVELS[n] for n in ("copies", "real")}, {}))
    assert {r["system"] for r in found["findings"]} == {"copies", "real"}
