"""Features by content and code: what is found again, and what is not."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from fakes import EMBEDDER, tone, write_clips, write_embedder, write_pair

import reaudio_eval
from reaudio_eval import plugins
from reaudio_eval.features import extract
from reaudio_eval.features.active import ActiveEmbedder, activate
from reaudio_eval.features.cache import cache_log
from reaudio_eval.features.extract import EmbeddedClips, embed_captions, embed_clips
from reaudio_eval.features.protocols import WaveformRule, get_protocol
from reaudio_model.common.audio import DecodedAudio, content_sha256, decode_many
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.progress import Reporter

QUIET = Reporter(quiet=True)


class World:
    """A plug-in embedder with its checkpoint, two folders of clips and a cache."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache = root, root / "cache"
        self.checkpoint = write_embedder(root / "plugins")
        self.plugin = root / "plugins" / "embedders" / "bands.py"
        self.ours, self.real = write_pair(root)

    def embedder(self) -> ActiveEmbedder:
        found = activate(
            "bands",
            plugins.load("embedders", "bands").spec,
            get_protocol("fadtk"),
            checkpoint=self.checkpoint,
            cache_dir=self.cache,
            device="cpu",
            allow_download=False,
        )
        assert isinstance(found, ActiveEmbedder)
        return found

    def embed(self, files: Mapping[str, Mapping[str, Path]] | None = None) -> EmbeddedClips:
        files = files or {"ours": {path.stem: path for path in sorted(self.ours.iterdir())}}
        return embed_clips(files, [self.embedder()], self.cache, batch_size=4, jobs=2, reporter=QUIET)

    def fd(self, cache: Path | None = None) -> float:
        scores = reaudio_eval.score(
            self.ours,
            self.real,
            embedders="bands",
            checkpoints={"bands": self.checkpoint},
            metrics="fd",
            protocol="fadtk",
            cache_dir=cache or self.cache,
        )
        return float(scores.to_json()["metrics"]["fd_bands"]["value"])

    def edit(self, old: str, new: str) -> None:
        assert old in EMBEDDER
        self.plugin.write_text(EMBEDDER.replace(old, new), encoding="utf-8")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    return World(tmp_path)


def test_another_machine_takes_features_from_the_object_store(world: World) -> None:
    options = {
        "embedders": "bands", "checkpoints": {"bands": world.checkpoint}, "metrics": "fd", "protocol": "fadtk",
        "feature_store": f"file://{world.root}/shared",
    }  # fmt: skip
    first = reaudio_eval.score(world.ours, world.real, cache_dir=world.root / "one", **options).to_json()
    computed = {path.relative_to(world.root / "one") for path in (world.root / "one").rglob("*.safetensors")}
    assert computed == {path.relative_to(world.root / "shared") for path in (world.root / "shared").rglob("*.safetensors")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ActiveEmbedder, "embed", None)  # nothing is computed again
        second = reaudio_eval.score(world.ours, world.real, cache_dir=world.root / "two", **options).to_json()
    assert second["metrics"] == first["metrics"]


@pytest.mark.slow
def test_an_edited_embedder_makes_its_features_anew(world: World) -> None:
    first = world.fd()
    assert world.fd() == first
    world.edit("return ClipFeatures(bands[None], bands)", "return ClipFeatures(10 * bands[None], bands)")
    assert world.fd() == pytest.approx(100 * first, rel=1e-5)  # float32 features
    assert world.fd(world.root / "empty") == world.fd()
    world.plugin.write_text(EMBEDDER, encoding="utf-8")
    assert world.fd() == first


