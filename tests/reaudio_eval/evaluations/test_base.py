"""One folder adds a kind of evaluation: a command, a JSON form, a page and a Python function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval.cli.app import make_app
from reaudio_eval.evaluations.base import find_evaluations
from reaudio_eval.evaluations.options import Data, Measures, Page, Systems
from reaudio_model.common.options import option_fields

pytestmark = pytest.mark.usefixtures("no_figures")

runner = CliRunner()
TOY = '''
"""Lengths of captions."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.evaluations.base import Evaluation, Request, Result
from reaudio_eval.evaluations.options import Data, OutputFolder
from reaudio_model.common.options import Option


@dataclass(frozen=True)
class CaptionsRequest(Request):
    data: Data = field(default_factory=Data)
    unit: Annotated[str, Option("words or letters.", panel="Metrics", everyday=True)] = "words"
    output: OutputFolder = Path("reports/captions")


@dataclass(frozen=True)
class CaptionsPlan:
    request: CaptionsRequest

    def to_json(self):
        return {"unit": self.request.unit}


@dataclass(frozen=True, repr=False)
class CaptionsResult(Result):
    lengths: dict

    @property
    def tables(self):
        import pandas as pd

        return {"lengths": pd.DataFrame({"clip_id": list(self.lengths), "length": list(self.lengths.values())})}

    @property
    def verdict(self):
        return [f"{len(self.lengths)} captions."]

    def summary(self):
        return {"lengths": self.lengths}

    def table_text(self):
        return self.tables["lengths"].to_string(index=False)

    def render(self, output, reporter):
        from reaudio_eval.reports.files import record_json
        from reaudio_eval.reports.page import PageHead
        from reaudio_eval.reports.report import write_report
        from reaudio_eval.reports.section import Section

        head = PageHead("captions", "Captions", "Captions", (), ())
        section = Section(1, "lengths", "Lengths", "<h2>Lengths</h2>{{ lengths }}", lambda result: {"lengths": result.lengths})
        record = record_json({"lengths": self.lengths})
        return write_report(head, [section], lambda figures, clips: self, output, record=record, tables=())


