"""Chart of the gap of each group to the reference: raw, after each covariate, and after all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from facegap.derive.balanced.rows import Row
from facegap.derive.metrics import metric_of
from facegap.report.balanced import covariates_text, distance, gap_text, rows_of_run, step_text, verdict_text
from facegap.report.figures.style import (
    INK,
    MOST_ROWS,
    MUTED,
    PALETTE,
    ROOM_PX,
    SHAPES,
    Figure,
    data,
    finished,
    label_px,
    slug,
)
from facegap.report.text import clean
from facegap.store.run import Run

LANE_PX, GROUP_PX = 16, 14
MOST_LANES = 3 * MOST_ROWS
RAW, ALL = "raw", "all"


def balanced_figures(run: Run) -> list[Figure]:
    """The charts of an audit that balanced covariates."""
    return gap_figures(rows_of_run(run))


def gap_figures(rows: Sequence[Row]) -> list[Figure]:
    """One chart per metric; groups with the widest raw gap first."""
    taken: set[str] = set()
    found = []
    for metric in dict.fromkeys(row.metric for row in rows):
        shown = [
            row
            for row in rows
            if row.metric == metric and row.estimate in ("raw", "balanced") and not math.isnan(row.gap)
        ]
        if shown:
            found.append(gap_figure(shown, metric, slug(f"gap-{metric}", taken)))
    return found


def gap_figure(rows: Sequence[Row], metric: str, name: str) -> Figure:
    """Dots with intervals: a lane per step in the row of each group; no difference and the margins as lines."""
    steps = list(dict.fromkeys(lane_of(row) for row in rows))
    raw = {row.group: abs(distance(row)) for row in rows if row.estimate == "raw"}
    groups = sorted(dict.fromkeys(row.group for row in rows), key=lambda group: -raw.get(group, 0.0))
    groups = groups[: max(1, MOST_LANES // len(steps))]
    first = rows[0]
    marks = [mark(row) for row in rows if row.group in groups]
    order = [clean(group) for group in groups]
    looks = [clean(step) for step in steps]
    colour = alt.Scale(domain=looks, range=[colour_of(k, len(steps)) for k in range(len(steps))])
    shape = alt.Scale(domain=looks, range=[SHAPES[k % len(SHAPES)] for k in range(len(steps))])
    legend = alt.Legend(title="balanced", labelLimit=260, columnPadding=22)
    base = alt.Chart(data(marks)).encode(
        y=alt.Y("group:N", sort=order, axis=alt.Axis(title=None, ticks=False, domain=False, grid=True)),
        yOffset=alt.YOffset("step:N", sort=looks, scale=alt.Scale(paddingOuter=0.4)),
        color=alt.Color("step:N", scale=colour, legend=legend, sort=looks),
    )
    x = axis_of(first)
    lines = base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("gap:Q"), shape=alt.Shape("step:N", scale=shape, legend=legend, sort=looks)
    )
    edges = (1 / first.margin, first.margin) if first.is_ratio else (-first.margin, first.margin)
    scaled = 1.0 if first.is_ratio else 100.0
    none = alt.Chart(data([{"at": first.no_gap * scaled}])).mark_rule(color=INK).encode(x="at:Q")
    margins = (
        alt.Chart(data([{"at": edge * scaled} for edge in edges]))
        .mark_rule(color=MUTED, strokeDash=[4, 3])
        .encode(x="at:Q")
    )
    height = len(groups) * (LANE_PX * len(steps) + GROUP_PX)
    chart: Any = alt.layer(none, margins, lines, dots).properties(width=ROOM_PX - label_px(order) - 40, height=height)
    marked = " (over-adjusted)" if any(row.overadjusted for row in rows) else ""
    title = f"Gap to {first.reference} before and after balancing{marked}: {metric_of(metric).title}"
    left_out = len(raw) - len(groups)
    made = finished(
        chart,
        name=name,
        title=title,
        alt_text=in_words(rows, title),
        note=f"{left_out} groups with the narrowest raw gaps are in the table only." if left_out > 0 else "",
        metric=metric,
        least_px=220,
    )
    config = made.spec["config"]
    legends = config["legend"] | {"columns": min(4, len(steps))}  # in the config, where a narrow page sets it to 1
    return replace(made, spec=made.spec | {"config": config | {"legend": legends}})


def colour_of(lane: int, lanes: int) -> str:
    """The raw gap is black and that after all covariates blue; the rest of the palette is used in between."""
    if lane == 0:
        return INK
    return PALETTE[0] if lane == lanes - 1 else PALETTE[1 + (lane - 1) % 4]


def lane_of(row: Row) -> str:
    """The step of a row, as named in the legend."""
    if row.estimate == "raw":
        return RAW
    return ALL if row.is_of_all and len(row.covariates) > 1 else step_text(row)


def mark(row: Row) -> dict[str, Any]:
    """One gap as a row of the chart's data: differences in points."""
    scale = 1.0 if row.is_ratio else 100.0
    return {
        "group": clean(row.group),
        "step": clean(lane_of(row)),
        "gap": scale * row.gap,
        "low": scale * row.low,
        "high": scale * row.high,
    }


def axis_of(row: Row) -> Any:
    """The axis of gaps: points, or a ratio on a logarithmic axis."""
    if row.is_ratio:
        axis = alt.Axis(
            title="ratio of the rates, log axis", labelExpr="format(datum.value, '~g')", labelOverlap="greedy"
        )
        return alt.X("low:Q", scale=alt.Scale(type="log", nice=False, padding=12), axis=axis)
    axis = alt.Axis(title="gap in percentage points", tickCount=8, labelExpr="format(datum.value, '~g')")
    return alt.X("low:Q", scale=alt.Scale(zero=True), axis=axis)


def in_words(rows: Sequence[Row], title: str) -> str:
    """The chart in words: the widest raw gap, and how much of it remains."""
    raw = [row for row in rows if row.estimate == "raw"]
    widest = max(raw, key=lambda row: abs(distance(row))) if raw else rows[0]
    left = next((row for row in rows if row.group == widest.group and row.is_of_all), None)
    after = (
        f" After balancing {covariates_text(left.covariates)}: {gap_text(left)}, {verdict_text(left)}." if left else ""
    )
    return f"{title}. Widest raw gap: {widest.group}, {gap_text(widest)}.{after} Dashed lines are the margin."
