"""Size and build time of the report: 48 prompts, 7 systems and the real audio, 10 s clips, 6 metrics, 100 classes.

Run with ``python benchmarks/report.py [--jobs N]``. Clips and numbers are synthetic (tests/helpers/synthetic_report.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import synthetic_report

from reaudio_eval.evaluations.longtail.page import render_longtail
from reaudio_eval.statistics.analysis import LongtailAnalysis


def measure(
    what: str, analysis: LongtailAnalysis, output: Path, media: Literal["inline", "folder", "none"], players: int, jobs: int
) -> None:
    """Build one report and print its time, the size of the page and of the media beside it."""
    start = time.perf_counter()
    report = render_longtail(analysis, output, media=media, max_players=players, jobs=jobs)
    seconds = time.perf_counter() - start
    beside = sum(path.stat().st_size for path in report.media)
    print(f"{what:<42} {seconds:6.1f} s   page {report.html.stat().st_size / 1e6:6.2f} MB   media {beside / 1e6:6.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="threads that encode audio")
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        analysis = synthetic_report.build(root / "clips", seconds=10.0)
        measure("no players", analysis, root / "none", "none", 0, jobs)
        measure("200 players in the page (default)", analysis, root / "inline", "inline", 200, jobs)
        measure("384 players in a folder", analysis, root / "folder", "folder", 384, jobs)
        measure("384 players in a folder, again", analysis, root / "folder", "folder", 384, jobs)


if __name__ == "__main__":
    main()
