"""Gaps between two groups as values, the worse group first; a ratio and its interval are inverted accordingly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.report.rows.frames import records
from facegap.statistics.verdicts import UNKNOWN
from facegap.store.run import Run

FAMILY = ("family", "metric", "model", "threshold")


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN if undefined."""

    value: float
    low: float
    high: float

    def negated(self) -> Estimate:
        """The difference in the opposite direction."""
        return Estimate(0.0 - self.value, 0.0 - self.high, 0.0 - self.low)  # -0.0 would be printed

    def inverted(self) -> Estimate:
        """The ratio in the opposite direction; 1 / 0 is infinity."""
        return Estimate(reciprocal(self.value), reciprocal(self.high), reciprocal(self.low))


@dataclass(frozen=True)
class Side:
    """One of the two groups of a gap: its rate, its counts, and the number of people who dominate its errors."""

    group: str
    errors: int
    trials: int
    subjects: int
    value: float
    dominated_by: int = 0


@dataclass(frozen=True)
class LabelUncertainty:
    """Effect of uncertain labels on a gap (Rubin's rules over simulated labels); fields as label_... of `Gap`."""

    draws: int
    difference: Estimate
    ratio: Estimate
    p: float
    p_holm: float
    differs: bool
    attenuation: float
    outer: Estimate


@dataclass(frozen=True)
class LabelBound:
    """Bounds of a gap if wrong labels coincide with the model's errors; NaN for a rate without such a bound.

    wrong : trials whose label may be wrong
    gap   : on the scale of the margin, with its smallest and largest value as limits
    holds : whether the verdict is the same at both limits
    """

    wrong: float
    gap: Estimate
    holds: bool


@dataclass(frozen=True)
class Losses:
    """Worst and best case of a gap over trials without a prediction: errors in one group and not in the other, and the reverse.

    worse, better : trials lost of the two groups
    difference, ratio : the gap, with its smallest and largest value as limits
    stands        : whether the verdict is the same in every case
    """

    worse: int
    better: int
    difference: Estimate
    ratio: Estimate
    stands: bool


@dataclass(frozen=True)
class GapRow:
    """The gap between two groups: worse minus better, and worse divided by better.

    threshold : NaN without a threshold
    grouping  : the attributes that define both groups
    primary   : whether it is in the primary family of the run; otherwise it is exploratory and has no verdict
    p, p_holm : with the labels as given; p_holm is Holm's over the primary family, or over its own family if exploratory
    is_ratio  : whether margin, p and verdict are about the ratio
    differs   : whether p_decided is small enough; a gap inside the margin may still differ from zero
    verdict   : the only one; includes label uncertainty, if any
    decided   : the interval on which it is based, on the scale of the margin; decided_level: its level
    labels    : None if labels are treated as certain
    bound     : None if the number of possibly wrong labels is unknown
    losses    : None if neither group lost a trial
    """

    metric: str
    model: str
    threshold: float
    threshold_from: str
    family: str
    primary: bool
    worse: Side
    better: Side
    difference: Estimate
    ratio: Estimate
    p: float
    p_holm: float
    margin: float
    is_ratio: bool
    differs: bool
    verdict: str
    decided: Estimate
    decided_level: float
    subjects_needed: float
    labels: LabelUncertainty | None = None
    bound: LabelBound | None = None
    losses: Losses | None = None

    @property
    def grouping(self) -> Grouping:
        """The attributes that define both groups; a family of searches also includes its rank."""
        return tuple(self.family.split(",")[0].split("*"))

    @property
    def alike(self) -> bool:
        """Whether neither group is worse: equal rates, or no rate at all."""
        return not self.difference.value > 0

    @property
    def dominated(self) -> Side | None:
        """The group whose errors are dominated by so few people that the gap has no verdict; None otherwise."""
        sides = [side for side in (self.worse, self.better) if side.dominated_by]
        return sides[0] if sides and self.verdict == UNKNOWN else None

    @property
    def p_decided(self) -> float:
        """Holm's p behind the verdict, including label uncertainty if it is known."""
        return self.labels.p_holm if self.labels else self.p_holm


@dataclass(frozen=True)
class VerdictRow:
    """A family of gaps in one line: its widest gap, and the number of gaps with each verdict, the most common first."""

    widest: GapRow
    verdicts: Mapping[str, int]


def gap_rows(run: Run) -> list[GapRow]:
    """Every gap of a run, in the order of gaps.csv."""
    return [gap_row(row) for row in records(run.gaps)]


def verdict_rows(run: Run) -> list[VerdictRow]:
    """A row per family of gaps: one grouping, metric, model and threshold."""
    return [verdict_row(rows) for rows in families(run.gaps)]


def families(gaps: pd.DataFrame) -> list[list[GapRow]]:
    """The gaps of each family that is tested together."""
    found = gaps.groupby(list(FAMILY), sort=False, dropna=False)
    return [[gap_row(row) for row in records(family)] for _, family in found]


def verdict_row(family: Sequence[GapRow]) -> VerdictRow:
    """One family in one line."""
    return VerdictRow(widest(family), verdict_counts([gap.verdict for gap in family]))


def verdict_counts(verdicts: Sequence[str]) -> dict[str, int]:
    """The number of gaps with each verdict, the most common first."""
    return {str(verdict): int(count) for verdict, count in pd.Series(verdicts, dtype=object).value_counts().items()}


