"""False match and false non-match rates with people, not pairs, as what varies independently.

In place of people there may be units of several people: photographers, sessions, families. Who is whom stays a matter of
people: two people of one unit are an impostor pair like any other. What goes wrong within a unit goes with the unit, so
that such a pair is counted once in it, and is gone when the unit is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.dominated import few_in_front_of_pairs
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
from facegap.types import AnyArray, FloatArray, IntArray, Rate


@dataclass(frozen=True)
class NoErrorLimits:
    """What can be said where no trial erred: the limit by people, which holds, beside the one by pairs.

    subject_level : upper limit with disjoint pairs of subjects as the trials
    pair_level    : upper limit if every pair were independent; far too sure where subjects differ
    """

    disjoint_pairs: int
    subject_level: float
    pairs: int
    pair_level: float


@dataclass(frozen=True, eq=False)
class ListedPairs:
    """Distinct unordered pairs of subject codes, low < high, with what was listed of each."""

    low: IntArray
    high: IntArray
    errors: FloatArray
    trials: FloatArray


@dataclass(frozen=True, eq=False)
class Within:
    """Image pairs of two people of one unit: errors and trials of each unit, float64 [U] each."""

    errors: FloatArray
    trials: FloatArray


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
    """False match rate within one group, or between two, by pairs of identities.

    left, right  : subject codes 0..S-1 of each listed pair of identities, int [k]; a pair may be listed more than
                   once. Only pairs in error need to be listed if `images` is given
    wrong_pairs  : image pairs in error of each listed pair, int [k]
    images       : images per subject code, int [S]; every image of a subject was compared with every image of every
                   other, so identities i and j have images[i] * images[j] trials. Codes of people outside the group
                   have 0
    other_images : for a rate between two groups: images per subject code in the second group. `left` is then of the
                   first group and `right` of the second; a subject may have images in both
    trials       : instead of `images`: image pairs of each listed pair, int [k]; then every tested pair must be
                   listed, errors or not
    across       : with `trials`: left and right are two groups
    units        : code of the unit of each subject code, int [S]: what varies independently in place of the subjects.
                   Pairs of two people of one unit are trials too
    returns      : Rate with effective trials. No errors, or nothing but errors: Clopper-Pearson on floor(S / 2)
                   disjoint pairs of subjects, min(S1, S2) between two groups. One subject, or no pairs: NaN. With
                   `units`, S is the number of units, and `subjects` are people all the same
    Raises       : StatisticsError for a code without images, a pair of one subject, more errors than trials, or if
                   not exactly one of `images` and `trials` is given
    Source       : Fogliato, Patil, Perona (2024) for the sums; statistics/jackknife.py for the variance

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
    _check_listing(left_, right_, wrong)
    if images is not None and trials is None:
        first = whole(np.asarray(images), "images")
        second = first if other_images is None else whole(np.asarray(other_images), "other_images")
        _check_images(first, second, left_, right_)
        low, high, errors, _ = _joined(left_, right_, wrong, None)
        listed = ListedPairs(low, high, errors, _products(low, high, first, second))
        _refuse_overfull(listed)
        across = other_images is not None
        unit = None if units is None else _units(units, len(first))
        found = _of_images(listed, first, second, unit, across=across)
        some, others = (side.astype(bool).astype(np.int64) for side in (first, second))
        even = _of_images(
            replace(listed, errors=errors / listed.trials, trials=np.ones(len(errors))),
            some,
            some if second is first else others,
            unit,
            across=across,
            independent=_inverse(first, second, across),
            both=some * others if across else None,
        )
        return _rate(found, even, _people(first, second, across), across, level)
    if trials is None or images is not None:
        raise StatisticsError("give either images per subject (only wrong pairs listed) or trials (all pairs listed)")
    counted = whole(np.asarray(trials), "trials")
    if len(counted) != len(left_):
        raise StatisticsError(f"trials has {len(counted)} rows for {len(left_)} listed pairs")
    listed = ListedPairs(*_joined(left_, right_, wrong, counted))
    _refuse_overfull(listed)
    size = int(max(left_.max(initial=-1), right_.max(initial=-1))) + 1
    as_left, as_right = _sums_by(left_, counted, size), _sums_by(right_, counted, size)
    people = _people(as_left if across else as_left + as_right, as_right, across)
    unit = None if units is None else _units(units, size)
    found = _of_trials(left_, right_, counted, listed, unit, across=across)
    tested = listed.trials > 0
    even_listed = ListedPairs(
        listed.low[tested],
        listed.high[tested],
        listed.errors[tested] / listed.trials[tested],
        np.ones(int(tested.sum())),
    )
    # Which side of a pair is left is a matter of its first row; between two groups all rows of a pair agree.
    keys = np.minimum(left_, right_) * size + np.maximum(left_, right_)
    used = counted > 0
    _, row = np.unique(keys[used], return_index=True)
    sides = left_[used][row], right_[used][row]
    even = _of_trials(*sides, np.ones(len(row)), even_listed, unit, across=across)
    even = replace(even, sums=replace(even.sums, independent=np.asarray((1 / listed.trials[tested]).sum())))
    return _rate(found, even, people, across, level)


