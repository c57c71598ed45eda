"""Gaps of an audit that stops once they are decided: estimates, limits and verdicts valid at every look.

Subjects have equal weights, whatever their number of trials, as in `statistics.anytime`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facegap.statistics.anytime import GapSoFar, Observed, VerdictsSoFar, gap_limits, verdicts_so_far
from facegap.statistics.family_tests import deciding_intervals, deciding_tails
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.verdicts import UNKNOWN
from facegap.types import AnyArray, BoolArray, FloatArray

People = Mapping[str, Observed]  # of each group of a family


@dataclass(frozen=True, eq=False)
class FamilySoFar:
    """One family with the subjects evaluated so far.

    people : of each group; tested : bool, per group, whether its gaps are in the family, as decided in advance
    margin : the smallest gap that matters, a difference, or a ratio above 1
    """

    people: Sequence[Observed]
    tested: BoolArray
    margin: float
    is_ratio: bool

    def gaps(self) -> list[GapSoFar]:
        """Gaps between every two tested groups."""
        kept = np.flatnonzero(self.tested).tolist()
        return [
            GapSoFar(self.people[a], self.people[b], self.margin, self.is_ratio)
            for k, a in enumerate(kept)
            for b in kept[k + 1 :]
        ]


def gaps_of(families: Sequence[FamilySoFar]) -> list[GapSoFar]:
    """All gaps that are tested together."""
    return [gap for family in families for gap in family.gaps()]


def undecided(families: Sequence[FamilySoFar], *, alpha: float, fewest: int) -> int:
    """Number of gaps without a verdict so far. fewest : least number of subjects in either group for a verdict.

    Examples
    --------
    >>> import numpy as np
    >>> from facegap.statistics.anytime import observed
    >>> people = [observed(np.repeat([1.0, 0.0], counts)) for counts in ([60, 140], [10, 190])]
    >>> undecided([FamilySoFar(people, np.array([True, True]), 0.02, False)], alpha=0.05, fewest=20)
    0
    """
    gaps = gaps_of(families)
    few = np.array([min(gap.first.people, gap.second.people) < fewest for gap in gaps], np.bool_)
    said = verdicts_so_far(gaps, alpha=alpha).verdict
    return int((few | (said == UNKNOWN)).sum())


def sequentially_tested(families: Sequence[GapFamily], people: Sequence[People], *, tests: int) -> list[GapFamily]:
    """Test families together, with estimates, limits and verdicts valid at every look.

    people : the subjects of each group, by family
    tests  : number of gaps tested together, including those of groups with too few subjects, which are in no family
    """
    sides = [
        [
            GapSoFar(of[str(a)], of[str(b)], family.margin, family.is_ratio)
            for a, b in zip(family.columns.group_a, family.columns.group_b, strict=True)
        ]
        for family, of in zip(families, people, strict=True)
    ]
    alpha = families[0].alpha if families else 0.05
    said = verdicts_so_far([gap for some in sides for gap in some], alpha=alpha, tests=tests)
    ends = np.cumsum([0, *map(len, sides)])
    return [
        _as_seen(family, gaps, said, slice(ends[k], ends[k + 1]), tests)
        for k, (family, gaps) in enumerate(zip(families, sides, strict=True))
    ]


def _as_seen(family: GapFamily, gaps: Sequence[GapSoFar], said: VerdictsSoFar, own: slice, tests: int) -> GapFamily:
    """One family, with the verdicts `own` of the gaps of all families."""
    first, second = (np.array([side.mean for side in some], np.float64) for some in _sides(gaps))
    verdict, p, differs = said.verdict[own], said.p[own], said.differs[own]
    tails = deciding_tails(verdict, p, said.p_adjusted[own], family.alpha, tests)
    limits = _limits(gaps, tails, is_ratio=family.is_ratio)
    interval = deciding_intervals(limits, tails, verdict, differs, is_ratio=family.is_ratio)
    alone = np.full(len(gaps), 1 - family.level)
    difference, ratio = (_limits(gaps, alone, is_ratio=is_ratio) for is_ratio in (False, True))
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = replace(
            family.columns,
            rate_a=first,
            rate_b=second,
            difference=first - second,
            difference_low=difference[0],
            difference_high=difference[1],
            ratio=first / second,
            ratio_low=ratio[0],
            ratio_high=ratio[1],
            p=p,
            p_adjusted=said.p_adjusted[own],
            differs=differs,
            within_margin=said.within[own],
            beyond_margin=said.beyond[own],
            verdict=verdict,
            decided_low=interval.low,
            decided_high=interval.high,
            decided_level=interval.level,
        )
    return replace(family, columns=columns)


def _sides(gaps: Sequence[GapSoFar]) -> tuple[list[Observed], list[Observed]]:
    return [gap.first for gap in gaps], [gap.second for gap in gaps]


def _limits(gaps: Sequence[GapSoFar], tails: AnyArray, *, is_ratio: bool) -> tuple[FloatArray, FloatArray]:
    """Limits of each gap at level 1 - tails, float64 [m] each."""
    found = [
        gap_limits(gap.first, gap.second, min(tail, 1.0), is_ratio=is_ratio)
        for gap, tail in zip(gaps, tails.tolist(), strict=True)
    ]
    low, high = np.array(found, np.float64).reshape(-1, 2).T
    return low, high
