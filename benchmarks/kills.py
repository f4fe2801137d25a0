"""Kills every command at random moments and repeats it.

``python benchmarks/kills.py [--kills 50] [--only longtail ...]`` runs each command once without a kill, then ``--kills`` times in all with
SIGKILL, SIGTERM or SIGINT at a random moment (fixed seed) and once more to its end. It counts commands whose repetition failed, results
that differ from those of the run without a kill in any byte, temporary files left, and processes that live two seconds after the kill.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "helpers")]

from synthesise import write_dataset, write_random_tagger  # noqa: E402
from tiny_model import tiny_clap_network, tiny_pairs, tiny_tokenizer  # noqa: E402

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ORPHAN_SECONDS = 2.0
TIMEOUT = 900.0
# Entry of a row that is empty or 0 where all is well -> column of the table.
FAULTS = {
    "exit": "repetition failed",
    "differing": "results differ",
    "temporary_files": "temporary files",
    "orphans": "orphans",
}
# Facts of a run that differ between equal runs: when, how long, which command line, where.
VOLATILE_KEYS = "created|seconds|seconds_per_clip|command|n_cpus|started|finished|path|sha256|generated|date"
VOLATILE = re.compile(rf'"({VOLATILE_KEYS})": *("[^"]*"|\[[^\]]*\]|[0-9.e+-]+|null)'.encode())


@dataclass
class Command:
    """A command to kill. results: patterns of the files below its folder that must be equal to the byte."""

    name: str
    arguments: Sequence[str]
    results: Sequence[str]
    package: str
    seconds: float = 0.0

    def folder(self, base: Path) -> Path:
        """Where it runs."""
        return base / self.name.replace(" ", "-").replace(",", "")


def prepare(folder: Path) -> list[Command]:
    """Inputs of all commands below ``folder``."""
    data = write_dataset(folder / "data", takes=2)
    write_random_tagger(data / "random_mn04.safetensors")
    prepare_model_inputs(folder)
    tagger = f"--embedder efficientat --checkpoint efficientat={data}/random_mn04.safetensors"
    systems = f"--clips good={data}/good --clips poor={data}/poor --references {data}/reference"
    miniature = "--model re-audioldm-s --steps 2 --media none --output out"
    training = (
        "loop.steps=40 loop.batch_size=2 loop.log_every=1 loop.checkpoint_every=5 loop.workers=1 loop.precision=float32 "
        f"model.preset=tiny data.pairs=[{folder}/pairs.csv]"
    )
    sets = " ".join(f"--set {each}" for each in training.split())
    runs = ("out/**/*.parquet", "out/**/metrics.json", "out/**/audit.json", "out/**/*.csv", "out/**/*.wav")
    weights = ("out/*.csv", "out/**/model.safetensors", "out/**/diffusion_pytorch_model.safetensors")
    evaluate, model = "reaudio_eval", "reaudio_model"
    lines = [
        ("score", evaluate, f"score {data}/good {data}/reference {tagger} --json", ("stdout.json",)),
        ("longtail", evaluate, f"longtail --dataset folder --data-root {data} {systems} {tagger} --media none --output out", runs),
        ("longtail, generated", evaluate, f"longtail {miniature} --limit 24", runs),
        ("zeroshot", evaluate, f"zeroshot {miniature} --sample 12", runs),
        ("sweep", evaluate, f"sweep {miniature} --over k=0,1 --sample 12", runs),
        ("train", model, f"train vae --config vae {sets} --device cpu --output out", weights),
        (
            "index build", model, f"index build {folder}/pairs.csv --clap {folder}/clap --batch-size 1 --output out",
            ("out/*.safetensors", "out/*.parquet"),
        ),
        (
            "generate", model, f"generate --model re-audioldm-s --prompts {folder}/prompts.csv --steps 2 --batch-size 2 --output out",
            ("out/*.wav",),
        ),
    ]  # fmt: skip
    return [Command(name, shlex.split(line), results, package) for name, package, line, results in lines]


def prepare_model_inputs(folder: Path) -> None:
    """Six clips with a table, a CLAP of random weights, and prompts."""
    pairs = tiny_pairs(folder / "audio")
    rows = [f"{p.clip_id},{p.caption},audio/{p.audio.name},{p.source_id},train" for p in pairs if p.audio]
    (folder / "pairs.csv").write_text("\n".join(["clip_id,caption,audio,source_id,split", *rows]) + "\n")
    torch.manual_seed(0)
    tiny_clap_network().save_pretrained(folder / "clap")
    tiny_tokenizer("roberta").save_pretrained(folder / "clap")
    (folder / "prompts.csv").write_text("clip_id,caption\n" + "".join(f"p{i},a dog barks {i} times\n" for i in range(12)))


def start(command: Command, folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "REAUDIO_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    log = (folder / "log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", command.package, *command.arguments],
        cwd=folder, env=environment, stdout=(folder / "stdout.json").open("wb"), stderr=log, start_new_session=True,
    )  # fmt: skip


def results(command: Command, folder: Path) -> dict[str, str]:
    """Relative path -> digest of each result; JSON and CSV without times."""
    found = {}
    for pattern in command.results:
        for path in sorted(folder.glob(pattern)):
            data = path.read_bytes()
            if path.suffix == ".json":
                data = VOLATILE.sub(b"", data)
            if path.suffix == ".csv":
                data = without_times(data)
            if path.name == "clips.parquet":  # holds absolute paths
                continue
            found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def without_times(table: bytes) -> bytes:
    """A CSV without the columns of ``VOLATILE_KEYS``."""
    volatile = VOLATILE_KEYS.split("|")
    rows = csv.DictReader(io.StringIO(table.decode()))
    return json.dumps([{key: row[key] for key in row if key not in volatile} for row in rows]).encode()


def alive(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def temporary_files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.startswith(".tmp-")]


def kill_once(command: Command, folder: Path, rng: random.Random, expected: dict[str, str]) -> dict[str, object]:
    """One kill and the repetition; what was found."""
    number = rng.choice(SIGNALS)
    moment = rng.uniform(0.05, 1.0) * command.seconds
    process = start(command, folder)
    deadline = time.monotonic() + moment
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    finished = process.poll() is not None
    if number == signal.SIGKILL:
        process.kill()  # the main process alone, as the out-of-memory killer does
    else:
        process.send_signal(number)
    time.sleep(ORPHAN_SECONDS)
    orphans = [] if process.poll() is None else alive(process.pid)
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        orphans.append(process.pid)
    repeated = start(command, folder)
    code = repeated.wait(TIMEOUT)
    found = results(command, folder)
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    for pid in alive(process.pid):
        os.kill(pid, signal.SIGKILL)
    return {
        "command": command.name, "signal": number.name, "second": round(moment, 2), "had_finished": finished,
        "exit": code, "differing": differing[:5], "temporary_files": temporary_files(folder)[:5], "orphans": len(orphans),
    }  # fmt: skip


def run_whole(command: Command, base: Path) -> dict[str, str]:
    """The results of a command that is not killed; sets its ``seconds``."""
    folder = command.folder(base)
    begun = time.monotonic()
    code = start(command, folder).wait(TIMEOUT)
    command.seconds = time.monotonic() - begun
    found = results(command, folder)
    print(f"{command.name}: {command.seconds:.1f} s, exit {code}, {len(found)} results", file=sys.stderr, flush=True)
    if code or not found:
        print((folder / "log").read_text()[-2000:], file=sys.stderr)
        raise SystemExit(1)
    shutil.rmtree(folder)  # results name the places of their files, so every run is made in the same folder
    return found


def print_table(commands: Sequence[Command], rows: Sequence[Mapping[str, object]]) -> None:
    table = csv.writer(sys.stdout)
    table.writerow(["command", "kills", *FAULTS.values()])
    for command in commands:
        of = [row for row in rows if row["command"] == command.name]
        table.writerow([command.name, len(of), *(sum(bool(row[key]) for row in of) for key in FAULTS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--folder", type=Path, default=None, help="keeps inputs and faulty runs there")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background, and commands would, too
    base = options.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    base.mkdir(parents=True, exist_ok=True)
    rng = random.Random(options.seed)
    commands = [c for c in prepare(base / "inputs") if not options.only or c.name in options.only]
    expected = {command.name: run_whole(command, base) for command in commands}
    rows = []
    for n in range(options.kills):
        command = commands[n % len(commands)]
        folder = command.folder(base)
        row = kill_once(command, folder, rng, expected[command.name])
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        if options.folder and any(row[key] for key in FAULTS):
            shutil.move(folder, folder.with_name(f"{folder.name}-{n}"))
        shutil.rmtree(folder, ignore_errors=True)
    print_table(commands, rows)
    if not options.folder:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
