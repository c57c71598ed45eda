"""Distribution of image quality by group, and error versus discard (EDC) by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.derive.metrics import FNMR
from facegap.derive.quality import EDC
from facegap.derive.quality_values import BY_GROUP
from facegap.report.figures.style import (
    INK,
    MOST_ROWS,
    PALETTE,
    PER_CENT,
    ROOM_PX,
    ROW_PX,
    Figure,
    by_words,
    data,
    finished,
    is_known,
    label_px,
    scales,
    slug,
    tooltips,
)
from facegap.report.rows.frames import group_of, grouping_of, groupings_of, records
from facegap.report.tables import title_of
from facegap.report.text import clean, errors_of_trials, interval, level_text, percent, score
from facegap.store.run import Run

HEIGHT_PX = 230
MOST_CURVES = 4  # in one chart: more bands would overlap


def quality_figures(run: Run) -> list[Figure]:
    """A chart of the qualities per grouping, and one of error versus discard; none without --quality."""
    taken: set[str] = set()
    spreads, curves = rows_of(run, BY_GROUP), rows_of(run, EDC)
    found = []
    for grouping in groupings_of(run):
        own = [
            row for row in spreads if row["quality_group"] in ((), grouping) and row["images"] > row["without_quality"]
        ]
        if any(row["quality_group"] == grouping for row in own):
            found.append(spread_chart(own[:MOST_ROWS], grouping, slug(f"quality-by-{'-'.join(grouping)}", taken)))
    for grouping in groupings_of(run):
        own = [row for row in curves if row["quality_group"] == grouping and row["fnmr_trials"]]
        groups = list(dict.fromkeys(row["group"] for row in own))
        for start in range(0, len(groups), MOST_CURVES):
            some = [row for row in own if row["group"] in groups[start : start + MOST_CURVES]]
            name = slug(f"edc-by-{'-'.join(grouping)}", taken)
            found.append(curve_chart(some, grouping, name, run.record.level))
    return found


def rows_of(run: Run, name: str) -> list[dict[str, Any]]:
    """Rows of a table with the name of their group and their grouping, without those of unknown groups."""
    table: pd.DataFrame | None = run.extra.get(name)
    if table is None:
        return []
    groupings = groupings_of(run)
    rows = [(row, group_of(row, groupings)) for row in records(table)]
    return [
        {**row, "group": clean(group), "quality_group": grouping_of(group)} for row, group in rows if is_known(group)
    ]


def spread_chart(rows: Sequence[Mapping[str, Any]], grouping: Grouping, name: str) -> Figure:
    """One row per group: 5% to 95% quantiles, interquartile range, median, and mean with an interval."""
    points = [
        {
            **{key: row[key] for key in ("group", "median", "mean", "mean_low", "mean_high")},
            **{f"q{key}": row[f"quantile_{key}"] for key in ("05", "25", "75", "95")},
            "half": f"{score(row['quantile_25'])} to {score(row['quantile_75'])}",
            "most": f"{score(row['quantile_05'])} to {score(row['quantile_95'])}",
            "middle": f"{score(row['median'])} [{score(row['median_low'])}, {score(row['median_high'])}]",
            "average": f"{score(row['mean'])} [{score(row['mean_low'])}, {score(row['mean_high'])}]",
            "counted": f"{row['images'] - row['without_quality']:,}",
        }
        for row in rows
    ]
    groups = [str(point["group"]) for point in points]
    quality = clean(rows[0]["quality"])
    base = alt.Chart(data(points)).encode(
        y=alt.Y("group:N", sort=groups, title=None, axis=alt.Axis(grid=False, ticks=False, domain=False)),
        tooltip=tooltips(
            group="group", middle="median", average="mean", half="middle half", most="5% to 95%", counted="images"
        ),
    )
    title_x = f"quality ({quality}): higher is better"
    wide = base.mark_rule(color=PALETTE[0], strokeWidth=1.5).encode(
        x=alt.X("q05:Q", title=title_x, scale=alt.Scale(zero=False), axis=alt.Axis(format="~g")), x2=alt.X2("q95:Q")
    )
    half = base.mark_bar(color=PALETTE[0], opacity=0.35, height=12).encode(x=alt.X("q25:Q"), x2=alt.X2("q75:Q"))
    middle = base.mark_tick(color=INK, thickness=2, size=14).encode(x=alt.X("median:Q"))
    sure = base.mark_rule(color=PALETTE[1], strokeWidth=3).encode(x=alt.X("mean_low:Q"), x2=alt.X2("mean_high:Q"))
    mean = base.mark_point(color=PALETTE[1], filled=True, size=50, shape="diamond").encode(x=alt.X("mean:Q"))
    outside = label_px(groups) + 30
    chart = alt.layer(wide, half, middle, sure, mean).properties(
        width=ROOM_PX - outside, height=ROW_PX * len(points) + 10
    )
    title = f"Quality of images ({quality}), {by_words(grouping)}"
    told = "; ".join(f"{point['group']}: median {point['middle']}, middle half {point['half']}" for point in points[:8])
    note = "Line: 5% to 95% of the images. Bar: the middle half. Tick: the median. Diamond: the mean with its interval."
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=f"{title}. {told}.",
        outside_px=outside,
        caption=f"quality of images, {by_words(grouping)}",
        note=note,
        grouping=grouping,
    )


def curve_chart(rows: Sequence[Mapping[str, Any]], grouping: Grouping, name: str, level: float) -> Figure:
    """One line per group with its band of intervals."""
    points = [
        {
            "group": row["group"],
            "discard": row["discard"],
            "value": row["fnmr_value"],
            "low": row["fnmr_low"],
            "high": row["fnmr_high"],
            "at": percent(row["discard"]),
            "said": f"{percent(row['fnmr_value'])} {interval(row['fnmr_low'], row['fnmr_high'])} "
            f"{errors_of_trials(row['fnmr_errors'], row['fnmr_trials'])}",
        }
        for row in rows
    ]
    groups = list(dict.fromkeys(str(point["group"]) for point in points))
    colours, shapes = scales(groups)
    legend = alt.Legend(title=None, symbolOpacity=1) if len(groups) > 1 else None
    colour = alt.Color("group:N", scale=colours, legend=legend)
    axis = alt.Axis(labelExpr=PER_CENT, tickCount=5)
    base = alt.Chart(data(points)).encode(
        x=alt.X(
            "discard:Q",
            title="comparisons of lowest quality discarded, at most",
            axis=axis,
            scale=alt.Scale(nice=False),
        ),
        color=colour,
    )
    band = base.mark_area(opacity=0.16).encode(
        y=alt.Y("low:Q", title=title_of(FNMR.name), axis=axis, scale=alt.Scale(domainMin=0)), y2=alt.Y2("high:Q")
    )
    line = base.mark_line(strokeWidth=2).encode(y=alt.Y("value:Q"))
    marks = base.mark_point(filled=True, size=60).encode(
        y=alt.Y("value:Q"),
        shape=alt.Shape("group:N", scale=shapes, legend=legend),
        tooltip=tooltips(group="group", at="discarded, at most", said="FNMR of those left"),
    )
    chart = alt.layer(band, line, marks).properties(width=ROOM_PX - 90, height=HEIGHT_PX)
    quality = clean(rows[0]["quality"])
    title = f"Error versus discard: {title_of(FNMR.name)} by quality ({quality}), {by_words(grouping)}"
    told = "; ".join(
        f"{group}: {own[0]['said']} with all, {own[-1]['said']} with {own[-1]['at']} discarded"
        for group in groups
        for own in [[point for point in points if point["group"] == group]]
    )
    note = f"Bands: pointwise {level_text(level)} intervals at the marked proportions; lines join them."
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=f"{title}. {told}.",
        caption=f"error versus discard, {by_words(grouping)}",
        note=note,
        metric=FNMR.name,
        grouping=grouping,
    )
