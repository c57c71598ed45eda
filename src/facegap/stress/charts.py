"""A chart per perturbation: the error of each group by dose, with its interval, wide and narrow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import altair as alt
import pandas as pd

from facegap.report.figures.render import Drawn, drawn
from facegap.report.figures.style import PER_CENT, ROOM_PX, Figure, data, finished, scales, slug, tooltips
from facegap.report.tables import title_of
from facegap.report.text import clean, interval, percent
from facegap.stress.measure import NONE
from facegap.stress.perturb import PERTURBATIONS
from facegap.stress.run import Stressed

NARROW_PX = 330
HEIGHT_PX = 220
AS_IS = "as is"


def curves(done: Stressed) -> list[tuple[Figure, Drawn]]:
    """The primary metric by the first grouping, one chart per perturbation, with a narrow version for phones."""
    family = str(done.record["by"][0]) if done.record["by"] else ""
    rows = done.rates[
        (done.rates["metric"] == done.primary) & (done.rates["family"] == family) & (done.rates["trials"] > 0)
    ]
    if family:
        rows = rows[rows["ranked"]]
    found, taken = [], set[str]()
    for name in [str(one) for one in dict.fromkeys(rows["perturbation"]) if one != NONE]:
        stem = slug(f"stress-{name}", taken)
        wide = curve(rows, name, done.primary, stem, ROOM_PX - 110)
        narrow = curve(rows, name, done.primary, f"{stem}-narrow", NARROW_PX - 70)
        found.append((wide, replace(drawn(wide), narrow=drawn(narrow).svg)))
    return found


def curve(rows: pd.DataFrame, name: str, metric: str, stem: str, width: int) -> Figure:
    """The chart of one perturbation; doses in order of strength, starting with the unperturbed images."""
    of = PERTURBATIONS[name]
    chosen = rows[rows["perturbation"].isin([NONE, name])]
    doses = [float(dose) for dose in dict.fromkeys(chosen["dose"].dropna())]
    below, above = (sorted(dose for dose in doses if (dose < 0) == side) for side in (True, False))
    order = [*(f"{dose:g}" for dose in below), AS_IS, *(f"{dose:g}" for dose in (above if of.low < 0 else doses))]
    groups = [clean(group) if group else "everybody" for group in dict.fromkeys(chosen["group"])]
    points: list[dict[str, Any]] = []
    for row in chosen.to_dict("records"):
        group = clean(row["group"]) if row["family"] else "everybody"
        points.append(
            {
                "dose": AS_IS if row["perturbation"] == NONE else f"{row['dose']:g}",
                "group": group,
                "value": float(row["value"]),
                "low": float(row["low"]),
                "high": float(row["high"]),
                "said": f"{percent(row['value'])} {interval(row['low'], row['high'])} {row['errors']}/{row['trials']:,}",
            }
        )
    colours, shapes = scales(groups)
    base = alt.Chart(data(points)).encode(
        x=alt.X("dose:O", title=f"{of.title}: {of.unit}", sort=order, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("group:N", sort=groups),
        color=alt.Color("group:N", scale=colours, title=None, sort=groups),
        tooltip=tooltips(group="group", dose="dose", said="rate, interval, errors / trials"),
    )
    rule = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", title=title_of(metric), axis=alt.Axis(labelExpr=PER_CENT, tickCount=5)), y2="high:Q"
    )
    mark = base.mark_point(filled=True, size=70, opacity=1).encode(
        y="value:Q", shape=alt.Shape("group:N", scale=shapes, title=None, sort=groups)
    )
    worst = max(points, key=lambda one: one["value"])
    words = (
        f"{title_of(metric)} by {of.title} and group; highest: {worst['group']} at {worst['dose']}, {worst['said']}."
    )
    chart = alt.layer(rule, mark).properties(width=width, height=HEIGHT_PX)
    return finished(
        chart,
        name=stem,
        title=f"{title_of(metric)} by {of.title}",
        alt_text=words,
        note="Each dot is a group at a dose, each line its own interval. The difference between groups is in the table.",
    )
