"""How far a gap may reach if wrong labels lie where the model errs: bounds, and no estimate.

Resampled labels err without a look at the model. A dark or blurred photograph may fail both, and then no resampling shows
it. What can be said is a bound: if at most so many labels are wrong, whichever they are, the gap between true groups is
least where those wrong are errors of the first group that belong to the second, and right answers of the second that
belong to the first. No assumption ties the errors of labels to those of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.errors import StatisticsError
from facegap.statistics.effective import RateColumns
from facegap.statistics.family_tests import Limits, Sides, decided, deciding_tails, inside, limits_at, outside, z_of
from facegap.statistics.gaps import GapFamily
from facegap.statistics.verdicts import EXPLORATORY, UNKNOWN, stricter, verdicts
from facegap.types import AnyArray, BoolArray, FloatArray

SPLITS = 9  # ways to divide the wrong labels of a gap between its two groups, from all in one to all in the other
CERTAINTY = 1.645  # of the number of wrong labels that probabilities tell of: exceeded in one data set of twenty


@dataclass(frozen=True, eq=False)
class BoundColumns:
    """What wrong labels on the model's errors could do to every gap of a family, as columns in its order.

    label_wrong     : trials of the two groups together whose label may be wrong; NaN where that is not known
    label_bound_low, label_bound_high : the least and the largest gap then, on the scale of the margin, no sampling counted
    label_holds     : whether the verdict is the same under them
    verdict, decided_low, decided_high, decided_level, differs, within_margin, beyond_margin : under the bound
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
    """Where the trials of each group belong, if labels err as their probabilities say.

    trials   : float64 [G], by the labels as they are
    expected : float64 [G, G], trials labelled as the first group that are expected to be of the second
    variance : float64 [G, G], of these numbers
    """

    trials: FloatArray
    expected: FloatArray
    variance: FloatArray


def wrong_at_most(labels: ExpectedLabels) -> FloatArray:
    """Trials that may have a wrong label, for every pair of groups, float64 [G, G], symmetric.

    Every wrong label that touches either group: the expected number and 1.645 standard deviations more. The labels need not
    be spread as their probabilities say.

    Examples
    --------
    >>> sure = ExpectedLabels(np.array([50.0, 50.0]), np.diag([50.0, 50.0]), np.zeros((2, 2)))
    >>> wrong_at_most(sure)[0, 1]
    np.float64(0.0)
    """
    own, spread = np.diag(labels.expected), np.diag(labels.variance)
    leaving = labels.trials - own
    coming, coming_spread = labels.expected.sum(axis=0) - own, labels.variance.sum(axis=0) - spread
    # What leaves one of the two groups for the other is counted once, as leaving.
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
    """The bound of every gap of a family, and whether its verdict holds under it.

    Parameters
    ----------
    family : GapFamily
        The gaps by the labels as they are.
    groups : sequence of str
        Names of the G groups, in the order of the rates.
    rates : RateColumns
        What the family was made of.
    wrong : float64 [G, G]
        Trials of each two groups together whose label may be wrong, see `wrong_at_most`; NaN where that is not known.
    verdict : str [m]
        The verdict of each gap, which may count more uncertainty in than the family does.

    Returns
    -------
    BoundColumns
        Without a wrong label the gap itself. The verdict under the bound is the stricter one of `verdict` and that of an
        interval that holds the interval of every case, at the levels of the family.

    Notes
    -----
    Trials move one by one, although all images of a person move together, so the bound is no narrower than it would be
    if people moved whole. The effective trials of a group grow and shrink with its trials.

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
    interval = decided(widest(z_of(tails)), tails, said, differs, is_ratio=is_ratio)
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
    """Both sides of every gap after the wrong labels were put right, in every way that may make the gap extreme."""
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
    """Errors of the first side go to the other one, and right answers of the other come: the gap is as small as it gets.

    part : of the wrong labels, those on errors; what the group does not have of them is left to the other kind
    """
    wanted = np.nan_to_num(budget)
    errors, right = np.nan_to_num(rate * trials), np.nan_to_num((1 - other_rate) * other_trials)
    gone = np.minimum(np.maximum(part * wanted, wanted - right), errors)
    come = np.minimum(wanted - gone, right)
    left, grown = trials - gone + come, other_trials + gone - come
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.clip((errors - gone) / left, 0.0, 1.0), np.clip((other_rate * other_trials + gone) / grown, 0.0, 1.0)
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