def widest(gaps: Sequence[GapRow]) -> GapRow:
    """The gap with the largest difference; the first one if none is known."""
    return max(gaps, key=lambda gap: -1.0 if math.isnan(gap.difference.value) else gap.difference.value)


def gap_row(row: Mapping[str, Any]) -> GapRow:
    """A row of GAPS, oriented with the worse group first."""
    turn = bool(row["difference"] < 0)
    first, second = ("b", "a") if turn else ("a", "b")
    ratio, is_ratio = estimate(row, "ratio"), row["scale"] == "ratio"
    differs = bool(row["differs"]) and (not row["label_draws"] or bool(row["label_differs"]))
    return GapRow(
        metric=str(row["metric"]),
        model=str(row["model"]),
        threshold=float(row["threshold"]),
        threshold_from=str(row.get("threshold_from", "")),
        family=str(row["family"]),
        primary=bool(row["primary"]),
        worse=side_of(row, first),
        better=side_of(row, second),
        difference=difference_of(row, "difference", turn=turn),
        ratio=ratio.inverted() if turn else ratio,
        p=float(row["p"]),
        p_holm=float(row["p_adjusted"]),
        margin=float(row["margin"]),
        is_ratio=is_ratio,
        differs=differs,
        verdict=str(row["verdict"]),
        decided=decided_of(row, is_ratio=is_ratio, turn=turn),
        decided_level=float(row["decided_level"]),
        subjects_needed=float(row["subjects_needed"]),
        labels=labels_of(row, turn=turn) if row["label_draws"] else None,
        bound=bound_of(row, is_ratio=is_ratio, turn=turn),
        losses=losses_of(row, turn=turn) if row.get("lost_a") or row.get("lost_b") else None,
    )


def estimate(row: Mapping[str, Any], name: str) -> Estimate:
    """A number and its interval from the columns name, name_low and name_high; NaN without the first column."""
    return Estimate(float(row.get(name, math.nan)), float(row[f"{name}_low"]), float(row[f"{name}_high"]))


def difference_of(row: Mapping[str, Any], name: str, *, turn: bool) -> Estimate:
    """A difference like `estimate`, in the opposite direction if `turn`."""
    found = estimate(row, name)
    return found.negated() if turn else found


def decided_of(row: Mapping[str, Any], *, is_ratio: bool, turn: bool) -> Estimate:
    """The interval on which a verdict is based, around the gap, in the opposite direction if `turn`."""
    value = row["ratio" if is_ratio else "difference"] if "ratio" in row else math.nan
    found = Estimate(float(value), float(row["decided_low"]), float(row["decided_high"]))
    if not turn:
        return found
    return found.inverted() if is_ratio else found.negated()


def reciprocal(value: float) -> float:
    """1 / value; infinity for 0."""
    return math.inf if value == 0 else 1 / value


def side_of(row: Mapping[str, Any], side: str) -> Side:
    """Group a or b of a row of GAPS."""
    return Side(
        str(row[f"group_{side}"]),
        int(row[f"errors_{side}"]),
        int(row[f"trials_{side}"]),
        int(row[f"subjects_{side}"]),
        float(row[f"rate_{side}"]),
        int(row[f"dominated_by_{side}"]),
    )


def labels_of(row: Mapping[str, Any], *, turn: bool) -> LabelUncertainty:
    """The label_ columns of a row of GAPS."""
    ratio = estimate(row, "label_ratio")
    return LabelUncertainty(
        draws=int(row["label_draws"]),
        difference=difference_of(row, "label_difference", turn=turn),
        ratio=ratio.inverted() if turn else ratio,
        p=float(row["label_p"]),
        p_holm=float(row["label_p_adjusted"]),
        differs=bool(row["label_differs"]),
        attenuation=float(row["label_attenuation"]),
        outer=difference_of(row, "label_outer", turn=turn),
    )


def bound_of(row: Mapping[str, Any], *, is_ratio: bool, turn: bool) -> LabelBound | None:
    """The columns label_wrong, label_bound_ and label_holds of a row of GAPS; None without them."""
    wrong = float(row.get("label_wrong", math.nan))
    if math.isnan(wrong) and not row.get("label_draws"):
        return None
    value = float(row["ratio" if is_ratio else "difference"])
    found = Estimate(value, float(row.get("label_bound_low", math.nan)), float(row.get("label_bound_high", math.nan)))
    if turn:
        found = found.inverted() if is_ratio else found.negated()
    return LabelBound(wrong, found, bool(row.get("label_holds", False)))


def losses_of(row: Mapping[str, Any], *, turn: bool) -> Losses:
    """The columns lost_ and loss_ of a row of GAPS."""
    lost = int(row["lost_a"]), int(row["lost_b"])
    ratio = Estimate(float(row["ratio"]), float(row["loss_ratio_low"]), float(row["loss_ratio_high"]))
    difference = Estimate(
        float(row["difference"]), float(row["loss_difference_low"]), float(row["loss_difference_high"])
    )
    return Losses(
        *(lost[::-1] if turn else lost),
        difference.negated() if turn else difference,
        ratio.inverted() if turn else ratio,
        bool(row["loss_stands"]),
    )
