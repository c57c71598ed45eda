"""Tables of comparisons for the report: mean scores, effects of thresholds set on one group, measures of unequal rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from facegap.derive.bob import DEFINITIONS
from facegap.report.rate_tables import count_text
from facegap.report.rows.comparisons import (
    MeasureRow,
    OwnThresholdRow,
    ScoreRow,
    TransferRow,
    measure_rows,
    own_threshold_rows,
    score_rows,
    table,
    transfer_rows,
)
from facegap.report.rows.frames import group_of, groupings_of
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import NO_NUMBER, clean, errors_of_trials, number, p_value, percent, score, signed_points
from facegap.store.run import Run

LABEL_AT_USE = (
    "A threshold for each group can be used only if the person's group label is known at the time of use, and "
    "a wrong label then gives a wrong threshold. Changes are in percentage points, negative if fewer are falsely rejected."
)
MEASURE_TITLES = {
    "max_min_difference": "largest minus smallest",
    "max_min_ratio": "largest / smallest",
    "max_over_geometric_mean": "largest / geometric mean",
    "gini": "Gini",
    "garbe": "GARBE",
    "fairness_discrepancy_rate": "fairness discrepancy rate",
    "inequity_rate": "inequity rate",
}


def score_table(run: Run) -> TextTable:
    """Mean scores and equal error rate by group."""
    rows = score_rows(run)
    known = all(
        math.isfinite(value) for row in rows for value in (row.genuine_mean, row.impostor_mean, row.equal_error_rate)
    )
    notes = [f"EER: {clean(convention)}." for convention in dict.fromkeys(row.convention for row in rows)]
    notes += [] if known else [f"{NO_NUMBER}: no pairs, or not all of them are listed."]
    compared = run.record.comparison
    plot = compared.all_pairs.plot if compared and compared.all_pairs else None
    if plot and any(math.isfinite(row.impostor_mean) for row in rows):
        notes.append(f"Mean impostor scores are estimates from {plot.pairs:,} sampled pairs and the exact list.")
    return table_of("scores and equal error rate", SCORES, rows, notes=notes)


def bob_tables(run: Run) -> list[TextTable]:
    """The rates as defined by bob.measure; none unless requested."""
    rows = table(run, "bob_rates.csv")
    if not rows:
        return []
    groupings = groupings_of(run)
    group = Column[Mapping[str, Any]]("group", lambda row: clean(group_of(row, groupings)))
    lost = Column[Mapping[str, Any]]("lost / all pairs", lambda row: errors_of_trials(row["lost_pairs"], row["pairs"]))
    at = Column[Mapping[str, Any]]("threshold", lambda row: score(row["threshold"]))
    rates = [
        Column[Mapping[str, Any]](name.upper(), partial(bob_rate, name=name))
        for name in ("fta", "fmr", "fnmr", "far", "frr", "hter")
    ]
    return [table_of("rates by the definitions of bob.measure", (group, at, lost, *rates), rows, notes=(DEFINITIONS,))]


def bob_rate(row: Mapping[str, Any], *, name: str) -> str:
    """One of the rates."""
    return percent(row[name])


def transfer_table_text(run: Run) -> TextTable:
    """Overall rates, and those of the group furthest from the target, at each group's threshold."""
    silent = [point for point in run.record.transfer_points if point.threshold is None]
    notes = [f"No threshold of {clean(point.on)}: {clean(point.reason)}." for point in silent]
    return table_of("overall error rates at each group's threshold", TRANSFERS, transfer_rows(run), notes=notes)


def own_threshold_table(run: Run) -> TextTable:
    """The effect on each group of a threshold set on it alone."""
    rows = own_threshold_rows(run)
    return table_of("each group at its own threshold", OWN_THRESHOLDS, rows, notes=(LABEL_AT_USE,) if rows else ())


