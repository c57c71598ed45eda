"""Rates and gaps for a population as text tables, with unweighted counts and the estimand in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from facegap.report.rows.comparisons import table
from facegap.report.rows.frames import group_of, groupings_of
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import (
    NO_NUMBER,
    clean,
    deciding_interval,
    errors_of_trials,
    interval,
    level_text,
    number,
    p_value,
    percent,
    points,
    score,
    signed_points,
    verdict,
)
from facegap.report.units import unit_in_words
from facegap.store.run import Run

SLOPES = "slopes.csv"
RATES, GAPS = "weighted_rates.csv", "weighted_gaps.csv"
Row = Mapping[str, Any]


def population_tables(run: Run) -> list[TextTable]:
    """The rates of every group and the gaps of every family for the population; empty without --weights and --shares."""
    rates = table(run, RATES)
    if not rates:
        return []
    groupings = groupings_of(run)
    group = Column[Row]("group", lambda row: clean(group_of(row, groupings)))
    notes = (
        f"Estimand: {clean(rates[0]['estimand'])}. Errors, trials and subjects are unweighted counts, as in rates.csv and "
        f"gaps.csv. Intervals at {level_text(run.record.level)}, by sampling unit. False match rates are not weighted.",
    )
    found = [table_of("rates for the population", (group, *RATE_COLUMNS), rates, notes=notes)]
    gaps = table(run, GAPS)
    if gaps:
        why = f"These gaps are exploratory and have no verdict; p is Holm's over the pairs of a family. {notes[0]}"
        found.append(table_of("gaps for the population", GAP_COLUMNS, gaps, notes=(why,)))
    return found


def slope_tables(run: Run) -> list[TextTable]:
    """The change of every error rate along the columns of --slope; empty without it."""
    rows = table(run, SLOPES)
    note = (
        "Rates are those of a logistic curve (Firth) over the trials, read at the 10% and the 90% quantile of the column; images "
        "are not weighted. The interval is the one on which the verdict is based, for the change between the two, by the "
        f"jackknife over sampling units; p is Holm's over the columns, outside the primary family of the run. "
        f"{unit_in_words(run.record)} A curve describes the "
        "audited people and does not identify a cause; measured_ita is measured from pixels and includes the effect of light."
    )
    return [table_of("error rates along continuous columns", SLOPE_COLUMNS, rows, notes=(note,))] if rows else []


def change_text(row: Row) -> str:
    """The change of the rate, in total and per ten units."""
    if math.isnan(row["change"]):
        return NO_NUMBER
    return f"{signed_points(row['change'])}; per 10: {signed_points(row['change_per_10'])}"


def ends_text(row: Row) -> str:
    """The fitted rates at both ends."""
    ends = ((row["from_value"], row["rate_from"]), (row["to_value"], row["rate_to"]))
    return " to ".join(f"{percent(rate)} at {value:.4g}" for value, rate in ends)


def measured(row: Row) -> str:
    """The metric, and the threshold if there is one."""
    at = "" if math.isnan(row["threshold"]) else f" at {score(row['threshold'])}"
    return f"{title_of(str(row['metric']))}{at}"


def weighted_text(row: Row) -> str:
    """The weighted rate with its interval, or why there is none."""
    if math.isnan(row["weighted_value"]):
        return clean(row["note"]) or NO_NUMBER
    return f"{percent(row['weighted_value'])} {interval(row['low'], row['high'])}"


def decided_text(row: Row) -> str:
    """The interval on which the verdict is based."""
    is_ratio = row["scale"] == "ratio"
    return deciding_interval(
        row["decided_low"], row["decided_high"], row["decided_level"], row["margin"], is_ratio=is_ratio
    )


def verdict_of(row: Row) -> str:
    """The verdict, including the margin."""
    is_ratio = row["scale"] == "ratio"
    return verdict(str(row["verdict"]), row["margin"], is_ratio=is_ratio, differs=bool(row["differs"]))


SLOPE_COLUMNS = (
    Column[Row]("metric", lambda row: f"{measured(row)}, along {clean(row['column'])}"),
    Column[Row]("errors / trials", lambda row: errors_of_trials(row["errors"], row["trials"])),
    Column[Row]("fitted rate", ends_text),
    Column[Row]("change", change_text),
    Column[Row]("ratio", lambda row: number(row["ratio"])),
    Column[Row]("p (Holm)", lambda row: p_value(row["p_adjusted"])),
    Column[Row]("deciding interval", decided_text),
    Column[Row]("verdict", verdict_of),
)
RATE_COLUMNS = (
    Column[Row]("metric", measured),
    Column[Row]("errors / trials", lambda row: errors_of_trials(row["errors"], row["trials"])),
    Column[Row]("subjects", lambda row: str(row["subjects"])),
    Column[Row]("unweighted", lambda row: percent(row["unweighted_value"])),
    Column[Row]("for the population", weighted_text),
)
GAP_COLUMNS = (
    Column[Row]("metric", lambda row: f"{measured(row)}, by {clean(row['family'])}"),
    Column[Row]("group a against b", lambda row: f"{clean(row['group_a'])} against {clean(row['group_b'])}"),
    Column[Row]("weighted rates", lambda row: f"{percent(row['weighted_a'])} against {percent(row['weighted_b'])}"),
    Column[Row]("difference", lambda row: points(row["difference"])),
    Column[Row]("ratio", lambda row: number(row["ratio"])),
    Column[Row]("p (Holm)", lambda row: p_value(row["p_adjusted"])),
    Column[Row]("interval", decided_text),
)
