"""Charts of simulation results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from facegap.derive.metrics import metric_of
from facegap.report.figures.style import INK, PALETTE, SHAPES, Figure, data, finished
from facegap.report.text import rough_percent
from facegap.selfcheck.claims import KIND_TITLES
from facegap.selfcheck.rows import CoverageRow, FamilyRow, LabelRow, PowerRow
from facegap.worlds.curves import HEIGHT_PX, WIDTH_PX, curves, ends

ROW_PX, NAME_LETTERS = 34, 22  # height of a family's row; maximum letters of its name in one line
BLANK = f"lastindexof(slice(datum.value, 0, {NAME_LETTERS + 1}), ' ')"
FOLDED = (
    f"length(datum.value) <= {NAME_LETTERS} || {BLANK} < 1 ? datum.value : "
    f"[slice(datum.value, 0, {BLANK}), slice(datum.value, {BLANK} + 1)]"
)
OURS, NAIVE = "facegap", "every trial independent"
CERTAIN, UNCERTAIN = "labels treated as certain", "given the number of wrong labels"
PERCENT = ".0%"
AIMED = 0.95


def coverage_figures(rows: Sequence[CoverageRow]) -> tuple[Figure, ...]:
    """One chart per kind of rate: coverage by number of subjects, with the audit's interval and the naive one."""
    return tuple(
        coverage_figure(kind, found)
        for kind in KIND_TITLES
        if (found := [row for row in rows if row.kind == kind and (row.required or kind == "across")])
    )


def coverage_figure(kind: str, rows: Sequence[CoverageRow]) -> Figure:
    """The chart of one kind: a mark per setting and method, with the required coverage."""
    least = min(min(row.naive, row.facegap, row.floor) for row in rows)
    marks = [
        {"subjects": str(row.subjects), "method": method, "coverage": value}
        for row in rows
        for method, value in ((OURS, row.facegap), (NAIVE, row.naive))
    ]
    order = [str(count) for count in sorted({row.subjects for row in rows})]
    floors = [{"subjects": str(row.subjects), "coverage": row.floor} for row in rows if row.required]
    across = alt.X("subjects:N", sort=order, title="subjects per group", axis=alt.Axis(labelAngle=0))
    side = alt.XOffset("method:N", sort=[OURS, NAIVE])
    scale = alt.Scale(domain=[math.floor(least * 10) / 10, 1], nice=False, zero=False)
    up = alt.Y("coverage:Q", title="worlds whose interval covers the truth", axis=alt.Axis(format=PERCENT), scale=scale)
    points = (
        alt.Chart(data(marks))
        .mark_point(filled=True, size=38, opacity=0.65)
        .encode(
            x=across,
            xOffset=side,
            y=up,
            color=alt.Color("method:N", title=None, scale=two_colours(OURS, NAIVE)),
            shape=alt.Shape("method:N", title=None, scale=two_shapes(OURS, NAIVE)),
        )
    )
    asked = alt.Chart(data(floors)).mark_tick(thickness=2, size=36, color=INK).encode(x=across, y=up)
    aimed = alt.Chart(data([{"coverage": AIMED}])).mark_rule(color=INK, strokeDash=[2, 3], opacity=0.6).encode(y=up)
    low, ours = min(row.naive for row in rows), [row.facegap for row in rows]
    return finished(
        alt.layer(aimed, points, asked).properties(width=WIDTH_PX, height=HEIGHT_PX),
        name=f"coverage-{kind}",
        title=KIND_TITLES[kind],
        alt_text=f"{KIND_TITLES[kind]}: facegap's intervals cover the truth in {min(ours):.3f} to {max(ours):.3f} of "
        f"the worlds; treating every trial as independent, in as few as {low:.3f}. Black ticks: the required "
        f"minimum.",
    )


def power_figures(rows: Sequence[PowerRow]) -> tuple[Figure, ...]:
    """One chart per kind of rate: how often a gap is found by number of subjects, with a curve per size of gap."""
    kinds = list(dict.fromkeys((row.kind, row.rate, row.images, row.strength, row.groups) for row in rows))
    return tuple(
        power_figure(
            number,
            [row for row in rows if (row.kind, row.rate, row.images, row.strength, row.groups) == key],
        )
        for number, key in enumerate(kinds, 1)
    )


