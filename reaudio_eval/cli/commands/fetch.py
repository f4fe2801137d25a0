"""``reaudio-eval fetch``: downloads of a later command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reaudio_eval.evaluations.options import MACHINE
from reaudio_model.common.cli import print_json, reporter
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option, OptionGroup

if TYPE_CHECKING:
    from reaudio_eval.cli.needs import Need
    from reaudio_model.common.progress import Reporter

Status = Literal["there", "missing", "fetched", "failed"]


@dataclass(frozen=True)
class FetchRequest(OptionGroup):
    """What a later command will use."""

    embedders: Annotated[
        tuple[str, ...],
        Option(
            "Embedder of the later command; repeatable. Default, without --model: vggish, panns, clap.",
            "--embedder",
            everyday=True,
        ),
    ] = ()
    models: Annotated[tuple[str, ...], Option("Model of the later command; repeatable.", "--model", everyday=True)] = ()
    protocol: Annotated[
        str | None, Option("Protocol of the later command, which chooses among the checkpoints of an embedder.")
    ] = None
    cache_dir: Annotated[
        Path | None,
        Option(
            "Folder of features and checkpoints. Default: $REAUDIO_CACHE or the user cache.", panel=MACHINE, everyday=True
        ),
    ] = None


@dataclass(frozen=True)
class Outcome:
    """Of one thing. reason: why it failed, or ""."""

    need: Need
    status: Status
    reason: str = ""

    @property
    def is_missing(self) -> bool:
        return self.status in ("missing", "failed")

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        need = self.need
        return {
            "name": need.name,
            "needed_by": list(need.needed_by),
            "status": self.status,
            "reason": self.reason,
            "source": need.source,
            "n_bytes": need.n_bytes or None,
            "licence": need.licence or None,
            "place": str(need.place),
            "by_hand": need.by_hand if self.is_missing else None,
        }


def add_to(app: typer.Typer) -> None:
    """Add the command ``fetch``."""
    add_command(
        app,
        "fetch",
        FetchRequest,
        _fetch,
        summary="Download what a later command needs, verified, so that it runs without a network. With --dry-run: what, from where, how "
        "large, under which licence, and what is there already. Exit code 1 if anything could not be fetched.",
        example="reaudio-eval fetch --embedder panns --embedder clap --model audioldm-l --dry-run",
    )


def _fetch(request: FetchRequest, how: Invocation) -> None:
    needs = _needs(request, reporter(how.quiet))
    outcomes = [_outcome(need, how.dry_run, reporter(how.quiet)) for need in needs]
    if how.as_json:
        print_json(_summary(outcomes))
    else:
        typer.echo(_text(outcomes))
    if any(each.status == "failed" for each in outcomes):
        raise typer.Exit(1)


def _needs(request: FetchRequest, shown: Reporter) -> list[Need]:
    """What is needed, each thing once."""
    from reaudio_eval.cli.needs import embedder_needs, has_published_weights, merged, model_needs
    from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
    from reaudio_eval.scores.evaluate import DEFAULT_EMBEDDERS
    from reaudio_model.common.files import default_cache_dir

    cache_dir = request.cache_dir or default_cache_dir()
    embedders = request.embedders or (() if request.models else DEFAULT_EMBEDDERS)
    protocol = get_protocol(request.protocol or DEFAULT_PROTOCOL)
    needs = [*embedder_needs(embedders, protocol, cache_dir), *model_needs(request.models, cache_dir)]
    for name in request.models:
        if not has_published_weights(name):
            shown.note(f"{name}: there are no published weights, so nothing is fetched for it.")
    return merged(needs)


def _outcome(need: Need, dry_run: bool, shown: Reporter) -> Outcome:
    """What is there, or what came of fetching it; an error is that of one thing."""
    was_there = need.is_there()
    if dry_run:
        return Outcome(need, "there" if was_there else "missing")
    shown.note(f"{need.name}: {'verifying' if was_there else f'fetching from {need.source}'}")
    try:
        need.get()
    except ReaudioError as error:
        return Outcome(need, "failed", str(error).rstrip("."))
    return Outcome(need, "there" if was_there else "fetched")


def _summary(outcomes: Sequence[Outcome]) -> Mapping[str, Any]:
    """What ``--json`` prints."""
    return {
        "items": [each.to_json() for each in outcomes],
        "n_missing": sum(each.is_missing for each in outcomes),
        "n_bytes_missing": sum(each.need.n_bytes for each in outcomes if each.is_missing),
    }


def _text(outcomes: Sequence[Outcome]) -> str:
    """Two lines a thing, more where it is missing, and the sum."""
    lines = []
    for each in outcomes:
        need = each.need
        facts = ", ".join(filter(None, [_size(need.n_bytes), need.licence or "licence: see there"]))
        lines.append(f"{each.status:<7}  {need.name} ({facts}), for {', '.join(need.needed_by)}")
        lines.append(f"         {need.source} -> {need.place}")
        lines += [f"         why: {each.reason}"] * bool(each.reason)
        lines += [f"         by hand: {need.by_hand}"] * each.is_missing
    missing = [each.need for each in outcomes if each.is_missing]
    total = _size(sum(need.n_bytes for need in missing))
    unstated = sum(not need.n_bytes for need in missing)
    rest = f"{len(missing)} missing: {total}" + f", and {unstated} of unstated size" * bool(unstated)
    lines.append(f"{len(outcomes) - len(missing)} of {len(outcomes)} there{f', {rest}' if missing else ''}.")
    return "\n".join(lines)


def _size(n_bytes: int) -> str:
    if not n_bytes:
        return "size not stated"
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