@dataclass(frozen=True, eq=False)
class TrialSums:
    """What the trials of a pair rate come to, whatever the errors: float64 [S], one entry per subject code.

    as_left, as_right : trials with the subject on that side, each trial once on either; within one group sides mean nothing
    squares           : sum over the pairs of people that hold the subject of their trials squared
    within            : where codes are units of several people: trials of pairs within the unit, which are in no square
    people            : then, how many people have trials; None: a code is a person
    even              : the same where each pair of people is one trial; None where it is not wanted
    independent       : sum over distinct comparisons of their trials squared, where some were made more than once, as in
                        both orders; NaN: each is one trial. In `even`, the sum over pairs of people of the same over
                        their trials squared: of 1 over their trials where each is one
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
    """`dyadic_fmr` of tested pairs whose trials were summed beforehand: a further threshold costs only its errors.

    left, right : subject codes of the pairs of identities in error, each unordered pair once, int [k]
    wrong_pairs : image pairs in error of each, int [k]; trials : image pairs tested of each, int [k]
    sums        : over all tested pairs, those without an error among them; codes may be units of several people, and a
                  pair of one unit then has it on both sides
    even        : of each listed pair, the sum of the error rates of its pairs of people and how many these are; with
                  `sums.even`, for the rate where pairs of people weigh equally
    returns     : what `dyadic_fmr` returns when given every tested pair
    Raises      : StatisticsError for a pair listed twice, and as `dyadic_fmr`
    """
    left_, right_ = whole(np.asarray(left), "left"), whole(np.asarray(right), "right")
    wrong, tested = whole(np.asarray(wrong_pairs), "wrong_pairs"), whole(np.asarray(trials), "trials")
    _check_listing(left_, right_, wrong, of_people=sums.people is None)
    _check_codes(np.append(left_, right_), len(sums.as_left))
    listed = ListedPairs(*_joined(left_, right_, wrong, tested))
    if len(listed.low) < len(left_):
        raise StatisticsError("a pair of people is listed twice; sum its errors first")
    _refuse_overfull(listed)
    own = sums.as_left if across else sums.as_left + sums.as_right
    people = _people(own, sums.as_right, across) if sums.people is None else sums.people
    of_people = None
    if even is not None and sums.even is not None:
        low, high, shares, pairs = _joined(left_, right_, np.asarray(even[0]), np.asarray(even[1]))
        of_people = _of_sums(ListedPairs(low, high, shares, pairs), sums.even, across)
    return _rate(_of_sums(listed, sums, across), of_people, people, across, level)


def _of_sums(listed: ListedPairs, sums: TrialSums, across: bool) -> Found:
    size = len(sums.squares)
    listed, wrong_within = _by_unit(listed, np.arange(size))
    within = Within(wrong_within, sums.within)
    rate = _rate_value(listed, within, float(sums.as_left.sum()))
    correction = listed.errors * (listed.errors - 2 * rate * listed.trials)
    squares = _both(listed, correction, size) + rate**2 * sums.squares
    as_left, as_right = sums.as_left, sums.as_right
    disjoint = _disjoint(as_left if across else as_left + as_right, as_right, across)
    if not across:
        as_left = as_right = (as_left + as_right) / 2
    pair_sums = PairSums(
        _both(listed, listed.errors, size) + wrong_within,
        as_left,
        as_right,
        squares,
        sums.within,
        trial_squares=sums.squares,
        independent=None if np.isnan(sums.independent) else np.asarray(sums.independent),
    )
    return Found(listed, within, pair_sums, disjoint)


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
    """False non-match rate of genuine pairs, with subjects as what varies independently.

    subjects    : subject codes 0..S-1 of the listed entries, int [k]; may repeat
    wrong_pairs : genuine pairs in error of each entry, int [k]
    images      : images per subject code, int [S]; all pairs of a subject were compared, m * (m - 1) / 2 trials.
                  Only subjects in error need to be listed
    trials      : instead: genuine pairs of each entry, int [k]; then every subject with a genuine pair must be listed
    squares     : with `trials`, where some comparisons were made more than once, as in both orders: the sum over the
                  distinct comparisons of each entry of their trials squared, int [k]. Two trials of one comparison are
                  not independent
    units       : code of the unit of each subject code, int [S]: what varies independently in place of the subjects
    returns     : as `clustered_rate`; subjects with one image have no genuine pair and do not count
    Raises      : StatisticsError as `dyadic_fmr`
    Source      : Fogliato, Patil, Perona (2024), Var(FNMR) = sum_i e_ii^2 / M^2, with S / (S - 1) and Student's t

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
    _check_codes(codes, len(total))
    errors = np.bincount(codes, weights=wrong, minlength=len(total))
    if np.any(errors > total):
        worst = int(np.argmax(errors - total))
        raise StatisticsError(f"subject {worst} has {errors[worst]:g} wrong genuine pairs of {total[worst]}")
    tested = total > 0
    cells = np.zeros(int(tested.sum()), dtype=np.int64)
    unit = None if units is None else _units(units, len(total))[tested]
    squared = None
    if squares is not None:
        squared = _sums_by(codes, whole(np.asarray(squares), "squares"), len(total))[tested]
    return rates_of_clusters(
        errors[tested], total[tested], cells, n_cells=1, level=level, units=unit, squares=squared
    ).rate(0)


