"""Rates over all pairs, estimated from a sample with known inclusion probabilities: Hajek's estimator, with intervals.

A sampled pair with weight w represents w pairs. The rate is the weighted mean of errors (Hajek). Horvitz and Thompson's
estimator would divide by the known number of pairs instead; here some comparisons have no score, so the number of pairs
with one must be estimated, and a ratio of two estimates has less variance.

The variance is the dyadic one with w times (error - rate) in place of (error - rate). This includes both sources of
variance exactly once: the expectation of the squared term of a sampled pair is the noise of the pair plus the sampling
variance, and that of the products of sampled pairs that share a person is the sum of all such products. No further term
for the sampling is needed.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv

from facegap.errors import StatisticsError
from facegap.statistics.dominated import dominating_units_of_pairs
from facegap.statistics.effective import EXACT_PAIRS, EXACT_SUBJECTS, UNDEFINED, WILSON_EFFECTIVE, weights_of
from facegap.statistics.intervals import clopper_pearson, rare_error_limits, two_sided_z, wilson
from facegap.statistics.jackknife import PairSums, pair_effective_trials
from facegap.statistics.weighted import weighted_rates
from facegap.types import BoolArray, FloatArray, IntArray, Rate

FEW_ERRORS = 3.0  # effective errors, or trials without one: with so few, Wilson's limit is too near the rate
RARE_EFFECTIVE = "score and likelihood limits on effective trials"


def sampled_fmr(
    left: IntArray,
    right: IntArray,
    wrong: BoolArray,
    weights: FloatArray,
    *,
    across: bool = False,
    units: IntArray | None = None,
    comparisons: IntArray | None = None,
    level: float = 0.95,
) -> Rate:
    """False match rate over all impostor pairs within a group, or between two groups, from a sample of pairs.

    Parameters
    ----------
    left, right : int64 (m,)
        Subject codes of the two images of each sampled pair; between two groups, `left` is in the first.
    wrong : bool (m,)
        Whether the pair is a false match.
    weights : float64 (m,)
        Number of pairs that each represents, above 0.
    across : bool
        Whether the rate is between two groups.
    units : int64 (S,), optional
        Sampling unit of each subject code; by default the subject.
    comparisons : int64 (m,), optional
        Code of the two images of each pair, if a comparison may occur in both orders.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Rate
        errors and trials are counts; `value` is weighted, NaN without pairs. With no errors or only errors, the
        interval is Clopper-Pearson's on `zero_error_trials` trials. With at most FEW_ERRORS effective errors it is the
        wider of the score and the likelihood limits, as for gaps; with more, or if all weights are 1 (every pair was
        compared), it is Wilson's.

    Raises
    ------
    StatisticsError
        If a weight is not positive and finite, or a pair has the same person on both sides.

    References
    ----------
    Horvitz and Thompson (1952); Hajek (1971); Fogliato, Patil and Perona (2024) for pairs that share a person.

    Examples
    --------
    >>> left, right = np.array([0, 2, 4, 6]), np.array([1, 3, 5, 7])
    >>> rate = sampled_fmr(left, right, np.array([True, False, False, False]), np.array([1.0, 1.0, 1.0, 7.0]))
    >>> rate.errors, rate.trials, rate.value
    (1, 4, 0.1)
    """
    require_weights(weights)
    if np.any(left == right):
        raise StatisticsError(
            f"sampled pair {int(np.argmax(left == right))} has the same person on both sides and "
            f"so is not an impostor pair"
        )
    if not len(left):
        return Rate(0, 0, level=level, effective_subjects=0.0)
    people = len(np.unique(np.concatenate([left, right])))
    if units is not None:
        left, right = units[left], units[right]
    codes, sides = np.unique(np.stack([left, right]), return_inverse=True)
    left, right = sides.reshape(2, -1)
    size = len(codes)
    # Relative to the mean weight, so that equal weights give exact counts.
    mean = float(weights.mean())
    weight = np.ones(len(weights)) if np.ptp(weights) <= 1e-9 * mean else weights / mean
    total = float(weight.sum())
    value = float((weight * wrong).sum()) / total
    sums = _pair_sums(left, right, wrong, weight, value, size, across=across, comparisons=comparisons)
    own = sums.own_trials
    exact = zero_error_trials(left, right, weight, across=across)
    extreme = not 0 < wrong.sum() < len(wrong)
    found = pair_effective_trials(np.asarray(value), np.asarray(total), sums, level=level, uneven=bool(np.ptp(weight)))
    used = exact if extreme else float(found)
    few = bool((weights != 1).any()) and min(value, 1 - value) * used <= FEW_ERRORS
    low, high = _limits(value, used, extreme, level, few=few)
    held = weights_of(own, np.zeros(size, np.int64), n_cells=1)
    effective = float(held.effective[0])
    if across:
        each = weights_of(
            np.concatenate([sums.trials_left, sums.trials_right]), np.repeat([0, 1], size), n_cells=2
        ).effective
        effective = min(float(each.sum()), float(size))
    low_side, high_side = np.minimum(left, right)[wrong], np.maximum(left, right)[wrong]
    return Rate(
        errors=int(wrong.sum()),
        trials=len(wrong),
        subjects=people,
        effective_trials=used,
        low=low,
        high=high,
        level=level,
        method=_method(used, extreme, few),
        units=size,
        effective_subjects=effective,
        largest_share=float(held.largest[0]),
        dominated_by=dominating_units_of_pairs(low_side, high_side, weight[wrong], own, value * total, total),
        estimate=value,
    )


def sampled_fnmr(
    subjects: IntArray,
    wrong: BoolArray,
    weights: FloatArray,
    *,
    units: IntArray | None = None,
    level: float = 0.95,
) -> Rate:
    """False non-match rate over all genuine pairs, from a sample of each person's pairs.

    subjects, wrong, weights : (m,) each, as in `sampled_fmr`; units : int64 (S,), of each subject code
    returns                  : Rate with a weighted `value`; NaN without pairs

    Examples
    --------
    >>> rate = sampled_fnmr(np.arange(4), np.array([True, False, False, False]), np.array([3.0, 1.0, 1.0, 1.0]))
    >>> rate.errors, rate.trials, rate.value
    (1, 4, 0.5)
    """
    require_weights(weights)
    if not len(subjects):
        return Rate(0, 0, level=level, effective_subjects=0.0)
    of = subjects if units is None else units[subjects]
    found = weighted_rates(wrong, weights, of, np.zeros(len(of), np.int64), n_groups=1, subjects=subjects, level=level)
    held = weights_of(np.bincount(of, weights=weights), np.zeros(int(of.max()) + 1, np.int64), n_cells=1)
    extreme = not 0 < wrong.sum() < len(wrong)
    used = float(found.effective_trials[0])
    return Rate(
        errors=int(wrong.sum()),
        trials=len(wrong),
        subjects=int(found.subjects[0]),
        effective_trials=used,
        low=float(found.low[0]),
        high=float(found.high[0]),
        level=level,
        method=UNDEFINED if np.isnan(used) else EXACT_SUBJECTS if extreme else WILSON_EFFECTIVE,
        units=int(held.units[0]),
        effective_subjects=float(held.effective[0]),
        largest_share=float(held.largest[0]),
        estimate=float(found.value[0]),
    )


def require_weights(weights: FloatArray) -> None:
    """Raise StatisticsError if a weight is not positive and finite, with its position."""
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights > 0)))
    if len(wrong):
        raise StatisticsError(f"weight {weights[wrong[0]]} of pair {wrong[0]}; a weight must be positive and finite")


def _method(used: float, extreme: bool, few: bool) -> str:
    """Name of the interval of a sampled FMR."""
    if np.isnan(used):
        return UNDEFINED
    return EXACT_PAIRS if extreme else RARE_EFFECTIVE if few else WILSON_EFFECTIVE


def _limits(value: float, used: float, extreme: bool, level: float, *, few: bool = False) -> tuple[float, float]:
    if np.isnan(used) or used <= 0:
        return float("nan"), float("nan")
    if few and not extreme:
        low, high = rare_error_limits(np.asarray(value), np.asarray(used), two_sided_z(level))
        return float(low), float(high)
    method = clopper_pearson if extreme else wilson
    low, high = method(round(value) * used if extreme else value * used, used, level=level)
    return float(low), float(high)


def _pair_sums(
    left: IntArray,
    right: IntArray,
    wrong: BoolArray,
    weight: FloatArray,
    value: float,
    size: int,
    *,
    across: bool,
    comparisons: IntArray | None,
) -> PairSums:
    """Sums for the dyadic variance, with weights as trials. A pair within a unit is on both of its sides."""
    apart = left != right
    low, high = np.minimum(left, right), np.maximum(left, right)
    keys, of = np.unique(low * size + high, return_inverse=True)
    of = of.reshape(-1)
    first, second = keys // size, keys % size

    def by_pair(values: FloatArray) -> FloatArray:
        return np.bincount(of, weights=values, minlength=len(keys)).astype(np.float64)

    def by_unit(values: FloatArray) -> FloatArray:
        """Sum by unit of values of pairs of units; those within a unit count once."""
        outer = np.where(first == second, 0.0, values)
        sums = np.bincount(first, weights=values, minlength=size) + np.bincount(second, weights=outer, minlength=size)
        return sums.astype(np.float64)

    between = np.where(first == second, 0.0, 1.0)
    trials_left = np.bincount(left, weights=weight, minlength=size).astype(np.float64)
    trials_right = np.bincount(right, weights=weight, minlength=size).astype(np.float64)
    if not across:
        trials_left = trials_right = (trials_left + trials_right) / 2
    trials = by_pair(weight)
    alike = (
        np.arange(len(weight)) if comparisons is None else np.unique(comparisons, return_inverse=True)[1].reshape(-1)
    )
    return PairSums(
        errors=by_unit(by_pair(weight * wrong)),
        trials_left=trials_left,
        trials_right=trials_right,
        squares=by_unit(between * by_pair(weight * (wrong - value)) ** 2),
        within=np.bincount(left, weights=np.where(apart, 0.0, weight), minlength=size).astype(np.float64),
        trial_squares=by_unit(between * trials**2),
        independent=np.asarray((np.bincount(alike, weights=weight) ** 2).sum()),
    )


def zero_error_trials(left: IntArray, right: IntArray, weights: FloatArray, *, across: bool = False) -> float:
    """Effective trials of a sample without errors, for an upper limit that is valid whichever units have errors.

    left, right : int64 (m,), sampling units of each pair; weights : float64 (m,)
    returns     : with equal weights, the number of sampled pairs without common units; otherwise the total weight over
                  the largest weight of one unit, which is at most that number. 0 without a pair of two units

    Notes
    -----
    If strata have different weights, all errors may be in that of the largest weight. The total weight over the largest
    weight accounts for this; Kish's effective size would not.

    Examples
    --------
    >>> zero_error_trials(np.array([0, 1, 2]), np.array([1, 2, 3]), np.ones(3))
    2.0
    >>> zero_error_trials(np.array([0, 2, 4]), np.array([1, 3, 5]), np.array([8.0, 1.0, 1.0]))
    1.25
    """
    apart = left != right
    if not apart.any():
        return 0.0
    if np.ptp(weights) <= 1e-9 * weights.mean():
        return float(disjoint_among(left[apart], right[apart]))
    size = int(max(left.max(), right.max())) + 1
    on_left, on_right = (np.bincount(side, weights=weights, minlength=size) for side in (left, right))
    largest = max(on_left.max(), on_right.max()) if across else (on_left + on_right).max()
    return float(weights.sum() / largest)


def disjoint_among(left: IntArray, right: IntArray) -> int:
    """Number of pairs without common units, from a greedy selection in rounds.

    If all pairs of units were compared, it is half the number of units, rounded down; otherwise at least half of the maximum.

    Examples
    --------
    >>> disjoint_among(np.array([0, 0, 1, 2]), np.array([1, 2, 2, 3]))
    2
    """
    size = int(max(left.max(), right.max())) + 1
    held = np.bincount(left, minlength=size) + np.bincount(right, minlength=size)
    # Pairs of units with few pairs first, as these have few alternatives.
    rank = np.empty(len(left), np.int64)
    rank[np.argsort(np.minimum(held[left], held[right]), kind="stable")] = np.arange(len(left))
    found = 0
    while len(left):
        best = np.full(size, len(rank) + int(rank.max()) + 1, np.int64)
        np.minimum.at(best, left, rank)
        np.minimum.at(best, right, rank)
        taken = (best[left] == rank) & (best[right] == rank)
        used = np.zeros(size, np.bool_)
        used[left[taken]] = used[right[taken]] = True
        found += int(taken.sum())
        open_ = ~(used[left] | used[right])
        left, right, rank = left[open_], right[open_], rank[open_]
    return found


def sampling_variance(wrong: BoolArray, strata: IntArray, pairs: IntArray) -> float:
    """Variance of a rate over all pairs due to sampling pairs, for fixed people.

    wrong, strata : bool and int64 (m,), of each sampled pair; pairs : int64 (H,), all pairs of each stratum
    returns       : sum over strata of (N_h / N)^2 (1 - n_h / N_h) s_h^2 / n_h; NaN if one of several pairs of a stratum
                    was sampled
    References    : Cochran (1977), Sampling Techniques, 5.6

    Examples
    --------
    >>> round(sampling_variance(np.array([True, False, False, False]), np.zeros(4, np.int64), np.array([8])), 4)
    0.0312
    """
    size = len(pairs)
    count = np.bincount(strata, minlength=size).astype(np.float64)
    errors = np.bincount(strata, weights=wrong, minlength=size)
    used = pairs > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = errors / count * (1 - errors / count) / (count - 1)
        left_out = 1 - count / pairs
        terms = np.where(count == pairs, 0.0, (pairs / pairs.sum()) ** 2 * left_out * spread)
    return float(terms[used].sum())


def sampling_interval(
    wrong: BoolArray, strata: IntArray, pairs: IntArray, *, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the rate over all pairs of the same people, with the variance of sampling pairs only.

    It does not apply to other people; for these use the interval of `sampled_fmr`, which is wider.

    wrong, strata, pairs : as in `sampling_variance`
    returns              : Clopper-Pearson's limits of each stratum, on effective trials with a finite population
                           correction, combined by the root sum of squares of their arms, so that a stratum without
                           sampled errors contributes too; the rate itself if all pairs were compared. NaN if a stratum
                           has no sampled pair. Combined lower arms of few errors each are too short: with several
                           sampled strata the lower limit is at most that of a weighted sum of Poisson counts
    References           : Zou and Donner (2008), MOVER; Fay and Feuer (1997), Statistics in Medicine 16; Cochran (1977), 5.6

    Examples
    --------
    >>> low, high = sampling_interval(np.arange(100) < 5, np.zeros(100, np.int64), np.array([1000]))
    >>> round(low, 4), round(high, 4)
    (0.0177, 0.1086)
    """
    size = len(pairs)
    count, errors = (np.bincount(strata, weights=values, minlength=size) for values in (np.ones(len(wrong)), wrong))
    used = pairs > 0
    if not used.any() or not (count[used] > 0).all():
        return float("nan"), float("nan")
    count, errors, part = count[used], errors[used], pairs[used] / pairs[used].sum()
    rate = errors / count
    partly = count < pairs[used]
    arms = np.zeros((2, len(count)))
    worth = count[partly] / (1 - count[partly] / pairs[used][partly])
    low, high = clopper_pearson(rate[partly] * worth, worth, level=level)
    arms[0, partly], arms[1, partly] = rate[partly] - low, high - rate[partly]
    below, above = np.sqrt(((part * arms) ** 2).sum(axis=1))
    value = float((part * rate).sum())
    low_limit = max(value - float(below), 0.0)
    if partly.sum() > 1 and value > 0:
        spread = float((part**2 * (1 - count / pairs[used]) * rate / count).sum())
        low_limit = min(low_limit, _poisson_low(value, spread, level))
    return low_limit, min(value + float(above), 1.0)


def _poisson_low(value: float, variance: float, level: float) -> float:
    """Lower limit of a weighted sum of Poisson counts, by a gamma distribution with its moments (Fay, Feuer 1997)."""
    if variance <= 0:
        return value
    return float(gammaincinv(value**2 / variance, (1 - level) / 2) * variance / value)