def test_a_module_that_the_embedder_imports_belongs_to_its_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = world.root / "bands_helper.py"
    helper.write_text("SCALE = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(world.root)
    world.edit("import numpy as np\n", "import numpy as np\nfrom bands_helper import SCALE\n")
    before = world.embedder().origin.code
    helper.write_text("SCALE = 1000\n", encoding="utf-8")
    assert world.embedder().origin.code == before, "the helper that was imported is what runs"
    world.edit("import numpy as np\n", "import numpy as np\n\nfrom bands_helper import SCALE\n")
    assert world.embedder().origin.code != before


def test_package_versions_belong_to_the_code(world: World) -> None:
    assert {"numpy", "soundfile", "soxr", "torch"} <= set(world.embedder().origin.code.packages)


@pytest.mark.parametrize(
    "place", ["clap/config.json", "clap/tokenizer/merges.txt", "clap_tokenizer/vocab.json", "cache/tokenizer/vocab.json"]
)
def test_sizes_and_tokenizer_of_a_checkpoint_belong_to_its_features(world: World, place: str) -> None:
    world.edit('(), "tests")', '(), "tests", folder=True)')
    world.checkpoint = world.root / "clap"
    world.checkpoint.mkdir()
    (world.checkpoint / "model.safetensors").write_bytes(b"weights")
    before = world.embedder().origin
    (world.root / place).parent.mkdir(parents=True, exist_ok=True)
    found = []
    for text in ("one", "two"):
        (world.root / place).write_text(text, encoding="utf-8")
        found.append(world.embedder().origin)
    assert before != found[0] != found[1]
    assert len({each.folder(world.cache) for each in (before, *found)}) == 3


@pytest.mark.slow
def test_nine_flipped_bits_of_features_leave_the_distance(world: World) -> None:
    right = world.fd()
    entries = sorted((world.cache / "features").rglob("*.safetensors"))
    for n in range(9):
        path = entries[n % len(entries)]
        data = bytearray(path.read_bytes())
        data[len(data) - 1 - 4 * n] ^= 0x40
        path.write_bytes(data)
        assert world.fd() == right, n


def test_random_bytes_everywhere_in_the_cache_leave_the_distance(world: World) -> None:
    right = world.fd()
    for n, path in enumerate(p for p in sorted(world.cache.rglob("*")) if p.is_file()):
        path.write_bytes(np.random.default_rng(n).bytes(100) if n % 3 else b"{}")
    assert world.fd() == right


def test_what_was_made_anew_is_said_in_one_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.embed()
    for path in sorted((world.cache / "features").rglob("*.safetensors"))[:3]:
        path.write_bytes(b"")
    world.edit("bands[None], bands)", "bands[None] + 1, bands)")
    world.embed()  # of other code: the damaged ones are not read
    cache_log(world.cache).report(Reporter())
    assert "that were made anew: 12 of other code or package versions." in capsys.readouterr().err
    next(world.embedder().cache.folder.rglob("*.safetensors")).write_bytes(b"")
    world.embed()
    cache_log(world.cache).report(Reporter())
    assert "that were made anew: 1 damaged." in capsys.readouterr().err


def test_a_clip_that_is_replaced_after_its_hash_is_never_stored_under_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, twin = world.ours / "c01.wav", world.real / "twin.wav"
    twin.write_bytes(victim.read_bytes())
    sha, replacement = content_sha256(victim), (world.ours / "c05.wav").read_bytes()

    def replace_first(paths: object, jobs: int, max_seconds: float) -> object:
        victim.write_bytes(replacement)
        return decode_many(paths, jobs, max_seconds)  # type: ignore[arg-type]

    monkeypatch.setattr(extract, "decode_many", replace_first)
    alone = world.embed()
    audit = alone.audits["ours", "c01"]
    assert audit.status == "unreadable"
    assert "c01.wav changed while it was scored: repeat the command." in str(audit.reason)
    assert world.embedder().cache.get(sha) is None
    victim.write_bytes(twin.read_bytes())
    both = world.embed({"ours": {"c01": victim}, "real": {"twin": twin}})
    assert both.audits["ours", "c01"].status == "unreadable"
    assert both.audits["real", "twin"].status == "ok"
    monkeypatch.undo()
    monkeypatch.setenv("REAUDIO_PLUGINS", str(world.root / "plugins"))
    again = world.embed()
    assert again.audits["ours", "c01"].status == "ok"
    assert again.content["ours"]["c01"] == again.content["ours"]["c05"] == content_sha256(victim)
    stored, fresh = world.embedder().cache.get(sha), world.embedder().embed([_heard(twin)])[0]
    assert stored is not None
    np.testing.assert_array_equal(stored.frames, fresh.frames)


def _heard(path: Path) -> np.ndarray:
    from reaudio_eval.features.waveform import apply_rule
    from reaudio_model.common.audio import decode

    return apply_rule(decode(path), get_protocol("fadtk").rule("bands"), 16_000)


def test_a_clip_that_disappears_after_its_hash_is_unreadable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def remove_first(paths: object, jobs: int, max_seconds: float) -> object:
        (world.ours / "c01.wav").unlink(missing_ok=True)
        return decode_many(paths, jobs, max_seconds)  # type: ignore[arg-type]

    monkeypatch.setattr(extract, "decode_many", remove_first)
    found = world.embed()
    assert "cannot be opened" in str(found.audits["ours", "c01"].reason)
    assert sum(audit.status == "ok" for audit in found.audits.values()) == 11


def test_a_clip_with_undefined_features_is_left_out_with_its_reason(world: World) -> None:
    write_clips(world.ours, {"loud": tone(900.0, level=0.9)})
    world.edit(
        "return ClipFeatures(bands[None], bands)",
        "return ClipFeatures(bands[None] * (np.nan if abs(wave).max() > 0.8 else 1), bands)",
    )
    for _ in range(2):
        found = world.embed()
        assert "loud.wav has features of bands that are infinite or undefined." in str(found.audits["ours", "loud"].reason)
        assert sum(audit.status == "ok" for audit in found.audits.values()) == 12


def test_a_checkpoint_that_changes_while_it_is_loaded_is_refused(world: World) -> None:
    embedder = world.embedder()
    world.checkpoint.write_bytes(b"other weights")
    with pytest.raises(CheckpointError, match=r"bands\.bin was changed while it was loaded: repeat the command\.$"):
        embedder.embed([np.zeros(16_000, dtype=np.float32)])


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("return 1 / 0", r"bands\.py\) fails: ZeroDivisionError division by zero \(line \d+\)\.$"),
        ("return ClipFeatures(bands, bands)", r"must give \(n_frames, d\) frames and \(C,\) logits for each clip\.$"),
        ("return ClipFeatures(bands[None], None)", r"must give \(n_frames, d\) frames and \(C,\) logits"),
        ("return ClipFeatures('ab', bands)", r"fails: ValueError could not convert string to float"),
        ("raise SystemExit(1)", r"fails: it ends the program with the code 1"),
    ],
)
def test_an_embedder_that_fails_is_one_sentence(world: World, new: str, message: str) -> None:
    world.edit("return ClipFeatures(bands[None], bands)", new)
    with pytest.raises(ReaudioError, match=message):
        world.embed()


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        ("1 / 0", r"\(.*mine\.py\) fails: ZeroDivisionError division by zero \(line \d+\)\.$"),
        ("[1.0]", r"\(.*mine\.py\) must give one real number for each clip"),
        ("'many'", r"\(.*mine\.py\) must give one real number for each clip"),
        ("exit(3)", r"fails: it ends the program with the code 3"),
    ],
)
def test_a_metric_that_fails_is_one_sentence(world: World, compute: str, message: str) -> None:
    path = world.root / "plugins" / "metrics" / "mine.py"
    path.parent.mkdir()
    path.write_text(
        "from reaudio_eval.scores.metrics import ClipMetric\n\n\n"
        f"def compute(inputs):\n    return {compute}\n\n\n"
        "METRICS = (ClipMetric('mine_{embedder}', 'Mine', True, '', 'tests', compute=compute),)\n",
        encoding="utf-8",
    )
    with pytest.raises(ReaudioError, match=rf"^The metric mine_bands .*{message}"):
        reaudio_eval.score(
            world.ours,
            world.real,
            embedders="bands",
            checkpoints={"bands": world.checkpoint},
            metrics="mine",
            cache_dir=world.cache,
        )


