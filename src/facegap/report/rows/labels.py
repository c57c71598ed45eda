"""Joined labels of skin tone as values: number of rows per label, and the effect of less trust in them on the gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facegap.derive.metrics import metric_of
from facegap.report.rows.comparisons import table
from facegap.report.rows.gaps import Estimate, GapRow, decided_of, difference_of, families, verdict_counts, widest
from facegap.store.record import LabelColumn
from facegap.store.run import Run


@dataclass(frozen=True)
class LabelCountRow:
    """Number of rows of the manifest with a label, or without one for a reason."""

    column: str
    label: str
    rows: int


@dataclass(frozen=True)
class TrustRow:
    """One gap with less trust in its labels.

    trust    : proportion of labels that are used as given
    outer    : bounds of the gap between the true groups; its value is that of `difference`
    decided  : the interval on which the verdict is based, on the scale of the margin
    verdicts : number of gaps of the family with each verdict at this level of trust
    """

    trust: float
    difference: Estimate
    attenuation: float
    outer: Estimate
    p_holm: float
    margin: float
    is_ratio: bool
    decided: Estimate
    decided_level: float
    verdict: str
    verdicts: Mapping[str, int]


@dataclass(frozen=True)
class TrustRows:
    """The gap of a family that is widest with the labels as given, at every level of trust; worse group first."""

    grouping: tuple[str, ...]
    metric: str
    worse: str
    better: str
    rows: tuple[TrustRow, ...]

    @property
    def alike(self) -> bool:
        """Whether neither group is worse with the labels as given."""
        return not max(self.rows, key=lambda row: row.trust).difference.value > 0


def label_count_rows(run: Run) -> list[LabelCountRow]:
    """Rows of the manifest by label, and why others have none, for the columns used for groups."""
    return [
        LabelCountRow(name, label, int(count))
        for name, stated in columns_used(run).items()
        for label, count in [
            *stated.rows.items(),
            *((f"none: {reason}", count) for reason, count in stated.without_label.items()),
        ]
    ]


def simulated_without_label(run: Run) -> dict[str, int]:
    """Per column the number of rows with probabilities but no label, which are in simulated labels only."""
    return {
        name: stated.without_label_but_drawn
        for name, stated in columns_used(run).items()
        if stated.uncertainty == "known" and stated.without_label_but_drawn
    }


def columns_used(run: Run) -> dict[str, LabelColumn]:
    """The record of the joined columns used for groups."""
    used = {name for grouping in run.record.groupings for name in grouping}
    return {name: stated for name, stated in run.record.label_columns.items() if name in used}


def uncertain_rows(run: Run) -> list[GapRow]:
    """The widest gap of every family whose label uncertainty is known."""
    rows = [widest(family) for family in families(run.gaps[run.gaps["label_draws"] > 0])]
    return [row for row in rows if not any(repeats(row, other) for other in rows)]


def repeats(row: GapRow, other: GapRow) -> bool:
    """Whether a gap has the same counts as one listed before it: rates of answered images if all were answered."""
    same = (row.family, row.worse, row.better) == (other.family, other.worse, other.better)
    later = metric_of(row.metric).order > metric_of(other.metric).order
    return same and later and str(row.threshold) == str(other.threshold)


def trust_rows(run: Run) -> list[TrustRows]:
    """Per grouping the widest gap of its first metric at every level of trust."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in table(run, "label_trust.csv"):
        found.setdefault(str(row["family"]), []).append(row)
    return [trust_of(family, rows) for family, rows in found.items()]


def place_of(name: str) -> tuple[bool, int]:
    """Sort key of a metric if only one is shown: rates of predictions before rates of lost images."""
    return metric_of(name).is_failure, metric_of(name).order


def trust_of(family: str, rows: Sequence[Mapping[str, Any]]) -> TrustRows:
    """One family."""
    present = [str(row["metric"]) for row in rows]
    metric = min(present, key=place_of)
    of_metric = [row for row in rows if row["metric"] == metric]
    full = max(float(row["trust"]) for row in of_metric)
    first = max(
        (row for row in of_metric if row["trust"] == full),
        key=lambda row: -1.0 if math.isnan(row["difference"]) else abs(row["difference"]),
    )
    turn = bool(first["difference"] < 0)
    worse, better = (str(first[f"group_{side}"]) for side in ("ba" if turn else "ab"))
    same = [row for row in of_metric if (row["group_a"], row["group_b"]) == (first["group_a"], first["group_b"])]
    lines = tuple(
        TrustRow(
            trust=float(row["trust"]),
            difference=difference_of(row, "difference", turn=turn),
            attenuation=float(row["attenuation"]),
            outer=difference_of({"outer": row["difference"], **row}, "outer", turn=turn),
            p_holm=float(row["p_adjusted"]),
            margin=float(row["margin"]),
            is_ratio=row["scale"] == "ratio",
            decided=decided_of(row, is_ratio=row["scale"] == "ratio", turn=turn),
            decided_level=float(row["decided_level"]),
            verdict=str(row["verdict"]),
            verdicts=verdict_counts([str(other["verdict"]) for other in of_metric if other["trust"] == row["trust"]]),
        )
        for row in same
    )
    return TrustRows(tuple(family.split("*")), metric, worse, better, lines)
