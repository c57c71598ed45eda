"""The tables of a comparison as values for page, terminal and charts: rates, differences, changes of gaps, speed."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from facegap.compare.differences import Compared
from facegap.report.rows.frames import records
from facegap.report.rows.gaps import Estimate
from facegap.report.rows.rates import rate_of
from facegap.types import Rate

Row = TypeVar("Row")


@dataclass(frozen=True)
class SideRow:
    """The rate of one group in one run.

    threshold : NaN if there is none
    family    : the grouping, its attributes joined by `*`; empty for all people
    ranked    : whether the group is labelled and large enough to be tested
    """

    metric: str
    run: str
    threshold: float
    family: str
    group: str
    rate: Rate
    ranked: bool


@dataclass(frozen=True)
class Counted:
    """The counts of a group in one run. threshold : NaN if there is none."""

    run: str
    threshold: float
    errors: int
    trials: int

    @property
    def value(self) -> float:
        """errors / trials; NaN without trials."""
        return self.errors / self.trials if self.trials else math.nan


@dataclass(frozen=True)
class PairedRow:
    """One group in another run and in the first, over the same people.

    subjects   : number of people in the trials
    alone      : images on which only the other run errs, and only the first; None if the rate is over pairs of people
    difference : of the rates, other minus first
    p_holm     : Holm's p over the family; NaN if nothing was tested
    method     : of the test; "none" if nothing was tested
    """

    metric: str
    family: str
    group: str
    first: Counted
    other: Counted
    subjects: int
    ranked: bool
    alone: tuple[int, int] | None
    difference: Estimate
    p_holm: float
    method: str
    verdict: str


@dataclass(frozen=True)
class ChangeRow:
    """The change of the gap between two groups from the first run to another, on the scale of the metric.

    group_a            : the group that is worse in the first run
    threshold          : of the first run; NaN if there is none
    is_ratio           : whether gaps are ratios, as for false matches
    gap_first, gap_other : differences, or ratios if `is_ratio`
    change             : other minus first, or other / first if `is_ratio`
    """

    metric: str
    family: str
    group_a: str
    group_b: str
    first: str
    other: str
    threshold: float
    is_ratio: bool
    gap_first: float
    gap_other: float
    change: Estimate
    p: float
    p_holm: float
    verdict: str


@dataclass(frozen=True)
class Machine:
    """The machine on which a run was timed."""

    device: str
    threads: int
    workers: int
    batch: int


@dataclass(frozen=True)
class SpeedRow:
    """The time per face of one run, and the error of its worst group; times are NaN if they were not measured.

    ms_per_face     : median of the evaluated model
    ms_per_face_p95 : 95th percentile
    ms_whole_way    : including reading, detection and cropping
    size_bytes      : of the model's file; 0 if unknown
    precision       : of the file for a variant, otherwise of the computation
    """

    metric: str
    run: str
    threshold: float
    family: str
    ms_per_face: float
    ms_per_face_p95: float
    ms_whole_way: float
    machine: Machine
    worst_group: str
    rate: Rate
    size_bytes: int
    precision: str


@dataclass(frozen=True)
class ComparisonRows:
    """All rows of a comparison, each in the order of its CSV file."""

    sides: tuple[SideRow, ...]
    paired: tuple[PairedRow, ...]
    changes: tuple[ChangeRow, ...]
    speed: tuple[SpeedRow, ...]

    @property
    def metrics(self) -> list[str]:
        """The metrics that the runs have in common, in the order of their rows."""
        return list(dict.fromkeys(row.metric for row in self.sides))


def comparison_rows(found: Compared, speed: pd.DataFrame) -> ComparisonRows:
    """The tables of a comparison as rows."""
    sides = tuple(side_row(row) for row in records(found.sides))
    rates = {place_of(row.metric, row.run, row.threshold, row.family, row.group): row.rate for row in sides}
    return ComparisonRows(
        sides,
        tuple(paired_row(row) for row in records(found.paired)),
        tuple(change_row(row) for row in records(found.changes)),
        tuple(speed_row(row, rates) for row in records(speed)),
    )


def side_row(row: Mapping[str, Any]) -> SideRow:
    """A row of rates_side_by_side.csv."""
    return SideRow(
        str(row["metric"]),
        str(row["run"]),
        float(row["threshold"]),
        str(row["family"]),
        str(row["group"]),
        rate_of(row),
        bool(row["ranked"]),
    )


def paired_row(row: Mapping[str, Any]) -> PairedRow:
    """A row of paired.csv."""
    first, other = (
        Counted(str(row[f"run_{k}"]), float(row[f"threshold_{k}"]), int(row[f"errors_{k}"]), int(row[f"trials_{k}"]))
        for k in "ab"
    )
    return PairedRow(
        metric=str(row["metric"]),
        family=str(row["family"]),
        group=str(row["group"]),
        first=first,
        other=other,
        subjects=int(row["subjects"]),
        ranked=bool(row["ranked"]),
        alone=None if row["only_a"] < 0 else (int(row["only_b"]), int(row["only_a"])),
        difference=Estimate(*(float(row[f"difference{end}"]) for end in ("", "_low", "_high"))),
        p_holm=float(row["p_adjusted"]),
        method=str(row["method"]),
        verdict=str(row["verdict"]),
    )


def change_row(row: Mapping[str, Any]) -> ChangeRow:
    """A row of gap_changes.csv."""
    is_ratio = row["scale"] == "ratio"
    gap, change = ("ratio", "ratio_change") if is_ratio else ("gap", "change")
    return ChangeRow(
        metric=str(row["metric"]),
        family=str(row["family"]),
        group_a=str(row["group_a"]),
        group_b=str(row["group_b"]),
        first=str(row["run_a"]),
        other=str(row["run_b"]),
        threshold=float(row["threshold_a"]),
        is_ratio=is_ratio,
        gap_first=float(row[f"{gap}_first"]),
        gap_other=float(row[f"{gap}_other"]),
        change=Estimate(*(float(row[f"{change}{end}"]) for end in ("", "_low", "_high"))),
        p=float(row["p"]),
        p_holm=float(row["p_adjusted"]),
        verdict=str(row["verdict"]),
    )


def speed_row(row: Mapping[str, Any], rates: Mapping[Hashable, Rate]) -> SpeedRow:
    """A row of latency.csv; the rate of its worst group is taken from rates_side_by_side.csv, with its level and method."""
    metric, run, threshold = str(row["metric"]), str(row["run"]), float(row["threshold"])
    family, worst = str(row["family"]), str(row["worst_group"])
    return SpeedRow(
        metric=metric,
        run=run,
        threshold=threshold,
        family=family,
        ms_per_face=float(row["ms_per_face"]),
        ms_per_face_p95=float(row["ms_per_face_p95"]),
        ms_whole_way=float(row["ms_whole_way"]),
        machine=Machine(str(row["device"]), int(row["threads"]), int(row["workers"]), int(row["batch"])),
        worst_group=worst,
        rate=rates[place_of(metric, run, threshold, family, worst)],
        size_bytes=int(row["size_bytes"]),
        precision=str(row["precision"]),
    )


def place_of(metric: str, run: str, threshold: float, family: str, group: str) -> Hashable:
    """The key of a rate; a missing threshold is None, because NaN equals nothing."""
    return metric, run, None if math.isnan(threshold) else threshold, family, group


def together_by(rows: Iterable[Row], key: Callable[[Row], Hashable]) -> list[tuple[Row, ...]]:
    """Rows grouped by key, in the order of first occurrence."""
    found: dict[Hashable, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return [tuple(group) for group in found.values()]


def family_of(row: PairedRow | ChangeRow) -> Hashable:
    """What is tested together: metric, grouping and threshold of the first run."""
    threshold = row.first.threshold if isinstance(row, PairedRow) else row.threshold
    return row.metric, row.family, None if math.isnan(threshold) else threshold