@dataclass(frozen=True, eq=False)
class Found:
    """The pairs in error of a rate by unit, what its variance needs, and how many pairs of units share none."""

    listed: ListedPairs
    within: Within
    sums: PairSums
    disjoint: int


_NOTHING_WITHIN = Within(np.zeros(1), np.zeros(1))


def _of_images(
    listed: ListedPairs,
    first: IntArray,
    second: IntArray,
    unit: IntArray | None,
    *,
    across: bool,
    independent: FloatArray | None = None,
    both: IntArray | None = None,
) -> Found:
    """Sums of all pairs of images, of which only pairs of people in error are listed.

    both : between two groups, where pairs of people weigh equally: 1 for people who are in both groups. Two of them make
           a pair in either order, which is one pair all the same
    """
    own, others, within = first, second, _NOTHING_WITHIN
    twice: AnyArray = np.zeros(len(first), np.int64) if both is None else both
    if unit is not None:
        own = _sums_by(unit, first, _size(unit)).astype(np.int64)
        others = _sums_by(unit, second, _size(unit)).astype(np.int64) if across else own
        listed, wrong_within = _by_unit(listed, unit)
        twice, alone = _sums_by(unit, twice, _size(unit)), twice
        trials = _products(listed.low, listed.high, own, others) - twice[listed.low] * twice[listed.high]
        listed = replace(listed, trials=trials)
        # Every image with every other of the unit, less those of one person.
        same = _sums_by(unit, first.astype(np.float64) * second, _size(unit))
        tried_within = own * others - same - (twice**2 - _sums_by(unit, alone, _size(unit))) / 2
        within = Within(wrong_within, tried_within if across else tried_within / 2)
    sums = _sums_of_images(listed, own, others, within, twice.astype(np.float64), across=across)
    return Found(listed, within, replace(sums, independent=independent), _disjoint(own, others, across))


