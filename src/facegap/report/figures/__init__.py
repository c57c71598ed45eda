"""The charts of a run: from tables to Vega-Lite. The same spec is used in the page and for the files of figures/."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from altair.utils.schemapi import debug_mode

from facegap.errors import PluginError
from facegap.plugins import extended
from facegap.report.figures.ages import age_figures
from facegap.report.figures.answers import answer_figures
from facegap.report.figures.balanced import balanced_figures
from facegap.report.figures.det import det_figures
from facegap.report.figures.first_frames import frames_figures
from facegap.report.figures.matrix import matrix_figures, transfer_figures
from facegap.report.figures.quality import quality_figures
from facegap.report.figures.rates import at_threshold_figures, error_figures
from facegap.report.figures.scores import score_figures
from facegap.report.figures.slopes import slope_figures
from facegap.report.figures.style import Figure
from facegap.report.figures.tone import tone_figures
from facegap.report.figures.waterfall import waterfall_figures
from facegap.store.run import Run

__all__ = ["FIGURES", "Chart", "Figure", "charts", "figures_in", "figures_of"]

FIGURE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")

Chart = Callable[[Run], list[Figure]]
# In the order of the page. Each function returns no figure if a run has no data for it.
FIGURES: Mapping[str, Chart] = MappingProxyType(
    {
        "errors": error_figures,
        "slopes": slope_figures,
        "ages": age_figures,
        "answers": answer_figures,
        "frames": frames_figures,
        "balanced": balanced_figures,
        "quality": quality_figures,
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
    """Every chart of a run by its section of the page."""
    with debug_mode(
        False
    ):  # altair would validate every property against its schema, which takes seconds; the tests do that instead
        found = {part: draw(run) for part, draw in charts().items()}
    taken = {figure.name for part in FIGURES for figure in found[part]}
    for part in found.keys() - FIGURES.keys():
        require_figures(found[part], part, taken)
    return found


def figures_in(run: Run, part: str) -> list[Figure]:
    """The charts of one section of the page; no others are made.

    Raises
    ------
    KeyError : if there is no such section
    """
    with debug_mode(False):
        found = charts()[part](run)
    if part not in FIGURES:
        require_figures(found, part, set())
    return found


def charts() -> Mapping[str, Chart]:
    """FIGURES and the charts of installed plugins, see docs/extending.md."""
    return extended("facegap.charts", FIGURES, _of_plugin)


def require_figures(found: object, part: str, taken: set[str]) -> None:
    """Raise PluginError if a plugin's chart returns no figures, or a figure with an invalid file name.

    taken : names of other figures; the new ones are added
    """
    if not isinstance(found, list) or not all(isinstance(figure, Figure) for figure in found):
        raise PluginError(f"chart {part!r}: it must give a list of facegap.report.figures.style.Figure")
    for figure in found:
        if not FIGURE_NAME.fullmatch(figure.name) or figure.name in taken:
            raise PluginError(
                f"chart {part!r}: the figure name {figure.name!r} is already used, or does not consist of lower-case "
                f"letters, digits and hyphens"
            )
        taken.add(figure.name)


def _of_plugin(_name: str, value: Any) -> Chart:
    if not callable(value):
        raise ValueError("a chart is a function from a run to a list of figures")
    chart: Chart = value
    return chart
