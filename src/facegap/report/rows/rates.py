"""Rates by group and between groups as values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facegap.derive.groupings import Grouping, attribute_columns
from facegap.derive.metrics import FMR
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.report.rows.frames import across_groups, group_of, grouping_of, groupings_of, records
from facegap.statistics.effective import EXACT_PAIRS
from facegap.statistics.intervals import clopper_pearson
from facegap.store.record import Operating
from facegap.store.run import Run
from facegap.tables import SAMPLE
from facegap.types import Group, Rate


@dataclass(frozen=True)
class RateRow:
    """One rate of one group, or between two groups.

    threshold      : NaN without a threshold
    threshold_from : source of the threshold; empty without one
    group, other   : `other` only for a cell of the cross-group matrix
    reliable       : whether the rate rests on enough effective subjects to be ranked and tested
    """

    metric: str
    model: str
    threshold: float
    threshold_from: str
    group: Group
    rate: Rate
    reliable: bool
    other: Group | None = None

    @property
    def grouping(self) -> Grouping:
        """The attributes that define the group."""
        return grouping_of(self.group)

    @property
    def labelled(self) -> bool:
        """Whether all labels of the group are known."""
        return UNKNOWN not in dict(self.group.attributes).values()


@dataclass(frozen=True)
class MatrixRows:
    """FMR within and between the groups of one grouping at one threshold; both orders of a pair give the same row.

    groups : in the order of the run
    """

    grouping: Grouping
    point: Operating
    groups: tuple[Group, ...]
    cells: Mapping[tuple[Group, Group], RateRow]

    @property
    def has_pairs(self) -> bool:
        """Whether any cell is between two different groups."""
        return any(group != other for group, other in self.cells)


def rate_rows(run: Run) -> list[RateRow]:
    """Every rate within a group, in the order of rates.csv."""
    rates = run.rates[~across_groups(run.rates, attribute_columns(groupings_of(run)))]
    return rows_of(rates, run, between=False)


def matrix_rows(run: Run) -> list[MatrixRows]:
    """The cross-group matrix of every grouping and threshold."""
    across = across_groups(run.rates, attribute_columns(groupings_of(run)))
    is_fmr = run.rates["metric"] == FMR.name
    own = rows_of(run.rates[is_fmr & ~across], run, between=False)
    between = rows_of(run.rates[is_fmr & across], run, between=True)
    points = list(run.record.operating)
    return [matrix_of(own, between, grouping, point) for grouping in groupings_of(run) for point in points]


def rate_of(row: Mapping[str, Any]) -> Rate:
    """The rate in a row of RATES, or of any table with the same columns of counts."""
    return Rate(
        errors=int(row["errors"]),
        trials=int(row["trials"]),
        subjects=int(row["subjects"]),
        effective_trials=float(row.get("effective_trials", math.nan)),
        low=float(row["low"]),
        high=float(row["high"]),
        level=float(row["level"]),
        method=str(row["method"]),
        units=int(row.get("units", 0)),
        effective_subjects=float(row.get("effective_subjects", math.nan)),
        largest_share=float(row.get("largest_share", math.nan)),
        per_person=float(row.get("per_person", math.nan)),
        per_person_trials=float(row.get("per_person_trials", math.nan)),
        per_person_low=float(row.get("per_person_low", math.nan)),
        per_person_high=float(row.get("per_person_high", math.nan)),
        dominated_by=int(row.get("dominated_by", 0)),
        by_person=row.get("weighs", "trials") == "people",
        estimate=float(row["value"]) if row.get("weighs") == SAMPLE else math.nan,
    )


def pairs_alone(rate: Rate) -> float:
    """Upper limit of a rate over pairs without error if all pairs were independent; NaN for any other rate.

    They are not independent, so the interval of the rate uses disjoint pairs of subjects instead.
    """
    if rate.method != EXACT_PAIRS or rate.errors:
        return math.nan
    return float(clopper_pearson(0, rate.trials, level=rate.level)[1])


def rows_of(rates: pd.DataFrame, run: Run, *, between: bool) -> list[RateRow]:
    """Rows of RATES; between : whether they are cells of the cross-group matrix."""
    groupings, least = groupings_of(run), run.record.min_subjects
    return [
        RateRow(
            metric=str(row["metric"]),
            model=str(row["model"]),
            threshold=float(row["threshold"]),
            threshold_from=str(row["threshold_from"]),
            group=group_of(row, groupings),
            rate=rate_of(row),
            reliable=bool(row["effective_subjects"] >= least),
            other=group_of(row, groupings, "other_") if between else None,
        )
        for row in records(rates)
    ]


def matrix_of(own: Sequence[RateRow], between: Sequence[RateRow], grouping: Grouping, point: Operating) -> MatrixRows:
    """The cells of one grouping at one threshold."""
    cells: dict[tuple[Group, Group], RateRow] = {}
    for row in (*own, *between):
        if row.grouping == grouping and row.threshold == point.threshold:
            other = row.other or row.group
            cells[row.group, other] = cells[other, row.group] = row
    groups = tuple(dict.fromkeys(group for group, _ in cells))
    return MatrixRows(grouping, point, groups, cells)


def widest_interval(rows: Sequence[RateRow]) -> RateRow:
    """The rate with the widest interval; one without an interval comes first."""
    widths = [row.rate.high - row.rate.low for row in rows]
    return rows[max(range(len(rows)), key=lambda k: math.inf if math.isnan(widths[k]) else widths[k])]