def _of_trials(
    left: IntArray, right: IntArray, counted: AnyArray, listed: ListedPairs, unit: IntArray | None, *, across: bool
) -> Found:
    """Sums of listed pairs of people, errors or not."""
    within = _NOTHING_WITHIN
    if unit is not None:
        together = unit[listed.low] == unit[listed.high]
        tried_within = _sums_by(unit[listed.low[together]], listed.trials[together], _size(unit))
        listed, wrong_within = _by_unit(listed, unit)
        within = Within(wrong_within, tried_within)
        left, right = unit[left], unit[right]
    size = int(max(left.max(initial=-1), right.max(initial=-1))) + 1 if unit is None else _size(unit)
    as_left, as_right = _sums_by(left, counted, size), _sums_by(right, counted, size)
    sums = _sums_of_trials(listed, as_left, as_right, within, across)
    return Found(listed, within, sums, _disjoint(as_left if across else as_left + as_right, as_right, across))


def _inverse(first: IntArray, second: IntArray, across: bool) -> FloatArray:
    """Sum over pairs of people of 1 over their pairs of images."""
    own, others = (np.divide(1.0, side, out=np.zeros(len(side)), where=side > 0) for side in (first, second))
    total = own.sum() * others.sum() - (own * others).sum()
    if not across:
        return np.asarray(total / 2)
    # Two people who are in both groups: one pair of m n' + m' n trials, where the sum above has two of m n' and m' n. Few
    # numbers of images differ, so that people of the same two numbers are taken together.
    there = (first > 0) & (second > 0)
    kinds, counts = np.unique(np.stack([first[there], second[there]]), axis=1, return_counts=True)
    one_way = np.outer(*kinds).astype(np.float64)
    instead = 1 / (one_way + one_way.T) - 1 / one_way - 1 / one_way.T
    couples = np.outer(counts, counts) - np.diag(counts)
    return np.asarray(total + (instead * couples).sum() / 2)


def no_error_limits(
    subjects: int, pairs: int, *, other_subjects: int | None = None, level: float = 0.95
) -> NoErrorLimits:
    """Both upper limits of a false match rate without any false match, to be printed side by side.

    subjects, other_subjects : people of the group, and of the second group where the rate is between two
    pairs                    : image pairs compared
    returns                  : NaN limits where there is no pair

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


def _sums_of_images(
    listed: ListedPairs, first: IntArray, second: IntArray, within: Within, twice: FloatArray, *, across: bool
) -> PairSums:
    """Sums per subject with trials first[i] * second[j] for every i != j, listed or not, and those within units.

    Between two groups twice[i] * twice[j] trials of an unordered pair are taken off again: those counted in both orders.

    Where a pair is not listed its errors are 0 and its square is (rate * trials)^2; these are sums in closed form.
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
    rate = _rate_value(listed, within, float(as_left.sum()))
    correction = listed.errors * (listed.errors - 2 * rate * listed.trials)
    return PairSums(
        _both(listed, listed.errors, len(m)) + within.errors,
        as_left,
        as_right,
        _both(listed, correction, len(m)) + rate**2 * of_squares,
        within.trials,
        trial_squares=of_squares,
    )


def _without_own(values: FloatArray) -> FloatArray:
    """Per subject the sum of everybody else's value."""
    return np.asarray(values.sum() - values)


def _sums_of_trials(
    listed: ListedPairs, as_left: FloatArray, as_right: FloatArray, within: Within, across: bool
) -> PairSums:
    if not across:
        as_left = as_right = (as_left + as_right) / 2
    rate = _rate_value(listed, within, float(as_left.sum()))
    squares = _both(listed, (listed.errors - rate * listed.trials) ** 2, len(as_left))
    errors = _both(listed, listed.errors, len(as_left)) + within.errors
    trial_squares = _both(listed, listed.trials**2, len(as_left))
    return PairSums(errors, as_left, as_right, squares, within.trials, trial_squares=trial_squares)


