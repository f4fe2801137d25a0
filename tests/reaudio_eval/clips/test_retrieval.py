"""What systems retrieved: read, kept in run directories, leaks among it, and whose neighbours a clip is compared with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from run_folders import as_version_1

from reaudio_eval.clips.retrieval import (
    Compared,
    compared,
    control_of,
    leaks,
    neighbours_sha256,
    read_retrieval,
    retrieval_sha256,
    with_judges,
)
from reaudio_eval.clips.system import Retrieval, SystemInfo
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.directory import read_run, write_run
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_model.common.errors import ReaudioError
from reaudio_model.retrieval.index_files import save_neighbours
from reaudio_model.retrieval.records import Neighbour, Pair

HOSTILE = """<script>alert('x')</script> "a", 'b'\n; ={{ 7 * 7 }} 🐕"""
PROMPTS = (Prompt("p1", "a dog barks", source_id="v1"), Prompt("p2", "rain", source_id="v2"), Prompt("p3", "wind"))


def neighbour(clip_id: str, rank: int = 0, similarity: float = 0.5, **pair: object) -> Neighbour:
    return Neighbour(Pair(clip_id, **{"caption": f"caption of {clip_id}", **pair}), rank, similarity)  # type: ignore[arg-type]


def system(name: str, *ids: str) -> SystemInfo:
    found = {"p1": tuple(neighbour(c, rank) for rank, c in enumerate(ids))}
    return SystemInfo(name, "generated", 1, retrieval=Retrieval(found, "abc") if ids else None)


def test_a_systems_own_neighbours_and_the_controls(tmp_path: Path) -> None:
    systems = [system("none"), system("one", "x"), system("two", "x", "y"), system("pair", "z", "y")]
    found = compared(systems)
    assert {name: c.system for name, c in found.items()} == {"none": "pair", "one": "one", "two": "two", "pair": "pair"}
    assert compared(systems[::-1]) == found
    assert compared([system("none")]) == {}
    fallback = Compared("the pool", {})
    assert control_of([system("none")], fallback) is fallback
    assert control_of(systems, fallback) == found["none"]


def test_leaks_of_three_kinds_within_what_was_used() -> None:
    found = {
        "p1": (neighbour("p1"), neighbour("x", 1, caption="A dog barks!")),
        "p2": (neighbour("y", source_id="v2"),),
        "p3": (neighbour("z", source_id=""),),
    }
    report = leaks(Retrieval(found), PROMPTS)
    assert (report.k, report.target, report.same_source, report.identical_caption) == (2, ("p1",), ("p2",), ("p1",))
    assert "p3" not in report.affected
    assert leaks(Retrieval({}), PROMPTS).affected == frozenset()


def test_reading_a_folder_of_clips(tmp_path: Path) -> None:
    rows = {"p1": [neighbour("a", 0), neighbour("b", 1, audio=Path("/x/b.wav")), neighbour("c", 2)], "p2": []}
    save_neighbours(tmp_path / "retrieved.parquet", rows)
    plain = read_retrieval(tmp_path)
    assert (plain.k, plain.encoder_sha256, plain.about) == (3, "", {})
    assert plain.neighbours["p2"] == ()
    question = {"used": 2, "key": "mean", "pool": "all", "exclude": {"self_": True}, "backend": "exact"}
    (tmp_path / "leak_report.json").write_text(json.dumps({"question": question, "encoder_sha256": "e1"}))
    found = read_retrieval(tmp_path, audio=Path("/pool"))
    assert [n.pair.audio for n in found.neighbours["p1"]] == [Path("/pool/a.wav"), Path("/x/b.wav")]
    assert (found.k, found.encoder_sha256) == (2, "e1")
    assert found.about == {"key": "mean", "pool": "all", "exclude": {"self_": True}}


@pytest.mark.parametrize("text", ["{", "[]", '{"question": 3}'])
def test_damaged_facts_are_one_sentence(tmp_path: Path, text: str) -> None:
    save_neighbours(tmp_path / "retrieved.parquet", {"p1": []})
    (tmp_path / "leak_report.json").write_text(text)
    with pytest.raises(ReaudioError, match=r"leak_report\.json .*: retrieve again, or remove it\.$"):
        read_retrieval(tmp_path)


def test_which_embedders_are_the_retriever() -> None:
    marked = with_judges([system("a", "x"), system("b")], {"clap": "abc", "tagger": "", "other": "abcd"})
    assert [s.retrieval.judges if s.retrieval else None for s in marked] == [("clap",), None]
    silent = with_judges([replace(system("a", "x"), retrieval=Retrieval({}))], {"tagger": ""})
    assert silent[0].retrieval is not None
    assert silent[0].retrieval.judges == ()


def run(folder: Path, retrieval: Retrieval | None) -> SystemScores:
    info = SystemInfo("s", "generated", 1, retrieval=retrieval)
    rows = pd.DataFrame([("p1", "copying_net", None, 0.1)], columns=SCORES.required)
    copies = pd.DataFrame(
        {"clip_id": ["p1"], "embedder": ["net"], "neighbour_id": [HOSTILE], "similarity": [0.9], "real_similarity": [0.8]}
    )
    metric = MetricInfo("copying_net", "Copying", "clip", False, "cosine", "net")
    scores = SystemScores(info, (metric,), rows, pd.DataFrame(columns=SET_VALUES.names), {}, copies, "another")
    about = {"seed": 0, "created": "2026-01-01T00:00:00+00:00", "clip_ids_sha256": "0"}
    write_run(folder, scores, Dataset("d", "test", PROMPTS, {}, {}), strata_scheme("log10", {}), {}, {}, about)
    return read_run(folder).scores


def test_a_run_keeps_what_was_retrieved_whatever_the_captions(tmp_path: Path) -> None:
    found = {"p1": (neighbour("a", caption=HOSTILE, audio=tmp_path / "a.wav"), neighbour("b", 1)), "p2": ()}
    given = Retrieval(found, "abc", {"key": "mean", "exclude": {"self_": True}}, ("clap",))
    back = run(tmp_path / "run", given)
    assert back.system.retrieval is not None
    assert back.system.retrieval.neighbours == {"p1": found["p1"], "p2": (), "p3": ()}
    assert replace(back.system.retrieval, neighbours={}) == replace(given, neighbours={})
    assert (back.neighbours_of, back.copies["neighbour_id"].tolist()) == ("another", [HOSTILE])
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())["retrieval"]
    assert manifest == {"k": 2, "key": "mean", "exclude": {"self_": True}, "encoder_sha256": "abc", "judges": ["clap"]}
    report = json.loads((tmp_path / "run" / "leakage.json").read_text())
    assert (report["n_prompts"], report["n_affected"], report["target"]["n"]) == (3, 0, 0)
    assert read_run(tmp_path / "run").dataset.prompts == PROMPTS


def test_a_run_without_retrieval_keeps_nothing_and_a_rewritten_one_no_leftovers(tmp_path: Path) -> None:
    run(tmp_path, Retrieval({"p1": (neighbour("a"),)}))
    assert run(tmp_path, None).system.retrieval is None
    assert not {"retrieved.parquet", "leakage.json"} & {p.name for p in tmp_path.iterdir()}


def test_older_runs_are_still_read(tmp_path: Path) -> None:
    run(tmp_path, None)
    (tmp_path / "copying.parquet").unlink()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["retrieval"], manifest["neighbours_of"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    as_version_1(tmp_path)
    prompts = pd.read_parquet(tmp_path / "prompts.parquet").drop(columns="source_id")
    prompts.to_parquet(tmp_path / "prompts.parquet", index=False)
    found = read_run(tmp_path)
    assert found.scores.copies.empty
    assert found.scores.system.retrieval is None
    assert {p.source_id for p in found.dataset.prompts} == {""}


def test_a_promised_table_that_is_gone_is_named(tmp_path: Path) -> None:
    run(tmp_path, Retrieval({"p1": (neighbour("a"),)}))
    (tmp_path / "retrieved.parquet").unlink()
    with pytest.raises(ReaudioError, match=r"retrieved\.parquet was altered or lost"):
        read_run(tmp_path)


def test_hashes_follow_the_neighbours_and_not_the_order_of_prompts() -> None:
    first = Retrieval({"p1": (neighbour("a"),), "p2": (neighbour("b"),)})
    again = Retrieval({"p2": (neighbour("b"),), "p1": (neighbour("a"),)})
    other = Retrieval({"p1": (neighbour("b"),), "p2": (neighbour("a"),)})
    ids = ["p1", "p2"]
    assert retrieval_sha256(first, ids) == retrieval_sha256(again, ids[::-1]) != retrieval_sha256(other, ids)
    one, two, three = (
        neighbours_sha256(Compared(name, r.neighbours), ids) for name, r in zip("xyz", (first, again, other), strict=True)
    )
    assert one == two != three
