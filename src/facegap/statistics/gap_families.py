"""Families of gaps: columns of gaps, the data they are tested from, and what is tested together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import repeat
from typing import Any, cast

import numpy as np

from facegap.statistics.family_tests import Sides, family_size
from facegap.types import AnyArray, BoolArray, FloatArray, Gap, IntArray, Scale, Verdict


@dataclass(frozen=True, eq=False)
class GapColumns:
    """Gaps as columns, one row per pair of groups a < b in the order given; names and meaning as in `Gap`."""

    group_a: AnyArray
    group_b: AnyArray
    errors_a: IntArray
    trials_a: IntArray
    subjects_a: IntArray
    errors_b: IntArray
    trials_b: IntArray
    subjects_b: IntArray
    difference: FloatArray
    difference_low: FloatArray
    difference_high: FloatArray
    ratio: FloatArray
    ratio_low: FloatArray
    ratio_high: FloatArray
    p: FloatArray
    p_adjusted: FloatArray
    differs: BoolArray
    within_margin: BoolArray
    beyond_margin: BoolArray
    verdict: AnyArray
    decided_low: FloatArray
    decided_high: FloatArray
    decided_level: FloatArray
    subjects_needed: FloatArray
    rate_a: FloatArray
    rate_b: FloatArray
    dominated_by_a: IntArray
    dominated_by_b: IntArray


@dataclass(frozen=True, eq=False)
class GapBasis:
    """Data from which the gaps of a family are tested, one entry per gap.

    sides  : rates and effective trials of both groups, including borrowed ones
    shared : correlation of the two rates
    costs  : subjects per effective trial, in the group in which a subject is least informative
    """

    sides: Sides
    shared: FloatArray
    costs: FloatArray


@dataclass(frozen=True, eq=False)
class GapFamily:
    """The gaps that are tested together, or those of one metric among them, and the excluded groups.

    Attributes
    ----------
    columns
        One row per pair of groups that have enough subjects.
    worst, best
        Names of the groups with the highest and the lowest rate among these; "" with fewer than two.
    worst_against_best
        Index of the row of `columns` between them, -1 if there is none. It marks a row and adds no test.
    left_out
        Names of the groups below `minimum_subjects`, in order; they are shown but not ranked or compared.
    level
        Confidence level of the interval of each gap. Verdicts use alpha over the family, see `gap_family`.
    basis
        Data from which the gaps were tested.
    others
        p-values of the gaps of other families that are tested together with these; see `jointly_tested`.
    is_primary
        Whether the gaps have verdicts; otherwise they are exploratory.
    """

    metric: str
    model: str
    threshold: float
    threshold_from: str
    family: str
    margin: float
    is_ratio: bool
    alpha: float
    level: float
    minimum_subjects: int
    columns: GapColumns
    worst: str
    best: str
    worst_against_best: int
    left_out: tuple[str, ...]
    basis: GapBasis
    others: FloatArray
    is_primary: bool = True

    def __len__(self) -> int:
        return len(self.columns.p)

    @property
    def tests(self) -> int:
        """Number of gaps tested together: these and the others."""
        return family_size(self.columns.p, self.others)

    @property
    def primary(self) -> bool:
        """The word for it in GAPS."""
        return self.is_primary

    @property
    def scale(self) -> Scale:
        """Scale of the margin, p and verdict."""
        return "ratio" if self.is_ratio else "difference"

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns by name, one entry per gap, as `pandas.DataFrame` takes them."""
        return {f.name: getattr(self.columns, f.name).tolist() for f in fields(GapColumns)}

    def rows(self) -> list[Gap]:
        """The family as rows of GAPS."""
        columns = self.to_dict()
        columns["verdict"] = [cast(Verdict, verdict) for verdict in columns["verdict"]]
        known = {**columns, **{name: repeat(getattr(self, name), len(self)) for name in _OF_FAMILY}}
        names = [f.name for f in fields(Gap) if f.name in known]  # the last fields of a Gap are on label uncertainty
        return [Gap(*row) for row in zip(*(known[name] for name in names), strict=True)]


_OF_FAMILY = ("metric", "model", "threshold", "threshold_from", "family", "primary", "margin", "scale")
NO_OTHERS: FloatArray = np.empty(0)