def _people(first: AnyArray, second: AnyArray, across: bool) -> int:
    """People with images (or trials) in a group, or in either of two."""
    return int(((first > 0) | (second > 0)).sum()) if across else int((first > 0).sum())


def _disjoint(first: AnyArray, second: AnyArray, across: bool) -> int:
    """Pairs of subjects (or units) of which none share one: in a group, or between two."""
    own, others = int((first > 0).sum()), int((second > 0).sum())
    return min(own, others) if across else own // 2


def _weights(sums: PairSums, across: bool) -> Weights:
    """How evenly the trials of pairs lie among subjects (or units); between two groups each side counts for itself."""
    own = sums.own_trials
    together = weights_of(own, np.zeros(len(own), np.int64), n_cells=1)
    if not across:
        return together
    sides = np.repeat([0, 1], len(own))
    each = weights_of(np.concatenate([sums.trials_left, sums.trials_right]), sides, n_cells=2)
    return replace(together, effective=np.minimum(each.effective.sum(keepdims=True), together.units))


def _units(units: ArrayLike, size: int) -> IntArray:
    """The unit of each subject code, int64 [S]."""
    found = whole(np.asarray(units), "units")
    if len(found) < size:
        raise StatisticsError(f"units has {len(found)} entries for {size} subject codes; give one per code")
    return found[:size]


def _size(units: IntArray) -> int:
    return int(units.max(initial=-1)) + 1


