"""``index build`` and ``index search``: from tables to a leak report, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from model_command import answer, refusal, run
from tiny_model import CAPTIONS, tiny_clap

from reaudio_model.retrieval.index import RetrievalIndex, load_neighbours


def test_build(built: Path, world: Path, clap_folder: Path) -> None:
    stats = answer("index", "stats", built)
    assert (stats["n"], stats["splits"], stats["left_out"]) == (6, {"train": 4, "val": 2}, ["gone", "broken"])
    assert stats["pools"] == {"train": 4, "train+val": 6, "all": 6}
    assert (stats["n_sources"], stats["n_captions"], stats["n_shared_captions"]) == (6, 6, 0)
    assert "6 pairs (train 4, val 2), 16 dimensions" in run("index", "stats", built).stdout
    assert "2 clips left out, their audio is missing or cannot be read: gone, broken" in run("index", "stats", built).stdout
    assert not (built / ".parts").exists()
    arguments = ("index", "build", world / "table.csv", "--audio-root", world / "audio", "--clap", clap_folder)
    written = (built / "manifest.json").stat().st_mtime_ns
    repeated = run(*arguments, "-o", built)
    assert (repeated.exit_code, (built / "manifest.json").stat().st_mtime_ns) == (0, written)
    assert "is already built, and verified: 6 pairs" in " ".join(repeated.stderr.split())
    again = answer(*arguments, "-o", built, "--overwrite", "--batch-size", 2, "--jobs", 1)
    # vectors of a batch of another size may differ in the last digits
    assert again == stats | {"mean_cosine": pytest.approx(stats["mean_cosine"], abs=1e-5)}


def test_build_of_a_split_and_dry_run(world: Path, clap_folder: Path, tmp_path: Path) -> None:
    arguments = ("index", "build", world / "table.csv", "--audio-root", world / "audio", "-o", tmp_path / "index")
    assert answer(*arguments, "--dry-run") == {"output": str(tmp_path / "index"), "n": 7, "missing": ["gone"], "notes": []}
    assert not (tmp_path / "index").exists()
    assert answer(*arguments, "--split", "val", "--strict", "--clap", clap_folder, "--quiet")["n"] == 2


def test_build_refuses(world: Path, clap_folder: Path, tmp_path: Path) -> None:
    arguments = ("index", "build", world / "table.csv", "--audio-root", world / "audio", "-o", tmp_path / "index")
    assert "CLAP is needed: give --clap" in refusal(*arguments)
    clap = ("--clap", clap_folder)
    assert "The audio of 2 of 8 clips is missing or cannot be read (gone, broken): repair it" in refusal(
        *arguments, *clap, "--strict", "--quiet"
    )
    assert "--batch-size must be 1 or more, not 0" in refusal(*arguments, *clap, "--batch-size", 0)
    assert "tabel.csv does not exist" in refusal("index", "build", "tabel.csv", "-o", tmp_path / "index", *clap)
    assert "no model.safetensors" in refusal(*arguments, "--clap", world)
    assert "is not a device" in refusal(*arguments, *clap, "--device", "gpu")
    assert "--captions must be 1 or more, not 0" in refusal(*arguments, "--captions", 0)


def test_search_for_words(built: Path, clap_folder: Path) -> None:
    result = answer("index", "search", built, CAPTIONS[0], "thunder", "--clap", clap_folder, "--key", "text")
    first, second = result["prompts"]
    assert (first["clip_id"], first["caption"], second["caption"]) == ("prompt-1", CAPTIONS[0], "thunder")
    assert first["neighbours"][0]["clip_id"] == "clip-0"
    assert first["neighbours"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert [len(p["neighbours"]) for p in result["prompts"]] == [4, 4]  # the whole pool, smaller than the usual five
    assert result["leaks"]["identical_caption"] == {"n": 1, "share": 0.5, "clip_ids": ["prompt-1"]}
    text = run("index", "search", built, CAPTIONS[0], "--clap", clap_folder, "--key", "text", "--k", 1).stdout.splitlines()
    assert text[:2] == [CAPTIONS[0], f"   1.000  clip-0  {CAPTIONS[0]}"]
    assert "its caption for 1 (100.0%)" in text[2]


def test_search_for_a_table_writes_a_run(built: Path, clap_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text(f"clip_id,caption,youtube_id\nclip-1,{CAPTIONS[1]},video-1\nnew,rain,video-2\n")
    arguments = ("index", "search", built, "--prompts", tmp_path / "prompts.csv", "--clap", clap_folder, "-o", tmp_path)
    facts = answer(*arguments, "--pool", "train+val", "--used", 6)
    assert facts == json.loads((tmp_path / "leak_report.json").read_bytes())
    assert (facts["question"]["k"], facts["leaks"]["target"]["n"], facts["leaks"]["same_source"]["n"]) == (6, 0, 0)
    found = load_neighbours(tmp_path / "retrieved.parquet")
    assert {name: len(neighbours) for name, neighbours in found.items()} == {"clip-1": 5, "new": 5}
    paper = answer(*arguments, "--paper-protocol", "--used", 6)
    assert (paper["question"]["pool"], paper["question"]["exclude"]["self_"]) == ("all", False)
    assert paper["leaks"]["target"]["clip_ids"] == ["clip-1"]
    assert paper["leaks"]["same_source"]["clip_ids"] == ["clip-1", "new"]
    assert "Paper protocol: all splits are searched, test clips included" in run(*arguments, "--paper-protocol").stderr


def test_a_split_asks_its_own_index_without_clap(built: Path, tmp_path: Path) -> None:
    facts = answer("index", "search", built, "--split", "train", "--backend", "exact", "-o", tmp_path, "--k", 3)
    assert facts["leaks"]["n_prompts"] == 4
    index = RetrievalIndex.load(built)
    expected = index.search(index.queries([f"clip-{i}" for i in range(4)]), k=3)
    assert list(load_neighbours(tmp_path / "retrieved.parquet").values()) == expected
    (shown,) = answer("index", "search", built, "--split", "train", "--exclude", "nothing")["prompts"][:1]
    assert len(shown["neighbours"]) == 4
    caption = answer("index", "search", built, "--split", "train", "--exclude", "caption", "--key", "text")
    assert "clip-0" not in [n["clip_id"] for n in caption["prompts"][0]["neighbours"]]
    alike = answer("index", "search", built, "--split", "train", "--exclude", "nothing", "--exclude-text-from", -1)
    assert all(p["neighbours"] == [] for p in alike["prompts"])


def test_search_refuses(built: Path, clap_folder: Path, tmp_path: Path) -> None:
    words = ("index", "search", built, "a dog barks", "--clap", clap_folder)
    assert "Give prompts as words, or --prompts with a table of them" in refusal("index", "search", built)
    assert "--split uses captions of the index" in refusal(*words, "--split", "train")
    assert "A prompt is empty" in refusal("index", "search", built, " ", "--clap", clap_folder)
    assert "CLAP is needed" in refusal("index", "search", built, "a dog barks")
    assert "k is 9, but the pool 'train' holds 4 pairs" in refusal(*words, "--k", 9)
    assert "--used must be 1 or more" in refusal(*words, "--used", 0)
    assert "--paper-protocol sets pool and exclusions" in refusal(*words, "--paper-protocol", "--pool", "all")
    assert "--exclude nothing excludes every other" in refusal(*words, "--exclude", "nothing", "--exclude", "self")
    assert "no pairs of the split 'test'; it has 'train', 'val'" in refusal("index", "search", built, "--split", "test")
    assert "contains no retrieval index" in refusal("index", "search", tmp_path, "a", "--clap", clap_folder)
    other = tiny_clap(seed=1)
    other.network.save_pretrained(tmp_path)
    other.tokenizer.save_pretrained(tmp_path)
    assert "was built with another CLAP" in refusal("index", "search", built, "a", "--clap", tmp_path)


def test_index_asked_with_audio_elsewhere(built: Path, tmp_path: Path) -> None:
    found = answer("index", "search", built, "--split", "val", "--audio-root", "/else")["prompts"][0]["neighbours"]
    assert all(neighbour["audio"].startswith("/else/clip-") for neighbour in found)
