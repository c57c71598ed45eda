"""The charts of a run: tables in, Vega-Lite out. One spec is drawn in the page and to the files of figures/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from altair.utils.schemapi import debug_mode

from facegap.report.figures.det import det_figures
from facegap.report.figures.matrix import matrix_figures, transfer_figures
from facegap.report.figures.rates import at_threshold_figures, error_figures
from facegap.report.figures.scores import score_figures
from facegap.report.figures.style import Figure
from facegap.report.figures.tone import tone_figures
from facegap.report.figures.waterfall import waterfall_figures
from facegap.store.run import Run

__all__ = ["FIGURES", "Figure", "figures_of"]

# In the order of the page. Each function gives no figure where a run has nothing to draw.
FIGURES: Mapping[str, Callable[[Run], list[Figure]]] = MappingProxyType(
    {
        "errors": error_figures,
        "waterfall": waterfall_figures,
        "scores": score_figures,
        "det": det_figures,
        "matrix": matrix_figures,
        "transfer": transfer_figures,
        "threshold": at_threshold_figures,
        "tone": tone_figures,
    }
)


def figures_of(run: Run) -> dict[str, list[Figure]]:
    """Every chart of a run by the part of the page that it belongs to."""
    with debug_mode(False):  # altair would hold every property to its schema, for seconds; the tests do that instead
        return {part: draw(run) for part, draw in FIGURES.items()}
