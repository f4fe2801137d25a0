"""reaudio-eval: does a text-to-audio model still work on the rare sounds?

The commands are functions too; names below are imported when first used, so that ``import reaudio_eval`` costs nothing::

    import reaudio_eval as re
    result = re.score("generated", "reference", options=re.Options(checkpoints={"panns": path}))
    report = re.longtail(re.LongtailRequest("audiocaps", re.DatasetOptions(root), output), re.Options())
    report.analysis.per_class  # a DataFrame
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reaudio_eval.evaluations.compare.run import ComparisonResult as ComparisonResult
    from reaudio_eval.evaluations.compare.run import compare as compare
    from reaudio_eval.evaluations.folders.run import FolderScores as FolderScores
    from reaudio_eval.evaluations.folders.run import score_folders as score  # noqa: F401
    from reaudio_eval.evaluations.listening.analyse import ListeningResult as ListeningResult
    from reaudio_eval.evaluations.listening.analyse import analyse_listening_test as analyse_listening_test
    from reaudio_eval.evaluations.listening.export import ListeningRequest as ListeningRequest
    from reaudio_eval.evaluations.listening.export import export_listening_test as export_listening_test
    from reaudio_eval.evaluations.longtail.plan import LongtailRequest as LongtailRequest
    from reaudio_eval.evaluations.longtail.plots import plot_per_class as plot_per_class
    from reaudio_eval.evaluations.longtail.rerender import rerender as rerender
    from reaudio_eval.evaluations.longtail.run import LongtailResult as LongtailResult
    from reaudio_eval.evaluations.longtail.run import longtail as longtail
    from reaudio_eval.evaluations.sweep.cells import parse_over as parse_over
    from reaudio_eval.evaluations.sweep.run import SweepRequest as SweepRequest
    from reaudio_eval.evaluations.sweep.run import SweepResult as SweepResult
    from reaudio_eval.evaluations.sweep.run import sweep as sweep
    from reaudio_eval.evaluations.zeroshot.run import ZeroshotRequest as ZeroshotRequest
    from reaudio_eval.evaluations.zeroshot.run import ZeroshotResult as ZeroshotResult
    from reaudio_eval.evaluations.zeroshot.run import zeroshot as zeroshot
    from reaudio_eval.prompts.datasets import DatasetOptions as DatasetOptions
    from reaudio_eval.runs.directory import read_run as read_run
    from reaudio_eval.scores.evaluate import Options as Options
    from reaudio_model.common.errors import ReaudioError as ReaudioError

__version__ = "0.1.0"

_PUBLIC = {
    "ComparisonResult": ("evaluations.compare.run", "ComparisonResult"),
    "DatasetOptions": ("prompts.datasets", "DatasetOptions"),
    "FolderScores": ("evaluations.folders.run", "FolderScores"),
    "ListeningRequest": ("evaluations.listening.export", "ListeningRequest"),
    "ListeningResult": ("evaluations.listening.analyse", "ListeningResult"),
    "LongtailRequest": ("evaluations.longtail.plan", "LongtailRequest"),
    "LongtailResult": ("evaluations.longtail.run", "LongtailResult"),
    "Options": ("scores.evaluate", "Options"),
    "ZeroshotRequest": ("evaluations.zeroshot.run", "ZeroshotRequest"),
    "ZeroshotResult": ("evaluations.zeroshot.run", "ZeroshotResult"),
    "ReaudioError": ("scores.evaluate", "ReaudioError"),
    "compare": ("evaluations.compare.run", "compare"),
    "analyse_listening_test": ("evaluations.listening.analyse", "analyse_listening_test"),
    "export_listening_test": ("evaluations.listening.export", "export_listening_test"),
    "longtail": ("evaluations.longtail.run", "longtail"),
    "parse_over": ("evaluations.sweep.cells", "parse_over"),
    "plot_per_class": ("evaluations.longtail.plots", "plot_per_class"),
    "read_run": ("runs.directory", "read_run"),
    "rerender": ("evaluations.longtail.rerender", "rerender"),
    "score": ("evaluations.folders.run", "score_folders"),
    "sweep": ("evaluations.sweep.run", "sweep"),
    "SweepRequest": ("evaluations.sweep.run", "SweepRequest"),
    "SweepResult": ("evaluations.sweep.run", "SweepResult"),
    "zeroshot": ("evaluations.zeroshot.run", "zeroshot"),
}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'reaudio_eval' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    value = getattr(importlib.import_module(f"reaudio_eval.{module}"), attribute)
    globals()[name] = value
    return value
