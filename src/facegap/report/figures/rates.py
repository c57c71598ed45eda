"""Rates by group as dots with their intervals, each with its value, errors and trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.derive.metrics import FMR, FNMR, in_order, metric_of
from facegap.derive.primary import primary_family
from facegap.report.figures.style import (
    GRID,
    INK,
    LETTER_PX,
    LOG_TICKS,
    MOST_ROWS,
    MUTED,
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
    series_of,
    slug,
    tooltips,
)
from facegap.report.rows.frames import groupings_of, own_rates, records
from facegap.report.tables import title_of
from facegap.report.text import clean, interval, level_text, not_ruled_out, percent, score
from facegap.store.run import Run

BOTH_PX, ROOM_BESIDE_PX = (
    (ROOM_PX - 90, 240),
    60,
)  # of the chart of both errors, and room to its right for the last name
NAME_PLACES: tuple[tuple[Literal["left", "right"], int, int], ...] = (
    ("left", 8, -8),
    ("left", 8, 15),
    ("right", -8, -8),
    ("right", -8, 15),
)
MOST_TOLD = 3  # groups without errors for which a note states the upper limit
LOG_FROM = 8.0  # for rates compared as ratios: beyond this ratio a linear axis hides the lower ones


def error_figures(run: Run) -> list[Figure]:
    """One chart per grouping for each main metric of the run, at its first threshold; the tables contain all thresholds."""
    rates = own_rates(run)
    taken: set[str] = set()
    found = []
    for metric in shown_metrics(rates, run):
        of_metric = rates[rates["metric"] == metric]
        chosen = at_first_judgement(of_metric) if metric_of(metric).is_search else at_first_threshold(of_metric, run)
        for grouping in groupings_of(run):
            rows = rows_of(chosen, grouping, run.record.min_subjects)
            if sum(row["trials"] > 0 for row in rows) >= 2:
                name = slug(f"error-{metric}-by-{'-'.join(grouping)}", taken)
                found.append(dot_plot(rows, everybody(chosen), metric, grouping, name))
    return found


def shown_metrics(rates: pd.DataFrame, run: Run) -> list[str]:
    """The main metrics of the run: errors of a classifier, of comparisons and searches, and all metrics of the primary family."""
    primary = primary_family(run.record, run.rates["metric"]).metrics
    present = in_order(rates["metric"])
    return [metric.name for metric in present if metric.is_headline or metric.is_search or metric.name in primary]


def at_first_threshold(rates: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The rates at the first threshold of the run, or without a threshold."""
    points = run.record.operating
    without = rates["threshold"].isna()
    return rates[without | (rates["threshold"] == points[0].threshold)] if points else rates[without]


def at_first_judgement(rates: pd.DataFrame) -> pd.DataFrame:
    """The rates of searches for the first rank and threshold of their lists, with a threshold if there is one."""
    with_threshold = rates[rates["threshold"].notna()]
    first = (with_threshold if len(with_threshold) else rates)["threshold_from"].iloc[0]
    is_first: pd.Series[bool] = rates["threshold_from"] == first
    return rates[is_first]


def rows_of(rates: pd.DataFrame, grouping: Grouping, min_subjects: int) -> list[dict[str, Any]]:
    """The rows of a chart of one grouping: the highest rates first, groups without trials last."""
    of_grouping = records(rates[[entry == grouping for entry in rates["grouping"]]])
    rows = [mark(row, min_subjects) for row in of_grouping if is_known(row["group"])]
    return sorted(rows, key=lambda row: (row["trials"] == 0, -row["value"] if row["trials"] else 0.0, row["group"]))