def measure_table(run: Run) -> TextTable:
    """The published measures of unequal rates, each with its value by chance."""
    rows = measure_rows(run)
    note = "By chance: the median over 500 permutations of the labels, and the value that 5 in 100 of them exceed."
    return table_of("summary measures of differences between groups", MEASURES, rows, notes=(note,) if rows else ())


def fnmr_text(row: TransferRow) -> str:
    """Overall FNMR; a dash without genuine pairs."""
    return count_text(row.fnmr) if row.fnmr is not None and row.fnmr.trials else NO_NUMBER


def of_what(row: MeasureRow) -> str:
    """The rates and groups of a measure."""
    return f"{' and '.join(clean(name).upper() for name in row.metrics)}, {clean(' x '.join(row.grouping))}"


def measure_value(row: MeasureRow) -> str:
    """The value of a measure, or why there is none."""
    return f"{NO_NUMBER} ({clean(row.undefined_because)})" if math.isnan(row.value) else f"{row.value:.4g}"


def by_chance(row: MeasureRow) -> str:
    """The median under permuted labels, and the value that 5 in 100 exceed."""
    return NO_NUMBER if math.isnan(row.chance_median) else f"{row.chance_median:.4g}, {row.chance_extreme:.4g}"


SCORES = (
    Column[ScoreRow]("group", lambda row: clean(row.group)),
    Column[ScoreRow]("genuine pairs", lambda row: f"{row.genuine_pairs:,}"),
    Column[ScoreRow]("mean genuine score", lambda row: number(row.genuine_mean, 3)),
    Column[ScoreRow]("impostor pairs", lambda row: f"{row.impostor_pairs:,}"),
    Column[ScoreRow]("mean impostor score", lambda row: number(row.impostor_mean, 3)),
    Column[ScoreRow]("EER", lambda row: percent(row.equal_error_rate)),
)
TRANSFERS = (
    Column[TransferRow]("set on", lambda row: clean(row.set_on) + (", the strictest" if row.is_strictest else "")),
    Column[TransferRow]("threshold", lambda row: score(row.threshold)),
    Column[TransferRow]("overall FMR", lambda row: count_text(row.fmr)),
    Column[TransferRow]("overall FNMR", fnmr_text),
    Column[TransferRow]("change of FNMR", lambda row: signed_points(row.fnmr_change)),
)
OWN_THRESHOLDS = (
    Column[OwnThresholdRow]("group", lambda row: clean(row.group)),
    Column[OwnThresholdRow]("target FMR", lambda row: f"{row.target:g}"),
    Column[OwnThresholdRow]("threshold of the run", lambda row: score(row.run_threshold)),
    Column[OwnThresholdRow]("own threshold", lambda row: score(row.threshold)),
    Column[OwnThresholdRow]("FMR at the run's threshold", lambda row: percent(row.fmr_before)),
    Column[OwnThresholdRow]("FMR at own threshold", lambda row: NO_NUMBER if row.fmr is None else count_text(row.fmr)),
    Column[OwnThresholdRow]("FNMR at the run's", lambda row: percent(row.fnmr_before)),
    Column[OwnThresholdRow]("FNMR at its own", lambda row: count_text(row.fnmr) if row.fnmr.trials else NO_NUMBER),
    Column[OwnThresholdRow]("change of FNMR", lambda row: signed_points(row.fnmr_change)),
)
MEASURES = (
    Column[MeasureRow]("measure", lambda row: MEASURE_TITLES.get(row.measure, clean(row.measure))),
    Column[MeasureRow]("of", of_what),
    Column[MeasureRow]("groups", lambda row: str(row.groups)),
    Column[MeasureRow]("threshold", lambda row: score(row.threshold)),
    Column[MeasureRow]("value", measure_value),
    Column[MeasureRow]("if all rates were equal", lambda row: f"{row.fair_value:g}"),
    Column[MeasureRow]("by chance", by_chance),
    Column[MeasureRow]("p", lambda row: p_value(row.p)),
)
