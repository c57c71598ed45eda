"""Distribution of the people of a run over a scale of skin tone, if there is one; swatches show the scale's own colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from facegap.groups.scales import MONK, SCALES, Scale
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.report.figures.style import (
    ASIDE,
    KEPT,
    LETTER_PX,
    MOST_ROWS,
    MUTED,
    ROOM_PX,
    ROW_PX,
    Figure,
    data,
    finished,
    label_px,
    slug,
    tooltips,
)
from facegap.report.text import clean, percent
from facegap.store.run import Run

PREFIXES = ("measured_", "annotated_")
NAMES = frozenset({"tone", "skin_tone", "skin", *SCALES})
NO_LABEL = "no label"


def tone_figures(run: Run) -> list[Figure]:
    """A chart per skin tone column of the manifest."""
    taken: set[str] = set()
    return [spread(run.manifest, column, slug(column, taken)) for column in tone_columns(run.manifest)]


def tone_columns(manifest: pd.DataFrame) -> list[str]:
    """Skin tone columns: tone, the name of a scale, or either after `measured_` or `annotated_`."""
    return [
        str(name) for name in manifest.columns if bare(str(name)) in NAMES and manifest[name].nunique() <= MOST_ROWS
    ]


def bare(column: str) -> str:
    """A column name without the prefix that states the source of its labels."""
    name = column.lower()
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def scale_of(column: str, levels: Sequence[str]) -> Scale | None:
    """The scale of a column: the one it is named after, or the first that contains all its labels."""
    name = bare(column)
    if name in SCALES:
        return SCALES[name]
    return next((scale for scale in SCALES.values() if set(levels) <= set(scale.labels)), None)


def spread(manifest: pd.DataFrame, column: str, name: str) -> Figure:
    """A bar per level in the order of the scale: number of people and images."""
    levels = manifest[column].astype(str).replace("", UNKNOWN)
    images = levels.value_counts()
    people = manifest.groupby(levels)["subject"].nunique()
    known = [level for level in images.index if level != UNKNOWN]
    scale = scale_of(column, known)
    order = list(scale.labels) if scale and set(known) <= set(scale.labels) else sorted(known)
    shown = [*order, *([UNKNOWN] if UNKNOWN in images.index else [])][:MOST_ROWS]
    swatches = dict(zip(scale.labels, scale.swatches, strict=True)) if scale is MONK and scale.swatches else {}
    total = int(people.sum())
    rows = [
        level_row(level, int(people.get(level, 0)), int(images.get(level, 0)), total, swatches.get(level))
        for level in shown
    ]
    names = [row["level"] for row in rows]
    text_px = max(len(row["note"]) for row in rows) * LETTER_PX + 12
    outside = label_px(names) + text_px + (26 if swatches else 0)
    base = alt.Chart(data(rows)).encode(
        y=alt.Y(
            "level:N",
            sort=names,
            axis=alt.Axis(title=None, ticks=False, domain=False, labelPadding=26 if swatches else 8),
        ),
        tooltip=tooltips(level="tone", people_of="people", images_of="images"),
    )
    bars = base.mark_bar(height=15).encode(
        x=alt.X("people:Q", title="people", scale=alt.Scale(domainMin=0), axis=alt.Axis(tickCount=5, format="~s")),
        color=alt.Color("fill:N", scale=None),
    )
    notes = base.mark_text(align="left", dx=8, color=MUTED).encode(x=alt.value("width"), text="note:N")
    layers: list[Any] = [bars, notes]
    if swatches:
        squares = base.transform_filter("datum.swatch !== null").mark_point(
            shape="square", filled=True, size=170, stroke="#8a929c", strokeWidth=1, opacity=1
        )
        layers.append(squares.encode(x=alt.value(-14), color=alt.Color("swatch:N", scale=None)))
    chart = alt.layer(*layers).properties(width=ROOM_PX - outside, height=ROW_PX * len(rows))
    title = f"People by {column.replace('_', ' ')}"
    told = "; ".join(f"{row['level']} {row['people_of']}" for row in rows if row["people"])
    return finished(chart, name=name, title=title, alt_text=f"{title}: {told}.", outside_px=outside)


def level_row(level: str, people: int, images: int, total: int, swatch: str | None) -> dict[str, Any]:
    """One bar."""
    return {
        "level": NO_LABEL if level == UNKNOWN else clean(level),
        "people": people,
        "people_of": f"{people:,} of {total:,}, {percent(people / total)}" if total else "0",
        "images_of": f"{images:,}",
        "note": f"{people:,}",
        "fill": ASIDE if level == UNKNOWN else KEPT,
        "swatch": swatch,
    }
