"""Distribution of comparison scores: genuine and impostor pairs by group, with the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from facegap.derive.curves import histogram_table
from facegap.derive.groupings import Grouping
from facegap.report.figures.style import (
    ASIDE,
    INK,
    LABEL_PX,
    PALETTE,
    ROOM_PX,
    Figure,
    by_words,
    data,
    finished,
    label_px,
    slug,
    tooltips,
)
from facegap.report.rows.frames import groupings_of, records
from facegap.report.text import clean, score
from facegap.store.run import Run

MOST_PANELS = 16
KINDS = ("impostor", "genuine")
LOOKS = {"impostor": ASIDE, "genuine": PALETTE[0]}


def score_figures(run: Run) -> list[Figure]:
    """A chart per grouping with a panel per group, all pairs first; none if not all scores were counted, or scores are decisions."""
    if not run.record.has_curve:
        return []
    table = histogram_table(run)
    taken: set[str] = set()
    found = []
    for grouping in groupings_of(run) or [()]:
        rows = table[[entry in ((), grouping) for entry in table["grouping"]]]
        if len(rows):
            name = slug(f"scores-by-{'-'.join(grouping)}" if grouping else "scores", taken)
            found.append(ridges(rows, grouping, name, first_threshold(run), sampled_pairs(run)))
    return found


def sampled_pairs(run: Run) -> int:
    """Number of sampled impostor pairs behind the charts; 0 if every pair was counted."""
    compared = run.record.comparison
    plot = compared.all_pairs.plot if compared and compared.all_pairs else None
    return plot.pairs if plot else 0


def first_threshold(run: Run) -> float:
    """The first threshold of the run; NaN without one."""
    points = run.record.operating
    return points[0].threshold if points else float("nan")


def ridges(rows: pd.DataFrame, grouping: Grouping, name: str, threshold: float, drawn: int = 0) -> Figure:
    """One row of plots per group: the proportion of its impostor pairs (filled) and genuine pairs (line) by score.

    drawn : number of sampled impostor pairs; 0 if every pair was counted
    """
    groups = list(dict.fromkeys(rows["group"]))[:MOST_PANELS]
    values = [bar(row) for row in without_empty_runs(records(rows)) if row["group"] in groups]
    outside = label_px([value["group"] for value in values]) + 30
    kinds = [kind for kind in KINDS if any(value["kind"] == kind for value in values)]
    base = alt.Chart().encode(
        tooltip=tooltips(group="group", kind="pairs", scores="scores", counted="pairs here", of="pairs in all")
    )
    y = alt.Y("share:Q", axis=None, scale=alt.Scale(domainMin=0))
    x = alt.X("low:Q", title="score (higher means more similar)", scale=alt.Scale(nice=False, zero=False))
    kind = alt.Color(
        "kind:N", scale=alt.Scale(domain=kinds, range=[LOOKS[kind] for kind in kinds]), legend=alt.Legend(title=None)
    )
    step: Any = "step-after"
    filled = base.transform_filter("datum.kind === 'impostor'").mark_area(interpolate=step, opacity=0.9)
    lined = base.transform_filter("datum.kind === 'genuine'").mark_line(interpolate=step, strokeWidth=2)
    layers = [
        drawn.encode(x=x, y=y, color=kind)
        for name_of, drawn in (("impostor", filled), ("genuine", lined))
        if name_of in kinds
    ]
    if threshold == threshold:
        layers.append(alt.Chart().mark_rule(color=INK, strokeDash=[4, 3]).encode(x=alt.datum(threshold)))
    row = alt.Row(
        "group:N",
        sort=[clean(group) for group in groups],
        title=None,
        header=alt.Header(labelAngle=0, labelAlign="left", labelLimit=LABEL_PX, labelFontWeight="normal"),
    )
    chart = (
        alt.layer(*layers).properties(width=ROOM_PX - outside, height=34).facet(row=row, data=data(values), spacing=4)
    )
    by = f", by {' x '.join(grouping)}" if grouping else ""
    title = f"Distribution of comparison scores{by}"
    return finished(
        chart.resolve_scale(y="independent"),
        name=name,
        title=title,
        alt_text=alt_of(rows, title, threshold),
        note=sample_words(drawn),
        outside_px=outside,
        caption=by_words(grouping),
        grouping=grouping,
    )


def sample_words(drawn: int) -> str:
    """A note on the sample, if not every pair was counted."""
    if not drawn:
        return ""
    return (
        f"Impostor pairs: every pair in the exact list of the highest scores, and below it a random sample of "
        f"{drawn:,} pairs, weighted by pair of groups. Rates and thresholds are based on all pairs."
    )


def without_empty_runs(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The bins without those inside a run of empty bins, over which a step line is flat anyway.

    rows : consecutive bins of one kind and group
    """
    inner = [
        all(row["pairs"] == 0 for row in (before, row, after))
        and series_key(before) == series_key(row) == series_key(after)
        for before, row, after in zip(rows, rows[1:], rows[2:], strict=False)
    ]
    return (
        [row for row, is_inner in zip(rows, [False, *inner, False], strict=True) if not is_inner]
        if len(rows) > 2
        else [*rows]
    )


def series_key(row: dict[str, Any]) -> tuple[Any, str]:
    """The series of a bin."""
    return row["group"], row["kind"]


def bar(row: dict[str, Any]) -> dict[str, Any]:
    """One bin: its proportion of all pairs of its kind and group, and its counts in words."""
    return {
        "group": clean(row["group"]),
        "kind": row["kind"],
        "low": row["low"],
        "share": row["pairs"] / row["all_pairs"],
        "scores": f"{score(row['low'])} to {score(row['high'])}",
        "counted": f"{row['pairs']:,}",
        "of": f"{row['all_pairs']:,}",
    }


def alt_of(rows: pd.DataFrame, title: str, threshold: float) -> str:
    """The chart in words: the number of pairs, and the threshold."""
    everybody = rows[[entry == () for entry in rows["grouping"]]].drop_duplicates("kind").set_index("kind")["all_pairs"]
    counts = " and ".join(f"{everybody[kind]:,} {kind} pairs" for kind in KINDS if kind in everybody.index)
    at = "" if threshold != threshold else f" The dashed line is the threshold {score(threshold)}."
    groups = rows["group"].nunique()
    return f"{title}: proportions of pairs by score in {groups} panels, all subjects first ({counts}).{at}"