def power_figure(number: int, rows: Sequence[PowerRow]) -> Figure:
    """The chart of one kind: the proportion of simulations with the verdict `gap`."""
    marks: list[dict[str, Any]] = [
        {
            "subjects": row.subjects,
            "gap": gap_in_words(row.metric, row.gap),
            "found": row.found,
            **ends(row.found, row.worlds),
        }
        for row in rows
    ]
    order = list(dict.fromkeys(str(mark["gap"]) for mark in marks))
    first = rows[0]
    title = f"{KIND_TITLES[first.kind]}: {rate_in_words(first.rate)} in {first.groups} groups, one of them worse"
    x = alt.X(
        "subjects:Q",
        title="subjects per group",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(values=sorted({row.subjects for row in rows}), format="d", grid=False),
    )
    y = alt.Y(
        "found:Q", title="worlds with the verdict gap", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=PERCENT)
    )
    return finished(
        curves(marks, x, y, "gap", order).properties(width=WIDTH_PX, height=HEIGHT_PX),
        name=f"power-{number}",
        title=title,
        alt_text=f"{title}. Found with the most subjects, {max(row.subjects for row in rows)}: "
        + "; ".join(
            f"{mark['gap']}: {mark['found']:.2f}"
            for mark in marks
            if mark["subjects"] == max(other["subjects"] for other in marks)
        ),
    )


def alarm_figure(rows: Sequence[FamilyRow], allowed: float) -> tuple[Figure, ...]:
    """False alarms of each family without a gap, with the maximum allowed; empty if there is no such family."""
    alike = [row for row in rows if not math.isnan(row.false_alarm)]
    if not alike:
        return ()
    marks: list[dict[str, Any]] = [
        {"name": row.name, "share": row.false_alarm, **ends(row.false_alarm, row.worlds)} for row in alike
    ]
    y = alt.Y("name:N", title=None, sort=[str(mark["name"]) for mark in marks], axis=alt.Axis(labelExpr=FOLDED))
    top = max(*(float(mark["high"]) for mark in marks), allowed * 1.4)
    x = alt.X(
        "share:Q",
        title="worlds with a false gap",
        scale=alt.Scale(domain=[0, top]),
        axis=alt.Axis(format=".0%", tickCount=4),
    )
    base = alt.Chart(data(marks))
    line = alt.Chart(data([{"share": allowed}])).mark_rule(color=PALETTE[1], strokeDash=[6, 3]).encode(x="share:Q")
    chart = alt.layer(
        line,
        base.mark_rule(color=PALETTE[0]).encode(y=y, x="low:Q", x2="high:Q"),
        base.mark_point(filled=True, size=60, color=PALETTE[0]).encode(x=x, y=y),
    )
    return (
        finished(
            chart.properties(width=WIDTH_PX, height=ROW_PX * len(marks)),
            name="false-alarms",
            title="False alarms of families without a gap; dashed: the maximum allowed",
            alt_text="; ".join(f"{row.name}: {row.false_alarm:.3f}" for row in alike),
        ),
    )


def label_figures(rows: Sequence[LabelRow]) -> tuple[Figure, ...]:
    """Coverage of the true gap against the proportion of wrong labels, a curve per interval; empty without rows."""
    kinds = list(dict.fromkeys((row.kind, row.subjects, row.images, row.strength) for row in rows))
    return tuple(
        label_figure(number, [row for row in rows if (row.kind, row.subjects, row.images, row.strength) == key])
        for number, key in enumerate(kinds, 1)
    )


def label_figure(number: int, rows: Sequence[LabelRow]) -> Figure:
    """The chart of one setting with increasing numbers of wrong labels."""
    marks = [
        {"flipped": row.flipped, "interval": name, "coverage": value, **ends(value, row.worlds)}
        for row in rows
        for name, value in ((CERTAIN, row.certain), (UNCERTAIN, row.informed))
    ]
    x = alt.X(
        "flipped:Q",
        title="proportion of wrong labels",
        axis=alt.Axis(format=PERCENT, values=[row.flipped for row in rows]),
    )
    y = alt.Y(
        "coverage:Q",
        title="worlds whose interval covers the true gap",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=PERCENT),
    )
    first = rows[0]
    return finished(
        curves(marks, x, y, "interval", [CERTAIN, UNCERTAIN]).properties(width=WIDTH_PX, height=HEIGHT_PX),
        name=f"labels-{number}",
        title=f"A gap of {100 * first.planted_gap:g} points, {first.subjects} subjects per group",
        alt_text="; ".join(
            f"{rough_percent(row.flipped)} wrong: {row.certain:.2f} and {row.informed:.2f}" for row in rows
        ),
    )


def gap_in_words(metric: str, gap: float) -> str:
    """The size of a gap as the name of its curve: a ratio of false match rates, otherwise points."""
    return f"ratio {gap:g}" if metric_of(metric).is_ratio else f"{100 * gap:g} points"


def rate_in_words(rate: float) -> str:
    """A planted rate in per cent."""
    return rough_percent(rate)


def two_colours(first: str, second: str) -> Any:
    """Blue and orange."""
    return alt.Scale(domain=[first, second], range=[PALETTE[0], PALETTE[1]])


def two_shapes(first: str, second: str) -> Any:
    """Circle and square."""
    return alt.Scale(domain=[first, second], range=[SHAPES[0], SHAPES[1]])