def mark(row: dict[str, Any], min_subjects: int) -> dict[str, Any]:
    """One rate, with all its texts already formatted."""
    small = row["effective_subjects"] < min_subjects
    return {
        "group": clean(row["group"]),
        "series": clean(series_of(row["group"])),
        "value": float(row["value"]),
        "low": float(row["low"]),
        "high": float(row["high"]),
        "trials": int(row["trials"]),
        "errors": int(row["errors"]),
        "small": bool(small),
        "rate": percent(row["value"], 1),
        "interval": f"{level_text(row['level'])}: {interval(row['low'], row['high'], 1)}",
        "counted": f"{row['errors']:,}/{row['trials']:,}" if row["trials"] else "no trials",
        "of": f"{row['errors']:,} of {row['trials']:,}",
        "people": f"{row['subjects']:,}" + (f", fewer than {min_subjects} effective: not ranked" if small else ""),
    }


def everybody(rates: pd.DataFrame) -> float:
    """The rate of all subjects; NaN without one."""
    of_all = rates[[entry == () for entry in rates["grouping"]]]
    return float(of_all["value"].iloc[0]) if len(of_all) else math.nan


def dot_plot(rows: Sequence[dict[str, Any]], overall: float, metric: str, grouping: Grouping, name: str) -> Figure:
    """Dots and intervals, one group per row; the dashed line is the overall rate."""
    shown = list(rows[:MOST_ROWS])
    series = list(dict.fromkeys(sorted(row["series"] for row in shown)))
    logarithmic, floor = log_axis(shown, metric)
    for row in shown:
        row.update(x=max(row["value"], floor), x1=max(row["low"], floor), x2=max(row["high"], floor))
    text_px = max(len(row["counted"]) for row in shown) * LETTER_PX + 16
    outside = label_px([row["group"] for row in shown]) + text_px + 24
    base = alt.Chart(data(shown)).encode(
        y=alt.Y("group:N", sort=[row["group"] for row in shown], axis=alt.Axis(title=None, ticks=False, domain=False)),
        tooltip=tooltips(
            group="group",
            rate="rate",
            of="errors of trials",
            people="subjects",
            interval="interval",
        ),
    )
    colour, shape = scales(series)
    legend = alt.Legend(title=None) if len(series) > 1 else None
    x = x_axis(logarithmic, floor, title_of(metric))
    lines = base.mark_rule(strokeWidth=2).encode(
        x=x, x2="x2:Q", color=alt.Color("series:N", scale=colour, legend=legend), opacity=faint()
    )
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("x:Q"),
        color=alt.Color("series:N", scale=colour, legend=legend),
        shape=alt.Shape("series:N", scale=shape, legend=legend),
        opacity=faint(),
    )
    counts = base.mark_text(align="left", dx=8, color=MUTED).encode(text="counted:N", x=alt.value("width"))
    layers = [*overall_line(overall, floor, metric), lines, dots, counts]
    chart = alt.layer(*layers).properties(width=ROOM_PX - outside, height=ROW_PX * len(shown))
    left_out = [f"The {MOST_ROWS} highest of {len(rows)} groups."] if len(rows) > MOST_ROWS else []
    title = f"{title_of(metric)}, by {' x '.join(grouping)}"
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=alt_of(rows, title, overall),
        outside_px=outside,
        note=" ".join([*left_out, *without_errors(shown)]),
        metric=metric,
        grouping=grouping,
    )


