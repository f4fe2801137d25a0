"""Base classes of every kind of evaluation: request, plan, run, result.

A kind of evaluation is a package here, in ``FOLDER/evaluations/`` of a plug-in folder, or named by an entry point
``reaudio_eval.evaluations``. Its ``__init__.py`` has ``EVALUATIONS``, a tuple of :class:`Evaluation` instances. Each of them becomes a
command of ``reaudio-eval`` and a function of the module ``reaudio_eval``; nothing else is edited. The package and its request are
imported for every ``--help`` and import nothing heavy; the module with the steps is imported when it is needed.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import shlex
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from reaudio_eval import plugins
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import OptionGroup, command_line, option_fields
from reaudio_model.common.progress import Reporter

if TYPE_CHECKING:
    import pandas as pd

    from reaudio_eval.reports.rendered import RenderedReport
    from reaudio_eval.statistics.analysis import Alert, NotComputed

Json = dict[str, Any]


class Request(OptionGroup):
    """What an evaluation is asked for: a frozen dataclass whose fields are the options of its command and its Python function."""


class Plan(Protocol):
    """Everything known before work starts. It keeps its request."""

    @property
    def request(self) -> Request: ...

    def to_json(self) -> Json:
        """What ``--dry-run`` prints."""
        ...


@dataclass(frozen=True)
class Result(ABC):
    """What an evaluation found.

    Attributes:
        report: files written, or None before :meth:`render`.
    """

    report: RenderedReport | None = field(default=None, kw_only=True)

    @property
    @abstractmethod
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Name -> DataFrame, of every number; the columns are those of :mod:`reaudio_eval.frames`."""

    @property
    def alerts(self) -> Sequence[Alert]:
        """What a reader must know before believing a number."""
        return ()

    @property
    def not_computed(self) -> Sequence[NotComputed]:
        """Metrics that were asked for, or are usual, and have no value."""
        return ()

    @property
    def verdict(self) -> Sequence[str]:
        """What the numbers allow one to say, in sentences."""
        return ()

    @abstractmethod
    def summary(self) -> Json:
        """What ``--json`` prints of this kind alone, beside verdict, alerts and files."""

    @abstractmethod
    def table_text(self) -> str:
        """The table that the terminal shows."""

    @abstractmethod
    def render(self, output: Path, reporter: Reporter) -> RenderedReport | None:
        """Write the page with its tables, figures and JSON into ``output``; None for a kind without a page.

        Raises:
            ReaudioError: ``output`` cannot be written.
        """

    def to_json(self) -> Json:
        """Numbers, verdict, alerts and the files written, JSON-able; what ``--json`` prints."""
        from reaudio_eval.reports.files import plain

        files = {} if self.report is None else self.report.to_json()
        alerts = [{"level": a.level, "message": a.message} for a in self.alerts]
        not_computed = {each.metric.name: each.reason for each in self.not_computed}
        added = {"verdict": list(self.verdict), "alerts": alerts, "not_computed": not_computed}
        record: Json = plain({**self.summary(), **added, **files})
        return record

    def to_text(self) -> str:
        """Verdict, table, metrics without a value, warnings and the way to the report, for a terminal."""
        from reaudio_eval.statistics.analysis import not_computed_line

        parts = ["\n".join(self.verdict), self.table_text(), not_computed_line(self.not_computed)]
        lines = [f"Warning: {a.message}" for a in self.alerts if a.level == "warning"]
        if self.report is not None:
            lines.append(f"Report: {self.report.html or self.report.json}")
        return "\n\n".join(part for part in (*parts, "\n".join(lines)) if part)

    def _repr_html_(self) -> str:
        """For notebooks: the verdict and the first table."""
        from markupsafe import escape

        table = next((frame.head(20).to_html(index=False, border=0) for frame in self.tables.values()), "")
        return f"<p>{'<br>'.join(str(escape(s)) for s in self.verdict)}</p>{table}"

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {len(frame)}x{len(frame.columns)}" for name, frame in self.tables.items())
        return f"{type(self).__name__}({shapes}{'' if self.report is None else f', report={self.report.html or self.report.json}'})"


