"""The command lines at their boundaries: streams that are closed or full, names that are not UTF-8, errors of the system."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from reaudio_model.common.cli import CommandGroup

bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def run(arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program with arguments and redirections of bash."""
    command = f'"$PYTHON" -c "from reaudio_eval.cli.app import main; main()" {arguments}'
    variables = {**os.environ, "PYTHON": sys.executable, **environment}
    return subprocess.run(["bash", "-c", command], env=variables, capture_output=True, text=True, check=False)


@bash
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("list metrics --json >&-", 2, "reaudio-eval: standard output is closed: send it to a file, or to /dev/null.\n"),
        ("--help > /dev/full", 2, "reaudio-eval: standard output cannot be written: No space left on device.\n"),
        ("list nothing 2>&-", 2, ""),
        ("list nothing >&- 2>&- <&-", 2, ""),
        ("list metrics <&- | head -1", 0, ""),
        ("score $'\\xff' b", 2, "reaudio-eval: '\\udcff' is not UTF-8: rename the file or folder, or give other text.\n"),
    ],
)
def test_streams_and_arguments(arguments: str, code: int, message: str) -> None:
    found = run(arguments)
    assert (found.returncode, found.stderr) == (code, message)


@bash
def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    found = run("list metrics --json > /dev/full")
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in found.stderr


@bash
def test_a_reader_that_stops_ends_the_program_quietly() -> None:
    found = run('--help | true; exit "${PIPESTATUS[0]}"')
    assert found.returncode in (0, 1)
    assert found.stderr == ""


def test_errors_of_the_system_are_one_sentence(tmp_path: Path) -> None:
    app = typer.Typer(name="toy", cls=CommandGroup)
    app.callback()(lambda: None)

    @app.command()
    def read(path: str) -> None:
        Path(path).read_bytes()

    result = CliRunner().invoke(app, ["read", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr == f"toy: {tmp_path}: Is a directory; check the path, its permissions and the space on the disk.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_command_is_one_sentence(number: signal.Signals) -> None:
    program = (
        "import signal, time, typer; from reaudio_model.common.cli import CommandGroup, run_app\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background\n"
        "app = typer.Typer(name='toy', cls=CommandGroup); app.callback()(lambda: None)\n"
        "@app.command()\n"
        "def wait() -> None:\n"
        "    print('ready', flush=True); time.sleep(60)\n"
        "run_app(app, 'toy')"
    )
    command = [sys.executable, "-c", program, "wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, message = process.communicate(timeout=90)
    assert process.returncode == 2
    assert message == "toy: Interrupted. Finished work is kept; repeat the command to resume.\n"
