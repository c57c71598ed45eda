"""Common style of the charts: one palette, marks that differ in shape as well as colour, no external fonts.

Colours are from Okabe and Ito's palette for colour-blind readers, except those too pale for a thin mark on white, and
Tol's wine; tests/report/test_figures.py checks their distances for three kinds of colour blindness, and a contrast with
white of at least 3:1. Skin tones are never shown as skin colours, except in the swatches of a tone scale.
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
from facegap.report.wording import ALL_SUBJECTS
from facegap.types import Group

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#882255", "#3a9bd9", "#1b1b1b")  # the fifth is darkened
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4), (12, 4))
INK, MUTED, GRID, PAPER = "#1b1b1b", "#595959", "#e4e7eb", "#ffffff"
KEPT, FAILED, ASIDE = PALETTE[0], PALETTE[1], "#8a929c"
FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"
ROOM_PX = 820  # a chart with its labels; the page makes it narrower on a phone
LABEL_PX = 190  # longer labels are truncated with dots
LETTER_PX = 6.4  # approximately, for 12 px sans-serif
ROW_PX = 24
# Text is measured with the fonts of the rendering machine; those of a viewer may be wider.
SLACK_PX = {"left": 26, "right": 18, "top": 4, "bottom": 4}
PER_CENT = "format(100 * datum.value, '~g') + '%'"  # of axis labels; uses only the value of the tick
LOG_TICKS = [times * 10.0**power for power in range(-8, 0) for times in (1, 2, 5)] + [1.0]
MOST_ROWS = 40  # of a chart; the tables contain all
# Vega stores groups in plain JavaScript objects and fails on a group named like an inherited property.
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
DIGITS = 8  # significant digits of a position: more would be invisible, and a page with many curves is a tenth smaller


@dataclass(frozen=True)
class Figure:
    """A chart and its texts.

    name    : file stem in figures/; letters, digits and hyphens only
    title   : heading of the chart on its own
    caption : heading in the page, without what its section already says; empty: the title
    metric, grouping : those shown; empty for charts of several
    note    : what the chart omits or cannot show
    alt     : alternative text: the content of the chart in a sentence or two
    spec    : Vega-Lite with inline data; rendered in the page, and as SVG, PNG and PDF
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
    """Make a figure from a chart.

    least_px   : minimum width of a plot; a narrower screen scrolls
    outside_px : width of labels beside each plot, if known; a narrow screen then renders once instead of twice
    cells      : of a heat map, number of columns; numbers are omitted if cells get too narrow
    said       : further fields of Figure
    """
    whole = chart.configure(**CONFIG).properties(description=clean(alt_text), background=PAPER)
    spec: dict[str, Any] = with_safe_names(whole.to_dict(validate=False))
    spec["usermeta"] = {"least": least_px, "outside": round(outside_px), "cells": cells}
    spec["padding"] = dict(SLACK_PX)
    texts: dict[str, Any] = {key: clean(value) if isinstance(value, str) else value for key, value in said.items()}
    return Figure(name, clean(title), clean(alt_text), spec, **texts)


def by_words(grouping: Sequence[str]) -> str:
    """The grouping of a chart in its caption."""
    return f"by {' x '.join(grouping)}" if grouping else ALL_SUBJECTS


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
    """Rows as inline data; NaN and infinity become null, as JSON cannot represent them.

    As a JSON string: a list would be copied and traversed for every layer and property of a chart.
    """
    plain = [{key: as_json(value) for key, value in row.items()} for row in rows]
    text = json.dumps(plain, separators=(",", ":"), allow_nan=False)
    return alt.InlineData(values=text, format={"type": "json"})


def with_safe_names(spec: Any) -> Any:
    """A spec in which no text equals an inherited property name of JavaScript objects: a space is appended to such texts.

    Keys are unchanged: none comes from outside.
    """
    if isinstance(spec, dict):
        return {key: with_safe_names(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [with_safe_names(value) for value in spec]
    return f"{spec}{NO_BREAK}" if isinstance(spec, str) and spec in INHERITED else spec


def as_json(value: Any) -> Any:
    """A value that JSON can represent; text without characters that hide or reorder others."""
    if isinstance(value, str):
        return with_safe_names(clean(value))
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if abs(value) < float("inf") else None
    return value


def tooltips(**titles: str) -> list[Any]:
    """Tooltip lines: field -> title. Values are already formatted, so that all places agree."""
    return [alt.Tooltip(field, type="nominal", title=title) for field, title in titles.items()]


def series_of(group: Group) -> str:
    """The series of a group for colour and shape: the gender if the group is crossed with it, otherwise empty."""
    values = dict(group.attributes)
    return values.get("gender", "") if len(values) > 1 else ""


def panel_of(group: Group) -> str:
    """The name of a crossed group without its gender."""
    return " ".join(value for name, value in group.attributes if name != "gender") or str(group)


def is_known(group: Group) -> bool:
    """Whether all labels of a group are known; true for all subjects."""
    return all(value != UNKNOWN for _, value in group.attributes)


def scales(series: Sequence[str]) -> tuple[Any, Any]:
    """Colour and shape scales of some series, in the order of the palette; beyond its length they repeat."""
    count = len(series)
    domain = [clean(one) for one in series]
    colours, shapes = ([source[k % len(source)] for k in range(count)] for source in (PALETTE, SHAPES))
    return alt.Scale(domain=domain, range=colours), alt.Scale(domain=domain, range=shapes)


def label_px(labels: Sequence[str]) -> float:
    """Width of axis labels."""
    return min(max((len(label) for label in labels), default=0) * LETTER_PX, LABEL_PX) + 12


def slug(text: str, taken: set[str]) -> str:
    """A unique file stem from an external name: ASCII letters, digits and hyphens."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower())
    stem = "-".join(part for part in kept.split("-") if part)[:60].strip("-") or "figure"
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name)
    return name
