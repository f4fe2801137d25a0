"""``reaudio-eval listening``: make a listening test from runs, and analyse its answers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reaudio_eval.cli.options import SeedOption
from reaudio_model.common.cli import DEFAULT_JOBS, DryRunOption, JobsOption, JsonOption, QuietOption, print_json, reporter

EXPORT_EXAMPLE = "Example: [bold]reaudio-eval listening export reports/longtail --output test --prompts 20 --forms 4 --per-prompt 2[/bold]"
ANALYSE_EXAMPLE = "Example: [bold]reaudio-eval listening analyse test answers/ --output reports/listening[/bold]"

app = typer.Typer(no_args_is_help=True, help="Ask listeners: make a listening test, analyse its answers.")


class DesignChoice(StrEnum):
    mos = "mos"
    pairs = "pairs"


class AudioChoice(StrEnum):
    mp3 = "mp3"
    flac = "flac"


RunsArgument = Annotated[list[Path], typer.Argument(help="Run directories, or folders that contain them.")]


@app.command("export", epilog=EXPORT_EXAMPLE)
def listening_export(
    runs: RunsArgument,
    output: Annotated[Path, typer.Option("--output", help="Folder for the participants' pages and the key.")],
    design: Annotated[
        DesignChoice, typer.Option("--design", help="mos: rate each clip. pairs: which of two is better.")
    ] = DesignChoice.mos,
    scale: Annotated[int, typer.Option("--scale", help="Highest rating of mos: 5 or 100 (from 1).")] = 5,
    prompts: Annotated[int, typer.Option("--prompts", help="Prompts, spread over the strata of their rarest label.")] = 12,
    per_stratum: Annotated[
        int | None, typer.Option("--per-stratum", help="Instead: this many prompts of each stratum.")
    ] = None,
    real: Annotated[bool, typer.Option("--real/--no-real", help="The real audio as hidden anchor.")] = True,
    forms: Annotated[int, typer.Option("--forms", help="Participant pages; one page can serve several people.")] = 1,
    per_prompt: Annotated[
        int | None, typer.Option("--per-prompt", help="Clips (or pairs) of a prompt in one form. Default: all.")
    ] = None,
    repeats: Annotated[float, typer.Option("--repeats", help="Share of the items that come twice; 0 for none.")] = 0.1,
    checks: Annotated[int, typer.Option("--checks", help="Attention checks in each form.")] = 2,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Bring clips to -26 dB full scale RMS, as far as peaks allow.")
    ] = False,
    audio: Annotated[
        AudioChoice, typer.Option("--audio", help="Clips as MP3 (about 100 kbit/s) or FLAC (exact, three times the size).")
    ] = AudioChoice.mp3,
    seed: SeedOption = 0,
    jobs: JobsOption = DEFAULT_JOBS,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a blind listening test from runs: forms/listener-N.html to give away, key.json to keep."""
    from reaudio_eval.evaluations.listening.export import ListeningRequest, export_listening_test, plan_listening_test
    from reaudio_eval.evaluations.listening.text import export_json, export_text, plan_json

    request = ListeningRequest(
        tuple(runs), output, design.value, scale, prompts, per_stratum, real, forms, per_prompt, repeats, checks, normalise,
        audio.value, seed, jobs,
    )  # fmt: skip
    if dry_run:
        print_json(plan_json(plan_listening_test(request)))
        return
    made = export_listening_test(request, reporter(quiet))
    if as_json:
        print_json(export_json(made))
    else:
        typer.echo(export_text(made))


@app.command("analyse", epilog=ANALYSE_EXAMPLE)
def listening_analyse(
    test: Annotated[Path, typer.Argument(help="Folder that `listening export` wrote to (with key.json).")],
    answers: Annotated[list[Path], typer.Argument(help="Participants' CSV files, or folders of them.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the report.")] = Path("reports/listening"),
    runs: Annotated[
        list[Path] | None,
        typer.Option("--runs", help="Take the metrics of these runs instead of those kept in the key; repeatable."),
    ] = None,
    keep_all: Annotated[bool, typer.Option("--keep-all", help="Exclude no participant.")] = False,
    max_failed: Annotated[
        int, typer.Option("--max-failed", min=0, help="Attention checks a participant may fail before being excluded.")
    ] = 0,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Analyse the answers: means and differences of systems, agreement of listeners, and which metrics follow them."""
    from reaudio_eval.evaluations.listening.analyse import analyse_listening_test
    from reaudio_eval.evaluations.listening.text import analysis_summary, analysis_text

    result = analyse_listening_test(
        test, answers, output, runs=runs or (), keep_all=keep_all, max_failed=max_failed, seed=seed, reporter=reporter(quiet)
    )
    if as_json:
        print_json(analysis_summary(result))
    else:
        typer.echo(analysis_text(result))
