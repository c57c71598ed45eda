"""Heat maps: false match rates by pair of groups, and the effect on other groups of a threshold set on one group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from facegap.derive.groupings import Grouping
from facegap.derive.metrics import FMR
from facegap.derive.transfer import WORST
from facegap.report.figures.style import (
    PAPER,
    ROOM_PX,
    Figure,
    by_words,
    data,
    finished,
    is_known,
    label_px,
    slug,
    tooltips,
)
from facegap.report.rows.frames import group_of, groupings_of, records
from facegap.report.rows.rates import MatrixRows, RateRow, matrix_rows, rate_rows
from facegap.report.text import clean, interval, level_text, percent, rough_percent, score
from facegap.report.wording import ALL_SUBJECTS
from facegap.store.record import TransferPoint
from facegap.store.run import Run
from facegap.types import Group

MOST_GROUPS = 16  # in narrower cells the numbers would be unreadable
CELL_PX, LEAST_CELL_PX = 30, 14
# One scale for every run: white at 0, blue up to the stated value, orange from there up to MOST_TIMES that value and above.
BELOW, ABOVE = ("#f7fafd", "#8fb8de"), ("#f3cfae", "#8c3500")
MOST_TIMES = 10.0
# Position on the upper part of the scale above which white numbers are easier to read than black ones; contrast at least 4.5:1.
WHITE_FROM = 0.70
TICKS = (0.0, 1.0, 1.0 + math.log10(3.0), 2.0)  # 0, the stated value, 3 and 10 times it, at the positions of `shade_of`
# Strokes of a cell with too few people, in a square of 2 by 2.
HATCH = "M-1,-0.4L-0.4,-1M-1,0.2L0.2,-1M-1,0.8L0.8,-1M-0.6,1L1,-0.6M0,1L1,0M0.6,1L1,0.6"
HATCH_PX, HATCH_INK = 27, "#6b7480"
NO_ERROR_ANCHOR = 0.001  # if there are no false matches at a given threshold


@dataclass(frozen=True)
class Anchor:
    """The value at which the colours of a heat map change, and its description."""

    value: float
    words: str


def matrix_figures(run: Run) -> list[Figure]:
    """FMR between every two groups of a grouping at the first threshold; the diagonal is within groups."""
    points = run.record.operating
    taken: set[str] = set()
    found = []
    for matrix in matrix_rows(run):
        groups = [group for group in matrix.groups if is_known(group)][:MOST_GROUPS]
        if matrix.point.threshold == points[0].threshold and len(groups) >= 2 and matrix.has_pairs:
            found.append(
                heat(matrix, groups, slug(f"matrix-by-{'-'.join(matrix.grouping)}", taken), anchor_of(run, matrix))
            )
    return found


def anchor_of(run: Run, matrix: MatrixRows) -> Anchor:
    """The target FMR of the threshold; for a given threshold, the overall FMR increased by the margin."""
    if matrix.point.targets:
        target = max(matrix.point.targets)
        return Anchor(target, f"the target {rough_percent(target)}")
    everybody = next(
        (
            row.rate.value
            for row in rate_rows(run)
            if not row.grouping and row.metric == FMR.name and row.threshold == matrix.point.threshold
        ),
        math.nan,
    )
    stated = run.record.margins.get(FMR.name)
    size, is_ratio = (FMR.margin, FMR.is_ratio) if stated is None else (stated.size, stated.is_ratio)
    if not everybody > 0:
        return Anchor(NO_ERROR_ANCHOR, rough_percent(NO_ERROR_ANCHOR))
    value = everybody * size if is_ratio else everybody + size
    return Anchor(value, f"{rough_percent(value)}, the margin above the overall rate, {rough_percent(everybody)}")


def shade_of(value: float, anchor: float) -> float:
    """Position of a rate on the colour scale: 0 at 0, 1 at the anchor, 2 at MOST_TIMES the anchor and above; NaN stays NaN.

    The scale is linear up to the anchor and logarithmic above it.

    >>> shade_of(0.0005, 0.001), shade_of(0.01, 0.001), shade_of(0.5, 0.001)
    (0.5, 2.0, 2.0)
    """
    if not value > anchor:
        return value / anchor
    return min(1.0 + math.log10(value / anchor) / math.log10(MOST_TIMES), 2.0)


def is_pale(shade: float) -> bool:
    """Whether black numbers are easier to read on a shade than white ones."""
    return not shade > 1 + WHITE_FROM


def colours_of(anchor: Anchor) -> Any:
    """The colour of a cell with its legend, which states the anchor."""
    expression = (
        f"(datum.value > 1.99 ? '\u2265 ' : '') + format(100 * {anchor.value!r} * (datum.value > 1 ? "
        f"pow({MOST_TIMES!r}, datum.value - 1) : datum.value), '.3~r') + '%'"
    )
    return alt.Color(
        "shade:Q",
        scale=alt.Scale(domain=[0, 1, 1.001, 2], range=[*BELOW, *ABOVE], interpolate="lab", clamp=True),
        legend=alt.Legend(
            title=f"FMR; orange: above {anchor.words}",
            values=list(TICKS),
            labelExpr=expression,
            gradientLength=220,
            labelOverlap=False,
        ),
    )


def heat(matrix: MatrixRows, groups: Sequence[Group], name: str, anchor: Anchor) -> Figure:
    """The matrix, with the rate in every cell; cells with too few people are hatched."""
    cells = matrix.cells
    rows = [
        matrix_cell(group, other, cells[group, other], anchor)
        for group in groups
        for other in groups
        if (group, other) in cells
    ]
    names = [clean(group) for group in groups]
    tips = tooltips(pair="groups", rate="FMR", of="false matches", people="subjects", interval="interval")
    threshold = score(matrix.point.threshold)
    title = f"False match rate by pair of groups at the threshold {threshold}, by {' x '.join(matrix.grouping)}"
    worst = max((row for row in rows if row["pair_of_two"]), key=lambda row: row["value"], default=rows[0])
    said = (
        f"{title}: a heat map of {len(groups)} by {len(groups)} groups. Highest between two different groups: "
        f"{worst['pair']}, FMR {worst['rate']}, {worst['of']}."
    )
    return grid(
        rows,
        names,
        names,
        colours_of(anchor),
        tips,
        title=title,
        alt_text=said,
        name=name,
        across="",
        down="",
        caption=by_words(matrix.grouping),
        grouping=matrix.grouping,
    )


def matrix_cell(group: Group, other: Group, row: RateRow, anchor: Anchor) -> dict[str, Any]:
    """One cell with all its texts."""
    rate = row.rate
    shade = shade_of(rate.value, anchor.value)
    return {
        "row": clean(group),
        "column": clean(other),
        "pair": clean(group) if group == other else f"{clean(group)} and {clean(other)}",
        "pair_of_two": group != other,
        "value": rate.value,
        "text": short(rate.value),
        "shade": shade,
        "dark": not is_pale(shade),
        "few": not row.reliable or not rate.trials,
        "rate": percent(rate.value),
        "of": f"{rate.errors:,} of {rate.trials:,} pairs",
        "people": f"{rate.subjects:,}" + ("" if row.reliable else ", too few to rank"),
        "interval": f"{level_text(rate.level)}: {interval(rate.low, rate.high)}",
    }


def short(value: float) -> str:
    """A rate in per cent without the sign, as short as a small cell requires."""
    if value != value:
        return ""
    hundredfold = 100 * value
    if value == 0:
        return "0"
    if hundredfold < 0.001:
        return "<0.001"
    if hundredfold < 10:
        return f"{hundredfold:.1g}" if hundredfold < 0.1 else f"{hundredfold:.2g}"
    return f"{hundredfold:.0f}"


def grid(
    rows: Sequence[Mapping[str, Any]],
    down_names: Sequence[str],
    across_names: Sequence[str],
    colour: Any,
    tips: Any,
    *,
    title: str,
    alt_text: str,
    name: str,
    across: str,
    down: str,
    **said: Any,
) -> Figure:
    """A heat map with a number in every cell. said : further fields of the figure."""
    outside = label_px(down_names) + 24
    base = alt.Chart(data(rows)).encode(  # type: ignore[arg-type]
        x=alt.X(
            "column:N",
            sort=list(across_names),
            axis=alt.Axis(orient="top", labelAngle=-60, title=across or None, ticks=False, domain=False),
        ),
        y=alt.Y("row:N", sort=list(down_names), axis=alt.Axis(title=down or None, ticks=False, domain=False)),
        tooltip=tips,
    )
    boxes = base.mark_rect(stroke=PAPER, strokeWidth=1.5).encode(color=colour)
    ink = alt.condition("datum.dark", alt.value("#ffffff"), alt.value("#000000"))
    numbers = base.mark_text(fontSize=11).encode(text="text:N", color=ink)
    width = min(ROOM_PX - outside, max(44 * len(across_names), 160))
    few = any(row["few"] for row in rows)
    hatched = base.transform_filter("datum.few").mark_point(
        shape=HATCH, size=HATCH_PX**2, stroke=HATCH_INK, strokeWidth=1, filled=False, opacity=1
    )
    chart = alt.layer(boxes, *([hatched] if few else []), numbers).properties(
        width=width, height=CELL_PX * len(down_names)
    )
    note = "Hatched: too few people to rank." if few else ""
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=f"{alt_text} {note}".strip(),
        least_px=LEAST_CELL_PX * len(across_names),
        outside_px=outside,
        cells=len(across_names),
        note=note,
        **said,
    )


# ---- thresholds set on one group ----


def transfer_figures(run: Run) -> list[Figure]:
    """FMR of every group at the threshold set on every other group, a chart per grouping and target FMR."""
    table = run.extra.get("transfer.csv")
    if table is None or not len(table):
        return []
    groupings, taken = groupings_of(run), set[str]()
    told = {point.source: point for point in run.record.transfer_points}
    rows = records(table[table["metric"] == FMR.name])
    found = []
    for grouping, target in dict.fromkeys((point.grouping, point.target) for point in told.values()):
        cells = transfer_cells(rows, groupings, told, grouping, target, run.record.min_subjects)
        if len({row["row"] for row in cells}) >= 2:
            name = slug(f"transfer-by-{'-'.join(grouping)}", taken)
            found.append(transfer(cells, grouping, target, name))
    return found


def transfer_cells(
    rows: Sequence[Mapping[str, Any]],
    groupings: Sequence[Grouping],
    told: Mapping[str, TransferPoint],
    grouping: Grouping,
    target: float,
    min_subjects: int,
) -> list[dict[str, Any]]:
    """The cells of one grouping and target: threshold set on `row`, evaluated on `column`."""
    cells = []
    for row in rows:
        source = str(row["threshold_from"]).split(f"; {WORST}")[0]
        point = told.get(source)
        group = group_of(row, groupings)
        if point is None or point.grouping != grouping or point.target != target or not is_known(group):
            continue
        if WORST in str(row["threshold_from"]):
            continue  # the same threshold as that of a group; the table lists it
        cells.append(transfer_cell(row, point.on, group, target, min_subjects))
    return cells


def transfer_cell(row: Mapping[str, Any], on: str, group: Group, target: float, min_subjects: int) -> dict[str, Any]:
    """One cell with all its texts."""
    value = float(row["value"])
    shade = shade_of(value, target)
    few = not row.get("effective_subjects", row["subjects"]) >= min_subjects
    return {
        "row": clean(on),
        "column": clean(group) if group.attributes else ALL_SUBJECTS,
        "pair": f"set on {clean(on)}; evaluated on {clean(group) if group.attributes else ALL_SUBJECTS}",
        "value": value,
        "text": short(value),
        "shade": shade,
        "dark": not is_pale(shade),
        "few": few or not row["trials"],
        "threshold": score(row["threshold"]),
        "rate": percent(value),
        "times": f"{value / target:.2g} times {percent(target)}" if value == value else "",
        "of": f"{row['errors']:,} of {row['trials']:,} pairs",
        "people": f"{row['subjects']:,}",
        "interval": f"{level_text(row['level'])}: {interval(row['low'], row['high'])}",
    }


def transfer(cells: list[dict[str, Any]], grouping: Grouping, target: float, name: str) -> Figure:
    """Rows are the groups on which the threshold was set; blue is up to the target, orange above it."""
    down, across = (list(dict.fromkeys(cell[side] for cell in cells)) for side in ("row", "column"))
    down, across = down[:MOST_GROUPS], across[: MOST_GROUPS + 1]
    shown = [cell for cell in cells if cell["row"] in down and cell["column"] in across]
    colour = colours_of(Anchor(target, f"the target {rough_percent(target)}"))
    tips = tooltips(
        pair="threshold",
        threshold="score",
        rate="FMR",
        times="against the target",
        of="false matches",
        people="subjects",
        interval="interval",
    )
    title = f"A threshold set on one group, evaluated on the others, by {' x '.join(grouping)}"
    said = f"{title}: a heat map of FMR in per cent; the target is {percent(target)}."
    ranked = [cell for cell in shown if cell["value"] == cell["value"]]
    if ranked:
        worst = max(ranked, key=lambda cell: cell["value"])
        said += f" Furthest above it: {worst['pair']}, FMR {worst['rate']}, {worst['of']}."
    return grid(
        shown,
        down,
        across,
        colour,
        tips,
        title=title,
        alt_text=said,
        name=name,
        across="evaluated on",
        down="set on",
        caption=by_words(grouping),
        grouping=grouping,
    )