def without_errors(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence on the upper limits of groups without errors; empty if every group has errors."""
    free = [row for row in rows if row["trials"] and not row["errors"] and not math.isnan(row["high"])]
    told = [f"{row['group']}, 0 errors in {row['trials']:,}: {not_ruled_out(row['high'])}" for row in free[:MOST_TOLD]]
    told += [f"and {len(free) - MOST_TOLD} more groups"] if len(free) > MOST_TOLD else []
    return [f"{'; '.join(told)}."] if told else []


def faint() -> Any:
    """Groups too small to rank are paler; their tooltip says so too."""
    return alt.condition("datum.small", alt.value(0.45), alt.value(1))


def overall_line(overall: float, floor: float, metric: str) -> list[Any]:
    """A dashed line at the overall rate, labelled with its value; empty without a rate."""
    if not overall > 0:
        return []
    # The overall rate includes pairs between groups, so it may lie below the rates of all groups.
    everybody = "all pairs, also between groups" if metric_of(metric).is_impostor else "all"
    at = data([{"x": max(overall, floor), "said": f"{everybody}: {percent(overall, 1)}"}])
    line = alt.Chart(at).mark_rule(strokeDash=[4, 3], color=INK, opacity=0.6).encode(x=alt.X("x:Q"))
    text = alt.Chart(at).mark_text(dy=-7, baseline="bottom", color=INK, fontSize=11)
    return [line, text.encode(x=alt.X("x:Q"), text="said:N", y=alt.value(0))]


def log_axis(rows: Sequence[dict[str, Any]], metric: str) -> tuple[bool, float]:
    """Whether the axis is logarithmic, and its lower end: rates that are compared as ratios need a logarithmic axis.

    A rate of 0 has no position on such an axis; it is placed at the lower end, next to its counts.
    """
    above = [row["value"] for row in rows if row["value"] > 0]
    if not metric_of(metric).is_ratio or not above or max(above) < LOG_FROM * min(above):
        return False, 0.0
    lows = [row["low"] for row in rows if row["low"] > 0] + above
    return True, min(lows) / 1.5


def x_axis(logarithmic: bool, floor: float, title: str) -> Any:
    """The axis of rates, in per cent."""
    scale = alt.Scale(type="log", domainMin=floor, nice=False) if logarithmic else alt.Scale(domainMin=0, nice=True)
    ticks: dict[str, Any] = {"tickCount": 5, "title": title}
    if logarithmic:
        ticks = {"values": LOG_TICKS, "title": [title, "log axis"]}
    return alt.X("x1:Q", scale=scale, axis=alt.Axis(gridColor=GRID, labelExpr=PER_CENT, labelOverlap=True, **ticks))


def alt_of(rows: Sequence[dict[str, Any]], title: str, overall: float) -> str:
    """The chart in words: the highest and lowest of the groups that are large enough, and the overall rate."""
    ranked = [row for row in rows if row["trials"] and not row["small"]]
    said = f"Dots with intervals: {title}. {len(rows)} groups"
    if overall == overall:
        said += f", all subjects {percent(overall, 1)}"
    if not ranked:
        return said + "; none is large enough to rank."
    worst, best = ranked[0], ranked[-1]
    ends = (f"{end['group']}, {end['rate']}, {end['interval']}, {end['of']}" for end in (worst, best))
    return said + ". Highest: {}. Lowest: {}.".format(*ends)


def at_threshold_figures(run: Run) -> list[Figure]:
    """False matches against false rejections at the first threshold, per grouping: a dot per group with both intervals."""
    points = run.record.operating
    if not points:
        return []
    rates, found, taken = own_rates(run), [], set[str]()
    for grouping in groupings_of(run):
        rows = both_rates(rates[rates["threshold"] == points[0].threshold], grouping, run.record.min_subjects)
        if len(rows) >= 2:
            name = slug(f"threshold-by-{'-'.join(grouping)}", taken)
            found.append(two_errors(rows, grouping, name, score(points[0].threshold)))
    return found


def both_rates(rates: pd.DataFrame, grouping: Grouping, min_subjects: int) -> list[dict[str, Any]]:
    """FMR and FNMR of the groups of a grouping that have both."""
    fmr, fnmr = (
        {
            row["group"]: row
            for row in rows_of(rates[rates["metric"] == metric], grouping, min_subjects)
            if row["trials"]
        }
        for metric in (FMR.name, FNMR.name)
    )
    return [
        {
            **{f"m_{key}": value for key, value in fmr[group].items()},
            **{f"r_{key}": value for key, value in fnmr[group].items()},
            "group": group,
            "series": fmr[group]["series"],
            "small": fmr[group]["small"] or fnmr[group]["small"],
        }
        for group in fmr
        if group in fnmr
    ][:MOST_ROWS]


def two_errors(rows: list[dict[str, Any]], grouping: Grouping, name: str, threshold: str) -> Figure:
    """Both errors of each group at one threshold: further right is more false matches, further up more false rejections."""
    logarithmic, floor = log_axis([{"value": row["m_value"], "low": row["m_low"]} for row in rows], FMR.name)
    for row in rows:
        row.update(x=max(row["m_value"], floor), x1=max(row["m_low"], floor), x2=max(row["m_high"], floor))
    for row in rows:
        row["mark"] = row["series"] or row["group"]
    colour, shape = scales(sorted({row["mark"] for row in rows})[: len(PALETTE)])  # as in the other charts
    place_names(rows, logarithmic)
    base = alt.Chart(data(rows)).encode(
        color=alt.Color("mark:N", scale=colour, legend=None),
        opacity=faint(),
        tooltip=tooltips(
            group="group",
            m_rate="FMR",
            m_of="false matches",
            m_interval="interval of FMR",
            m_people="subjects of FMR",
            r_rate="FNMR",
            r_of="false rejections",
            r_interval="interval of FNMR",
            r_people="subjects of FNMR",
        ),
    )
    x = x_axis(logarithmic, floor, FMR.title)
    up = alt.Axis(title=FNMR.title, tickCount=5, labelExpr=PER_CENT)
    y = alt.Y("r_low:Q", axis=up, scale=alt.Scale(domainMin=0))
    across = base.mark_rule(strokeWidth=2).encode(x=x, x2="x2:Q", y=alt.Y("r_value:Q", axis=up))
    upright = base.mark_rule(strokeWidth=2).encode(x=alt.X("x:Q"), y=y, y2="r_high:Q")
    dots = base.mark_point(filled=True, size=90).encode(
        x=alt.X("x:Q"), y=alt.Y("r_value:Q"), shape=alt.Shape("mark:N", scale=shape, legend=None)
    )
    names = [
        base.transform_filter(f"datum.place === {k}")
        .mark_text(align=align, dx=dx, dy=dy)
        .encode(x=alt.X("x:Q"), y=alt.Y("r_value:Q"), text="group:N", color=alt.value(INK), opacity=alt.value(1))
        for k, (align, dx, dy) in enumerate(NAME_PLACES)
    ]
    chart = alt.layer(across, upright, dots, *names).properties(width=BOTH_PX[0], height=BOTH_PX[1])
    title = f"Both errors at the global threshold {threshold}, by {' x '.join(grouping)}"
    ends = "; ".join(
        f"{row['group']}: FMR {row['m_rate']} {row['m_of']}, FNMR {row['r_rate']} {row['r_of']}" for row in rows[:6]
    )
    unnamed = any(row["place"] < 0 for row in rows)
    note = "Overlapping names are omitted; the tables under Errors by group contain all of them." if unnamed else ""
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=f"{title}. {ends}.",
        note=note,
        caption=f"at {threshold}, {by_words(grouping)}",
    )


def place_names(rows: Sequence[dict[str, Any]], logarithmic: bool) -> None:
    """Give each row a `place` in NAME_PLACES: the first at which its name overlaps no mark and no other name; -1 if there is none."""
    width, height = BOTH_PX
    right, top = max(row["x2"] for row in rows), max(row["r_high"] for row in rows) or 1.0
    left = min(row["x1"] for row in rows) if logarithmic else 0.0

    def across(x: float) -> float:
        if logarithmic:
            return width * math.log(x / left) / math.log(right / left) if right > left else 0.0
        return width * x / right if right else 0.0

    marks = [(across(row["x"]), height * (1 - row["r_value"] / top)) for row in rows]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in marks]
    for row, (x, y) in zip(rows, marks, strict=True):
        row["place"] = -1
        for k, (align, dx, dy) in enumerate(NAME_PLACES):
            start = x + dx - (LETTER_PX * len(row["group"]) if align == "right" else 0.0)
            box = (start, y + dy - 11, start + LETTER_PX * len(row["group"]), y + dy + 4)
            if box[0] >= 0 and box[2] <= width + ROOM_BESIDE_PX and not any(overlap(box, other) for other in taken):
                row["place"] = k
                taken.append(box)
                break


def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two boxes (left, top, right, bottom) overlap."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
