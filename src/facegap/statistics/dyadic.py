"""False match and false non-match rates with the person, not the pair, as the sampling unit.

Instead of people there may be units of several people: photographers, sessions, families. Identity still refers to
people: two people of the same unit are an impostor pair like any other. Such a pair counts once in its unit, and is
removed when the unit is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.dominated import dominating_units_of_pairs
from facegap.statistics.effective import (
    EXACT_PAIRS,
    PeopleRates,
    Weights,
    people_rates,
    rate_columns,
    weights_of,
    whole,
)
from facegap.statistics.intervals import clopper_pearson
from facegap.statistics.jackknife import PairSums, disjoint_pairs, pair_effective_trials
from facegap.statistics.pair_counts import (
    Found,
    ListedPairs,
    check_codes,
    check_images,
    check_listing,
    found_of_images,
    found_of_trials,
    inverse_trials,
    joined,
    people_of,
    rate_value,
    refuse_overfull,
    sums_by,
    trials_of_pairs,
    units_of,
)
from facegap.types import FloatArray, Rate


@dataclass(frozen=True)
class NoErrorLimits:
    """Upper limits for a group without errors: the valid limit by people, and the one by pairs.

    Attributes
    ----------
    subject_level
        Upper limit with disjoint pairs of subjects as the trials.
    pair_level
        Upper limit if every pair were independent; far too narrow if subjects differ.
    """

    disjoint_pairs: int
    subject_level: float
    pairs: int
    pair_level: float


def dyadic_fmr(
    left: ArrayLike,
    right: ArrayLike,
    wrong_pairs: ArrayLike,
    *,
    images: ArrayLike | None = None,
    other_images: ArrayLike | None = None,
    trials: ArrayLike | None = None,
    across: bool = False,
    level: float = 0.95,
    units: ArrayLike | None = None,
) -> Rate:
    """False match rate within one group, or between two, from pairs of identities.

    Parameters
    ----------
    left, right
        Subject codes 0..S-1 of each listed pair of identities, int [k]; a pair may be listed more than once. Only
        pairs in error need to be listed if `images` is given.
    wrong_pairs
        Image pairs in error of each listed pair, int [k].
    images
        Images per subject code, int [S]; every image of a subject was compared with every image of every other, so
        identities i and j have images[i] * images[j] trials. Codes of people outside the group have 0.
    other_images
        For a rate between two groups: images per subject code in the second group. `left` is then in the first group
        and `right` in the second; a subject may have images in both.
    trials
        Instead of `images`: image pairs of each listed pair, int [k]; then every compared pair must be listed, whether
        an error or not.
    across
        With `trials`: whether left and right are two groups.
    units
        Code of the unit of each subject code, int [S]: sampling units used instead of subjects. Pairs of two people
        in the same unit are also trials.

    Returns
    -------
    Rate
        Rate with effective trials. With no errors or only errors: Clopper-Pearson on floor(S / 2) disjoint pairs of
        subjects, min(S1, S2) between two groups. With one subject or no pairs: NaN. With `units`, S is the number of
        units, and `subjects` still counts people.

    Raises
    ------
    StatisticsError
        If a code has no images, a pair has the same subject twice, errors exceed trials, or not exactly one of `images`
        and `trials` is given.

    References
    ----------
    Fogliato, Patil, Perona (2024) for the sums; statistics/jackknife.py for the variance.

    Examples
    --------
    >>> rate = dyadic_fmr([0, 2], [1, 3], [1, 1], images=[2] * 10)
    >>> rate.errors, rate.trials, rate.subjects
    (2, 180, 10)
    >>> round(rate.low, 4), round(rate.high, 4)
    (0.0025, 0.0472)
    """
    left_, right_ = whole(np.asarray(left), "left"), whole(np.asarray(right), "right")
    wrong = whole(np.asarray(wrong_pairs), "wrong_pairs")
    check_listing(left_, right_, wrong)
    if images is not None and trials is None:
        first = whole(np.asarray(images), "images")
        second = first if other_images is None else whole(np.asarray(other_images), "other_images")
        check_images(first, second, left_, right_)
        low, high, errors, _ = joined(left_, right_, wrong, None)
        listed = ListedPairs(low, high, errors, trials_of_pairs(low, high, first, second))
        refuse_overfull(listed)
        across = other_images is not None
        unit = None if units is None else units_of(units, len(first))
        found = found_of_images(listed, first, second, unit, across=across)
        some, others = (side.astype(bool).astype(np.int64) for side in (first, second))
        even = found_of_images(
            replace(listed, errors=errors / listed.trials, trials=np.ones(len(errors))),
            some,
            some if second is first else others,
            unit,
            across=across,
            independent=inverse_trials(first, second, across),
            both=some * others if across else None,
        )
        return rate_of_found(found, even, people_of(first, second, across), across, level)
    if trials is None or images is not None:
        raise StatisticsError("give either images per subject (only wrong pairs listed) or trials (all pairs listed)")
    counted = whole(np.asarray(trials), "trials")
    if len(counted) != len(left_):
        raise StatisticsError(f"trials has {len(counted)} rows for {len(left_)} listed pairs")
    listed = ListedPairs(*joined(left_, right_, wrong, counted))
    refuse_overfull(listed)
    size = int(max(left_.max(initial=-1), right_.max(initial=-1))) + 1
    as_left, as_right = sums_by(left_, counted, size), sums_by(right_, counted, size)
    people = people_of(as_left if across else as_left + as_right, as_right, across)
    unit = None if units is None else units_of(units, size)
    found = found_of_trials(left_, right_, counted, listed, unit, across=across)
    tested = listed.trials > 0
    even_listed = ListedPairs(
        listed.low[tested],
        listed.high[tested],
        listed.errors[tested] / listed.trials[tested],
        np.ones(int(tested.sum())),
    )
    # The left side of a pair is that of its first row; between two groups all rows of a pair agree.
    keys = np.minimum(left_, right_) * size + np.maximum(left_, right_)
    used = counted > 0
    _, row = np.unique(keys[used], return_index=True)
    sides = left_[used][row], right_[used][row]
    even = found_of_trials(*sides, np.ones(len(row)), even_listed, unit, across=across)
    even = replace(even, sums=replace(even.sums, independent=np.asarray((1 / listed.trials[tested]).sum())))
    return rate_of_found(found, even, people, across, level)


def dyadic_fnmr(
    subjects: ArrayLike,
    wrong_pairs: ArrayLike,
    *,
    images: ArrayLike | None = None,
    trials: ArrayLike | None = None,
    squares: ArrayLike | None = None,
    level: float = 0.95,
    units: ArrayLike | None = None,
) -> Rate:
    """False non-match rate of genuine pairs, with the subject as the sampling unit.

    Parameters
    ----------
    subjects
        Subject codes 0..S-1 of the listed entries, int [k]; may repeat.
    wrong_pairs
        Genuine pairs in error of each entry, int [k].
    images
        Images per subject code, int [S]; all pairs of a subject were compared, m * (m - 1) / 2 trials. Only subjects
        in error need to be listed.
    trials
        Instead of `images`: genuine pairs of each entry, int [k]; then every subject with a genuine pair must be listed.
    squares
        With `trials`, if some comparisons were made more than once, for example in both orders: the sum of squared
        trials over the distinct comparisons of each entry, int [k]. Two trials of one comparison are not independent.
    units
        Code of the unit of each subject code, int [S]: sampling units used instead of subjects.

    Returns
    -------
    Rate
        As in `clustered_rate`; subjects with one image have no genuine pair and do not count.

    Raises
    ------
    StatisticsError
        As in `dyadic_fmr`.

    References
    ----------
    Fogliato, Patil, Perona (2024), Var(FNMR) = sum_i e_ii^2 / M^2, with S / (S - 1) and Student's t.

    Examples
    --------
    >>> rate = dyadic_fnmr([0, 3], [1, 1], images=[2] * 20)
    >>> rate.errors, rate.trials, rate.subjects
    (2, 20, 20)
    """
    codes, wrong = whole(np.asarray(subjects), "subjects"), whole(np.asarray(wrong_pairs), "wrong_pairs")
    if (images is None) == (trials is None):
        raise StatisticsError("give either images per subject (only errors listed) or trials (all subjects listed)")
    if images is not None:
        count = whole(np.asarray(images), "images")
        total = count * (count - 1) // 2
    else:
        total = np.bincount(codes, weights=whole(np.asarray(trials), "trials")).astype(np.int64)
    check_codes(codes, len(total))
    errors = np.bincount(codes, weights=wrong, minlength=len(total))
    if np.any(errors > total):
        worst = int(np.argmax(errors - total))
        raise StatisticsError(f"subject {worst} has {errors[worst]:g} wrong genuine pairs of {total[worst]}")
    tested = total > 0
    cells = np.zeros(int(tested.sum()), dtype=np.int64)
    unit = None if units is None else units_of(units, len(total))[tested]
    squared = None
    if squares is not None:
        squared = sums_by(codes, whole(np.asarray(squares), "squares"), len(total))[tested]
    return rates_of_clusters(
        errors[tested], total[tested], cells, n_cells=1, level=level, units=unit, squares=squared
    ).rate(0)


def no_error_limits(
    subjects: int, pairs: int, *, other_subjects: int | None = None, level: float = 0.95
) -> NoErrorLimits:
    """Both upper limits of a false match rate without any false match, to be reported together.

    Parameters
    ----------
    subjects, other_subjects
        People of the group, and of the second group if the rate is between two groups.
    pairs
        Image pairs compared.

    Returns
    -------
    NoErrorLimits
        NaN if there is no pair.

    Examples
    --------
    >>> limits = no_error_limits(40, 3120)
    >>> limits.disjoint_pairs, round(limits.subject_level, 3), round(limits.pair_level, 4)
    (20, 0.168, 0.0012)
    """
    disjoint = subjects // 2 if other_subjects is None else min(subjects, other_subjects)
    return NoErrorLimits(
        disjoint_pairs=disjoint,
        subject_level=clopper_pearson(0, disjoint, level=level)[1],
        pairs=pairs,
        pair_level=clopper_pearson(0, pairs, level=level)[1],
    )


def _weights(sums: PairSums, across: bool) -> Weights:
    """Distribution of the trials of pairs over subjects (or units); between two groups each side counts separately."""
    own = sums.own_trials
    together = weights_of(own, np.zeros(len(own), np.int64), n_cells=1)
    if not across:
        return together
    sides = np.repeat([0, 1], len(own))
    each = weights_of(np.concatenate([sums.trials_left, sums.trials_right]), sides, n_cells=2)
    return replace(together, effective=np.minimum(each.effective.sum(keepdims=True), together.units))


def rate_of_found(found: Found, even: Found | None, people: int, across: bool, level: float) -> Rate:
    """The rate over all trials, and that with equal weights of pairs of people."""
    sums = found.sums if even is None else replace(found.sums, even=even.sums)
    errors = round(float(found.listed.errors.sum() + found.within.errors.sum()))
    total = round(float(sums.trials_left.sum()))
    effective = pair_effective_trials(
        np.asarray(rate_value(found.listed, found.within, total)), np.asarray(float(total)), sums, level=level
    )
    return rate_of_sums(
        errors,
        sums,
        found.disjoint,
        people=people,
        across=across,
        level=level,
        effective=effective,
        per_person=None if even is None else even_rate(rate_of(even), even.sums, even.disjoint, level),
        dominated_by=_dominated(found, errors, total),
    )


def rate_of_sums(
    errors: int,
    sums: PairSums,
    disjoint: int,
    *,
    people: int,
    across: bool,
    level: float,
    effective: FloatArray,
    per_person: PeopleRates | None,
    dominated_by: int,
) -> Rate:
    """The rate over all trials, with given effective trials."""
    total = round(float(sums.trials_left.sum()))
    columns = rate_columns(
        np.array([errors]),
        np.array([total]),
        np.array([people]),
        effective=np.atleast_1d(effective),
        independent=np.array([False]),
        exact_trials=np.array([_least(sums, disjoint) if total else 0.0]),
        exact_method=EXACT_PAIRS,
        level=level,
        weights=_weights(sums, across),
        per_person=per_person,
        dominated_by=np.array([dominated_by]),
    )
    return columns.rate(0)


def rate_of(found: Found) -> FloatArray:
    """Errors over trials; NaN without trials."""
    return np.asarray(rate_value(found.listed, found.within, float(found.sums.trials_left.sum())))


def even_rate(rate: FloatArray, sums: PairSums, disjoint: int, level: float) -> PeopleRates:
    """The interval of a rate with equal weights of pairs of people, as in `sums`."""
    pairs = np.asarray(sums.trials_left.sum())
    effective = pair_effective_trials(rate, pairs, sums, level=level)
    with np.errstate(divide="ignore", invalid="ignore"):
        cap = pairs**2 / (pairs if sums.independent is None else sums.independent)
    return people_rates(
        np.atleast_1d(rate),
        cap=np.atleast_1d(cap),
        effective=np.atleast_1d(effective),
        exact_trials=np.array([_least(sums, disjoint) if pairs else 0.0]),
        level=level,
    )


def _least(sums: PairSums, disjoint: int) -> float:
    """Independent trials without any error: disjoint pairs of people, and fewer if some have most of the trials."""
    total = np.asarray(sums.trials_left.sum())
    return min(float(disjoint), float(disjoint_pairs(total, sums)))


def _dominated(found: Found, errors: int, total: int) -> int:
    """Number of people (or units) in more than half of the errors, if they are few."""
    inside = np.flatnonzero(found.within.errors)
    low, high = (np.concatenate([side, inside]) for side in (found.listed.low, found.listed.high))
    wrong = np.concatenate([found.listed.errors, found.within.errors[inside]])
    # Repeated trials of one comparison count once: an error in both orders is one error.
    alone = found.sums.independent
    times = 1.0 if alone is None or not total else float(alone) / total
    return dominating_units_of_pairs(
        low, high, wrong / times, found.sums.own_trials / times, errors / times, total / times
    )
