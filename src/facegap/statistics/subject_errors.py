"""False match rate from the number of false matches of each subject, without a list of false matches.

With very many pairs, a list of the false matches takes too much memory; counts by subject do not. For each subject, the
variance of the rate needs the number of errors, which is this count, and the sum of squared errors over its pairs of
people. With one image per subject, each pair of people has one comparison, so this sum equals the count and the
interval is that of `dyadic_fmr`. With several images only bounds of the sum are known, as errors may be concentrated in
few pairs of people or spread over many. Wherever the variance uses the sum, the bound that gives fewer effective trials
is taken, so the interval contains that from the list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.dominated import dominating_units
from facegap.statistics.dyadic import even_rate, rate_of_sums
from facegap.statistics.effective import carriers_of, effective_trials, whole
from facegap.statistics.jackknife import (
    MOST_BY_MODEL,
    PAIR_NOISE_REMOVED,
    PairSums,
    disjoint_pairs,
    jackknifed,
    modelled,
    pair_effective_trials,
)
from facegap.statistics.pair_counts import NO_PAIRS_LISTED, found_of_images, people_of
from facegap.types import FloatArray, IntArray, Rate


def fmr_of_subject_errors(
    errors: ArrayLike, images: ArrayLike, *, other_images: ArrayLike | None = None, level: float = 0.95
) -> Rate:
    """False match rate within one group, or between two, from the number of false matches of each subject.

    Parameters
    ----------
    errors
        Number of false matches that involve each subject code, int [S]; each false match counts for two subjects.
    images, other_images
        Images per subject code, as in `dyadic_fmr`.

    Returns
    -------
    Rate
        With one image per subject (`one_comparison_each`): the rate of `dyadic_fmr`, up to rounding. Otherwise fewer
        effective trials and a wider interval than from `dyadic_fmr`, without the rate with equal weights of people;
        `dominated_by` is then the number of subjects who may dominate.

    Raises
    ------
    StatisticsError
        If the arrays have different lengths, the sum of errors is odd, or a subject has more errors than trials.

    Examples
    --------
    >>> rate = fmr_of_subject_errors([2, 1, 1, 0, 0, 0], [1] * 6)
    >>> rate.errors, rate.trials, round(rate.low, 4), round(rate.high, 4)
    (2, 15, 0.0224, 0.5085)
    """
    wrong, first = whole(np.asarray(errors), "errors"), whole(np.asarray(images), "images")
    across = other_images is not None
    second = whole(np.asarray(other_images), "other_images") if across else first
    if not len(wrong) == len(first) == len(second):
        raise StatisticsError(f"errors has {len(wrong)} subjects, images {len(first)}, and other_images {len(second)}")
    found = found_of_images(NO_PAIRS_LISTED, first, second, None, across=across)
    require_possible(wrong, found.sums.own_trials)
    count, total = int(wrong.sum()) // 2, float(found.sums.trials_left.sum())
    rate = np.asarray(count / total if total else np.nan)
    bounds = square_bounds(wrong, first, second, float(rate), found.sums.trial_squares, across=across)
    sums = replace(found.sums, errors=wrong.astype(np.float64), squares=bounds.least)
    per_person = None
    if one_comparison_each(first, None if not across else second):
        even = replace(sums, independent=np.asarray(total))
        effective = pair_effective_trials(rate, np.asarray(total), replace(sums, even=even), level=level)
        per_person = even_rate(rate, even, found.disjoint, level)
    else:
        effective = least_effective_trials(rate, np.asarray(total), sums, bounds, level=level)
    people = np.zeros(len(wrong), np.int64)
    few = dominating_units(
        sums.errors, sums.own_trials, people, total_errors=np.array([float(count)]), total_trials=np.array([total])
    )
    return rate_of_sums(
        count,
        sums,
        found.disjoint,
        people=people_of(first, second, across),
        across=across,
        level=level,
        effective=effective,
        per_person=per_person,
        dominated_by=int(few[0]),
    )


def one_comparison_each(images: IntArray, other_images: IntArray | None) -> bool:
    """Whether no two subjects have more than one comparison, so that counts by subject determine the variance."""
    held = images if other_images is None else images + other_images
    return bool(held.max(initial=0) <= 1)


def require_possible(errors: IntArray, trials: FloatArray) -> None:
    """Raise StatisticsError for errors that are impossible for a list of false matches."""
    if errors.sum() % 2:
        raise StatisticsError(f"the errors of all subjects sum to {errors.sum()}; each false match has two subjects")
    if (errors > trials).any():
        worst = int(np.argmax(errors - trials))
        raise StatisticsError(f"subject {worst} has {errors[worst]} false matches of {trials[worst]:g} comparisons")


@dataclass(frozen=True, eq=False)
class SquareBounds:
    """Bounds of the sum of (errors - rate * trials) squared over the pairs of each subject, float64 [S] each.

    each : comparisons of every two people, if all have the same number; otherwise None
    """

    least: FloatArray
    most: FloatArray
    each: float | None


def square_bounds(
    errors: IntArray, first: IntArray, second: IntArray, rate: float, trial_squares: FloatArray, *, across: bool
) -> SquareBounds:
    """Bounds from the errors of each subject, spread over all other people or concentrated in as few as possible."""
    fewest, largest = comparisons_of_two(first, second, across=across)
    partners = max(int(((first > 0) | (second > 0)).sum()) - 1, 1)
    each, left = np.divmod(errors, partners)
    spread = partners * each**2 + left * (2 * each + 1)
    full, left = np.divmod(errors, np.maximum(largest, 1))
    piled = full * largest**2 + left**2
    common = rate**2 * trial_squares
    least = np.maximum(spread - 2 * rate * errors * largest + common, 0.0)
    trials = np.unique(np.concatenate([fewest, largest])[np.concatenate([largest, largest]) > 0])
    return SquareBounds(
        least, piled - 2 * rate * errors * fewest + common, float(trials[0]) if len(trials) == 1 else None
    )


def comparisons_of_two(first: IntArray, second: IntArray, *, across: bool) -> tuple[IntArray, IntArray]:
    """Smallest and largest positive number of comparisons of each subject with another one, int64 [S] each."""
    if not across:
        return first * first[first > 0].min(initial=first.max(initial=0)), first * first.max(initial=0)
    largest = first * second.max(initial=0) + second * first.max(initial=0)
    least_first, least_second = (side[side > 0].min(initial=side.max(initial=0)) for side in (first, second))
    ways = np.stack([first * least_second, second * least_first])
    return np.where(ways > 0, ways, np.maximum(ways.max(axis=0), 1)).min(axis=0) * (largest > 0), largest


def least_effective_trials(
    rate: FloatArray, trials: FloatArray, sums: PairSums, bounds: SquareBounds, *, level: float
) -> FloatArray:
    """A lower bound of `pair_effective_trials`, whatever the squares within their bounds.

    The noise of pairs increases the variance if it is the larger part, and is subtracted from the jackknife's total;
    the former uses the upper bound, the latter the lower one. The model-based variance is bounded in the same way if
    all pairs of people have the same number of comparisons, and otherwise by its cap, MOST_BY_MODEL times the other.
    """
    fewest = jackknifed(rate, trials, sums)
    largest = jackknifed(rate, trials, replace(sums, squares=bounds.most))
    with np.errstate(divide="ignore", invalid="ignore"):
        independent = rate * (1 - rate) / trials
        variance = np.maximum(independent, largest.noise)
        variance = np.maximum(variance, fewest.total - PAIR_NOISE_REMOVED * fewest.noise)
        by_model = np.asarray(np.inf)
        if bounds.each is not None:
            of_people, _ = modelled(sums, evenly(sums, bounds.each))
            _, of_pairs = modelled(sums, evenly(replace(sums, squares=bounds.most), bounds.each))
            by_model = independent + (of_people + of_pairs) / trials**2
        variance = np.maximum(variance, np.minimum(by_model, MOST_BY_MODEL * variance))
        shared = np.clip(1 - independent / np.maximum(variance, fewest.total - fewest.noise), 0.0, 1.0)
    known = np.isfinite(variance)
    carriers = carriers_of(fewest.influence)
    return effective_trials(
        rate,
        trials,
        variance=np.where(known, variance, np.inf),
        shared=np.where(known & np.isfinite(shared), shared, 1.0),
        carriers=np.where(known & np.isfinite(carriers), carriers, 1.0),
        at_least=disjoint_pairs(trials, sums),
        level=level,
    )


def evenly(sums: PairSums, each: float) -> PairSums:
    """The sums with every pair of people as one trial, of `each` comparisons."""
    return PairSums(
        sums.errors / each,
        sums.trials_left / each,
        sums.trials_right / each,
        sums.squares / each**2,
        trial_squares=sums.trial_squares / each**2,
        independent=np.asarray(sums.trials_left.sum() / each**2),
    )