def test_captions_are_checked_and_kept_as_features_are(world: World) -> None:
    captions = ["a dog barks", "rain"]
    first = embed_captions(world.embedder(), captions, QUIET)
    path = world.embedder().cache.folder
    entry = next(path.rglob("*.safetensors"))
    entry.write_bytes(entry.read_bytes()[:-4] + b"\0\0\0\x7f")
    np.testing.assert_array_equal(embed_captions(world.embedder(), captions, QUIET), first)
    world.edit("return vectors / np", "return np.nan * vectors / np")
    with pytest.raises(ReaudioError, match="bands must give one finite vector for each caption"):
        embed_captions(world.embedder(), captions, QUIET)


def test_features_of_another_type_are_the_same_in_the_first_and_in_a_later_run(world: World) -> None:
    world.edit("ClipFeatures(bands[None], bands)", "ClipFeatures(bands[None].astype(np.float64) / 3, bands)")
    first, later = world.embed().features["bands"], world.embed().features["bands"]
    for sha, features in first.items():
        assert features.frames.dtype == np.float32
        np.testing.assert_array_equal(features.frames, later[sha].frames)


def test_a_cache_that_cannot_be_written_costs_time_not_the_result(world: World) -> None:
    right = world.fd()
    blocked = world.root / "blocked"
    for name in ("features", "audits", "encoders"):
        blocked.mkdir(exist_ok=True)
        (blocked / name).write_bytes(b"")
    assert world.fd(blocked) == right
    assert world.fd(Path(os.devnull) / "cache") == right


