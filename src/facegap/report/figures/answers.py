"""How often each class was predicted, by group, for outputs without ground truth: these are not error rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from facegap.derive.groupings import Grouping
from facegap.derive.metrics_of_outputs import spoken
from facegap.derive.outputs import ANSWERED, RATES
from facegap.report.figures.style import (
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
    slug,
    tooltips,
)
from facegap.report.rows.comparisons import table
from facegap.report.rows.frames import group_of, grouping_of, groupings_of
from facegap.report.text import clean, errors_of_trials, interval, level_text, percent
from facegap.store.run import Run

MOST_ANSWERS = 3  # per output and grouping: those with the widest differences between groups; the tables contain all
NOTE = (
    "The true classes of these images are not known. True rates may differ between groups, so a difference is not an "
    "error."
)

Row = Mapping[str, Any]


def answer_figures(run: Run) -> list[Figure]:
    """For each unlabelled output and grouping, the predictions with the widest differences between groups; otherwise none."""
    groupings, taken = groupings_of(run), set[str]()
    rows = [
        {**row, "group": clean(group), "groups": grouping_of(group)}
        for row in table(run, RATES)
        if row["measure"] == ANSWERED and row["trials"]
        for group in [group_of(row, groupings)]
        if is_known(group)
    ]
    found = []
    for name in dict.fromkeys(str(row["output"]) for row in rows):
        for grouping in groupings:
            own = [row for row in rows if row["output"] == name and row["groups"] == grouping]
            for answer in furthest_apart(own) if grouping else ():
                shown = [row for row in own if row["answer"] == answer][:MOST_ROWS]
                stem = slug(f"answers-{name}-{answer}-by-{'-'.join(grouping)}", taken)
                found.append(answer_chart(shown, grouping, stem, run.record.level))
    return found


def furthest_apart(rows: Sequence[Row]) -> list[str]:
    """The predictions with the largest difference between the rates of two groups, in decreasing order."""
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(str(row["answer"]), []).append(row["value"])
    apart = {answer: max(some) - min(some) for answer, some in values.items() if len(some) > 1 and max(some) > 0}
    return sorted(apart, key=lambda answer: -round(apart[answer], 9))[
        :MOST_ANSWERS
    ]  # ties are resolved by the order of the classes


def answer_chart(rows: Sequence[Row], grouping: Grouping, name: str, level: float) -> Figure:
    """One row per group: how often the class was predicted, with its interval."""
    points = [
        {
            **{key: row[key] for key in ("group", "value", "low", "high")},
            "rate": f"{percent(row['value'], 1)} {interval(row['low'], row['high'], 1)}",
            "counted": errors_of_trials(row["count"], row["trials"]),
        }
        for row in rows
    ]
    groups = [str(point["group"]) for point in points]
    answer, output = spoken(str(rows[0]["answer"])), spoken(str(rows[0]["output"]))
    base = alt.Chart(data(points)).encode(
        y=alt.Y("group:N", sort=groups, title=None, axis=alt.Axis(grid=False, ticks=False, domain=False)),
        tooltip=tooltips(group="group", rate="answer rate", counted="predictions"),
    )
    title_x = f"images predicted “{answer}”, {level_text(level)} interval"
    sure = base.mark_rule(color=PALETTE[0], strokeWidth=2).encode(
        x=alt.X("low:Q", title=title_x, scale=alt.Scale(zero=True), axis=alt.Axis(labelExpr=PER_CENT)),
        x2=alt.X2("high:Q"),
    )
    middle = base.mark_point(color=PALETTE[0], filled=True, size=60).encode(x=alt.X("value:Q"))
    outside = label_px(groups) + 30
    chart = alt.layer(sure, middle).properties(width=ROOM_PX - outside, height=ROW_PX * len(points) + 10)
    title = f"{output.capitalize()}: how often “{answer}” was predicted, {by_words(grouping)}"
    told = "; ".join(f"{point['group']}: {point['rate']}" for point in points[:8])
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=f"{title}. {told}.",
        outside_px=outside,
        caption=f"predicted “{answer}”, {by_words(grouping)}",
        note=NOTE,
        grouping=grouping,
    )
