"""Who is mistaken for whom, and what a threshold set on one group does to the others: two heat maps with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from facegap.derive.groupings import Grouping
from facegap.derive.metrics import FMR
from facegap.derive.transfer import WORST
from facegap.report.figures.style import (
    LOG_TICKS,
    PAPER,
    PER_CENT,
    ROOM_PX,
    Figure,
    data,
    finished,
    is_known,
    label_px,
    slug,
    tooltips,
)
from facegap.report.rows.frames import group_of, groupings_of, records
from facegap.report.rows.rates import MatrixRows, RateRow, matrix_rows
from facegap.report.text import clean, interval, level_text, percent, score
from facegap.store.record import TransferPoint
from facegap.store.run import Run
from facegap.types import Group

MOST_GROUPS = 16  # cells narrower than their numbers say nothing
CELL_PX, LEAST_CELL_PX = 30, 34
BLUES = ("#f2f6fb", "#c9dbef", "#8fb8de", "#4b8cc4", "#1a5c99", "#08305f")
DIVERGING = ("#0b4f8a", "#6ea6d6", "#f5f5f5", "#e8975a", "#8c3500")
# Of the way from pale to dark: from there white numbers read better than black ones. Either has a contrast of 4.5 to 1.
WHITE_FROM, WHITE_ON_BLUE, WHITE_ON_ORANGE = 0.675, 0.75, 0.785
TARGET_SPAN = 3.0  # powers of two around the target that the colours of a transfer tell apart


def matrix_figures(run: Run) -> list[Figure]:
    """FMR between every two groups of a grouping at the first threshold; the diagonal is each group's own FMR."""
    points = run.record.operating
    taken: set[str] = set()
    found = []
    for matrix in matrix_rows(run):
        groups = [group for group in matrix.groups if is_known(group)][:MOST_GROUPS]
        if matrix.point.threshold == points[0].threshold and len(groups) >= 2 and matrix.has_pairs:
            found.append(heat(matrix, groups, slug(f"matrix-by-{'-'.join(matrix.grouping)}", taken)))
    return found


def heat(matrix: MatrixRows, groups: Sequence[Group], name: str) -> Figure:
    """The matrix; colour by powers of ten, white where nobody was mistaken, with the rate in every cell."""
    cells = matrix.cells
    rows = [
        matrix_cell(group, other, cells[group, other])
        for group in groups
        for other in groups
        if (group, other) in cells
    ]
    names = [clean(group) for group in groups]
    values = [row["value"] for row in rows if row["value"] > 0]
    low, high = (min(values), max(values)) if values else (1e-4, 1e-3)
    for row in rows:
        row["shade"] = row["value"] if row["value"] > 0 else None
        row["dark"] = bool(row["value"] > low * (high / low) ** WHITE_FROM)
    ticks = [tick for tick in LOG_TICKS if low <= tick <= high] or [low]
    colour = alt.Color(
        "shade:Q",
        scale=alt.Scale(
            type="log", domain=[low, high if high > low else low * 10], range=list(BLUES), interpolate="lab"
        ),
        legend=alt.Legend(title="FMR", labelExpr=PER_CENT, values=ticks, gradientLength=220, labelOverlap="greedy"),
    )
    tips = tooltips(pair="groups", rate="FMR", of="false matches", people="subjects", interval="interval")
    threshold = score(matrix.point.threshold)
    title = f"Who is mistaken for whom at the threshold {threshold}, by {' x '.join(matrix.grouping)}"
    worst = max((row for row in rows if row["pair_of_two"]), key=lambda row: row["value"], default=rows[0])
    said = (
        f"{title}: a heat map of {len(groups)} by {len(groups)} groups. Highest between two different groups: "
        f"{worst['pair']}, FMR {worst['rate']}, {worst['of']}."
    )
    return grid(rows, names, names, colour, tips, title=title, alt_text=said, name=name, across="", down="")


def matrix_cell(group: Group, other: Group, row: RateRow) -> dict[str, Any]:
    """One cell with everything that is said of it."""
    rate = row.rate
    return {
        "row": clean(group),
        "column": clean(other),
        "pair": clean(group) if group == other else f"{clean(group)} and {clean(other)}",
        "pair_of_two": group != other,
        "value": rate.value,
        "text": short(rate.value),
        "rate": percent(rate.value),
        "of": f"{rate.errors:,} of {rate.trials:,} pairs",
        "people": f"{rate.subjects:,}",
        "interval": f"{level_text(rate.level)}: {interval(rate.low, rate.high)}",
    }