def test_a_file_as_cache_is_one_sentence(world: World) -> None:
    with pytest.raises(ReaudioError, match=r"The cache .*bands\.bin is a file: give a folder"):
        world.fd(world.checkpoint)


def test_audits_are_kept_for_each_waveform_rule(world: World) -> None:
    world.embed()
    other = dataclasses.replace(world.embedder(), rule=get_protocol("audiocraft").rule("vggish"))
    embed_clips({"ours": {"c01": world.ours / "c01.wav"}}, [other], world.cache, 4, 1, QUIET)
    assert len(list((world.cache / "audits").iterdir())) == 2


def test_decoded_samples_name_the_bytes_that_they_come_from(world: World) -> None:
    path = world.ours / "c01.wav"
    (audio,) = decode_many([path], 1)
    assert isinstance(audio, DecodedAudio)
    assert audio.sha256 == content_sha256(path)


def test_the_audit_tells_what_the_network_gets(world: World) -> None:
    """The protocol of the world uses the mean of the channels."""
    x = tone(500.0)
    write_clips(
        world.ours, {"right": np.stack([0 * x, x], axis=1), "cancel": np.stack([x, -x], axis=1), "dc": np.full(16_000, 0.5)}
    )
    found = world.embed()
    flags = {clip_id: audit.flags for (_, clip_id), audit in found.audits.items() if "silent" in audit.flags}
    assert flags == {"cancel": ("silent",), "dc": ("silent",)}
    first = dataclasses.replace(world.embedder(), rule=WaveformRule(mono="first"))
    heard = embed_clips({"ours": {"right": world.ours / "right.wav"}}, [first], world.cache, 4, 1, QUIET).audits[
        "ours", "right"
    ]
    assert (heard.flags, heard.reason) == (("silent",), "The channel that the protocol uses, the first, is silent.")
    both = embed_clips({"ours": {"right": world.ours / "right.wav"}}, [world.embedder(), first], world.cache, 4, 1, QUIET)
    assert both.audits["ours", "right"].flags == ("silent",)


def test_truncated_clips_are_flagged_and_scored(world: World) -> None:
    path = world.ours / "c01.wav"
    path.write_bytes(path.read_bytes()[:-2000])
    for _ in range(2):  # the second from the cache
        audit = world.embed().audits["ours", "c01"]
        assert (audit.status, audit.flags) == ("ok", ("truncated", "short"))
        assert "The file is not whole: it declares" in str(audit.reason)


def test_clips_beyond_the_limit_are_unreadable_also_if_they_are_cached(world: World) -> None:
    write_clips(world.ours, {"long": np.tile(tone(300.0), 4)})
    files = {"ours": {"long": world.ours / "long.wav", "c01": world.ours / "c01.wav"}}
    whole = embed_clips(files, [world.embedder()], world.cache, 4, 1, QUIET)
    assert whole.audits["ours", "long"].status == "ok"
    limited = embed_clips(files, [world.embedder()], world.cache, 4, 1, QUIET, max_seconds=2)
    assert limited.audits["ours", "long"].status == "unreadable"
    assert "is longer than 2 s" in str(limited.audits["ours", "long"].reason)
    assert limited.audits["ours", "c01"].status == "ok"
