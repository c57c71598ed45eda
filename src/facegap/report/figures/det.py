"""Detection error tradeoff: false rejections against false matches of each group over all thresholds, on log axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from facegap.derive.curves import det_table
from facegap.derive.groupings import Grouping
from facegap.derive.metrics import FMR, FNMR, Metric
from facegap.report.figures.style import (
    ASIDE,
    DASHES,
    PALETTE,
    PER_CENT,
    ROOM_PX,
    Figure,
    by_words,
    data,
    finished,
    panel_of,
    scales,
    series_of,
    slug,
    tooltips,
)
from facegap.report.rows.frames import groupings_of, own_rates, records
from facegap.report.text import clean, interval, percent, score
from facegap.report.wording import ALL_SUBJECTS
from facegap.store.run import Run
from facegap.types import Group

COLUMNS, MOST_PANELS, OUTSIDE_PX, HEIGHT_PX = 2, 16, 78, 160
LEAST_POINTS = 3  # of a curve that shows more than its ends


def det_figures(run: Run) -> list[Figure]:
    """A chart per grouping; none without genuine pairs, as FNMR is then undefined, or if scores are decisions."""
    if not run.record.has_curve:
        return []
    table, rates = det_table(run), own_rates(run)
    points = run.record.operating
    threshold = points[0].threshold if points else float("nan")
    taken: set[str] = set()
    found = []
    for grouping in groupings_of(run) or [()]:
        curves = table[[entry in ((), grouping) for entry in table["grouping"]]]
        if has_curve(curves, grouping):
            name = slug(f"det-by-{'-'.join(grouping)}" if grouping else "det", taken)
            found.append(det(curves, operating(rates, grouping, threshold), grouping, name, score(threshold)))
    return found


def has_curve(curves: pd.DataFrame, grouping: Grouping) -> bool:
    """Whether any group has both errors at LEAST_POINTS thresholds or more; otherwise the chart would be empty."""
    if not len(curves):
        return False
    own = curves[[entry == grouping for entry in curves["grouping"]]]
    both = own[(own[FMR.name] > 0) & (own[FNMR.name] > 0)]
    distinct = both.drop_duplicates(["group", FMR.name, FNMR.name])
    return bool(len(distinct)) and int(distinct["group"].value_counts().max()) >= LEAST_POINTS


def operating(rates: pd.DataFrame, grouping: Grouping, threshold: float) -> dict[Group, dict[str, Any]]:
    """FMR and FNMR of all subjects and of the groups of a grouping at the threshold of the run, with their intervals."""
    at = rates[(rates["threshold"] == threshold) & rates["metric"].isin([FMR.name, FNMR.name])]
    found: dict[Group, dict[str, Any]] = {}
    for row in records(at[[entry in ((), grouping) for entry in at["grouping"]]]):
        found.setdefault(row["group"], {})[row["metric"]] = row
    return {group: both for group, both in found.items() if len(both) == 2 and both[FNMR.name]["trials"]}


def det(
    curves: pd.DataFrame, points: Mapping[Group, Mapping[str, Any]], grouping: Grouping, name: str, threshold: str
) -> Figure:
    """Panels of curves with the operating point of each; a curve ends where it reaches no error, as a log axis has no 0."""
    groups = [group for group in dict.fromkeys(curves["group"]) if group.attributes]
    place = places(groups)
    panels = list(dict.fromkeys(panel for panel, _ in place.values()))[:MOST_PANELS] or [ALL_SUBJECTS]
    series = list(dict.fromkeys(one for _, one in place.values()))
    floor_x, floor_y = (least(curves, points, metric) for metric in (FMR.name, FNMR.name))
    reference = [
        line(row, panel, ALL_SUBJECTS) for row in records(curves) if not row["group"].attributes for panel in panels
    ]
    own = [line(row, *place[row["group"]]) for row in records(curves) if row["group"] in place]
    marks = [dot(group, both, place[group], floor_x, floor_y) for group, both in points.items() if group in place]
    if not groups:
        marks = [dot(group, both, (ALL_SUBJECTS, ALL_SUBJECTS), floor_x, floor_y) for group, both in points.items()]
    drawn = [row for row in [*reference, *own] if row[FMR.name] > 0 and row[FNMR.name] > 0 and row["panel"] in panels]
    colour, dash, shape = looks([ALL_SUBJECTS, *series])
    base = alt.Chart().encode(x=axis(FMR, floor_x), y=axis(FNMR, floor_y))
    legend = alt.Legend(title=None)
    lines = (
        base.transform_filter("datum.kind === 'curve'")
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            color=alt.Color("series:N", scale=colour, legend=legend),
            strokeDash=alt.StrokeDash("series:N", scale=dash, legend=legend),
            detail="group:N",
            order="threshold:Q",
            tooltip=tooltips(group="group", at="threshold", fmr_of="false matches", fnmr_of="false rejections"),
        )
    )
    dots = (
        base.transform_filter("datum.kind === 'point'")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            color=alt.Color("series:N", scale=colour, legend=legend),
            shape=alt.Shape("series:N", scale=shape, legend=legend),
            tooltip=tooltips(
                group="group",
                at="threshold",
                fmr_of="false matches",
                fmr_in="interval of FMR",
                fnmr_of="false rejections",
                fnmr_in="interval of FNMR",
                people="subjects",
            ),
        )
    )
    columns = min(COLUMNS, len(panels))
    facet = alt.Facet("panel:N", sort=[clean(panel) for panel in panels], title=None)
    chart = (
        alt.layer(lines, dots)
        .properties(width=ROOM_PX / columns - OUTSIDE_PX, height=HEIGHT_PX if len(panels) > 1 else 2 * HEIGHT_PX)
        .facet(facet, columns=columns, data=data([*drawn, *marks]))
        .resolve_axis(x="independent", y="independent")
    )
    title = (
        f"False rejections against false matches at every threshold{', by ' + ' x '.join(grouping) if grouping else ''}"
    )
    silent = sorted(clean(group) for group in groups if not any(row["group"] == clean(group) for row in drawn))
    note = f"No curve, because no threshold gives both errors at once: {', '.join(silent)}." if silent else ""
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=alt_of(title, points, threshold),
        note=note,
        caption=by_words(grouping),
        grouping=grouping,
    )


def places(groups: Sequence[Group]) -> dict[Group, tuple[str, str]]:
    """Panel and series of each group: if crossed with gender, a panel per other value; otherwise one panel for up to five groups."""
    if groups and all(series_of(group) for group in groups):
        return {group: (panel_of(group), series_of(group)) for group in groups}
    if len(groups) < len(PALETTE):
        return {group: ("", str(group)) for group in groups}
    return {group: (str(group), "the group") for group in groups}


def looks(series: Sequence[str]) -> tuple[Any, Any, Any]:
    """Colour, dash and shape of all subjects (grey, first) and of each series."""
    domain = [clean(one) for one in series]
    colours = [ASIDE, *(PALETTE[k % len(PALETTE)] for k in range(len(series) - 1))]
    dashes = [list(DASHES[0]), *(list(DASHES[k % len(DASHES)]) for k in range(len(series) - 1))]
    shapes = scales(["-", *series[1:]])[1]
    return (
        alt.Scale(domain=domain, range=colours),
        alt.Scale(domain=domain, range=dashes),
        alt.Scale(domain=domain, range=[shapes.range[0], *shapes.range[1:]][: len(domain)]),
    )


def line(row: Mapping[str, Any], panel: str, series: str) -> dict[str, Any]:
    """One observed point of a curve."""
    return {
        "kind": "curve",
        "panel": clean(panel),
        "series": clean(series),
        "group": clean(row["group"]) if row["group"].attributes else ALL_SUBJECTS,
        "threshold": row["threshold"],
        FMR.name: row[FMR.name],
        FNMR.name: row[FNMR.name],
        "at": score(row["threshold"]),
        "fmr_of": f"{percent(row[FMR.name])}, {row['false_matches']:,} of {row['impostor_pairs']:,}",
        "fnmr_of": f"{percent(row[FNMR.name])}, {row['false_non_matches']:,} of {row['genuine_pairs']:,}",
    }


def dot(
    group: Group, both: Mapping[str, Any], place: tuple[str, str], floor_x: float, floor_y: float
) -> dict[str, Any]:
    """The operating point of a group; a rate of 0 is placed at the edge of the plot."""
    fmr, fnmr = both[FMR.name], both[FNMR.name]
    return {
        "kind": "point",
        "panel": clean(place[0]),
        "series": clean(place[1]),
        "group": clean(group) if group.attributes else ALL_SUBJECTS,
        FMR.name: max(float(fmr["value"]), floor_x),
        FNMR.name: max(float(fnmr["value"]), floor_y),
        "at": score(fmr["threshold"]),
        "fmr_of": f"{percent(fmr['value'])}, {fmr['errors']:,} of {fmr['trials']:,}",
        "fmr_in": interval(fmr["low"], fmr["high"]),
        "fnmr_of": f"{percent(fnmr['value'])}, {fnmr['errors']:,} of {fnmr['trials']:,}",
        "fnmr_in": interval(fnmr["low"], fnmr["high"]),
        "people": f"{fmr['subjects']:,}; with two photographs {fnmr['subjects']:,}",
    }


def least(curves: pd.DataFrame, points: Mapping[Group, Mapping[str, Any]], metric: str) -> float:
    """The lower end of the axis: slightly below the lowest nonzero rate shown."""
    values = [value for value in curves[metric] if value > 0]
    values += [float(both[metric]["value"]) for both in points.values() if both[metric]["value"] > 0]
    return min(values, default=0.001) / 1.5


def axis(metric: Metric, floor: float) -> Any:
    """A log axis in per cent."""
    kind = alt.X if metric.is_impostor else alt.Y
    return kind(
        f"{metric.name}:Q",
        scale=alt.Scale(type="log", domainMin=floor, domainMax=1, nice=False),
        axis=alt.Axis(title=metric.title, labelExpr=PER_CENT, values=[10.0**k for k in range(-8, 1)]),
    )


def alt_of(title: str, points: Mapping[Group, Mapping[str, Any]], threshold: str) -> str:
    """The chart in words: the operating points of the first groups."""
    said = "; ".join(
        f"{clean(group) if group.attributes else ALL_SUBJECTS}: FMR {percent(both[FMR.name]['value'])}, "
        f"FNMR {percent(both[FNMR.name]['value'])} ({both[FNMR.name]['errors']} of {both[FNMR.name]['trials']})"
        for group, both in list(points.items())[:6]
    )
    return f"{title}, log axes. At the threshold {threshold}: {said}." if said else f"{title}, log axes."
