"""A comparison in a notebook: the finding, one table, one chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facegap.compare.charts import comparison_figures
from facegap.compare.text import findings, headline_metrics, short_table
from facegap.report.figures.render import drawn
from facegap.report.page import environment

if TYPE_CHECKING:
    from facegap.compare.build import Comparison


def html_of(found: Comparison) -> str:
    """The HTML fragment; the template engine escapes every value, and the chart is an embedded image."""
    rows = found.rows
    pair = next(iter(comparison_figures(rows, headline_metrics(rows)[:1])["errors"]), None)
    return (
        environment()
        .get_template("notebook.html")
        .render(
            about=found.about,
            alarms=[],
            finding=[*findings(rows), *found.warnings],
            table=short_table(rows),
            figure=None if pair is None else pair.wide,
            picture=None if pair is None else drawn(pair.wide),
            contents=f"Tables in frames: {', '.join(found.frames)}",
        )
    )
