"""Charts of a comparison: the error of each group and model, and the error of the worst group against ms per face."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import altair as alt

from facegap.compare.rows import ComparisonRows, SideRow, SpeedRow, together_by
from facegap.derive.metrics import metric_of
from facegap.report.figures.render import Drawn, drawn
from facegap.report.figures.style import (
    INK,
    LETTER_PX,
    LOG_TICKS,
    MOST_ROWS,
    MUTED,
    PER_CENT,
    ROOM_PX,
    Figure,
    data,
    finished,
    label_px,
    scales,
    slug,
)
from facegap.report.tables import title_of
from facegap.report.text import clean, interval, milliseconds, percent

LANE_PX = 15  # height of one model in the row of a group
NARROW_PX = 350  # width of a chart for phones, in which the name of each group is above its dots
LEGEND_LEFT_PX, SYMBOL_PX = 90, 28  # maximum space left of a legend; space for the symbol of each name
WIDER_FONT = 0.2  # tolerance for wider letters in the reader's font
LINE_SHARE, NAME_SHARE = 0.07, 0.4  # as a fraction of the chart: height of a line of text, width of a name
WIDE_RANGE = 8.0  # ratio of the rates above which a linear axis hides the lower values
Point = TypeVar("Point", SideRow, SpeedRow)


@dataclass(frozen=True)
class Pair:
    """One chart in two versions: for desktops and print, and for phones, on which the wide one would be too small."""

    wide: Figure
    narrow: Figure

    @property
    def name(self) -> str:
        """The name of the wide chart."""
        return self.wide.name

    def drawn(self) -> Drawn:
        """Both charts as one picture for a page."""
        return replace(drawn(self.wide), narrow=drawn(self.narrow).svg)


Known = Mapping[tuple[str, str], float]  # the true rate by run and group, if known


def comparison_figures(
    rows: ComparisonRows, metrics: Sequence[str], *, known: Mapping[str, Known] = MappingProxyType({})
) -> dict[str, list[Pair]]:
    """The charts by section of the page: "errors" and "speed".

    known : the true rates by metric, if known
    """
    taken: set[str] = set()
    errors, speeds = [], []
    labels = list(dict.fromkeys(row.run for row in rows.sides))
    for metric in metrics:
        counted = [row for row in rows.sides if row.metric == metric and row.rate.trials]
        for of_family in together_by(counted, lambda row: row.family):
            shown, family = first_points(of_family), of_family[0].family
            if family and len({row.group for row in shown}) >= 2:
                name = slug(f"groups-{metric}-{family}", taken)
                truth = known.get(metric, {})
                errors.append(
                    Pair(
                        group_chart(shown, labels, metric, family, name, known=truth),
                        group_chart(shown, labels, metric, family, f"{name}-narrow", known=truth, narrow=True),
                    )
                )
        timed = [row for row in rows.speed if row.metric == metric and not math.isnan(row.ms_per_face)]
        for at_speed in together_by(timed, lambda row: row.family):
            family = at_speed[0].family
            name = slug(f"speed-{metric}-{family}", taken)
            points = first_points(at_speed)
            speeds.append(
                Pair(
                    speed_chart(points, labels, metric, family, name),
                    speed_chart(points, labels, metric, family, f"{name}-narrow", narrow=True),
                )
            )
    return {"errors": errors, "speed": speeds}


def first_points(rows: Sequence[Point]) -> list[Point]:
    """The rows at the first threshold of each run."""
    firsts: dict[str, float] = {}
    for row in rows:
        firsts.setdefault(row.run, row.threshold)
    return [row for row in rows if math.isnan(firsts[row.run]) or row.threshold == firsts[row.run]]


def words(family: str) -> str:
    """The name of a family for readers."""
    return clean(family.replace("*", " x "))


def group_chart(
    rows: Sequence[SideRow],
    labels: Sequence[str],
    metric: str,
    family: str,
    name: str,
    *,
    known: Known = MappingProxyType({}),
    narrow: bool = False,
) -> Figure:
    """Per group, one dot with its interval for each model, and a bar at the true rate if it is known."""
    order = sorted(
        dict.fromkeys(row.group for row in rows), key=lambda group: -max(r.rate.value for r in rows if r.group == group)
    )
    shown = [row for row in rows if row.group in order[: MOST_ROWS // 2]]
    logarithmic, floor = axis_kind([row.rate.value for row in shown], metric)
    marks = [
        {
            "group": clean(row.group),
            "model": clean(row.run),
            "small": not row.ranked,
            "x": max(row.rate.value, floor),
            "x1": max(row.rate.low, floor),
            "x2": max(row.rate.high, floor),
            "counted": f"{row.rate.errors:,}/{row.rate.trials:,}",
            "truth": max(known[row.run, row.group], floor) if (row.run, row.group) in known else None,
        }
        for row in shown
    ]
    groups = [clean(group) for group in order[: MOST_ROWS // 2]]
    colour, shape = scales(labels)
    named = [clean(label) for label in labels]
    base = alt.Chart(data(marks)).encode(opacity=alt.condition("datum.small", alt.value(0.45), alt.value(1.0)))
    if narrow:
        base = base.encode(y=alt.Y("model:N", sort=named, axis=None, scale=alt.Scale(paddingOuter=0.35)))
    else:
        base = base.encode(
            y=alt.Y("group:N", sort=groups, axis=alt.Axis(title=None, ticks=False, domain=False, grid=True)),
            yOffset=alt.YOffset("model:N", sort=named, scale=alt.Scale(paddingOuter=0.35)),
        )
    x = error_axis(logarithmic, floor, title_of(metric))
    legend = model_legend(named, narrow=narrow)
    lines = base.mark_rule(strokeWidth=2).encode(
        x=x, x2="x2:Q", color=alt.Color("model:N", scale=colour, legend=legend)
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("x:Q"),
        color=alt.Color("model:N", scale=colour, legend=legend),
        shape=alt.Shape("model:N", scale=shape, legend=legend),
    )
    counts = base.mark_text(align="left", dx=8, fontSize=11).encode(text="counted:N", x=alt.value("width"))
    truth = base.transform_filter("isValid(datum.truth)").mark_tick(thickness=3, size=LANE_PX - 1, color=INK)
    layers = [lines, dots, *([truth.encode(x=alt.X("truth:Q"))] if known else []), counts]
    beside = max(len(str(mark["counted"])) for mark in marks) * LETTER_PX + 24
    chart: Any
    if narrow:
        head = alt.Header(title=None, labelOrient="top", labelAnchor="start", labelPadding=1, labelLimit=NARROW_PX)
        one = alt.layer(*layers).properties(width=NARROW_PX - beside - 20, height=LANE_PX * len(labels) + 4)
        chart = one.facet(facet=alt.Facet("group:N", sort=groups, header=head), columns=1, spacing=4)
    else:
        height = len(groups) * (LANE_PX * len(labels) + 12)
        chart = alt.layer(*layers).properties(width=ROOM_PX - label_px(groups) - beside, height=height)
    title = f"{title_of(metric)}, by {words(family)}"
    description = (
        f"{group_words(shown, title)} The horizontal bars are the true rates." if known else group_words(shown, title)
    )
    return finished(chart, name=name, title=title, alt_text=description, least_px=220)


def model_legend(names: Sequence[str], *, narrow: bool) -> Any:
    """The legend of the models: in one row if the names are short enough, otherwise in one column."""
    room = (NARROW_PX if narrow else ROOM_PX) - LEGEND_LEFT_PX
    apart = SYMBOL_PX + round(WIDER_FONT * LETTER_PX * max(len(name) for name in names))
    beside = not narrow and sum(len(name) * LETTER_PX + SYMBOL_PX + apart for name in names) <= room
    columns = len(names) if beside else 1
    return alt.Legend(title=None, columns=columns, columnPadding=apart, labelLimit=room - SYMBOL_PX)


def group_words(rows: Sequence[SideRow], title: str) -> str:
    """A text alternative of the chart: the worst group of each model."""
    worst: dict[str, SideRow] = {}
    for row in rows:
        if row.ranked and (row.run not in worst or row.rate.value > worst[row.run].rate.value):
            worst[row.run] = row
    ends = "; ".join(
        f"{run}: highest for {row.group}, {percent(row.rate.value)}, {row.rate.errors:,} of {row.rate.trials:,}"
        for run, row in worst.items()
    )
    return f"Dots with intervals, one for each model in every group: {title}. {ends}."


def speed_chart(
    rows: Sequence[SpeedRow],
    labels: Sequence[str],
    metric: str,
    family: str,
    name: str,
    *,
    narrow: bool = False,
    front: Sequence[SpeedRow] = (),
) -> Figure:
    """Each model at its ms per face and its highest group error; its name next to it or in a legend.

    front : models that no other model beats on both axes, by increasing time; joined by a dashed line
    """
    times = [row.ms_per_face for row in rows]
    slow = max(times) > WIDE_RANGE * min(times)
    marks = [
        {
            "model": clean(row.run),
            "ms": row.ms_per_face,
            "y": row.rate.value,
            "y1": row.rate.low,
            "y2": row.rate.high,
            "said": f"{clean(row.run)}: {clean(row.worst_group)}, {row.rate.errors:,}/{row.rate.trials:,}",
            "right": row.ms_per_face > 0.6 * max(times),
        }
        for row in rows
    ]
    colour, shape = scales(labels)
    scale = alt.Scale(type="log", nice=False, padding=30) if slow else alt.Scale(domain=[0, 1.35 * max(times)])
    # A number format on the axis would take its precision from the step and write 10 as 1e+1, so an expression is used.
    ticks = alt.Axis(title="milliseconds per face (median)", tickCount=6, labelExpr="format(datum.value, '~g')")
    x = alt.X("ms:Q", scale=scale, axis=ticks)
    up = alt.Axis(title=title_of(metric), tickCount=5, labelExpr=PER_CENT)
    keyed = narrow or crowded(rows)
    legend = model_legend([clean(label) for label in labels], narrow=narrow) if keyed else None
    base = alt.Chart(data(marks)).encode(x=x, color=alt.Color("model:N", scale=colour, legend=legend))
    lines = base.mark_rule(strokeWidth=2).encode(y=alt.Y("y1:Q", axis=up, scale=alt.Scale(domainMin=0)), y2="y2:Q")
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(
        y=alt.Y("y:Q", axis=up), shape=alt.Shape("model:N", scale=shape, legend=legend)
    )
    places: list[tuple[str, Literal["left", "right"], int]] = [
        ("!datum.right", "left", 10),
        ("datum.right", "right", -10),
    ]
    names = [
        base.transform_filter(condition)
        .mark_text(align=side, dx=dx, dy=-9)
        .encode(y=alt.Y("y:Q"), text="said:N", color=alt.value(INK))
        for condition, side, dx in places
    ]
    steps = [{"ms": row.ms_per_face, "y": row.rate.value} for row in front]
    joined = alt.Chart(data(steps)).mark_line(interpolate="step-after", strokeDash=[5, 4], color=MUTED, strokeWidth=1.5)
    line = [joined.encode(x=x, y=alt.Y("y:Q", axis=up))] if len(steps) > 1 else []
    width, height = (NARROW_PX - 70, 220) if narrow else (ROOM_PX - 90, 300)
    chart = alt.layer(*line, lines, dots, *([] if keyed else names)).properties(width=width, height=height)
    title = f"{title_of(metric)}, by {words(family)}"
    ends = "; ".join(
        f"{row.run}: {milliseconds(row.ms_per_face)}, {row.worst_group} {percent(row.rate.value)} "
        f"{interval(row.rate.low, row.rate.high)}"
        for row in rows
    )
    description = f"Worst-group error against ms per face: {title}. {ends}."
    if front:
        description += f" No other model is both faster and lower than {', '.join(clean(row.run) for row in front)}."
    return finished(chart, name=name, title=title, alt_text=description, least_px=260)


def crowded(rows: Sequence[SpeedRow]) -> bool:
    """Whether the names of two models would overlap."""
    highest, slowest = max(row.rate.high for row in rows), max(row.ms_per_face for row in rows)
    return any(
        abs(a.rate.value - b.rate.value) < LINE_SHARE * highest
        and abs(a.ms_per_face - b.ms_per_face) < NAME_SHARE * slowest
        for a, b in combinations(rows, 2)
    )


def axis_kind(values: Sequence[float], metric: str) -> tuple[bool, float]:
    """Whether the axis of an error is logarithmic, and its lower end if so (otherwise 0)."""
    positive = [value for value in values if value > 0]
    if not metric_of(metric).is_ratio or not positive or max(positive) < WIDE_RANGE * min(positive):
        return False, 0.0
    return True, 10 ** math.floor(math.log10(min(positive))) / 2


def error_axis(logarithmic: bool, floor: float, title: str) -> Any:
    """The axis of an error, in per cent."""
    if logarithmic:
        axis = alt.Axis(title=f"{title}, log axis", values=LOG_TICKS, labelExpr=PER_CENT, labelOverlap="greedy")
        return alt.X("x1:Q", scale=alt.Scale(type="log", domainMin=floor, nice=False), axis=axis)
    return alt.X("x1:Q", scale=alt.Scale(domainMin=0), axis=alt.Axis(title=title, tickCount=6, labelExpr=PER_CENT))
