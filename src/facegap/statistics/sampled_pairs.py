"""Rates over all pairs from a sample of them with known chances: Hajek's estimate, and intervals that carry the weights.

A pair of the sample with weight w stands for w pairs. The rate is the weighted mean of errors (Hajek). Horvitz and Thompson
would divide by the known number of pairs instead; here some comparisons have no score, so that the number of pairs with one is
itself estimated, and a ratio of two estimates varies less.

The variance is the dyadic one with w times (error - rate) in place of (error - rate). That carries both sources of chance, each
once: a squared term of a sampled pair has in expectation the noise of its pair and what choosing it adds, and a product of two
sampled pairs that share a person has in expectation what all such products come to. Nothing is added for the sampling on top.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv

from facegap.errors import StatisticsError
from facegap.statistics.dominated import few_in_front_of_pairs
from facegap.statistics.effective import EXACT_PAIRS, EXACT_SUBJECTS, UNDEFINED, WILSON_EFFECTIVE, weights_of
from facegap.statistics.intervals import clopper_pearson, rare_error_limits, two_sided_z, wilson
from facegap.statistics.jackknife import PairSums, pair_effective_trials
from facegap.statistics.weighted import weighted_rates
from facegap.types import BoolArray, FloatArray, IntArray, Rate

FEW_ERRORS = 3.0  # effective ones, on either side: with so few Wilson's limit lies too near the rate
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
    """False match rate over all impostor pairs of a group, or between two, from a sample of them.

    Parameters
    ----------
    left, right : int64 (m,)
        Subject codes of the two images of each sampled pair; between two groups `left` is of the first.
    wrong : bool (m,)
        Whether the pair is a false match.
    weights : float64 (m,)
        Pairs that each stands for, above 0.
    across : bool
        Whether the rate is between two groups.
    units : int64 (S,), optional
        Sampling unit of each subject code, where that is not the subject.
    comparisons : int64 (m,), optional
        Code of the two images of each pair, where one comparison may stand there in both orders.
    level : float
        Of the interval.

    Returns
    -------
    Rate
        errors and trials are counted; `value` is weighted. Without a pair NaN. Without any error, or with nothing but errors,
        the interval is Clopper-Pearson's on as many trials as `zero_error_trials` says. With FEW_ERRORS or fewer it is the wider
        of the score and the likelihood limits, as gaps have it; with more, and where all weights are 1, so that every pair was
        compared, it is Wilson's, as for all pairs.

    Raises
    ------
    StatisticsError
        A weight that is not above 0 and finite; a pair of a person with the same person.

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
    # As multiples of the mean weight, so that equal weights are exactly counts.
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
        dominated_by=few_in_front_of_pairs(low_side, high_side, weight[wrong], own, value * total, total),
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
    """False non-match rate over all genuine pairs from a sample of each person's.

    subjects, wrong, weights : (m,) each, as of `sampled_fmr`; units : int64 (S,), of each subject code
    returns                  : Rate with a weighted `value`; NaN without a pair

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
    """Raise StatisticsError for a weight that is not above 0 and finite, by its place."""
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
    """What the dyadic variance needs, with weights for trials. A pair within a unit stands on both its sides."""
    apart = left != right
    low, high = np.minimum(left, right), np.maximum(left, right)
    keys, of = np.unique(low * size + high, return_inverse=True)
    of = of.reshape(-1)
    first, second = keys // size, keys % size

    def by_pair(values: FloatArray) -> FloatArray:
        return np.bincount(of, weights=values, minlength=len(keys)).astype(np.float64)

    def by_unit(values: FloatArray) -> FloatArray:
        """Of values of pairs of units, each unit's sum; those within it once."""
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
    """Independent trials that a sample without any error is worth, so that its upper limit holds whoever errs.

    left, right : int64 (m,), sampling units of each pair; weights : float64 (m,)
    returns     : with equal weights the number of sampled pairs of which no two share a unit; else the total weight over the
                  largest weight that one unit holds, which is no more than that. 0 without a pair of two units

    Notes
    -----
    Where strata weigh differently, all errors may lie in that of the largest weight, which the total weight over the largest
    weight of a pair allows for; Kish's effective size would not.

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
    """How many of the pairs can be taken so that no two share a unit: as many as a greedy choice finds, by rounds.

    Where every two units were compared that is half of them, rounded down; else at least half of the most that is possible.

    Examples
    --------
    >>> disjoint_among(np.array([0, 0, 1, 2]), np.array([1, 2, 2, 3]))
    2
    """
    size = int(max(left.max(), right.max())) + 1
    held = np.bincount(left, minlength=size) + np.bincount(right, minlength=size)
    # Pairs of units in few pairs first: they have no other pair to be in.
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
    """Variance of a rate over all pairs that comes from having sampled some of them, the people being as they are.

    wrong, strata : bool and int64 (m,), of each sampled pair; pairs : int64 (H,), pairs of each stratum, sampled or not
    returns       : sum over strata of (N_h / N)^2 (1 - n_h / N_h) s_h^2 / n_h; NaN where a stratum has one pair of several
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
    """Interval of the rate over all pairs of these very people, of which some were sampled: `sampling_variance` alone.

    It says nothing of other people; the interval of `sampled_fmr` does, and is wider.

    wrong, strata, pairs : as of `sampling_variance`
    returns              : Clopper-Pearson's limits of each stratum, on as many trials as its sample is worth beside the pairs left
                           out, put together by squaring and adding their arms, so that a stratum without an error in its sample
                           counts too; the rate itself where all pairs were compared. NaN where a stratum has no sampled pair.
                           Arms of few errors each are too short below when they are put together: where several strata are
                           sampled, the lower limit is no higher than that of a weighted sum of Poisson counts
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
    """Lower limit of a weighted sum of Poisson counts, as of a gamma variable of that mean and variance (Fay and Feuer 1997)."""
    if variance <= 0:
        return value
    return float(gammaincinv(value**2 / variance, (1 - level) / 2) * variance / value)