def short(value: float) -> str:
    """A rate in per cent without its sign, in as few letters as a small cell holds."""
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
) -> Figure:
    """A heat map with the number of every cell in it."""
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
    chart = alt.layer(boxes, numbers).properties(width=width, height=CELL_PX * len(down_names))
    return finished(chart, name=name, title=title, alt_text=alt_text, least_px=LEAST_CELL_PX * len(across_names))


# ---- thresholds that were set on one group ----


def transfer_figures(run: Run) -> list[Figure]:
    """FMR of every group at the threshold of every other, a chart per grouping and target FMR."""
    table = run.extra.get("transfer.csv")
    if table is None or not len(table):
        return []
    groupings, taken = groupings_of(run), set[str]()
    told = {point.source: point for point in run.record.transfer_points}
    rows = records(table[table["metric"] == FMR.name])
    found = []
    for grouping, target in dict.fromkeys((point.grouping, point.target) for point in told.values()):
        cells = transfer_cells(rows, groupings, told, grouping, target)
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
) -> list[dict[str, Any]]:
    """The cells of one grouping and target: threshold of `row`, judged on `column`."""
    cells = []
    for row in rows:
        source = str(row["threshold_from"]).split(f"; {WORST}")[0]
        point = told.get(source)
        group = group_of(row, groupings)
        if point is None or point.grouping != grouping or point.target != target or not is_known(group):
            continue
        if WORST in str(row["threshold_from"]):
            continue  # the same threshold as one of the groups'; the table names it
        cells.append(transfer_cell(row, point.on, group, target))
    return cells


def transfer_cell(row: Mapping[str, Any], on: str, group: Group, target: float) -> dict[str, Any]:
    """One cell with everything that is said of it; its shade is the power of two by which FMR misses the target."""
    value = float(row["value"])
    steps = float(np.log2(value / target)) if value > 0 else -TARGET_SPAN
    shade = float(np.clip(steps, -TARGET_SPAN, TARGET_SPAN)) if value == value else float("nan")
    return {
        "row": clean(on),
        "column": clean(group) if group.attributes else "everybody",
        "pair": f"set on {clean(on)}, judged on {clean(group) if group.attributes else 'everybody'}",
        "value": value,
        "text": short(value),
        "shade": shade,
        "dark": bool(abs(shade) > (WHITE_ON_BLUE if shade < 0 else WHITE_ON_ORANGE) * TARGET_SPAN),
        "threshold": score(row["threshold"]),
        "rate": percent(value),
        "times": f"{value / target:.2g} times {percent(target)}" if value == value else "",
        "of": f"{row['errors']:,} of {row['trials']:,} pairs",
        "people": f"{row['subjects']:,}",
        "interval": f"{level_text(row['level'])}: {interval(row['low'], row['high'])}",
    }


def transfer(cells: list[dict[str, Any]], grouping: Grouping, target: float, name: str) -> Figure:
    """Rows are the groups that the threshold was set on; blue is less than the target, orange is more."""
    down, across = (list(dict.fromkeys(cell[side] for cell in cells)) for side in ("row", "column"))
    down, across = down[:MOST_GROUPS], across[: MOST_GROUPS + 1]
    shown = [cell for cell in cells if cell["row"] in down and cell["column"] in across]
    colour = alt.Color(
        "shade:Q",
        scale=alt.Scale(domain=[-TARGET_SPAN, TARGET_SPAN], range=list(DIVERGING), interpolate="lab"),
        legend=alt.Legend(
            title=f"FMR against the target {percent(target)}",
            gradientLength=200,
            values=[-3, -1, 0, 1, 3],
            labelExpr="datum.value === 0 ? 'met' : datum.value < 0 ? '1/' + pow(2, -datum.value) : pow(2, datum.value) + ' x'",
        ),
    )
    tips = tooltips(
        pair="threshold",
        threshold="score",
        rate="FMR",
        times="against the target",
        of="false matches",
        people="subjects",
        interval="interval",
    )
    title = f"A threshold set on one group, judged on the others, by {' x '.join(grouping)}"
    said = f"{title}: a heat map of FMR in per cent; the target is {percent(target)}."
    ranked = [cell for cell in shown if cell["value"] == cell["value"]]
    if ranked:
        worst = max(ranked, key=lambda cell: cell["value"])
        said += f" Furthest above it: {worst['pair']}, FMR {worst['rate']}, {worst['of']}."
    return grid(
        shown, down, across, colour, tips, title=title, alt_text=said, name=name, across="judged on", down="set on"
    )
