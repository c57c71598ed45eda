"""The charts of docs/skin_tone.md."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd

from facegap.report.figures.style import CONFIG, MUTED, PALETTE, PAPER
from facegap.statistics.intervals import wilson
from facegap.types import AnyArray

CUT = 28
BINS = (0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
PRIORS = {"manifest": "among the people of the manifest", "flat": "every tone as common (--prior flat)"}
Flips = Callable[[pd.DataFrame, float], tuple[float, float, int]]


def write_charts(
    folder: Path,
    curves: pd.DataFrame,
    congress: pd.DataFrame,
    two: AnyArray,
    found: pd.DataFrame,
    faces: pd.DataFrame,
    flips: Flips,
) -> None:
    """Write all five as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    charts = {
        "separation": separation(curves),
        "two_photographs": two_photographs(congress, two),
        "reliability": reliability(found),
        "flips": flip_curve(found, flips),
        "drawn": drawn(faces),
    }
    for name, chart in charts.items():
        chart.configure(**CONFIG).properties(background=PAPER, padding=12).save(str(folder / f"{name}.svg"))


def separation(curves: pd.DataFrame) -> alt.Chart:
    """Three ROC curves and the diagonal."""
    lines = (
        alt.Chart(curves)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("false:Q", title="share of White faces under the cut", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("true:Q", title="share of Black faces under the cut", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color(
                "measure:N", title="area under the curve", sort=None, scale=alt.Scale(range=list(PALETTE[:3]))
            ),
            strokeDash=alt.StrokeDash("measure:N", sort=None),
            order="false:Q",
        )
    )
    return (lines + diagonal(0, 1)).properties(width=380, height=380)


def diagonal(low: float, high: float) -> alt.Chart:
    """A thin line from corner to corner."""
    ends = pd.DataFrame({"x": [low, high], "y": [low, high]})
    return alt.Chart(ends).mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1).encode(x="x:Q", y="y:Q")


def two_photographs(congress: pd.DataFrame, two: AnyArray) -> alt.Chart:
    """Plain and measured ITA of the earlier photograph, against the later one."""
    parts = [
        pd.DataFrame(
            {
                "earlier": congress[name].to_numpy()[two[:, 0]],
                "later": congress[name].to_numpy()[two[:, 1]],
                "measure": title,
            }
        )
        for name, title in (("ita", "plain ITA"), ("measured_ita", "measured ITA"))
    ]
    scale = alt.Scale(domain=[-60, 90], nice=False)
    rules = pd.DataFrame({"at": [CUT]})
    panels = []
    for part in parts:
        points = (
            alt.Chart(part)
            .mark_circle(size=26, opacity=0.55, color=PALETTE[0], clip=True)
            .encode(
                x=alt.X("earlier:Q", title="2015 photograph, degrees", scale=scale),
                y=alt.Y("later:Q", title="2024 photograph, degrees", scale=scale),
            )
        )
        across = alt.Chart(rules).mark_rule(color=MUTED).encode(y="at:Q")
        down = alt.Chart(rules).mark_rule(color=MUTED).encode(x="at:Q")
        r = np.corrcoef(part["earlier"], part["later"])[0, 1]
        title = f"{part['measure'].iloc[0]}: r = {r:.2f}"
        panels.append((points + across + down + diagonal(-60, 90)).properties(width=300, height=300, title=title))
    return alt.hconcat(*panels)


def reliability(found: pd.DataFrame) -> alt.Chart:
    """Predicted and observed proportion, with Wilson intervals, for both priors."""
    rows = []
    for name, group in found.groupby("prior"):
        for low, high in pairwise(BINS):
            inside = group[(group["predicted"] >= low) & ((group["predicted"] < high) | (high == 1))]
            if len(inside):
                # Both orders of a pair are included: half as many people.
                people = np.array(max(len(inside) // 2, 1))
                rate = inside["came"].mean()
                bounds = wilson(np.array(round(rate * people)), people)
                rows.append(
                    {
                        "prior": PRIORS[str(name)],
                        "predicted": inside["predicted"].mean(),
                        "observed": rate,
                        "low": float(bounds[0]),
                        "high": float(bounds[1]),
                        "photographs": len(inside),
                    }
                )
    table = pd.DataFrame(rows)
    print(table.round(3).to_string())
    base = alt.Chart(table).encode(
        x=alt.X("predicted:Q", title="predicted chance that the other photograph is at or below 28 degrees"),
        color=alt.Color("prior:N", title=None, legend=None, scale=alt.Scale(range=list(PALETTE[:2]))),
    )
    bars = base.mark_rule().encode(y=alt.Y("low:Q", title="observed share"), y2="high:Q")
    points = base.mark_point(filled=True, opacity=1).encode(
        y="observed:Q",
        size=alt.Size("photographs:Q", scale=alt.Scale(domain=[0, 110]), legend=alt.Legend(values=[10, 50, 100])),
    )
    panels = [
        alt.layer(
            *(layer.transform_filter(alt.datum.prior == name) for layer in (bars, points)), diagonal(0, 1)
        ).properties(width=300, height=300, title=name)
        for name in PRIORS.values()
    ]
    return alt.hconcat(*panels)


def flip_curve(found: pd.DataFrame, flips: Flips) -> alt.Chart:
    """Proportion of flips against proportion of called photographs, as the required probability increases."""
    rows = []
    for name, group in found.groupby("prior"):
        for sure in (0.501, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98):
            share, flipped, pairs = flips(group, sure)
            rows.append(
                {"prior": PRIORS[str(name)], "called": share, "flips": flipped, "sure": f"{sure:.2f}", "pairs": pairs}
            )
    table = pd.DataFrame(rows)
    print(table.round(3).to_string())
    base = alt.Chart(table).encode(
        x=alt.X("called:Q", title="share of photographs called lighter or darker", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("flips:Q", title="called otherwise in the other photograph"),
        color=alt.Color("prior:N", title="probability", scale=alt.Scale(range=list(PALETTE[:2]))),
    )
    named = base.transform_filter(alt.FieldOneOfPredicate("sure", ["0.50", "0.70", "0.90", "0.98"]))
    return (base.mark_line(point=True) + named.mark_text(dx=-6, dy=-10, fontSize=11).encode(text="sure:N")).properties(
        width=420, height=260
    )


def drawn(faces: pd.DataFrame) -> alt.Chart:
    """Measured and plain ITA of illustrated faces against the ITA of their paint."""
    seen = faces.dropna(subset="measured")
    panels = [
        (
            alt.Chart(seen)
            .mark_point(size=24, opacity=0.7)
            .encode(
                x=alt.X("truth:Q", title="ITA of the paint, degrees", scale=alt.Scale(domain=[-90, 90], nice=False)),
                y=alt.Y(f"{column}:Q", title=f"{column} ITA, degrees", scale=alt.Scale(domain=[-90, 90], nice=False)),
                color=alt.Color("light:N", title="light", sort=None, scale=alt.Scale(range=list(PALETTE[:5]))),
                shape=alt.Shape("light:N", sort=None),
            )
            + diagonal(-90, 90)
        ).properties(width=300, height=300, title=title)
        for column, title in (("plain", "plain"), ("measured", "measured"))
    ]
    return alt.hconcat(*panels)
