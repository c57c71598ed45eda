"""Gaps between two groups as values, the worse group first; a ratio and its interval turn round with it."""

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
    """A number with its interval; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def negated(self) -> Estimate:
        """The difference the other way round."""
        return Estimate(0.0 - self.value, 0.0 - self.high, 0.0 - self.low)  # -0.0 would be printed

    def inverted(self) -> Estimate:
        """The ratio the other way round; 1 / 0 is infinity."""
        return Estimate(reciprocal(self.value), reciprocal(self.high), reciprocal(self.low))


@dataclass(frozen=True)
class Side:
    """One of the two groups of a gap: its rate, what that was counted from, and by how many people it is dominated."""

    group: str
    errors: int
    trials: int
    subjects: int
    value: float
    dominated_by: int = 0


@dataclass(frozen=True)
class LabelUncertainty:
    """What uncertain labels do to a gap (Rubin's rules over draws of the labels); fields as label_... of `Gap`."""

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
    """How far a gap may reach if wrong labels lie where the model errs; NaN for a rate that has no such bound.

    wrong : trials whose label may be wrong
    gap   : on the scale of the margin, with its least and its largest value in place of an interval
    holds : whether the verdict is the same under it
    """

    wrong: float
    gap: Estimate
    holds: bool


@dataclass(frozen=True)
class Losses:
    """The worst and the best case of a gap over trials without an answer: all of one group's in error, none of the other's.

    worse, better : trials lost of the two groups
    difference, ratio : the gap, with its least and its largest value in place of an interval
    stands        : whether the verdict is the same in every case
    """

    worse: int
    better: int
    difference: Estimate
    ratio: Estimate
    stands: bool


@dataclass(frozen=True)
class GapRow:
    """The gap between two groups: worse less better, and worse over better.

    threshold : NaN where there is none
    grouping  : the attributes that both groups are split by
    primary   : whether it is of the primary family of the run; else it is exploratory and has no verdict
    p, p_holm : by the labels as they are; p_holm is Holm's over the primary family, or over its own if it is exploratory
    is_ratio  : whether margin, p and verdict are about the ratio
    differs   : whether p_decided is small enough; a gap inside the margin may differ from zero all the same
    verdict   : the only one; where labels are uncertain it counts that in
    decided   : the interval that decided it, on the scale of the margin; decided_level: its level
    labels    : None where labels count as certain
    bound     : None where it is not known how many labels may be wrong
    losses    : None where neither group lost a trial
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
        """The attributes that both groups are split by; a family of searches also names its rank."""
        return tuple(self.family.split(",")[0].split("*"))

    @property
    def alike(self) -> bool:
        """Whether neither group is the worse one: equal rates, or no rate at all."""
        return not self.difference.value > 0

    @property
    def dominated(self) -> Side | None:
        """The group whose few people with most of the errors leave the gap without a verdict; None where it has one."""
        sides = [side for side in (self.worse, self.better) if side.dominated_by]
        return sides[0] if sides and self.verdict == UNKNOWN else None

    @property
    def p_decided(self) -> float:
        """Holm's p behind the verdict: with the uncertainty of the labels counted in, where it is known."""
        return self.labels.p_holm if self.labels else self.p_holm


@dataclass(frozen=True)
class VerdictRow:
    """A family of gaps in one line: its widest gap, and how many gaps got which verdict, the commonest first."""

    widest: GapRow
    verdicts: Mapping[str, int]


def gap_rows(run: Run) -> list[GapRow]:
    """Every gap of a run, in the order of gaps.csv."""
    return [gap_row(row) for row in records(run.gaps)]


def verdict_rows(run: Run) -> list[VerdictRow]:
    """A row per family of gaps: of a grouping, a metric, a model and a threshold."""
    return [verdict_row(rows) for rows in families(run.gaps)]


def families(gaps: pd.DataFrame) -> list[list[GapRow]]:
    """The gaps of each family that is tested together."""
    found = gaps.groupby(list(FAMILY), sort=False, dropna=False)
    return [[gap_row(row) for row in records(family)] for _, family in found]


def verdict_row(family: Sequence[GapRow]) -> VerdictRow:
    """One family in one line."""
    return VerdictRow(widest(family), verdict_counts([gap.verdict for gap in family]))


def verdict_counts(verdicts: Sequence[str]) -> dict[str, int]:
    """How many gaps got which verdict, the commonest first."""
    return {str(verdict): int(count) for verdict, count in pd.Series(verdicts, dtype=object).value_counts().items()}


def widest(gaps: Sequence[GapRow]) -> GapRow:
    """The gap with the largest difference; the first where none is known."""
    return max(gaps, key=lambda gap: -1.0 if math.isnan(gap.difference.value) else gap.difference.value)


def gap_row(row: Mapping[str, Any]) -> GapRow:
    """A row of GAPS, turned so that the worse group comes first."""
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
    """A number and its interval from the columns name, name_low and name_high; without the first column NaN."""
    return Estimate(float(row.get(name, math.nan)), float(row[f"{name}_low"]), float(row[f"{name}_high"]))


def difference_of(row: Mapping[str, Any], name: str, *, turn: bool) -> Estimate:
    """A difference of `estimate`, the other way round on request."""
    found = estimate(row, name)
    return found.negated() if turn else found


def decided_of(row: Mapping[str, Any], *, is_ratio: bool, turn: bool) -> Estimate:
    """The interval that decided a verdict, around the gap, the other way round on request."""
    value = row["ratio" if is_ratio else "difference"] if "ratio" in row else math.nan
    found = Estimate(float(value), float(row["decided_low"]), float(row["decided_high"]))
    if not turn:
        return found
    return found.inverted() if is_ratio else found.negated()


def reciprocal(value: float) -> float:
    """1 / value; of 0 infinity."""
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
    """What the label_ columns of a row of GAPS say."""
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
    """What the columns label_wrong, label_bound_ and label_holds of a row of GAPS say; None without them."""
    wrong = float(row.get("label_wrong", math.nan))
    if math.isnan(wrong) and not row.get("label_draws"):
        return None
    value = float(row["ratio" if is_ratio else "difference"])
    found = Estimate(value, float(row.get("label_bound_low", math.nan)), float(row.get("label_bound_high", math.nan)))
    if turn:
        found = found.inverted() if is_ratio else found.negated()
    return LabelBound(wrong, found, bool(row.get("label_holds", False)))


def losses_of(row: Mapping[str, Any], *, turn: bool) -> Losses:
    """What the columns lost_ and loss_ of a row of GAPS say."""
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
