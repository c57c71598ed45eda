"""False match rates at many thresholds over the same pairs, whose trials are summed once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.dyadic import rate_of_found
from facegap.statistics.effective import whole
from facegap.statistics.jackknife import PairSums
from facegap.statistics.pair_counts import (
    Found,
    ListedPairs,
    Within,
    by_unit,
    check_codes,
    check_listing,
    disjoint_units,
    joined,
    people_of,
    rate_value,
    refuse_overfull,
    sums_of_both,
)
from facegap.types import FloatArray, Rate


@dataclass(frozen=True, eq=False)
class TrialSums:
    """Sums of the trials of a pair rate, independent of errors: float64 [S], one entry per subject code.

    as_left, as_right : trials with the subject on that side, each trial once per side; within one group the side is arbitrary
    squares           : sum of squared trials over the pairs of people that involve the subject
    within            : if codes are units of several people: trials of pairs within the unit, which are not in the squares
    people            : in that case, number of people with trials; None: a code is a person
    even              : the same with each pair of people as one trial; None if not needed
    independent       : sum of squared trials over distinct comparisons, if some were made more than once, for example
                        in both orders; NaN: each is one trial. In `even`, the sum over pairs of people of this over
                        their squared trials: of 1 / trials if each is one
    """

    as_left: FloatArray
    as_right: FloatArray
    squares: FloatArray
    within: FloatArray = field(default_factory=lambda: np.zeros(1))
    people: int | None = None
    even: TrialSums | None = None
    independent: float = float("nan")


def fmr_of_sums(
    left: ArrayLike,
    right: ArrayLike,
    wrong_pairs: ArrayLike,
    trials: ArrayLike,
    sums: TrialSums,
    *,
    across: bool = False,
    level: float = 0.95,
    even: tuple[ArrayLike, ArrayLike] | None = None,
) -> Rate:
    """`dyadic_fmr` for pairs whose trials were already summed, so that a further threshold costs only its errors.

    left, right : subject codes of the pairs of identities in error, each unordered pair once, int [k]
    wrong_pairs : image pairs in error of each, int [k]; trials : image pairs tested of each, int [k]
    sums        : over all compared pairs, including those without an error; codes may be units of several people, and a
                  pair within a unit then has it on both sides
    even        : of each listed pair, the sum of the error rates of its pairs of people and the number of these; with
                  `sums.even`, for the rate with equal weights of pairs of people
    returns     : the result of `dyadic_fmr` for all compared pairs
    Raises      : StatisticsError if a pair is listed twice, and as in `dyadic_fmr`
    """
    left_, right_ = whole(np.asarray(left), "left"), whole(np.asarray(right), "right")
    wrong, tested = whole(np.asarray(wrong_pairs), "wrong_pairs"), whole(np.asarray(trials), "trials")
    check_listing(left_, right_, wrong, of_people=sums.people is None)
    check_codes(np.append(left_, right_), len(sums.as_left))
    listed = ListedPairs(*joined(left_, right_, wrong, tested))
    if len(listed.low) < len(left_):
        raise StatisticsError("a pair of people is listed twice; add up its errors first")
    refuse_overfull(listed)
    own = sums.as_left if across else sums.as_left + sums.as_right
    people = people_of(own, sums.as_right, across) if sums.people is None else sums.people
    of_people = None
    if even is not None and sums.even is not None:
        low, high, shares, pairs = joined(left_, right_, np.asarray(even[0]), np.asarray(even[1]))
        of_people = _of_sums(ListedPairs(low, high, shares, pairs), sums.even, across)
    return rate_of_found(_of_sums(listed, sums, across), of_people, people, across, level)


def _of_sums(listed: ListedPairs, sums: TrialSums, across: bool) -> Found:
    size = len(sums.squares)
    listed, wrong_within = by_unit(listed, np.arange(size))
    within = Within(wrong_within, sums.within)
    rate = rate_value(listed, within, float(sums.as_left.sum()))
    correction = listed.errors * (listed.errors - 2 * rate * listed.trials)
    squares = sums_of_both(listed, correction, size) + rate**2 * sums.squares
    as_left, as_right = sums.as_left, sums.as_right
    disjoint = disjoint_units(as_left if across else as_left + as_right, as_right, across)
    if not across:
        as_left = as_right = (as_left + as_right) / 2
    pair_sums = PairSums(
        sums_of_both(listed, listed.errors, size) + wrong_within,
        as_left,
        as_right,
        squares,
        sums.within,
        trial_squares=sums.squares,
        independent=None if np.isnan(sums.independent) else np.asarray(sums.independent),
    )
    return Found(listed, within, pair_sums, disjoint)
