"""The long-tail report and the label histogram: from an analysis to HTML, figures, tables and JSON."""

from reaudio_eval.render.figures import label_histogram_figure
from reaudio_eval.render.html import RenderedReport, render_longtail
from reaudio_eval.render.svg import save_figure

__all__ = ["RenderedReport", "label_histogram_figure", "render_longtail", "save_figure"]
