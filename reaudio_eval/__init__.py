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
    from reaudio_eval.compare_runs import ComparisonResult as ComparisonResult
    from reaudio_eval.compare_runs import compare as compare
    from reaudio_eval.datasets import DatasetOptions as DatasetOptions
    from reaudio_eval.evaluate import Options as Options
    from reaudio_eval.listening.analyse import ListeningResult as ListeningResult
    from reaudio_eval.listening.analyse import analyse_listening_test as analyse_listening_test
    from reaudio_eval.listening.export import ListeningRequest as ListeningRequest
    from reaudio_eval.listening.export import export_listening_test as export_listening_test
    from reaudio_eval.longtail_plan import LongtailRequest as LongtailRequest
    from reaudio_eval.longtail_run import LongtailResult as LongtailResult
    from reaudio_eval.longtail_run import longtail as longtail
    from reaudio_eval.plots import plot_per_class as plot_per_class
    from reaudio_eval.rerendering import rerender as rerender
    from reaudio_eval.runs import read_run as read_run
    from reaudio_eval.score_folders import FolderScores as FolderScores
    from reaudio_eval.score_folders import score_folders as score  # noqa: F401
    from reaudio_eval.sweep_cells import parse_over as parse_over
    from reaudio_eval.sweep_run import SweepRequest as SweepRequest
    from reaudio_eval.sweep_run import SweepResult as SweepResult
    from reaudio_eval.sweep_run import sweep as sweep
    from reaudio_eval.zeroshot_run import ZeroshotRequest as ZeroshotRequest
    from reaudio_eval.zeroshot_run import ZeroshotResult as ZeroshotResult
    from reaudio_eval.zeroshot_run import zeroshot as zeroshot
    from reaudio_model.common.errors import ReaudioError as ReaudioError

__version__ = "0.1.0"

_PUBLIC = {
    "ComparisonResult": ("compare_runs", "ComparisonResult"),
    "DatasetOptions": ("datasets", "DatasetOptions"),
    "FolderScores": ("score_folders", "FolderScores"),
    "ListeningRequest": ("listening.export", "ListeningRequest"),
    "ListeningResult": ("listening.analyse", "ListeningResult"),
    "LongtailRequest": ("longtail_plan", "LongtailRequest"),
    "LongtailResult": ("longtail_run", "LongtailResult"),
    "Options": ("evaluate", "Options"),
    "ZeroshotRequest": ("zeroshot_run", "ZeroshotRequest"),
    "ZeroshotResult": ("zeroshot_run", "ZeroshotResult"),
    "ReaudioError": ("evaluate", "ReaudioError"),
    "compare": ("compare_runs", "compare"),
    "analyse_listening_test": ("listening.analyse", "analyse_listening_test"),
    "export_listening_test": ("listening.export", "export_listening_test"),
    "longtail": ("longtail_run", "longtail"),
    "parse_over": ("sweep_cells", "parse_over"),
    "plot_per_class": ("plots", "plot_per_class"),
    "read_run": ("runs", "read_run"),
    "rerender": ("rerendering", "rerender"),
    "score": ("score_folders", "score_folders"),
    "sweep": ("sweep_run", "sweep"),
    "SweepRequest": ("sweep_run", "SweepRequest"),
    "SweepResult": ("sweep_run", "SweepResult"),
    "zeroshot": ("zeroshot_run", "zeroshot"),
}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'reaudio_eval' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    value = getattr(importlib.import_module(f"reaudio_eval.{module}"), attribute)
    globals()[name] = value
    return value