class Steps(Protocol):
    """A module with the two steps of an evaluation."""

    def plan(self, request: Any, reporter: Reporter) -> Plan:
        """Read the data, choose embedders and metrics, and name what will be done, before any work.

        Raises:
            ReaudioError: anything that would make the run fail later and can be known now.
        """
        ...

    def run(self, plan: Any, reporter: Reporter) -> Result:
        """Do the work; a run that was cut off continues where it was. Writes run directories but no page."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """One kind of evaluation: a command and a Python function.

    An instance is the Python function: ``longtail(models="re-audioldm-l", output="reports/mine")`` takes the options of the request by
    name, ``longtail(request)`` a request.

    Attributes:
        name: of the command, "longtail"; with a space, "listening export", a command of a group.
        request: the class of its requests.
        steps: name of the module with ``plan`` and ``run`` (see :class:`Steps`), imported when first needed.
        summary: the help of the command.
        example: a command line that works.
        function: name of the Python function; "" takes the name of the command.
        rank: place among the commands, lowest first.
        group_summary: help of the group of commands, for a name with a space.
    """

    name: str
    request: type[Request]
    steps: str
    summary: str
    example: str
    function: str = ""
    rank: int = 100
    group_summary: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.summary)

    @property
    def __name__(self) -> str:
        return self.function or self.name.replace(" ", "_").replace("-", "_")

    @property
    def __signature__(self) -> inspect.Signature:
        """The options of the request, for ``help()`` and editors; arguments of the command are positional."""
        named, positional = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature(
            [
                inspect.Parameter(
                    f.name, positional if f.option.flag == "ARGUMENT" else named, annotation=f.kind,
                    default=inspect.Parameter.empty if f.default is MISSING else f.default,
                )
                for f in option_fields(self.request)
            ]
        )  # fmt: skip

    def plan(self, request: Request, reporter: Reporter) -> Plan:
        """See :meth:`Steps.plan`. A :class:`~reaudio_eval.scores.binding.NothingToComputeError` names the command that works."""
        from reaudio_eval.scores.binding import NothingToComputeError

        try:
            return self._steps.plan(request, reporter)
        except NothingToComputeError as error:
            if not error.remedy:
                raise
            remedied = self.request.of({**request.options(), **error.remedy})
            raise NothingToComputeError(f"{error} {self.command(remedied)}") from error

    def command(self, request: Request) -> str:
        """The command line of a request, without options that keep their default."""
        return " ".join(["reaudio-eval", *self.name.split(), *map(shlex.quote, command_line(request))])

    def run(self, plan: Plan, reporter: Reporter) -> Result:
        """See :meth:`Steps.run`."""
        return self._steps.run(plan, reporter)

    @property
    def _steps(self) -> Steps:
        return cast(Steps, importlib.import_module(self.steps))

    def execute(self, request: Request, reporter: Reporter) -> Result:
        """Plan, run and render."""
        result = self.run(self.plan(request, reporter), reporter)
        output = request.options().get("output")
        return result if output is None else dataclasses.replace(result, report=result.render(output, reporter))

    def __call__(self, *arguments: Any, reporter: Reporter | None = None, **options: Any) -> Any:
        """The evaluation as a Python function.

        Args:
            arguments: a request alone, or the positional arguments of the command.
            reporter: shows progress; None shows nothing.
            options: by the names of the request's options.

        Raises:
            ReaudioError: as :meth:`plan` and :meth:`run`.
            UnknownNameError: no such option.
        """
        if len(arguments) == 1 and isinstance(arguments[0], self.request):
            request = self.request.of({**arguments[0].options(), **options})
        else:
            names = [f.name for f in option_fields(self.request) if f.option.flag == "ARGUMENT"]
            if len(arguments) > len(names):
                raise TypeError(f"{self.__name__}() takes {len(names)} positional arguments, {len(arguments)} were given")
            request = self.request.of({**dict(zip(names, arguments, strict=False)), **options})
        return self.execute(request, reporter or Reporter(quiet=True))


def find_evaluations() -> list[Evaluation]:
    """Every registered evaluation, in the order of the commands.

    A plug-in that cannot be used, or that has the name of another evaluation, is left out, with a line on stderr.
    """
    found: dict[str, Evaluation] = {}
    folders: set[str] = set()
    for entry in plugins.all_entries("evaluations"):
        try:
            own = _evaluations_of(plugins.import_entry("evaluations", entry))
            taken = [e.name for e in own if e.name in found or e.__name__ in {f.__name__ for f in found.values()}]
            taken += [entry.name] if entry.name in folders else []
            if taken:
                raise ReaudioError(f"there is another evaluation of the name {taken[0]!r}")
            found |= {e.name: e for e in own}
            folders.add(entry.name)
        except (Exception, SystemExit) as error:
            if entry.origin == plugins.OWN:
                raise
            print(f"The evaluation {entry.name!r} of {entry.origin} is left out: {error}", file=sys.stderr)
    return sorted(found.values(), key=lambda evaluation: evaluation.rank)


def _evaluations_of(module: ModuleType) -> tuple[Evaluation, ...]:
    found = vars(module).get("EVALUATIONS")
    if not isinstance(found, tuple) or not all(isinstance(each, Evaluation) for each in found):
        raise ReaudioError(
            f"{module.__file__} needs EVALUATIONS, a tuple of instances of reaudio_eval.evaluations.base.Evaluation."
        )
    for each in found:
        option_fields(each.request)  # every field is an option
    return found
