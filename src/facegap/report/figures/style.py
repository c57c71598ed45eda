"""How every chart looks: one palette, marks that differ by shape as well as by colour, no font from elsewhere.

Colours are of Okabe and Ito's set for colour-blind readers, less those that are too pale on white for a thin mark, and
Tol's wine; tests/report/test_figures.py measures how far apart they stay for three kinds of colour blindness, and that
each stands out from white by 3 to 1. Skin tones are never drawn as skin colours, except in the swatches of a tone scale.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from facegap.derive.groupings import Grouping
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.report.text import clean
from facegap.types import Group

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#882255", "#3a9bd9", "#1b1b1b")  # the fifth darkened
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4), (12, 4))
INK, MUTED, GRID, PAPER = "#1b1b1b", "#595959", "#e4e7eb", "#ffffff"
KEPT, FAILED, ASIDE = PALETTE[0], PALETTE[1], "#8a929c"
FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"
ROOM_PX = 820  # a chart with its labels; the page makes it narrower on a phone
LABEL_PX = 190  # longer labels end in dots
LETTER_PX = 6.4  # about, of 12 px sans-serif
ROW_PX = 24
# Letters are measured with the fonts of the machine that draws; one that shows the picture later may have wider ones.
SLACK_PX = {"left": 26, "right": 18, "top": 4, "bottom": 4}
PER_CENT = "format(100 * datum.value, '~g') + '%'"  # of axis labels; the value of a tick is all that it reads
LOG_TICKS = [times * 10.0**power for power in range(-8, 0) for times in (1, 2, 5)] + [1.0]
MOST_ROWS = 40  # of a chart; the tables hold all
# Vega keeps groups in plain objects of JavaScript and fails on a group whose name every such object has already.
INHERITED = frozenset(
    {
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
        "__proto__",
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
    }
)
NO_BREAK = "\u00a0"
DIGITS = 8  # significant ones of a place in a chart: no eye sees more, and a page of many curves is a tenth shorter


@dataclass(frozen=True)
class Figure:
    """A chart.

    name    : file stem in figures/; letters, digits and hyphens only
    title   : heading of the picture where it stands alone
    caption : what its section does not say already, as its heading in the page; empty: the title
    metric, grouping : what it is of; empty where it is of several
    note    : what the picture leaves out or cannot show, for everybody
    alt     : what the picture says, in a sentence or two, for who cannot see it
    spec    : Vega-Lite with its data inside; drawn in the page, and to SVG, PNG and PDF
    """

    name: str
    title: str
    alt: str
    spec: dict[str, Any]
    note: str = ""
    caption: str = ""
    metric: str = ""
    grouping: Grouping = ()


def finished(
    chart: Any,
    *,
    name: str,
    title: str,
    alt_text: str,
    least_px: int = 120,
    outside_px: float = 0.0,
    cells: int = 0,
    **said: Any,
) -> Figure:
    """A figure from a chart.

    least_px   : width of a plot below which a narrow screen scrolls rather than make it narrower
    outside_px : what stands beside each plot, as far as it is known; a narrow screen then draws once and not twice
    cells      : of a heat map, how many stand side by side; where they get too narrow their numbers are left out
    said       : further fields of Figure
    """
    whole = chart.configure(**CONFIG).properties(description=clean(alt_text), background=PAPER)
    spec: dict[str, Any] = told_apart(whole.to_dict(validate=False))
    spec["usermeta"] = {"least": least_px, "outside": round(outside_px), "cells": cells}
    spec["padding"] = dict(SLACK_PX)
    texts: dict[str, Any] = {key: clean(value) if isinstance(value, str) else value for key, value in said.items()}
    return Figure(name, clean(title), clean(alt_text), spec, **texts)


def by_words(grouping: Sequence[str]) -> str:
    """The grouping of a chart as its caption says it."""
    return f"by {' x '.join(grouping)}" if grouping else "everybody"


CONFIG: dict[str, Any] = {
    "font": FONT,
    "view": alt.ViewConfig(stroke=None),
    "axis": alt.AxisConfig(
        labelColor=INK,
        titleColor=INK,
        labelFontSize=12,
        titleFontSize=12,
        titleFontWeight="normal",
        gridColor=GRID,
        domainColor="#8a929c",
        tickColor="#8a929c",
        labelLimit=LABEL_PX,
        titlePadding=8,
    ),
    "axisY": alt.AxisConfig(labelPadding=8),
    "legend": alt.LegendConfig(
        labelFontSize=12,
        titleFontSize=12,
        titleFontWeight="normal",
        orient="top",
        offset=22,
        symbolSize=90,
        labelLimit=LABEL_PX,
        labelColor=INK,
        titleColor=INK,
        titleLimit=400,
    ),
    "header": alt.HeaderConfig(labelFontSize=12, labelColor=INK, labelFontWeight="bold", labelLimit=320),
    "text": alt.MarkConfig(fontSize=12, color=INK),
}


def data(rows: Sequence[dict[str, Any]]) -> Any:
    """Rows as inline data; a number that is none (NaN, infinity) becomes null, as JSON has no other word for it.

    As one text of JSON: a list would be copied and looked through for every layer and every property of a chart.
    """
    plain = [{key: as_json(value) for key, value in row.items()} for row in rows]
    text = json.dumps(plain, separators=(",", ":"), allow_nan=False)
    return alt.InlineData(values=text, format={"type": "json"})


def told_apart(spec: Any) -> Any:
    """A spec in which no text is a name that every object of JavaScript has: a blank at its end keeps it apart.

    Keys stay as they are: none comes from outside.
    """
    if isinstance(spec, dict):
        return {key: told_apart(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [told_apart(value) for value in spec]
    return f"{spec}{NO_BREAK}" if isinstance(spec, str) and spec in INHERITED else spec


def as_json(value: Any) -> Any:
    """A value as JSON can hold it; text without letters that hide or reorder others."""
    if isinstance(value, str):
        return told_apart(clean(value))
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if abs(value) < float("inf") else None
    return value


def tooltips(**titles: str) -> list[Any]:
    """Tooltip lines: field -> title. Values are written beforehand, so that every place says the same."""
    return [alt.Tooltip(field, type="nominal", title=title) for field, title in titles.items()]


def series_of(group: Group) -> str:
    """What a mark is coloured and shaped by: the gender where a group is crossed with it, else nothing."""
    values = dict(group.attributes)
    return values.get("gender", "") if len(values) > 1 else ""


def panel_of(group: Group) -> str:
    """What is left of a crossed group without its gender."""
    return " ".join(value for name, value in group.attributes if name != "gender") or str(group)


def is_known(group: Group) -> bool:
    """Whether all labels of a group are there; everybody is known."""
    return all(value != UNKNOWN for _, value in group.attributes)


def scales(series: Sequence[str]) -> tuple[Any, Any]:
    """Colour and shape scales of some series, in the order of the palette; beyond its length they repeat."""
    count = len(series)
    domain = [clean(one) for one in series]
    colours, shapes = ([source[k % len(source)] for k in range(count)] for source in (PALETTE, SHAPES))
    return alt.Scale(domain=domain, range=colours), alt.Scale(domain=domain, range=shapes)


def label_px(labels: Sequence[str]) -> float:
    """Room that axis labels take."""
    return min(max((len(label) for label in labels), default=0) * LETTER_PX, LABEL_PX) + 12


def slug(text: str, taken: set[str]) -> str:
    """A file stem from a name that comes from outside: ASCII letters, digits and hyphens, never twice."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower())
    stem = "-".join(part for part in kept.split("-") if part)[:60].strip("-") or "figure"
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name)
    return name