def _by_unit(listed: ListedPairs, unit: IntArray) -> tuple[ListedPairs, FloatArray]:
    """Pairs of people as pairs of their units, and the errors of those within each unit, float64 [U]."""
    low, high = unit[listed.low], unit[listed.high]
    together = low == high
    if not together.any() and np.array_equal(unit, np.arange(len(unit))):
        return listed, np.zeros(_size(unit))
    size, between = max(_size(unit), 1), ~together
    keys = np.minimum(low, high)[between] * size + np.maximum(low, high)[between]
    distinct, inverse = np.unique(keys, return_inverse=True)
    errors, trials = (_sums_by(inverse, of[between], len(distinct)) for of in (listed.errors, listed.trials))
    within = _sums_by(low[together], listed.errors[together], _size(unit))
    return ListedPairs(distinct // size, distinct % size, errors, trials), within


def _rate(found: Found, even: Found | None, people: int, across: bool, level: float) -> Rate:
    """The rate of all trials, with that of pairs of people who weigh equally beside it."""
    listed, within = found.listed, found.within
    sums = found.sums if even is None else replace(found.sums, even=even.sums)
    errors, total = round(float(listed.errors.sum() + within.errors.sum())), round(float(sums.trials_left.sum()))
    effective = pair_effective_trials(
        np.asarray(_rate_value(listed, within, total)), np.asarray(float(total)), sums, level=level
    )
    columns = rate_columns(
        np.array([errors]),
        np.array([total]),
        np.array([people]),
        effective=np.atleast_1d(effective),
        independent=np.array([False]),
        exact_trials=np.array([_least(sums, found.disjoint) if total else 0.0]),
        exact_method=EXACT_PAIRS,
        level=level,
        weights=_weights(sums, across),
        per_person=None if even is None else _even_rate(even, level),
        dominated_by=np.array([_dominated(found, errors, total)]),
    )
    return columns.rate(0)


def _even_rate(even: Found, level: float) -> PeopleRates:
    """The rate where pairs of people weigh equally, and its interval."""
    pairs = np.asarray(even.sums.trials_left.sum())
    rate = np.asarray(_rate_value(even.listed, even.within, float(pairs)))
    effective = pair_effective_trials(rate, pairs, even.sums, level=level)
    with np.errstate(divide="ignore", invalid="ignore"):
        cap = pairs**2 / (pairs if even.sums.independent is None else even.sums.independent)
    return people_rates(
        np.atleast_1d(rate),
        cap=np.atleast_1d(cap),
        effective=np.atleast_1d(effective),
        exact_trials=np.array([_least(even.sums, even.disjoint) if pairs else 0.0]),
        level=level,
    )


def _least(sums: PairSums, disjoint: int) -> float:
    """Independent trials where no pair erred: disjoint pairs of people, and fewer where some have most of the trials."""
    total = np.asarray(sums.trials_left.sum())
    return min(float(disjoint), float(disjoint_pairs(total, sums)))


def _dominated(found: Found, errors: int, total: int) -> int:
    """How many people (or units) are in more than half of the errors, where they are few."""
    inside = np.flatnonzero(found.within.errors)
    low, high = (np.concatenate([side, inside]) for side in (found.listed.low, found.listed.high))
    wrong = np.concatenate([found.listed.errors, found.within.errors[inside]])
    # Trials of one comparison that was made more than once are one: an error in both orders is not two errors.
    alone = found.sums.independent
    times = 1.0 if alone is None or not total else float(alone) / total
    return few_in_front_of_pairs(low, high, wrong / times, found.sums.own_trials / times, errors / times, total / times)


def _joined(
    left: IntArray, right: IntArray, errors: IntArray, trials: IntArray | None
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """low, high, errors, trials of each distinct unordered pair, with what was listed of it summed."""
    size = int(max(left.max(initial=0), right.max(initial=0))) + 1
    keys = np.minimum(left, right) * size + np.maximum(left, right)
    if trials is None and np.all(errors == 1):
        # The usual list, one row per pair of images in error: counting is several times faster than summing.
        distinct, counts = np.unique(keys, return_counts=True)
        return distinct // size, distinct % size, counts.astype(np.float64), np.empty(0)
    distinct, inverse = np.unique(keys, return_inverse=True)
    summed = np.empty(0) if trials is None else _sums_by(inverse, trials, len(distinct))
    return distinct // size, distinct % size, _sums_by(inverse, errors, len(distinct)), summed


def _refuse_overfull(listed: ListedPairs) -> None:
    if np.any(listed.errors > listed.trials):
        row = int(np.argmax(listed.errors - listed.trials))
        raise StatisticsError(
            f"subjects {listed.low[row]} and {listed.high[row]} have {listed.errors[row]:g} wrong pairs "
            f"of {listed.trials[row]:g}; check images or trials"
        )


def _products(low: IntArray, high: IntArray, first: IntArray, second: IntArray) -> FloatArray:
    """Trials of each pair of people: between two groups either may be the one of the first group, or both are."""
    product = first[low] * second[high]
    return (product if second is first else product + first[high] * second[low]).astype(np.float64)


def _check_images(first: IntArray, second: IntArray, left: IntArray, right: IntArray) -> None:
    if len(first) != len(second):
        raise StatisticsError(f"images has {len(first)} subjects and other_images {len(second)}; use one set of codes")
    _check_codes(left, len(first))
    _check_codes(right, len(first))


def _both(listed: ListedPairs, values: FloatArray, size: int) -> FloatArray:
    """Sum of `values` over the listed pairs that hold each subject."""
    return _sums_by(listed.low, values, size) + _sums_by(listed.high, values, size)


def _sums_by(codes: IntArray, values: AnyArray, size: int) -> FloatArray:
    return np.bincount(codes, weights=values, minlength=size).astype(np.float64)


def _rate_value(listed: ListedPairs, within: Within, total: float) -> float:
    return float(listed.errors.sum() + within.errors.sum()) / total if total else float("nan")


def _check_listing(left: IntArray, right: IntArray, wrong: IntArray, *, of_people: bool = True) -> None:
    if not len(left) == len(right) == len(wrong):
        raise StatisticsError(f"left, right and wrong_pairs have {len(left)}, {len(right)} and {len(wrong)} rows")
    if of_people and np.any(left == right):
        row = int(np.flatnonzero(left == right)[0])
        raise StatisticsError(f"listed pair {row} is subject {left[row]} twice: a genuine pair, not an impostor pair")


def _check_codes(codes: IntArray, size: int) -> None:
    if codes.max(initial=-1) >= size:
        raise StatisticsError(f"subject code {codes.max()} is listed, but images has entries for 0 to {size - 1} only")
