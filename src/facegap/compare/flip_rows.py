"""Flips and score drift as values for page and terminal; each value is one row of its CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facegap.compare.flips import Flips
from facegap.compare.rows import PairedRow, paired_row
from facegap.report.rows.frames import records
from facegap.report.rows.gaps import Estimate


@dataclass(frozen=True)
class FlipRow:
    """Flips of one kind in one group.

    kind         : genuine, impostor, or the name of a prediction
    threshold    : NaN for predictions
    gained, lost : accepted only by the other run, and only by the first; for predictions, correct in only one run
    lost_by_first, lost_by_other : not trials, because only one run lacks a template, score or prediction
    """

    run: str
    kind: str
    threshold: float
    family: str
    group: str
    ranked: bool
    flips: int
    trials: int
    share: Estimate
    gained: int
    lost: int
    lost_by_first: int
    lost_by_other: int


@dataclass(frozen=True)
class DriftRow:
    """Score drift of one group: the other run's score minus the first's. quantiles : 5, 25, 50, 75 and 95%"""

    run: str
    kind: str
    family: str
    group: str
    ranked: bool
    pairs: int
    mean: Estimate
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class ApartRow:
    """The difference between two groups, in the proportion of flips or in the mean drift.

    change   : the tested difference or ratio, with its interval
    p_holm   : adjusted over the family
    """

    run: str
    kind: str
    threshold: float
    family: str
    group_a: str
    group_b: str
    value_a: float
    value_b: float
    is_ratio: bool
    change: Estimate
    p_holm: float
    verdict: str


@dataclass(frozen=True)
class FlipRows:
    """All rows of flips and drift, each in the order of its CSV file."""

    groups: tuple[FlipRow, ...]
    gaps: tuple[ApartRow, ...]
    fixed: tuple[PairedRow, ...]
    drift: tuple[DriftRow, ...]
    drift_gaps: tuple[ApartRow, ...]


def flip_rows(found: Flips, drift: pd.DataFrame, drift_gaps: pd.DataFrame) -> FlipRows:
    """The tables as rows."""
    return FlipRows(
        tuple(flip_row(row) for row in records(found.groups)),
        tuple(gap_row(row) for row in records(found.gaps)),
        tuple(paired_row(row) for row in records(found.fixed)),
        tuple(drift_row(row) for row in records(drift)),
        tuple(drift_gap_row(row) for row in records(drift_gaps)),
    )


def flip_row(row: Mapping[str, Any]) -> FlipRow:
    """A row of flips.csv."""
    return FlipRow(
        str(row["run_b"]),
        str(row["kind"]),
        float(row["threshold"]),
        str(row["family"]),
        str(row["group"]),
        bool(row["ranked"]),
        int(row["flips"]),
        int(row["trials"]),
        Estimate(float(row["value"]), float(row["low"]), float(row["high"])),
        int(row["gained"]),
        int(row["lost"]),
        int(row["lost_by_first"]),
        int(row["lost_by_other"]),
    )


def gap_row(row: Mapping[str, Any]) -> ApartRow:
    """A row of flip_gaps.csv."""
    is_ratio = row["scale"] == "ratio"
    value = float(row["ratio" if is_ratio else "difference"])
    return ApartRow(
        str(row["run_b"]),
        str(row["kind"]),
        float(row["threshold"]),
        str(row["family"]),
        str(row["group_a"]),
        str(row["group_b"]),
        float(row["rate_a"]),
        float(row["rate_b"]),
        is_ratio,
        Estimate(value, float(row["decided_low"]), float(row["decided_high"])),
        float(row["p_adjusted"]),
        str(row["verdict"]),
    )


def drift_row(row: Mapping[str, Any]) -> DriftRow:
    """A row of drift.csv."""
    return DriftRow(
        str(row["run_b"]),
        str(row["kind"]),
        str(row["family"]),
        str(row["group"]),
        bool(row["ranked"]),
        int(row["pairs"]),
        Estimate(float(row["mean"]), float(row["low"]), float(row["high"])),
        tuple(float(row[name]) for name in row if str(name).startswith("quantile_")),
    )


def drift_gap_row(row: Mapping[str, Any]) -> ApartRow:
    """A row of drift_gaps.csv."""
    return ApartRow(
        str(row["run_b"]),
        str(row["kind"]),
        float("nan"),
        str(row["family"]),
        str(row["group_a"]),
        str(row["group_b"]),
        float(row["mean_a"]),
        float(row["mean_b"]),
        False,
        Estimate(float(row["difference"]), float(row["decided_low"]), float(row["decided_high"])),
        float(row["p_adjusted"]),
        str(row["verdict"]),
    )
