"""Bounds of a gap if label errors coincide with errors of the model.

Errors of resampled labels are independent of the model. A dark or blurred photograph may cause both kinds of error,
which resampling cannot show. A bound is still possible: for a given maximum number of wrong labels, whichever they are,
the gap between true groups is smallest if the wrong labels are errors in the first group that belong to the second, and
correct trials in the second that belong to the first. No assumption is made about the association of label errors with
errors of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.errors import StatisticsError
from facegap.statistics.effective import RateColumns
from facegap.statistics.family_tests import (
    Limits,
    Sides,
    deciding_intervals,
    deciding_tails,
    inside,
    limits_at,
    outside,
    z_of,
)
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.verdicts import EXPLORATORY, UNKNOWN, stricter, verdicts
from facegap.types import AnyArray, BoolArray, FloatArray

SPLITS = 9  # divisions of the wrong labels of a gap between its two groups, from all in one to all in the other
CERTAINTY = 1.645  # of the number of wrong labels implied by probabilities: exceeded in one data set of twenty


@dataclass(frozen=True, eq=False)
class BoundColumns:
    """Bounds of every gap of a family if wrong labels coincide with errors of the model, as columns in its order.

    label_wrong     : trials of the two groups together whose label may be wrong; NaN if unknown
    label_bound_low, label_bound_high : the smallest and the largest gap in that case, on the scale of the margin,
                                        without sampling error
    label_holds     : whether the verdict is the same at both
    verdict, decided_low, decided_high, decided_level, differs, within_margin, beyond_margin : at the bound
    """

    label_wrong: FloatArray
    label_bound_low: FloatArray
    label_bound_high: FloatArray
    label_holds: BoolArray
    verdict: AnyArray
    decided_low: FloatArray
    decided_high: FloatArray
    decided_level: FloatArray
    differs: BoolArray
    within_margin: BoolArray
    beyond_margin: BoolArray


@dataclass(frozen=True, eq=False)
class ExpectedLabels:
    """Expected true groups of the trials of each group, according to the label probabilities.

    trials   : float64 [G], by the given labels
    expected : float64 [G, G], trials labelled as the first group that are expected to belong to the second
    variance : float64 [G, G], of these numbers
    """

    trials: FloatArray
    expected: FloatArray
    variance: FloatArray


def wrong_at_most(labels: ExpectedLabels) -> FloatArray:
    """Upper bound of the number of wrong labels for every pair of groups, float64 [G, G], symmetric.

    The number includes every wrong label that involves either group: the expected number plus 1.645 standard
    deviations. The labels need not follow their probabilities exactly.

    Examples
    --------
    >>> sure = ExpectedLabels(np.array([50.0, 50.0]), np.diag([50.0, 50.0]), np.zeros((2, 2)))
    >>> wrong_at_most(sure)[0, 1]
    np.float64(0.0)
    """
    own, spread = np.diag(labels.expected), np.diag(labels.variance)
    leaving = labels.trials - own
    coming, coming_spread = labels.expected.sum(axis=0) - own, labels.variance.sum(axis=0) - spread
    # A trial that moves from one of the two groups to the other is counted once.
    number, scatter = (
        part[:, None] + part[None, :] - both - both.T
        for part, both in (
            (leaving + coming, labels.expected),
            (spread + coming_spread, labels.variance),
        )
    )
    return np.asarray(np.maximum(number, 0.0) + CERTAINTY * np.sqrt(np.maximum(scatter, 0.0)), dtype=np.float64)


def label_bounds(
    family: GapFamily,
    groups: Sequence[str],
    rates: RateColumns,
    wrong: FloatArray,
    verdict: AnyArray,
) -> BoundColumns:
    """The bounds of every gap of a family, and whether its verdict is the same at both.

    Parameters
    ----------
    family : GapFamily
        The gaps by the given labels.
    groups : sequence of str
        Names of the G groups, in the order of the rates.
    rates : RateColumns
        The rates of the family.
    wrong : float64 [G, G]
        Trials of each two groups together whose label may be wrong, see `wrong_at_most`; NaN if unknown.
    verdict : str [m]
        The verdict of each gap, which may account for more uncertainty than the family does.

    Returns
    -------
    BoundColumns
        Without wrong labels, the gap itself. The verdict at the bound is the weaker of `verdict` and that of an
        interval that contains the intervals of all cases, at the levels of the family.

    Notes
    -----
    Trials change groups one by one, although all images of a person would change together, so the bound is at least as
    wide as one by person. The effective trials of a group are proportional to its trials.

    References
    ----------
    Horowitz and Manski (1995), Identification and Robustness with Contaminated and Corrupted Data, Econometrica 63.
    Kreider and Pepper (2007), Disability and Employment: Reevaluating the Evidence in Light of Reporting Errors, Journal of
    the American Statistical Association 102: arbitrary errors of at most a known proportion of group labels.

    Examples
    --------
    >>> from facegap.statistics.clusters import clustered_rates
    >>> from facegap.statistics.gaps import gap_family
    >>> errors, of = np.repeat([1, 0, 1, 0], [30, 70, 10, 90]), np.repeat([0, 1], 100)
    >>> found = clustered_rates(errors, None, np.arange(200), of, n_cells=2)
    >>> sizes = found.errors, found.trials, found.subjects, found.effective_trials
    >>> family = gap_family(["a", "b"], *sizes, margin=0.02, scale="difference")
    >>> bound = label_bounds(family, ["a", "b"], found, np.full((2, 2), 10.0), family.columns.verdict)
    >>> bound.label_bound_low.round(3), bound.label_bound_high.round(3), bound.label_holds
    (array([0.04]), array([0.364]), array([False]))
    """
    place = {name: k for k, name in enumerate(groups)}
    first, second = (
        np.array([place[str(name)] for name in names], np.int64)
        for names in (family.columns.group_a, family.columns.group_b)
    )
    budget = np.asarray(wrong, np.float64)[first, second]
    if np.any(budget < 0):
        raise StatisticsError("a number of wrong labels is negative")
    sides, shared = family.basis.sides, family.basis.shared
    trials = rates.trials[first].astype(np.float64), rates.trials[second].astype(np.float64)
    cases = [sides, *_cases(sides, trials, budget)]
    known = ~np.isnan(budget)
    plain, is_ratio = family.columns, family.is_ratio
    gaps = np.stack([_gap(case, is_ratio=is_ratio) for case in cases])
    own = plain.ratio if is_ratio else plain.difference
    with np.errstate(invalid="ignore"):
        low, high = (np.where(budget == 0, own, end) for end in (np.fmin.reduce(gaps), np.fmax.reduce(gaps)))

    def widest(z: AnyArray | float) -> Limits:
        ends = [limits_at(case, z, shared, is_ratio=is_ratio) for case in cases]
        return np.min([end[0] for end in ends], axis=0), np.max([end[1] for end in ends], axis=0)

    of_one, none = family.alpha / max(family.tests, 1), 1.0 if is_ratio else 0.0
    within = known & inside(widest(float(-ndtri(of_one))), family.margin, is_ratio=is_ratio)
    beyond = known & outside(widest(float(-ndtri(of_one / 2))), family.margin, is_ratio=is_ratio)
    step = widest(
        z_of(deciding_tails(np.full(len(first), UNKNOWN), plain.p, plain.p_adjusted, family.alpha, family.tests))
    )
    differs = known & plain.differs & ((step[0] > none) | (step[1] < none) | (budget == 0))
    said = stricter(verdict, verdicts(beyond_margin=beyond, within_margin=within, differs=differs))
    said = said if family.is_primary else np.full(len(said), EXPLORATORY)
    tails = deciding_tails(said, plain.p, plain.p_adjusted, family.alpha, family.tests)
    interval = deciding_intervals(widest(z_of(tails)), tails, said, differs, is_ratio=is_ratio)
    return BoundColumns(
        label_wrong=budget,
        label_bound_low=np.where(known, low, np.nan),
        label_bound_high=np.where(known, high, np.nan),
        label_holds=known & (said == verdict) & family.is_primary,
        verdict=said,
        decided_low=np.where(known, interval.low, np.nan),
        decided_high=np.where(known, interval.high, np.nan),
        decided_level=np.where(known, interval.level, np.nan),
        differs=differs,
        within_margin=within,
        beyond_margin=beyond,
    )


def _cases(sides: Sides, trials: tuple[FloatArray, FloatArray], budget: FloatArray) -> list[Sides]:
    """Both sides of every gap after correction of the wrong labels, in every way that may make the gap extreme."""
    rate_a, n_a, rate_b, n_b = sides
    worse = [_moved(rate_a, n_a, trials[0], rate_b, n_b, trials[1], budget, k / (SPLITS - 1)) for k in range(SPLITS)]
    better = [_moved(rate_b, n_b, trials[1], rate_a, n_a, trials[0], budget, k / (SPLITS - 1)) for k in range(SPLITS)]
    return [*worse, *((a, m_a, b, m_b) for b, m_b, a, m_a in better)]


def _moved(
    rate: FloatArray,
    effective: FloatArray,
    trials: FloatArray,
    other_rate: FloatArray,
    other_effective: FloatArray,
    other_trials: FloatArray,
    budget: FloatArray,
    part: float,
) -> Sides:
    """Move errors of the first side to the other, and correct trials of the other to the first: the smallest gap possible.

    part : proportion of the wrong labels on errors; if the group has fewer errors, the remainder goes to correct trials
    """
    wanted = np.nan_to_num(budget)
    errors, right = np.nan_to_num(rate * trials), np.nan_to_num((1 - other_rate) * other_trials)
    removed = np.minimum(np.maximum(part * wanted, wanted - right), errors)
    added = np.minimum(wanted - removed, right)
    left, grown = trials - removed + added, other_trials + removed - added
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = (
            np.clip((errors - removed) / left, 0.0, 1.0),
            np.clip((other_rate * other_trials + removed) / grown, 0.0, 1.0),
        )
        return (
            np.where(left > 0, moved[0], np.nan),
            np.nan_to_num(effective * left / trials),
            np.where(grown > 0, moved[1], np.nan),
            np.nan_to_num(other_effective * grown / other_trials),
        )


def _gap(sides: Sides, *, is_ratio: bool) -> FloatArray:
    """The gap on the scale of the margin."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sides[0] / sides[2] if is_ratio else sides[0] - sides[2], dtype=np.float64)
