"""Error rates along continuous columns: the fitted curve and its confidence band."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from facegap.derive.metrics import metric_of
from facegap.derive.run import comparisons_of
from facegap.derive.slopes import slope_bands, slope_columns
from facegap.report.figures.style import PALETTE, PER_CENT, ROOM_PX, Figure, data, finished, slug, tooltips
from facegap.report.rows.frames import records
from facegap.report.tables import title_of
from facegap.report.text import clean, interval, level_text, percent, score
from facegap.store.run import Run

HEIGHT_PX = 220


def slope_figures(run: Run) -> list[Figure]:
    """A chart per column of --slope, main rate and threshold; none without --slope."""
    if not slope_columns(run):
        return []
    bands = slope_bands(run, comparisons_of(run))
    taken: set[str] = set()
    found = []
    for (column, metric, _), rows in (
        bands.groupby(["column", "metric", "threshold"], sort=False, dropna=False) if len(bands) else ()
    ):
        if metric_of(str(metric)).is_headline:
            name = slug(f"slope-{metric}-{column}", taken)
            found.append(curve(rows, str(column), str(metric), name, run.record.level))
    return found


def curve(rows: pd.DataFrame, column: str, metric: str, name: str, level: float) -> Figure:
    """One rate along one column."""
    threshold = float(rows["threshold"].iloc[0])
    at = "" if math.isnan(threshold) else f" at threshold {score(threshold)}"
    title = f"{title_of(metric)}{at}, along {clean(column)}"
    points: list[dict[str, Any]] = [
        {
            "value": row["value"],
            "rate": row["rate"],
            "low": row["low"],
            "high": row["high"],
            "where": f"{row['value']:.4g}",
            "said": f"{percent(row['rate'])} {interval(row['low'], row['high'])}",
        }
        for row in records(rows)
    ]
    base = alt.Chart(data(points)).encode(
        x=alt.X("value:Q", title=clean(column), scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(format="~g")),
        tooltip=tooltips(where=clean(column), said="fitted rate"),
    )
    axis = alt.Axis(labelExpr=PER_CENT, tickCount=5)
    band = base.mark_area(opacity=0.22, color=PALETTE[0]).encode(
        y=alt.Y("low:Q", title=title_of(metric), axis=axis), y2=alt.Y2("high:Q")
    )
    line = base.mark_line(color=PALETTE[0], strokeWidth=2).encode(y=alt.Y("rate:Q"))
    first, last = points[0], points[-1]
    told = f"{title}: from {first['said']} at {first['where']} to {last['said']} at {last['where']}."
    note = (
        f"A logistic curve with its pointwise {level_text(level)} band, over the range of the trials. The verdict is on the change "
        "between the 10% and the 90% quantile, in the table."
    )
    chart = alt.layer(band, line).properties(width=ROOM_PX - 90, height=HEIGHT_PX)
    return finished(chart, name=name, title=title, alt_text=told, note=note)
