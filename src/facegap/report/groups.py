"""Groups against each other as tables of text: the cross-group matrix, and the gaps with their verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.groupings import attribute_columns
from facegap.derive.verification import MOST_MATRIX_GROUPS, Operating
from facegap.report.tables import (
    METRIC_TITLES,
    TextTable,
    across_groups,
    cell,
    group_of,
    grouping_of,
    groupings_of,
    no_error_notes,
    own_rates,
    records,
)
from facegap.report.text import NO_NUMBER, clean, interval, number, p_value, percent, score
from facegap.statistics.gaps import RATIO_METRICS
from facegap.statistics.verdicts import sentence
from facegap.store.run import Run
from facegap.types import Group

MOST_MATRIX_COLUMNS = 8  # a wider matrix does not fit a terminal; rates.csv holds it all


def matrix_tables(run: Run) -> list[TextTable]:
    """Who is mistaken for whom: FMR between every two groups of a grouping, per threshold."""
    groupings = groupings_of(run)
    between = run.rates[across_groups(run.rates, attribute_columns(groupings))]
    own = own_rates(run)
    tables = []
    for grouping in groupings:
        for point in run.record.get("operating", []):
            chosen = own[(own["metric"] == "fmr") & (own["threshold"] == point["threshold"])]
            cells = {(row["group"], row["group"]): row for row in records(chosen) if row["grouping"] == grouping}
            for row in records(between[between["threshold"] == point["threshold"]]):
                group, other = group_of(row, groupings), group_of(row, groupings, "other_")
                if grouping_of(group) == grouping:
                    cells[group, other] = cells[other, group] = row
            tables.append(matrix_table(cells, " x ".join(grouping), Operating(point["threshold"], point["source"])))
    return [table for table in tables if table.rows or table.notes]


def matrix_table(cells: Mapping[tuple[Group, Group], Mapping[str, Any]], title: str, point: Operating) -> TextTable:
    """One cross-group matrix; only the first columns where it is wide. Without a cell between groups it has no row."""
    groups = list(dict.fromkeys(group for group, _ in cells))
    title = f"{title}: who is mistaken for whom (FMR), threshold {score(point.threshold)}"
    if len(groups) > MOST_MATRIX_GROUPS:
        return TextTable(
            title, ("group",), (), notes=(f"{len(groups)} groups, more than {MOST_MATRIX_GROUPS}: no matrix.",)
        )
    if all(group == other for group, other in cells):
        return TextTable(title, ("group",), ())
    shown = groups[:MOST_MATRIX_COLUMNS]
    rows = tuple(
        (clean(group), *(cell(cells[group, other]) if (group, other) in cells else "" for other in shown))
        for group in groups
    )
    notes = [f"Threshold: {clean(point.source)}."]
    if len(shown) < len(groups):
        notes.append(f"The first {len(shown)} of {len(groups)} groups; all are in rates.csv.")
    notes += no_error_notes([row for (_, other), row in cells.items() if other in shown])
    return TextTable(title, ("group", *(clean(group) for group in shown)), rows, notes=tuple(notes))


def gap_table(run: Run) -> TextTable:
    """A line per family: its widest gap, which is that of worst against best, and how many gaps got which verdict."""
    rows = tuple(
        gap_line(family)
        for _, family in run.gaps.groupby(["family", "metric", "model", "threshold"], sort=False, dropna=False)
    )
    columns = (
        "groups",
        "metric",
        "threshold",
        "worst against best",
        "difference",
        "ratio",
        "errors / trials",
        "p (Holm)",
        "verdict",
        "all pairs",
    )
    tested = (
        f"All pairs are in gaps.csv. Brackets are {100 * run.record['level']:g} % intervals, each of one gap by itself; p is "
        "Holm's over all pairs of the family, and never less strict. Subjects, not images, are what varies."
    )
    small = f"Groups of fewer than {run.record['min_subjects']} subjects, and rows without a label, are in no pair."
    return TextTable("gaps and verdicts", columns, rows, notes=(tested, small, *threshold_notes(run)))


def threshold_notes(run: Run) -> list[str]:
    """Where each threshold of the gaps comes from."""
    points = [*run.record.get("operating", []), *run.record.get("identification", {}).get("operating", [])]
    judged = set(run.gaps["threshold"])
    return [
        f"Threshold {score(point['threshold'])}: {clean(point['source'])}."
        for point in points
        if point["threshold"] in judged
    ]


def gap_line(family: pd.DataFrame) -> tuple[str, ...]:
    """The widest gap of one family."""
    widest = family["difference"].abs()
    row = records(family)[int(np.argmax(widest.fillna(-1.0).to_numpy()))]
    turn = 1 if not row["difference"] < 0 else -1  # the worse group first
    first, second = ("a", "b") if turn == 1 else ("b", "a")
    low, high = sorted((turn * row["difference_low"], turn * row["difference_high"]))
    counts = family["verdict"].value_counts()
    ratio = row["metric"] in RATIO_METRICS
    alike = not abs(row["difference"]) > 0  # of equals, or of groups without a rate, none is worst
    return (
        clean(row["family"]),
        METRIC_TITLES.get(row["metric"], row["metric"]),
        score(row["threshold"]),
        NO_NUMBER if alike else f"{clean(row[f'group_{first}'])} against {clean(row[f'group_{second}'])}",
        f"{percent(turn * row['difference'])} {interval(low, high)}",
        ratio_text(row, turn),
        f"{row[f'errors_{first}']}/{row[f'trials_{first}']} against {row[f'errors_{second}']}/{row[f'trials_{second}']}",
        p_value(float(row["p_adjusted"])),
        sentence(str(row["verdict"]), float(row["margin"]), is_ratio=ratio, differs=bool(row["differs"])),
        "; ".join(f"{count} {clean(verdict)}" for verdict, count in counts.items()),
    )


def ratio_text(row: Mapping[str, Any], turn: int) -> str:
    """The ratio of the worse group to the better one with its interval."""
    value, low, high = row["ratio"], row["ratio_low"], row["ratio_high"]
    if turn < 0:
        value, low, high = (reciprocal(bound) for bound in (value, high, low))
    return f"{number(value)} [{number(low)}, {number(high)}]"


def reciprocal(value: float) -> float:
    """1 / value; of 0 infinity."""
    return math.inf if value == 0 else 1 / value
