"""Results that only comparisons have, as values: mean scores, thresholds set on one group, measures of unequal rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facegap.derive.metrics import FMR, FNMR
from facegap.derive.transfer import WORST
from facegap.report.rows.frames import group_of, groupings_of, records
from facegap.report.rows.rates import rate_of
from facegap.store.run import Run
from facegap.types import Group, Rate


@dataclass(frozen=True)
class ScoreRow:
    """Mean scores of the pairs within a group; NaN if there are no pairs, or not all of them are listed."""

    group: Group
    genuine_pairs: int
    genuine_mean: float
    impostor_pairs: int
    impostor_mean: float
    equal_error_rate: float
    convention: str


@dataclass(frozen=True)
class TransferRow:
    """A threshold set on one group, and the rates of all subjects at it.

    set_on       : the group, or the source of the threshold if the record does not name a group
    is_strictest : whether it is the highest of the thresholds of all groups
    fnmr         : None if the table has none
    fnmr_change  : FNMR minus that at the threshold of the run; NaN if undefined
    """

    set_on: str
    is_strictest: bool
    threshold: float
    fmr: Rate
    fnmr: Rate | None
    fnmr_change: float


@dataclass(frozen=True)
class OwnThresholdRow:
    """A group at a threshold set on it alone, compared with the threshold of the run for the same target.

    run_threshold, fmr_before, fnmr_before : NaN if the run has no threshold for the target
    fmr  : None if the list of pairs is too short
    """

    group: Group
    target: float
    threshold: float
    run_threshold: float
    fmr: Rate | None
    fmr_before: float
    fnmr: Rate
    fnmr_before: float
    fnmr_change: float


@dataclass(frozen=True)
class MeasureRow:
    """One published measure of unequal rates.

    fair_value : its value if all rates are equal
    chance_median, chance_extreme : under permuted labels of the same subjects; NaN if undefined
    """

    measure: str
    metrics: tuple[str, ...]
    grouping: tuple[str, ...]
    groups: int
    threshold: float
    value: float
    undefined_because: str
    fair_value: float
    chance_median: float
    chance_extreme: float
    p: float


def score_rows(run: Run) -> list[ScoreRow]:
    """A row per group, beginning with all subjects; none without comparisons."""
    groupings = groupings_of(run)
    return [
        ScoreRow(
            group_of(row, groupings),
            int(row["genuine_pairs"]),
            float(row["genuine_mean"]),
            int(row["impostor_pairs"]),
            float(row["impostor_mean"]),
            float(row["equal_error_rate"]),
            str(row["equal_error_convention"]),
        )
        for row in table(run, "scores.csv")
    ]


def transfer_rows(run: Run) -> list[TransferRow]:
    """A row per threshold set on a group, in the order of transfer.csv."""
    told = {point.source: point.on for point in run.record.transfer_points}
    groupings = groupings_of(run)
    by_source: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in table(run, "transfer.csv"):
        if not group_of(row, groupings).attributes:
            by_source.setdefault(str(row["threshold_from"]), {}).setdefault(str(row["metric"]), row)
    return [transfer_row(source, both, told) for source, both in by_source.items() if FMR.name in both]


def transfer_row(source: str, both: Mapping[str, Mapping[str, Any]], told: Mapping[str, str]) -> TransferRow:
    """One threshold and the overall rates at it."""
    fmr, fnmr = both[FMR.name], both.get(FNMR.name)
    return TransferRow(
        set_on=told.get(source.split(f"; {WORST}")[0], source),
        is_strictest=WORST in source,
        threshold=float(fmr["threshold"]),
        fmr=rate_of(fmr),
        fnmr=None if fnmr is None else rate_of(fnmr),
        fnmr_change=math.nan if fnmr is None else float(fnmr["change_from_operating"]),
    )


def own_threshold_rows(run: Run) -> list[OwnThresholdRow]:
    """A row per group and target for which a threshold was set on the group alone, in the order of transfer.csv."""
    targets = {point.source: point.target for point in run.record.transfer_points}
    groupings = groupings_of(run)
    found: dict[tuple[str, Group], dict[str, Mapping[str, Any]]] = {}
    for row in table(run, "transfer.csv"):
        if row.get("own_threshold") == "yes" and row["threshold_from"] in targets:
            place = str(row["threshold_from"]), group_of(row, groupings)
            found.setdefault(place, {})[str(row["metric"])] = row
    rows = []
    for (source, group), both in found.items():
        fmr, fnmr = both.get(FMR.name), both[FNMR.name]
        rows.append(
            OwnThresholdRow(
                group,
                targets[source],
                float(fnmr["threshold"]),
                float(fnmr["operating_threshold"]),
                None if fmr is None else rate_of(fmr),
                math.nan if fmr is None else float(fmr["operating_value"]),
                rate_of(fnmr),
                float(fnmr["operating_value"]),
                float(fnmr["change_from_operating"]),
            )
        )
    return rows


def measure_rows(run: Run) -> list[MeasureRow]:
    """A row per measure and grouping; none for a run without comparisons."""
    return [
        MeasureRow(
            measure=str(row["measure"]),
            metrics=tuple(str(row["metrics"]).split("+")),
            grouping=tuple(str(row["family"]).split("*")),
            groups=int(row["groups"]),
            threshold=float(row["threshold"]),
            value=float(row["value"]),
            undefined_because=str(row["undefined_because"] or ""),
            fair_value=float(row["fair_value"]),
            chance_median=float(row["chance_median"]),
            chance_extreme=float(row["chance_extreme"]),
            p=float(row["p"]),
        )
        for row in table(run, "differentials.csv")
    ]


def table(run: Run, name: str) -> list[dict[str, Any]]:
    """The rows of a further table of a run; empty if the run has no such table."""
    frame = run.extra.get(name)
    return [] if frame is None else records(frame)
