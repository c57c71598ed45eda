"""Age checks over challenge ages, and age errors by age band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from facegap.derive.ages.checks import CHECKS, CURVE, FALSE_NEGATIVE, FALSE_POSITIVE, YEARS
from facegap.derive.ages.errors import ALL_AGES, EQUAL_AGES, ERRORS
from facegap.derive.groupings import Grouping
from facegap.report.figures.style import (
    MUTED,
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
from facegap.report.rows.comparisons import table
from facegap.report.rows.frames import group_of, grouping_of, groupings_of
from facegap.report.text import clean, errors_of_trials, interval, percent
from facegap.store.run import Run
from facegap.types import Group

HEIGHT_PX = 220
MOST_GROUPS = 8
FEWEST_IMAGES = 5  # of a band; the means of smaller bands are omitted
YEARS_BELOW = 8
SIDES = ((FALSE_POSITIVE, "under the limit, passes"), (FALSE_NEGATIVE, "of age, must show a document"))


def age_figures(run: Run) -> list[Figure]:
    """Both rates over challenge ages, false positives by year of age, and signed errors by band, for groupings with few groups."""
    taken: set[str] = set()
    found: list[Figure] = []
    for grouping in ((), *groupings_of(run)):
        groups = groups_of(run, grouping)
        if not groups or len(groups) > MOST_GROUPS:
            continue
        for side, words in SIDES:
            found += curve_figure(run, grouping, groups, side, words, taken)
        found += year_figure(run, grouping, groups, taken)
        found += band_figure(run, grouping, groups, taken)
    return found


def groups_of(run: Run, grouping: Grouping) -> list[Group]:
    """The groups of a grouping with known labels; all subjects for the empty grouping if there is no other."""
    if not grouping and groupings_of(run):
        return []
    rows = [group_of(row, groupings_of(run)) for row in (table(run, CHECKS) or table(run, ERRORS))]
    own = [group for group in rows if grouping_of(group) == grouping and is_known(group)]
    return list(dict.fromkeys(own))


def encoded(points: Sequence[dict[str, Any]], groups: Sequence[Group], x: Any, y: Any, **said: str) -> Any:
    """Intervals, lines and marks of some groups."""
    names = [clean(group) for group in groups]
    colours, shapes = scales(names)
    legend = alt.Legend(title=None) if len(names) > 1 else None
    base = alt.Chart(data(points)).encode(x=x, color=alt.Color("group:N", scale=colours, legend=legend))
    bars = base.mark_rule(opacity=0.4, strokeWidth=2).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"))
    line = base.mark_line(strokeWidth=2).encode(y=y)
    marks = base.mark_point(filled=True, size=55).encode(
        y=y, shape=alt.Shape("group:N", scale=shapes, legend=legend), tooltip=tooltips(group="group", **said)
    )
    return alt.layer(bars, line, marks)


def curve_figure(
    run: Run, grouping: Grouping, groups: Sequence[Group], side: str, words: str, taken: set[str]
) -> list[Figure]:
    """One rate of each group over challenge ages; none without trials."""
    points = [
        {
            "challenge": row["challenge"],
            "group": clean(group),
            "value": row[f"{side}_value"],
            "low": row[f"{side}_low"],
            "high": row[f"{side}_high"],
            "at": f"{row['challenge']:g}",
            "said": f"{percent(row[f'{side}_value'])} {interval(row[f'{side}_low'], row[f'{side}_high'])} "
            f"{errors_of_trials(row[f'{side}_errors'], row[f'{side}_trials'])}",
        }
        for row in table(run, CURVE)
        for group in [group_of(row, groupings_of(run))]
        if group in groups and row[f"{side}_trials"]
    ]
    if not points:
        return []
    used = table(run, CHECKS)[0]["challenge"]
    x = alt.X("challenge:Q", title="challenge age, years", scale=alt.Scale(zero=False, nice=False))
    y = alt.Y("value:Q", title=words, axis=alt.Axis(labelExpr=PER_CENT, tickCount=5), scale=alt.Scale(domainMin=0))
    rule = (
        alt.Chart(data([{"challenge": used}])).mark_rule(color=MUTED, strokeDash=[4, 4]).encode(x=alt.X("challenge:Q"))
    )
    chart = alt.layer(encoded(points, groups, x, y, at="challenge age", said=words), rule)
    kind = "false positives" if side == FALSE_POSITIVE else "false negatives"
    title = f"Age {kind} over the challenge age, {by_words(grouping)}"
    present = list(dict.fromkeys(point["group"] for point in points))
    told = "; ".join(
        f"{name}: {point['said']}"
        for name in present
        for point in points
        if (point["group"], point["challenge"]) == (name, used)
    )
    return [
        finished(
            chart.properties(width=ROOM_PX - 90, height=HEIGHT_PX),
            name=slug(f"age-{side.replace('_', '-')}-{'-'.join(grouping) or 'everybody'}", taken),
            title=title,
            alt_text=f"{title}. At {used:g} years: {told}.",
            caption=f"{words}, {by_words(grouping)}",
            note=f"Vertical lines: intervals. Dashed: the challenge age of the run, {used:g}.",
            grouping=grouping,
        )
    ]


def year_figure(run: Run, grouping: Grouping, groups: Sequence[Group], taken: set[str]) -> list[Figure]:
    """False positives of each group by year of age below the limit; none without such trials."""
    points = [
        {
            "age": row["year_of_age"],
            "group": clean(group),
            "value": row["value"],
            "low": row["low"],
            "high": row["high"],
            "at": str(row["year_of_age"]),
            "said": f"{percent(row['value'])} {interval(row['low'], row['high'])} {errors_of_trials(row['errors'], row['trials'])}",
        }
        for row in table(run, YEARS)
        for group in [group_of(row, groupings_of(run))]
        if row["error"] == FALSE_POSITIVE and group in groups and row["year_of_age"] >= row["age_limit"] - YEARS_BELOW
    ]
    if len({point["age"] for point in points}) < 2:
        return []
    x = alt.X("age:O", title="years of age", axis=alt.Axis(labelAngle=0))
    y = alt.Y(
        "value:Q", title=SIDES[0][1], axis=alt.Axis(labelExpr=PER_CENT, tickCount=5), scale=alt.Scale(domainMin=0)
    )
    title = f"Age false positives by year of age, {by_words(grouping)}"
    last = max(point["age"] for point in points)
    told = "; ".join(f"{point['group']} at {last}: {point['said']}" for point in points if point["age"] == last)
    return [
        finished(
            encoded(points, groups, x, y, at="age", said=SIDES[0][1]).properties(width=ROOM_PX - 90, height=HEIGHT_PX),
            name=slug(f"age-years-{'-'.join(grouping) or 'everybody'}", taken),
            title=title,
            alt_text=f"{title}. {told}.",
            caption=f"{SIDES[0][1]}, by year of age, {by_words(grouping)}",
            note="Vertical lines: intervals.",
            grouping=grouping,
        )
    ]


def band_figure(run: Run, grouping: Grouping, groups: Sequence[Group], taken: set[str]) -> list[Figure]:
    """Mean signed error of each group by age band; none with fewer than two bands."""
    points = [
        {
            "ages": clean(row["ages"]),
            "group": clean(group),
            "value": row["signed_error"],
            "low": row["signed_low"],
            "high": row["signed_high"],
            "said": f"{row['signed_error']:+.1f} years [{row['signed_low']:.1f}, {row['signed_high']:.1f}], {row['images']} images",
        }
        for row in table(run, ERRORS)
        for group in [group_of(row, groupings_of(run))]
        if group in groups
        and row["family"] == "*".join(grouping)
        and row["ages"] not in (ALL_AGES, EQUAL_AGES)
        and row["images"] >= FEWEST_IMAGES
        and not math.isnan(row["signed_low"])
    ]
    bands = sorted({point["ages"] for point in points}, key=lambda text: int(text.split("-")[0]))
    if len(bands) < 2:
        return []
    x = alt.X("ages:O", title="labelled age, years", sort=bands, axis=alt.Axis(labelAngle=0))
    y = alt.Y("value:Q", title="estimated above or below, years", axis=alt.Axis(tickCount=6))
    title = f"Signed age error by band, {by_words(grouping)}"
    ends = (bands[0], bands[-1])
    told = "; ".join(
        f"{point['group']} at {point['ages']}: {point['said']}" for point in points if point["ages"] in ends
    )
    zero = alt.Chart(data([{"value": 0.0}])).mark_rule(color=MUTED).encode(y=alt.Y("value:Q"))
    chart = alt.layer(zero, encoded(points, groups, x, y, ages="labelled age", said="mean signed error"))
    return [
        finished(
            chart.properties(width=ROOM_PX - 90, height=HEIGHT_PX),
            name=slug(f"age-errors-{'-'.join(grouping) or 'everybody'}", taken),
            title=title,
            alt_text=f"{title}. {told}.",
            caption=f"signed age error, {by_words(grouping)}",
            note=f"Above 0: estimated too old. Bands of fewer than {FEWEST_IMAGES} images are omitted. Vertical "
            f"lines: intervals.",
            grouping=grouping,
        )
    ]
