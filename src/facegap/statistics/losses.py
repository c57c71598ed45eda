"""Worst and best case of every gap over lost trials: images, pairs or searches without a result.

Their results are unknown, so a rate lies between that with none of them in error and that with all of them in error. A
gap is largest if all lost trials of one group are errors and none of the other group's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.errors import StatisticsError
from facegap.statistics.effective import RateColumns
from facegap.statistics.family_tests import Sides, deciding_tails, inside, limits_at, outside, z_of
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.verdicts import GAPS_FOUND, UNKNOWN, verdicts, withheld
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class LossCounts:
    """Bounds on the errors of each group, int64 [G].

    trials : including lost trials
    least  : errors if no lost trial is one
    most   : errors if every lost trial is one, so most - least are lost

    Raises
    ------
    StatisticsError : unless 0 <= least <= most <= trials
    """

    trials: IntArray
    least: IntArray
    most: IntArray

    def __post_init__(self) -> None:
        """Check the counts."""
        if np.any((self.least < 0) | (self.least > self.most) | (self.most > self.trials)):
            raise StatisticsError("losses: errors must satisfy 0 <= least <= most <= trials in every group")

    @property
    def lost(self) -> IntArray:
        """Lost trials, int64 [G]."""
        return self.most - self.least


@dataclass(frozen=True, eq=False)
class LossColumns:
    """The fields of `Gap` on lost trials, as columns: one row per gap of a family, in its order."""

    lost_a: IntArray
    lost_b: IntArray
    loss_difference_low: FloatArray
    loss_difference_high: FloatArray
    loss_ratio_low: FloatArray
    loss_ratio_high: FloatArray
    loss_stands: BoolArray


def loss_columns(
    family: GapFamily,
    groups: Sequence[str],
    rates: RateColumns,
    counts: LossCounts,
    *,
    by_person: bool = False,
) -> LossColumns:
    """Worst and best case of every gap of a family, and whether its verdict is the same in all cases.

    Parameters
    ----------
    family : GapFamily
        The gaps without lost trials.
    groups : sequence of str
        Names of the G groups, in the order of the rates.
    rates : RateColumns
        The rates of the family.
    counts : LossCounts
        Counts of the same groups.
    by_person : bool, optional
        Whether subjects have equal weights in the gaps but not in the rates, as in sequential tests.

    Returns
    -------
    LossColumns
        If neither group lost a trial: exactly the gap itself, and an unchanged verdict. Otherwise the verdict is
        determined again with none, the observed proportion and all of the lost trials of each group in error: nine
        cases. Each uses the level that decided the gap, and the effective trials of the observed rate, increased in
        proportion to the lost trials. An exploratory gap has no verdict, so none changes. With equal weights of
        subjects, the cases of groups with losses are unknown: NaN, and the verdict counts as changed.

    Examples
    --------
    >>> from facegap.statistics.clusters import clustered_rates
    >>> from facegap.statistics.gaps import gap_family
    >>> import numpy as np
    >>> wrong, of = np.repeat([1, 0, 1, 0], [20, 80, 10, 80]), np.repeat([0, 1], [100, 90])
    >>> found = clustered_rates(wrong, None, np.arange(190), of, n_cells=2)
    >>> sizes = found.errors, found.trials, found.subjects, found.effective_trials
    >>> family = gap_family(["a", "b"], *sizes, margin=0.02, scale="difference")
    >>> lost = LossCounts(np.array([100, 100]), np.array([20, 10]), np.array([20, 20]))
    >>> case = loss_columns(family, ["a", "b"], found, lost)
    >>> case.loss_difference_low.round(2), case.loss_difference_high.round(2)
    (array([0.]), array([0.1]))
    """
    place = {name: k for k, name in enumerate(groups)}
    first, second = (
        np.array([place[str(name)] for name in names], np.int64)
        for names in (family.columns.group_a, family.columns.group_b)
    )
    plain, lost, unknown = family.columns, counts.lost, by_person or rates.by_person
    none_lost = (lost[first] == 0) & (lost[second] == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        least, most = counts.least / counts.trials, counts.most / counts.trials
        if unknown:
            least, most = np.full_like(least, np.nan), np.full_like(most, np.nan)
        differences = least[first] - most[second], most[first] - least[second]
        ratios = least[first] / most[second], most[first] / least[second]
    # If a group cannot have an error, every defined ratio is 0.
    no_error = (most[first] == 0) & (most[second] > 0)
    return LossColumns(
        lost_a=lost[first],
        lost_b=lost[second],
        loss_difference_low=np.where(none_lost, plain.difference, differences[0]),
        loss_difference_high=np.where(none_lost, plain.difference, differences[1]),
        loss_ratio_low=np.where(none_lost, plain.ratio, ratios[0]),
        loss_ratio_high=np.where(none_lost, plain.ratio, np.where(no_error, 0.0, ratios[1])),
        loss_stands=none_lost
        | _is_stable(family, first, second, ~none_lost & (not unknown), rates, counts, (least, most)),
    )


def _is_stable(
    family: GapFamily,
    first: IntArray,
    second: IntArray,
    checked: BoolArray,
    rates: RateColumns,
    counts: LossCounts,
    ends: tuple[FloatArray, FloatArray],
) -> BoolArray:
    """Whether the verdict of each gap is the same in all nine cases; False for gaps that are not `checked`."""
    stands = np.full(len(family), not family.is_primary)
    checked = checked & family.is_primary
    rows = np.flatnonzero(checked)
    if not len(rows):
        return stands
    a, b = first[rows], second[rows]
    n_a, n_b = (family.basis.sides[side][rows] for side in (1, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        raised = np.where(rates.trials > 0, counts.trials / rates.trials, 1.0)
    n_a, n_b = n_a * raised[a], n_b * raised[b]
    shared = family.basis.shared[rows]
    same = np.ones(len(rows), np.bool_)
    observed, direction = family.columns.verdict[rows], np.sign(family.columns.difference[rows])
    for rate_a in (ends[0], rates.value, ends[1]):
        for rate_b in (ends[0], rates.value, ends[1]):
            said = verdicts_at((rate_a[a], n_a, rate_b[b], n_b), shared, family, rows)
            same &= said == observed
            same &= ~np.isin(said, GAPS_FOUND) | (np.sign(rate_a[a] - rate_b[b]) == direction)
    stands[rows] = same
    return stands


def verdicts_at(sides: Sides, shared: FloatArray | float, family: GapFamily, rows: IntArray) -> AnyArray:
    """The verdicts of some gaps of a family with other rates, str [m], at the levels of their own verdicts.

    sides : of those gaps, float64 [m] each
    rows  : their positions in the family. A gap differs if the interval at the level of its original Holm step excludes
            no difference; the p-values of other gaps are not recomputed
    """
    of_one, none = family.alpha / max(family.tests, 1), 1.0 if family.is_ratio else 0.0
    scale = {"is_ratio": family.is_ratio}
    beyond = outside(limits_at(sides, float(-ndtri(of_one / 2)), shared, **scale), family.margin, **scale)
    within = inside(limits_at(sides, float(-ndtri(of_one)), shared, **scale), family.margin, **scale)
    plain, undecided = family.columns, np.full(len(family), UNKNOWN)
    step = deciding_tails(undecided, plain.p, plain.p_adjusted, family.alpha, family.tests)[rows]
    low, high = limits_at(sides, z_of(step), shared, **scale)
    said = verdicts(beyond_margin=beyond, within_margin=within, differs=(low > none) | (high < none))
    return withheld(said, (sides[0], sides[2]), (plain.dominated_by_a[rows], plain.dominated_by_b[rows]))
