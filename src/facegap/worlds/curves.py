"""Charts of simulation results with Monte Carlo errors: a proportion of simulations against the varied quantity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from facegap.report.figures.style import DASHES, PALETTE, SHAPES, data
from facegap.report.text import clean

WIDTH_PX, HEIGHT_PX = 270, 210
SHORT_LEGEND, LEGEND_PX = 34, 400  # maximum letters of all names in one row; pixels per name
SURE = 2.0  # standard errors


def curves(marks: Sequence[dict[str, Any]], x: Any, y: Any, series: str, order: Sequence[str]) -> Any:
    """Lines with points and whiskers of two standard errors, one line per series."""
    shown = [clean(name) for name in order]
    columns = 1 if sum(len(name) for name in shown) > SHORT_LEGEND else len(shown)

    def encoded(channel: Any, looks: Sequence[Any]) -> Any:
        chosen = [looks[k % len(looks)] for k in range(len(shown))]
        scale, legend = alt.Scale(domain=shown, range=chosen), alt.Legend(columns=columns, labelLimit=LEGEND_PX)
        return channel(f"{series}:N", title=None, sort=shown, scale=scale, legend=legend)

    colour, shape = encoded(alt.Color, PALETTE), encoded(alt.Shape, SHAPES)
    dash = encoded(alt.StrokeDash, [list(pattern) for pattern in DASHES])
    base = alt.Chart(data(marks))
    lines = base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, strokeDash=dash)
    points = base.mark_point(filled=True, size=46).encode(x=x, y=y, color=colour, shape=shape)
    whiskers = base.mark_rule().encode(x=x, y="low:Q", y2="high:Q", color=colour)
    return alt.layer(lines, whiskers, points)


def ends(share: float, worlds: int) -> dict[str, float]:
    """The limits two Monte Carlo errors below and above a proportion."""
    reach = SURE * standard_error(share, worlds)
    return {"low": max(share - reach, 0.0), "high": min(share + reach, 1.0)}


def standard_error(share: float, worlds: int) -> float:
    """Monte Carlo error of a proportion of simulations; at 0 and 1 that of half a simulation, since it is not known exactly."""
    bounded = min(max(share, 0.5 / worlds), 1 - 0.5 / worlds)
    return math.sqrt(bounded * (1 - bounded) / worlds)
