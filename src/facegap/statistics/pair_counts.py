"""Counts of listed pairs of people: errors and trials of each distinct pair, by person or by unit of several people.

`dyadic` computes rates and variances from these counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.effective import whole
from facegap.statistics.jackknife import PairSums
from facegap.types import AnyArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class ListedPairs:
    """Distinct unordered pairs of subject codes, low < high, with their listed errors and trials."""

    low: IntArray
    high: IntArray
    errors: FloatArray
    trials: FloatArray


@dataclass(frozen=True, eq=False)
class Within:
    """Image pairs of two people of one unit: errors and trials of each unit, float64 [U] each."""

    errors: FloatArray
    trials: FloatArray


@dataclass(frozen=True, eq=False)
class Found:
    """The pairs in error of a rate by unit, the sums for its variance, and the number of disjoint pairs of units."""

    listed: ListedPairs
    within: Within
    sums: PairSums
    disjoint: int


NOTHING_WITHIN = Within(np.zeros(1), np.zeros(1))
NO_PAIRS_LISTED = ListedPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))


def found_of_images(
    listed: ListedPairs,
    first: IntArray,
    second: IntArray,
    unit: IntArray | None,
    *,
    across: bool,
    independent: FloatArray | None = None,
    both: IntArray | None = None,
) -> Found:
    """Sums over all pairs of images, if only pairs of people in error are listed.

    both : between two groups with equal weights of pairs of people: 1 for people in both groups. Two of them are a pair
           in either order, which counts as one pair
    """
    own, others, within = first, second, NOTHING_WITHIN
    twice: AnyArray = np.zeros(len(first), np.int64) if both is None else both
    if unit is not None:
        own = sums_by(unit, first, size_of(unit)).astype(np.int64)
        others = sums_by(unit, second, size_of(unit)).astype(np.int64) if across else own
        listed, wrong_within = by_unit(listed, unit)
        twice, alone = sums_by(unit, twice, size_of(unit)), twice
        trials = trials_of_pairs(listed.low, listed.high, own, others) - twice[listed.low] * twice[listed.high]
        listed = replace(listed, trials=trials)
        # Every image with every other of the unit, except those of the same person.
        same = sums_by(unit, first.astype(np.float64) * second, size_of(unit))
        tried_within = own * others - same - (twice**2 - sums_by(unit, alone, size_of(unit))) / 2
        within = Within(wrong_within, tried_within if across else tried_within / 2)
    sums = _sums_of_images(listed, own, others, within, twice.astype(np.float64), across=across)
    return Found(listed, within, replace(sums, independent=independent), disjoint_units(own, others, across))


def found_of_trials(
    left: IntArray, right: IntArray, counted: AnyArray, listed: ListedPairs, unit: IntArray | None, *, across: bool
) -> Found:
    """Sums over listed pairs of people, whether errors or not."""
    within = NOTHING_WITHIN
    if unit is not None:
        together = unit[listed.low] == unit[listed.high]
        tried_within = sums_by(unit[listed.low[together]], listed.trials[together], size_of(unit))
        listed, wrong_within = by_unit(listed, unit)
        within = Within(wrong_within, tried_within)
        left, right = unit[left], unit[right]
    size = int(max(left.max(initial=-1), right.max(initial=-1))) + 1 if unit is None else size_of(unit)
    as_left, as_right = sums_by(left, counted, size), sums_by(right, counted, size)
    sums = _sums_of_trials(listed, as_left, as_right, within, across)
    return Found(listed, within, sums, disjoint_units(as_left if across else as_left + as_right, as_right, across))


def inverse_trials(first: IntArray, second: IntArray, across: bool) -> FloatArray:
    """Sum over pairs of people of 1 over their pairs of images."""
    own, others = (np.divide(1.0, side, out=np.zeros(len(side)), where=side > 0) for side in (first, second))
    total = own.sum() * others.sum() - (own * others).sum()
    if not across:
        return np.asarray(total / 2)
    # Two people in both groups are one pair with m n' + m' n trials; the sum above counts two, with m n' and m' n. There are
    # few distinct numbers of images, so people with the same two numbers are grouped.
    there = (first > 0) & (second > 0)
    kinds, counts = np.unique(np.stack([first[there], second[there]]), axis=1, return_counts=True)
    one_way = np.outer(*kinds).astype(np.float64)
    instead = 1 / (one_way + one_way.T) - 1 / one_way - 1 / one_way.T
    couples = np.outer(counts, counts) - np.diag(counts)
    return np.asarray(total + (instead * couples).sum() / 2)


def _sums_of_images(
    listed: ListedPairs, first: IntArray, second: IntArray, within: Within, twice: FloatArray, *, across: bool
) -> PairSums:
    """Sums per subject with trials first[i] * second[j] for every i != j, listed or not, and those within units.

    Between two groups, twice[i] * twice[j] trials of an unordered pair are subtracted: those counted in both orders.

    A pair that is not listed has 0 errors and the square (rate * trials)^2; these sums have a closed form.
    """
    m, n = first.astype(np.float64), second.astype(np.float64)
    if across:
        b = twice
        counted_twice = b * _without_own(b) / 2
        as_left, as_right = m * _without_own(n) - counted_twice, n * _without_own(m) - counted_twice
        of_squares = m**2 * _without_own(n**2) + n**2 * _without_own(m**2) + b**2 * _without_own(b**2)
        of_squares += 2 * (m * n * _without_own(m * n) - m * b * _without_own(n * b) - n * b * _without_own(m * b))
    else:
        as_left = as_right = m * (m.sum() - m) / 2
        of_squares = m**2 * ((m**2).sum() - m**2)
    as_left, as_right = as_left + within.trials, as_right + within.trials
    rate = rate_value(listed, within, float(as_left.sum()))
    correction = listed.errors * (listed.errors - 2 * rate * listed.trials)
    return PairSums(
        sums_of_both(listed, listed.errors, len(m)) + within.errors,
        as_left,
        as_right,
        sums_of_both(listed, correction, len(m)) + rate**2 * of_squares,
        within.trials,
        trial_squares=of_squares,
    )


def _without_own(values: FloatArray) -> FloatArray:
    """For each subject, the sum of the values of all others."""
    return np.asarray(values.sum() - values)


def _sums_of_trials(
    listed: ListedPairs, as_left: FloatArray, as_right: FloatArray, within: Within, across: bool
) -> PairSums:
    if not across:
        as_left = as_right = (as_left + as_right) / 2
    rate = rate_value(listed, within, float(as_left.sum()))
    squares = sums_of_both(listed, (listed.errors - rate * listed.trials) ** 2, len(as_left))
    errors = sums_of_both(listed, listed.errors, len(as_left)) + within.errors
    trial_squares = sums_of_both(listed, listed.trials**2, len(as_left))
    return PairSums(errors, as_left, as_right, squares, within.trials, trial_squares=trial_squares)


def people_of(first: AnyArray, second: AnyArray, across: bool) -> int:
    """Number of people with images (or trials) in a group, or in either of two."""
    return int(((first > 0) | (second > 0)).sum()) if across else int((first > 0).sum())


def disjoint_units(first: AnyArray, second: AnyArray, across: bool) -> int:
    """Number of disjoint pairs of subjects (or units) in a group, or between two."""
    own, others = int((first > 0).sum()), int((second > 0).sum())
    return min(own, others) if across else own // 2


def units_of(units: ArrayLike, size: int) -> IntArray:
    """The unit of each subject code, int64 [S]."""
    found = whole(np.asarray(units), "units")
    if len(found) < size:
        raise StatisticsError(f"units has {len(found)} entries for {size} subject codes; give one per code")
    return found[:size]


def size_of(units: IntArray) -> int:
    return int(units.max(initial=-1)) + 1


def by_unit(listed: ListedPairs, unit: IntArray) -> tuple[ListedPairs, FloatArray]:
    """Pairs of people as pairs of their units, and the errors of those within each unit, float64 [U]."""
    low, high = unit[listed.low], unit[listed.high]
    together = low == high
    if not together.any() and np.array_equal(unit, np.arange(len(unit))):
        return listed, np.zeros(size_of(unit))
    size, between = max(size_of(unit), 1), ~together
    keys = np.minimum(low, high)[between] * size + np.maximum(low, high)[between]
    distinct, inverse = np.unique(keys, return_inverse=True)
    errors, trials = (sums_by(inverse, of[between], len(distinct)) for of in (listed.errors, listed.trials))
    within = sums_by(low[together], listed.errors[together], size_of(unit))
    return ListedPairs(distinct // size, distinct % size, errors, trials), within


def joined(
    left: IntArray, right: IntArray, errors: IntArray, trials: IntArray | None
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """low, high, errors, trials of each distinct unordered pair, summed over its listed rows."""
    size = int(max(left.max(initial=0), right.max(initial=0))) + 1
    keys = np.minimum(left, right) * size + np.maximum(left, right)
    if trials is None and np.all(errors == 1):
        # The usual list, one row per pair of images in error: counting is several times faster than summing.
        distinct, counts = np.unique(keys, return_counts=True)
        return distinct // size, distinct % size, counts.astype(np.float64), np.empty(0)
    distinct, inverse = np.unique(keys, return_inverse=True)
    summed = np.empty(0) if trials is None else sums_by(inverse, trials, len(distinct))
    return distinct // size, distinct % size, sums_by(inverse, errors, len(distinct)), summed


def refuse_overfull(listed: ListedPairs) -> None:
    if np.any(listed.errors > listed.trials):
        row = int(np.argmax(listed.errors - listed.trials))
        raise StatisticsError(
            f"subjects {listed.low[row]} and {listed.high[row]} have {listed.errors[row]:g} wrong pairs in "
            f"{listed.trials[row]:g}; check images or trials"
        )


def trials_of_pairs(low: IntArray, high: IntArray, first: IntArray, second: IntArray) -> FloatArray:
    """Trials of each pair of people; between two groups, either of them or both may be in the first group."""
    product = first[low] * second[high]
    return (product if second is first else product + first[high] * second[low]).astype(np.float64)


def check_images(first: IntArray, second: IntArray, left: IntArray, right: IntArray) -> None:
    if len(first) != len(second):
        raise StatisticsError(f"images has {len(first)} subjects and other_images {len(second)}; use one set of codes")
    check_codes(left, len(first))
    check_codes(right, len(first))


def sums_of_both(listed: ListedPairs, values: FloatArray, size: int) -> FloatArray:
    """Sum of `values` over the listed pairs that involve each subject."""
    return sums_by(listed.low, values, size) + sums_by(listed.high, values, size)


def sums_by(codes: IntArray, values: AnyArray, size: int) -> FloatArray:
    return np.bincount(codes, weights=values, minlength=size).astype(np.float64)


def rate_value(listed: ListedPairs, within: Within, total: float) -> float:
    return float(listed.errors.sum() + within.errors.sum()) / total if total else float("nan")


def check_listing(left: IntArray, right: IntArray, wrong: IntArray, *, of_people: bool = True) -> None:
    if not len(left) == len(right) == len(wrong):
        raise StatisticsError(f"left, right and wrong_pairs have {len(left)}, {len(right)} and {len(wrong)} rows")
    if of_people and np.any(left == right):
        row = int(np.flatnonzero(left == right)[0])
        raise StatisticsError(f"listed pair {row} is subject {left[row]} twice: a genuine pair, not an impostor pair")


def check_codes(codes: IntArray, size: int) -> None:
    if codes.max(initial=-1) >= size:
        raise StatisticsError(f"subject code {codes.max()} is listed, but images has entries for 0 to {size - 1} only")
