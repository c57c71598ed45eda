"""A run as the table of rates and impact ratios of New York City's Local Law 144, 6 RCNY 5-301.

The rule divides the selection rate of each category by that of the most selected one, separately for sex, for race or
ethnicity, and for their intersections. Categories of less than 2% of the data may be excluded from the ratios if they are
shown, and the number of individuals of unknown category is stated. A face model selects no one: here a trial counts as
selected if it ended without the given error, such as an accepted genuine comparison.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from facegap.derive.metrics import by_order, metric_of
from facegap.errors import RunError
from facegap.export.document import rates_of
from facegap.export.markdown import md, table
from facegap.report.rows.frames import groupings_of
from facegap.report.tables import title_of
from facegap.report.text import NO_NUMBER, interval, level_text, percent, score
from facegap.statistics.ratios import ratio_interval
from facegap.store.run import Run
from facegap.types import UNKNOWN

SMALL = 0.02  # of the trials of a grouping; 6 RCNY 5-301 allows excluding smaller categories from the ratios
RULE = "6 RCNY 5-301"
FALSE_POSITIVES = ("fmr", "gfar", "fpir")  # trials without these errors select no one


@dataclass(frozen=True)
class Impact:
    """One category: trials, trials without the error, their proportion with interval, and its ratio to the highest.

    rate   : proportion selected, as in the run: weighted if comparisons are a sample; NaN without trials
    ratio, low_ratio, high_ratio : NaN for an excluded category; the highest rate has ratio 1 without interval
    why_not                      : why it is excluded, otherwise ""
    """

    category: str
    trials: int
    selected: int
    people: int
    rate: float
    effective: float
    low: float
    high: float
    why_not: str = ""
    ratio: float = math.nan
    low_ratio: float = math.nan
    high_ratio: float = math.nan


def impact_ratios(rows: Sequence[Impact], level: float) -> list[Impact]:
    """The rows with ratios to the highest rate among known categories with at least 2% of the trials."""
    known = sum(row.trials for row in rows if not row.why_not)
    marked = [row if row.why_not else replace(row, why_not=too_few(row, known)) for row in rows]
    compared = [row for row in marked if not row.why_not]
    highest = max(compared, key=lambda row: row.rate, default=None)
    return [row if row.why_not or highest is None else against(row, highest, level) for row in marked]


def too_few(row: Impact, known: int) -> str:
    """Why a category with known label is excluded, or ""."""
    if not row.trials:
        return "no trials"
    return "under 2% of the trials" if row.trials < SMALL * known else ""


def against(row: Impact, highest: Impact, level: float) -> Impact:
    """The row with its ratio to the highest rate, and the ratio's interval from effective trials."""
    if row is highest or not highest.rate:
        return replace(row, ratio=row.rate / highest.rate if highest.rate else math.nan)
    sizes = row.effective, highest.effective
    if not all(map(math.isfinite, sizes)):  # the precision of the rates is unknown
        return replace(row, ratio=row.rate / highest.rate)
    low, high = ratio_interval(row.rate * sizes[0], sizes[0], highest.rate * sizes[1], sizes[1], level=level)
    return replace(row, ratio=row.rate / highest.rate, low_ratio=float(low), high_ratio=float(high))


def impact_text(run: Run, metric: str | None = None) -> str:
    """The tables as Markdown, one per grouping, model and threshold.

    Raises
    ------
    RunError : the run has no such rate, or none by group
    """
    chosen = metric or headline_metric(run, without=FALSE_POSITIVES)
    rows = [rate for rate in rates_of(run, failures=metric_of(chosen).is_failure) if rate["metric"] == chosen]
    if not rows:
        there = ", ".join(sorted({str(name) for name in run.rates["metric"]}))
        raise RunError(f"metric {chosen[:64]!a}: the run has no such rate; its rates are {there}")
    error = title_of(chosen)
    parts = [
        f"# Rates and impact ratios ({RULE})",
        f"Selected: a trial without the error *{md(error)}*. The impact ratio divides the rate of a category by the highest "
        f"rate of a category. Brackets are {level_text(run.record.level)} intervals. Categories with under 2% of the "
        f"trials and unknown categories are shown but excluded from ratios. The table follows the arithmetic of the "
        f"rule; it does not say whether the rule applies or whether this audit meets it.",
    ]
    if run.record.sampled:
        parts.append("Comparisons are a sample: rates are weighted; trials, selected and people are counts.")
    for grouping in groupings_of(run):
        of_grouping = [row for row in rows if set(row["group"]) == set(grouping)]
        for place in dict.fromkeys(place_of(row) for row in of_grouping):
            parts += one_table(grouping, [row for row in of_grouping if place_of(row) == place], run)
    if not any(part.startswith("## ") for part in parts):
        raise RunError("the run has no groups; audit with --by")
    return "\n\n".join(parts) + "\n"


def place_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Model and printed threshold of a rate; NaN becomes None."""
    return row["model"], "" if math.isnan(row["threshold"]) else score(row["threshold"])


def one_table(grouping: Sequence[str], rows: Sequence[Mapping[str, Any]], run: Run) -> list[str]:
    """Title, table and the count of unknown categories."""
    model, threshold = place_of(rows[0])
    found = impact_ratios([impact_of(row) for row in rows], run.record.level)
    at = f", threshold {threshold}" if threshold else ""
    cells = [
        (
            row.category,
            f"{row.trials:,}",
            f"{row.selected:,}",
            f"{row.people:,}",
            f"{percent(row.rate)} {interval(row.low, row.high)}",
            ratio_cell(row),
        )
        for row in found
    ]
    unknown = [row for row in found if row.why_not == UNKNOWN]
    return [
        f"## {md(' x '.join(grouping))}: {md(model)}{at}",
        "\n".join(table(("category", "trials", "selected", "people", "rate", "impact ratio"), cells)),
        f"Of unknown category: {sum(row.people for row in unknown):,} people, {sum(row.trials for row in unknown):,} trials.",
    ]


def impact_of(row: Mapping[str, Any]) -> Impact:
    """An error rate as the rate of trials without the error."""
    labels = list(row["group"].values())
    return Impact(
        category=" ".join(labels),
        trials=int(row["trials"]),
        selected=int(row["trials"] - row["errors"]),
        people=int(row["subjects"]),
        rate=1 - float(row["value"]),
        effective=float(row["effective_trials"]),
        low=1 - float(row["high"]),
        high=1 - float(row["low"]),
        why_not=UNKNOWN if UNKNOWN in labels else "",
    )


def ratio_cell(row: Impact) -> str:
    """The ratio with its interval, or why there is none."""
    if row.why_not:
        return f"none: {row.why_not}"
    if math.isnan(row.ratio):
        return NO_NUMBER
    return f"{row.ratio:.3f}" + ("" if math.isnan(row.low_ratio) else f" [{row.low_ratio:.3f}, {row.high_ratio:.3f}]")


def headline_metric(run: Run, *, without: Sequence[str] = ()) -> str:
    """The first metric of this run's finding, without some."""
    there = {str(name) for name in run.rates["metric"]}
    return next(metric.name for metric in by_order() if metric.name in there - set(without))
