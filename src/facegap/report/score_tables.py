"""Tables of the page that belong to comparisons: how alike pairs look, what thresholds of one group cost, unequal rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facegap.derive.transfer import WORST
from facegap.report.tables import TextTable, cell, group_of, groupings_of, records
from facegap.report.text import NO_NUMBER, clean, number, p_value, percent, score
from facegap.store.run import Run

MEASURE_TITLES = {
    "max_min_difference": "largest less smallest",
    "max_min_ratio": "largest over smallest",
    "max_over_geometric_mean": "largest over geometric mean",
    "gini": "Gini",
    "garbe": "GARBE",
    "fairness_discrepancy_rate": "fairness discrepancy rate",
    "inequity_rate": "inequity rate",
}


def score_table(run: Run) -> TextTable:
    """Means of scores and the equal error rate by group."""
    groupings = groupings_of(run)
    rows = tuple(
        (
            clean(group_of(row, groupings)),
            f"{row['genuine_pairs']:,}",
            number(float(row["genuine_mean"]), 3),
            f"{row['impostor_pairs']:,}",
            number(float(row["impostor_mean"]), 3),
            percent(float(row["equal_error_rate"])),
        )
        for row in records(run.extra.get("scores.csv", run.age.iloc[:0]))
    )
    columns = ("group", "genuine pairs", "mean score", "impostor pairs", "mean score of impostors", "EER")
    notes = (f"{NO_NUMBER}: no pairs, or not all of them are listed.",) if any(NO_NUMBER in row for row in rows) else ()
    return TextTable("scores and equal error rate", columns, rows, notes=notes)


def transfer_table_text(run: Run) -> TextTable:
    """What everybody, and the group furthest from the target, gets at each group's threshold."""
    table = run.extra.get("transfer.csv")
    told = {str(point["source"]): point for point in run.record.get("transfer_points", [])}
    rows = [] if table is None else records(table)
    groupings = groupings_of(run)
    by_source: dict[str, dict[str, Any]] = {}
    for row in rows:
        if not group_of(row, groupings).attributes:
            by_source.setdefault(str(row["threshold_from"]), {}).setdefault(str(row["metric"]), row)
    lines = tuple(transfer_line(source, both, told) for source, both in by_source.items() if "fmr" in both)
    silent = [point for point in told.values() if point["threshold"] is None]
    notes = [f"No threshold of {clean(point['on'])}: {clean(point['reason'])}." for point in silent]
    columns = ("set on", "threshold", "FMR of everybody", "FNMR of everybody", "change of FNMR")
    return TextTable("what each group's threshold does to everybody", columns, lines, notes=tuple(notes))


def transfer_line(source: str, both: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """One threshold and its rates for everybody."""
    point = told.get(source.split(f"; {WORST}")[0])
    named = clean(point["on"]) if point else clean(source)
    fmr, fnmr = both["fmr"], both.get("fnmr")
    refused = cell(fnmr) if fnmr is not None and fnmr["trials"] else NO_NUMBER
    change = float(fnmr["change_from_operating"]) if fnmr is not None else float("nan")
    points = NO_NUMBER if change != change else f"{100 * change:+.2f} points"
    strictest = ", the strictest" if WORST in source else ""
    return named + strictest, score(fmr["threshold"]), cell(fmr), refused, points


def measure_table(run: Run) -> TextTable:
    """The published measures of unequal rates, each beside what chance gives."""
    table = run.extra.get("differentials.csv")
    rows = () if table is None else tuple(measure_line(row) for row in records(table))
    columns = ("measure", "of", "groups", "threshold", "value", "if all were alike", "by chance", "p")
    note = "By chance: the middle of 500 deals of the labels, and what 5 in 100 of them exceed."
    return TextTable("how unequal the rates are, in one number", columns, rows, notes=(note,) if rows else ())


def measure_line(row: Mapping[str, Any]) -> tuple[str, ...]:
    """One measure of one grouping."""
    undefined = str(row["undefined_because"] or "")
    chance = NO_NUMBER
    if float(row["chance_median"]) == float(row["chance_median"]):
        chance = f"{float(row['chance_median']):.4g}, {float(row['chance_extreme']):.4g}"
    value = float(row["value"])
    return (
        MEASURE_TITLES.get(str(row["measure"]), clean(row["measure"])),
        f"{clean(row['metrics']).upper().replace('+', ' and ')}, {clean(row['family']).replace('*', ' x ')}",
        str(row["groups"]),
        score(row["threshold"]),
        f"{value:.4g}" if value == value else f"{NO_NUMBER} ({clean(undefined)})",
        f"{float(row['fair_value']):g}",
        chance,
        p_value(float(row["p"])),
    )