EVALUATIONS = (
    Evaluation("captions", CaptionsRequest, f"{__name__}.steps", "Count the words of captions.", "reaudio-eval captions --unit letters"),
)
'''
STEPS = """
from . import CaptionsPlan, CaptionsResult


def plan(request, reporter):
    return CaptionsPlan(request)


def run(plan, reporter):
    return CaptionsResult({"clip": 3 if plan.request.unit == "words" else 12})
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugins" / "evaluations" / "captions"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(TOY, encoding="utf-8")
    (folder / "steps.py").write_text(STEPS, encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    return tmp_path


def test_one_folder_adds_a_command_json_a_page_and_a_function(toy: Path) -> None:
    app = make_app()
    assert "captions" in runner.invoke(app, ["list", "evaluations"]).stdout
    shown = runner.invoke(app, ["captions", "--help"]).stdout
    assert "Count the words of captions." in shown
    assert "--unit" in shown
    assert json.loads(runner.invoke(app, ["captions", "--dry-run"]).stdout) == {"unit": "words"}
    done = runner.invoke(app, ["captions", "--unit", "letters", "--output", str(toy / "out"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["lengths"] == {"clip": 12}
    assert found["verdict"] == ["1 captions."]
    assert found["report"] == str(toy / "out" / "captions.html")
    assert "&#39;clip&#39;: 12" in (toy / "out" / "captions.html").read_text(encoding="utf-8")
    result = reaudio_eval.captions(output=toy / "python")
    assert result.tables["lengths"]["length"].tolist() == [3]
    assert result.report.html.is_file()
    assert "captions" in dir(reaudio_eval)
    assert "CaptionsResult(lengths 1x2, report=" in repr(result)
    assert "<table" in result._repr_html_()
    assert result.to_text().startswith("1 captions.\n\n")


def test_a_broken_plug_in_leaves_the_other_commands(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toy / "plugins" / "evaluations" / "captions" / "__init__.py").write_text(
        "import nothing_of_this_name\nEVALUATIONS = ()\n", encoding="utf-8"
    )
    assert "longtail" in runner.invoke(make_app(), ["--help"]).stdout
    assert "captions" not in dir(reaudio_eval)
    assert "cannot be imported: No module named 'nothing_of_this_name'" in capsys.readouterr().err


def test_a_plug_in_never_replaces_an_evaluation(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = toy / "plugins" / "evaluations" / "captions" / "__init__.py"
    package.write_text(TOY.replace('"captions", CaptionsRequest', '"longtail", CaptionsRequest'), encoding="utf-8")
    assert [e.request.__name__ for e in find_evaluations() if e.name == "longtail"] == ["LongtailRequest"]
    assert "is left out: there is another evaluation of the name 'longtail'" in capsys.readouterr().err


def test_a_field_that_is_no_option_leaves_the_plug_in_out(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = toy / "plugins" / "evaluations" / "captions" / "__init__.py"
    package.write_text(TOY.replace("    data: Data = field", "    n: int = 3\n    data: Data = field"), encoding="utf-8")
    assert "longtail" in runner.invoke(make_app(), ["--help"]).stdout
    assert "CaptionsRequest.n is neither an option nor a group" in capsys.readouterr().err


def test_a_request_and_options(toy: Path) -> None:
    request = reaudio_eval.CaptionsRequest.of({"limit": 3, "output": toy / "a"})
    assert reaudio_eval.captions(request, unit="letters", limit=4).lengths == {"clip": 12}


def test_every_evaluation_states_what_it_needs() -> None:
    found = find_evaluations()
    assert [e.name for e in found[:4]] == ["longtail", "zeroshot", "sweep", "compare"]
    for evaluation in found:
        assert evaluation.summary.endswith("."), evaluation.name
        assert evaluation.example.startswith("reaudio-eval " + evaluation.name)
        assert any(f.option.everyday or f.option.flag == "ARGUMENT" for f in option_fields(evaluation.request))


def test_kinds_that_score_systems_have_the_same_options() -> None:
    requests = {e.name: {f.name: f for f in option_fields(e.request)} for e in find_evaluations()}
    shared = [f.name for group in (Data, Measures, Page) for f in option_fields(group)]
    for name in ("longtail", "zeroshot", "sweep"):
        assert set(shared) <= set(requests[name])
        for option in (*shared, "retrieval", "steps", "seed", "strata", "primary", "overwrite", "device"):
            assert requests[name][option].option == requests["longtail"][option].option, (name, option)
    assert {f.name for f in option_fields(Systems)} <= set(requests["zeroshot"])


@pytest.mark.slow
def test_the_request_of_a_run_is_kept_and_can_be_given_again(tmp_path: Path) -> None:
    options = {"models": "noise", "limit": 4, "metrics": "kl", "media": "none", "real": False, "noise": False}
    result = reaudio_eval.longtail(**options, output=tmp_path / "first")
    kept = result.runs[0] / "request.yaml"
    assert yaml.safe_load(kept.read_text(encoding="utf-8")) == {
        **options,
        "models": ["noise"],
        "metrics": ["kl"],
        "output": str(tmp_path / "first"),
    }
    again = runner.invoke(
        make_app(), ["longtail", "--config", str(kept), "--output", str(tmp_path / "again"), "--json", "--quiet"]
    )
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["systems"] == result.to_json()["systems"]


def dry_run(*arguments: str) -> dict[str, Any]:
    result = runner.invoke(make_app(), [*arguments, "--dry-run", "--quiet"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.slow
def test_a_metric_named_alone_replaces_the_datasets_own_first_metric() -> None:
    for arguments in (["sweep", "--over", "k=0,1"], ["longtail"], ["zeroshot"]):
        found = dry_run(*arguments, "--model", "re-audioldm-s", "--metric", "kl_miniature_tagger")
        assert found["metrics"] == {"kl_miniature_tagger": "will be computed"}


def test_zeroshot_takes_a_sample_and_a_part_of_the_pairs() -> None:
    found = dry_run("zeroshot", "--model", "re-audioldm-s", "--sample", "6", "--retrieval", "audio")
    assert found["dataset"]["n_prompts"] == 6
    assert any("6 of" in note or "chosen" in note for note in found["notes"])


@pytest.mark.slow
def test_report_and_plot_have_a_dry_run(tmp_path: Path) -> None:
    reaudio_eval.longtail(
        models="noise", limit=4, metrics="label_accuracy", media="none", real=False, noise=False, output=tmp_path
    )
    found = dry_run("report", str(tmp_path), "--output", str(tmp_path / "again"))
    assert list(found["systems"]) == ["noise"]
    assert found["n_clips"] == 4
    assert not (tmp_path / "again").exists()
    files = dry_run("plot", "per-class", str(tmp_path), "-o", str(tmp_path / "f.svg"))["files"]
    assert files == [str(tmp_path / "f.svg"), str(tmp_path / "f.csv")]
