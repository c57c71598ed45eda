"""False rejections by the number of frames from which templates are pooled."""

from __future__ import annotations

from typing import Any

import altair as alt

from facegap.derive.metrics import FNMR
from facegap.report.figures.style import (
    PER_CENT,
    ROOM_PX,
    Figure,
    by_words,
    data,
    finished,
    is_known,
    scales,
    slug,
    tooltips,
)
from facegap.report.rows.frames import group_of, grouping_of, groupings_of, records
from facegap.report.tables import title_of
from facegap.report.text import clean, interval, percent, score
from facegap.store.run import Run

HEIGHT_PX = 230
MOST_GROUPS = 6


def frames_figures(run: Run) -> list[Figure]:
    """FNMR at the first threshold over the number of frames: all subjects, then the groups of each small grouping."""
    table = run.extra.get("frames.csv")
    if table is None or not len(table) or not (table["metric"] == FNMR.name).any():
        return []
    rows = table[table["metric"] == FNMR.name]
    rows = rows[rows["threshold_from"] == rows["threshold_from"].iloc[0]]
    groupings, taken = groupings_of(run), set[str]()
    points = [{**row, "group": group_of(row, groupings)} for row in records(rows)]
    found = []
    for grouping in ((), *groupings):
        own = [row for row in points if grouping_of(row["group"]) == grouping and is_known(row["group"])]
        own = [row for row in own if row["trials"]]
        if 0 < len({row["group"] for row in own}) <= MOST_GROUPS:
            found.append(line_chart(own, grouping, slug(f"frames-{'-'.join(grouping) or 'everybody'}", taken)))
    return found


def line_chart(rows: list[dict[str, Any]], grouping: tuple[str, ...], name: str) -> Figure:
    """One line per group with the interval for each number of frames."""
    points = [
        {
            "frames": row["frames"],
            "group": clean(row["group"]),
            "value": row["value"],
            "low": row["low"],
            "high": row["high"],
            "said": f"{percent(row['value'])} {interval(row['low'], row['high'])} ({row['errors']:,} of {row['trials']:,} pairs)",
            "count": str(row["frames"]),
        }
        for row in rows
    ]
    groups = list(dict.fromkeys(point["group"] for point in points))
    colours, shapes = scales(groups)
    counts = sorted({int(point["frames"]) for point in points})
    legend = alt.Legend(title=None) if len(groups) > 1 else None
    x = alt.X(
        "frames:Q",
        title="frames of each template, at most",
        scale=alt.Scale(type="log", base=2, nice=False),
        axis=alt.Axis(values=counts, format="d", grid=False),
    )
    y = alt.Y(
        "value:Q",
        title=title_of(FNMR.name),
        axis=alt.Axis(labelExpr=PER_CENT, tickCount=5),
        scale=alt.Scale(domainMin=0),
    )
    base = alt.Chart(data(points)).encode(x=x, color=alt.Color("group:N", scale=colours, legend=legend))
    bars = base.mark_rule(opacity=0.45, strokeWidth=2).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"))
    line = base.mark_line(strokeWidth=2).encode(y=y)
    marks = base.mark_point(filled=True, size=60).encode(
        y=y,
        shape=alt.Shape("group:N", scale=shapes, legend=legend),
        tooltip=tooltips(group="group", count="frames", said="FNMR"),
    )
    chart = alt.layer(bars, line, marks).properties(width=ROOM_PX - 90, height=HEIGHT_PX)
    threshold = score(float(rows[0]["threshold"]))
    title = f"{title_of(FNMR.name)} by number of frames, threshold {threshold}, {by_words(grouping)}"
    last = counts[-1]
    told = "; ".join(
        f"{group}: {first['said']} with {first['count']}, {end['said']} with up to {end['count']}"
        for group in groups
        for first in [next(point for point in points if point["group"] == group)]
        for end in [next(point for point in reversed(points) if point["group"] == group)]
    )
    note = f"Vertical lines: intervals at the threshold as given. With {last} every template has all of its frames."
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=f"{title}. {told}.",
        caption=by_words(grouping),
        note=note,
        metric=FNMR.name,
        grouping=grouping,
    )
