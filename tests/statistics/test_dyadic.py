"""False match and false non-match rates by people."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics import clopper_pearson, clustered_rate, dyadic_fmr, dyadic_fnmr, no_error_limits, wilson
from facegap.statistics.jackknife import PairSums, jackknifed, pair_effective_trials

worlds = st.tuples(st.integers(0, 2**32 - 1), st.integers(3, 9), st.floats(0.05, 0.6))


def world(drawn):
    """images per subject and (left, right, errors, trials) of every pair of subjects."""
    seed, subjects, chance = drawn
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 4, subjects)
    left, right = np.triu_indices(subjects, 1)
    trials = images[left] * images[right]
    return images, left, right, rng.binomial(trials, chance), trials


def numbers(rate):
    return [rate.errors, rate.trials, rate.subjects, rate.effective_trials, rate.low, rate.high]


def test_rate_and_trials_of_three_people_counted_by_hand():
    # Images 2, 1, 3: pairs 2, 6 and 3 trials; errors 1 between the first two, 2 between the last two.
    rate = dyadic_fmr([0, 1], [1, 2], [1, 2], images=[2, 1, 3])
    assert (rate.errors, rate.trials, rate.subjects) == (3, 11, 3)


def test_effective_trials_of_five_people_follow_the_jackknife_spelled_out():
    errors = {(0, 1): 1, (0, 2): 1, (0, 3): 1, (3, 4): 1}
    rate = dyadic_fmr(*zip(*errors, strict=True), [1] * 4, images=np.full(40, 1))
    people, pairs = 40, 780
    p = 4 / pairs
    e = {pair: errors.get(pair, 0) - p for pair in itertools.combinations(range(people), 2)}
    of = [[value for pair, value in e.items() if i in pair] for i in range(people)]
    scale = (people - 1) / people / (pairs - (people - 1)) ** 2
    influence = np.array([sum(values) ** 2 for values in of]) * scale
    noise = sum(value**2 for values in of for value in values) * scale / 2
    variance = max(noise, influence.sum() - 0.75 * noise)
    inflated = p * (1 - p) / pairs * scale * pairs**2
    shared = max(1 - inflated / max(noise, influence.sum() - noise), 0)
    carriers = influence.sum() ** 2 / (influence**2).sum()
    from scipy.stats import t

    freedom = (carriers + 0.5) / np.sqrt(shared)
    expected = p * (1 - p) / variance * (1.959963985 / t.ppf(0.975, freedom)) ** 2
    assert 20 < expected < 780
    assert rate.effective_trials == pytest.approx(expected)
    assert (rate.low, rate.high) == pytest.approx(wilson(p * expected, expected))


def test_without_errors_people_are_the_trials_not_pairs():
    rate = dyadic_fmr([], [], [], images=np.ones(40, dtype=int))
    assert rate.trials == 780
    assert rate.effective_trials == 20
    assert rate.high == pytest.approx(0.168, abs=5e-4)
    assert rate.method == "clopper-pearson on disjoint subject pairs"
    one_error = dyadic_fmr([3], [7], [1], images=np.ones(40, dtype=int))
    assert one_error.high < 0.01  # one error lets the variance be estimated, none does not


def test_without_errors_between_two_groups_the_smaller_group_counts():
    first, second = np.r_[np.ones(12, int), np.zeros(30, int)], np.r_[np.zeros(12, int), np.ones(30, int)]
    rate = dyadic_fmr([], [], [], images=first, other_images=second)
    assert (rate.trials, rate.subjects, rate.effective_trials) == (360, 42, 12)


def test_all_errors_mirror_no_errors():
    left, right = np.triu_indices(11, 1)
    rate = dyadic_fmr(left, right, np.ones(55, int), images=np.ones(11, int))
    assert (rate.low, rate.high) == clopper_pearson(5, 5)


@pytest.mark.parametrize("images", [[4], [0, 3], []])
def test_one_subject_has_no_impostor_pair_and_no_rate(images):
    rate = dyadic_fmr([], [], [], images=np.array(images, dtype=int))
    assert rate.trials == 0
    assert np.isnan([rate.value, rate.low, rate.high]).all()


def test_two_people_are_one_trial_however_many_images():
    rate = dyadic_fmr([0], [1], [3], images=[4, 5])
    assert rate.effective_trials == pytest.approx(1)


def test_both_limits_without_errors_are_printed_side_by_side():
    limits = no_error_limits(40, 780)
    assert (limits.disjoint_pairs, limits.pairs) == (20, 780)
    assert limits.subject_level == pytest.approx(0.168, abs=5e-4)
    assert limits.pair_level == pytest.approx(1 - 0.025 ** (1 / 780))
    assert no_error_limits(40, 400, other_subjects=10).disjoint_pairs == 10


@given(worlds)
def test_listing_only_errors_or_every_pair_is_the_same(drawn):
    images, left, right, errors, trials = world(drawn)
    everything = dyadic_fmr(left, right, errors, trials=trials)
    wrong = errors > 0
    only_errors = dyadic_fmr(left[wrong], right[wrong], errors[wrong], images=images)
    assert numbers(only_errors) == pytest.approx(numbers(everything), nan_ok=True)


@given(worlds)
def test_the_order_of_pairs_and_of_their_ends_changes_nothing(drawn):
    images, left, right, errors, _ = world(drawn)
    order = np.random.default_rng(drawn[0]).permutation(len(left))
    turned = dyadic_fmr(right[order], left[order], errors[order], images=images)
    assert numbers(turned) == pytest.approx(numbers(dyadic_fmr(left, right, errors, images=images)), nan_ok=True)


@given(worlds)
def test_errors_of_a_pair_may_be_listed_one_at_a_time(drawn):
    images, left, right, errors, _ = world(drawn)
    single = dyadic_fmr(np.repeat(left, errors), np.repeat(right, errors), np.ones(errors.sum(), int), images=images)
    assert numbers(single) == pytest.approx(numbers(dyadic_fmr(left, right, errors, images=images)), nan_ok=True)


@given(worlds)
def test_new_codes_for_people_change_nothing(drawn):
    images, left, right, errors, _ = world(drawn)
    code = np.random.default_rng(drawn[0]).permutation(len(images) + 4)[: len(images)]  # with codes of nobody between
    spread = np.zeros(len(images) + 4, dtype=int)
    spread[code] = images
    renamed = dyadic_fmr(code[left], code[right], errors, images=spread)
    assert numbers(renamed) == pytest.approx(numbers(dyadic_fmr(left, right, errors, images=images)), nan_ok=True)


@given(worlds)
def test_the_interval_holds_the_rate_and_effective_trials_are_within_bounds(drawn):
    images, left, right, errors, trials = world(drawn)
    rate = dyadic_fmr(left, right, errors, images=images)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    own = images * (images.sum() - images)
    bound = 2 * trials.sum() ** 2 / (own**2).sum()
    if 0 < rate.errors < rate.trials:
        assert min(bound, rate.trials) - 1e-9 <= rate.effective_trials <= rate.trials


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(2, 6), st.integers(0, 2))
@example(0, 5, 4, 2)  # two people with images in both groups: one pair of people, in either order
def test_between_groups_listing_errors_or_every_pair_is_the_same(seed, first, second, shared):
    rng = np.random.default_rng(seed)
    size = first + second
    images, others = np.zeros(size, int), np.zeros(size, int)
    images[: first + shared] = rng.integers(1, 4, first + shared)  # `shared` people have images in both groups
    others[first:] = rng.integers(1, 4, second)
    left, right = (side.ravel() for side in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
    tested = (left != right) & (images[left] * others[right] > 0)
    left, right = left[tested], right[tested]
    trials = images[left] * others[right]
    errors = rng.binomial(trials, 0.3)
    everything = dyadic_fmr(left, right, errors, trials=trials, across=True)
    wrong = errors > 0
    only_errors = dyadic_fmr(left[wrong], right[wrong], errors[wrong], images=images, other_images=others)
    assert numbers(only_errors) == pytest.approx(numbers(everything), nan_ok=True)


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (([1], [1], [1]), {"images": [1, 1]}, "twice"),
        (([0], [1], [5]), {"images": [2, 2]}, "5 wrong pairs in 4"),
        (([0], [7], [1]), {"images": [2, 2]}, "code 7"),
        (([0], [1], [1]), {}, "give either"),
        (([0], [1], [1]), {"images": [1, 1], "trials": [1]}, "give either"),
        (([0, 1], [1], [1]), {"images": [1, 1]}, "rows"),
        (([0], [1], [1]), {"trials": [1, 1]}, "2 rows"),
        (([0], [1], [1]), {"images": [1, 1], "other_images": [1]}, "one set of codes"),
    ],
)
def test_impossible_pairs_are_refused(arguments, settings, said):
    with pytest.raises(StatisticsError, match=said):
        dyadic_fmr(*arguments, **settings)


def test_fnmr_of_single_genuine_pairs_is_plain_wilson():
    rate = dyadic_fnmr([2, 5], [1, 1], images=np.full(30, 2))
    assert (rate.errors, rate.trials, rate.subjects, rate.method) == (2, 30, 30, "wilson")
    assert (rate.low, rate.high) == wilson(2, 30)


def test_fnmr_counts_only_people_with_a_genuine_pair():
    rate = dyadic_fnmr([], [], images=[1, 2, 3, 1])
    assert (rate.trials, rate.subjects) == (4, 2)


def test_fnmr_is_the_clustered_rate_of_genuine_pairs():
    wrong, trials = np.array([3, 0, 1, 0, 0, 6]), np.array([3, 3, 3, 6, 1, 6])
    by_pairs = dyadic_fnmr(np.arange(6), wrong, trials=trials)
    assert by_pairs == clustered_rate(wrong, trials, np.arange(6))
    by_images = dyadic_fnmr([0, 2, 5], [3, 1, 6], images=[3, 3, 3, 4, 2, 4])
    assert by_images == by_pairs


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"images": [2]}, "2 wrong genuine pairs of 1"), ({"images": []}, "code 0"), ({}, "give either")],
)
def test_impossible_genuine_pairs_are_refused(settings, said):
    with pytest.raises(StatisticsError, match=said):
        dyadic_fnmr([0, 0], [1, 1], **settings)


def plain_jackknife(pairs, units):
    """Sum over units of (rate without the unit - rate)^2 * (U - 1) / U; pairs: unit, unit, errors, trials."""
    errors, trials = (sum(pair[k] for pair in pairs) for k in (2, 3))
    total = 0.0
    for unit in range(units):
        left = [pair for pair in pairs if unit not in pair[:2]]
        total += (sum(pair[2] for pair in left) / sum(pair[3] for pair in left) - errors / trials) ** 2
    return total * (units - 1) / units


@pytest.mark.parametrize("seed", range(5))
def test_units_of_several_people_follow_the_jackknife_that_deletes_one_unit_at_a_time(seed):
    rng = np.random.default_rng(seed)
    unit = np.array([0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 4, 4])
    images = rng.integers(1, 4, 12)
    left, right = np.triu_indices(12, 1)
    trials = images[left] * images[right]
    wrong = rng.binomial(trials, 0.3)
    pairs = list(zip(unit[left], unit[right], wrong, trials, strict=True))
    rate = dyadic_fmr(left, right, wrong, trials=trials, units=unit)
    assert (rate.errors, rate.trials, rate.subjects, rate.units) == (wrong.sum(), trials.sum(), 12, 5)
    own = [sum(pair[3] for pair in pairs if u in pair[:2]) for u in range(5)]
    assert rate.effective_subjects == pytest.approx(sum(own) ** 2 / sum(t**2 for t in own))
    assert rate.largest_share == pytest.approx(max(own) / sum(own))

    sums = pair_sums_of(left, right, wrong, trials, unit)
    value, total = np.asarray(wrong.sum() / trials.sum()), np.asarray(float(trials.sum()))
    found = jackknifed(value, total, sums)
    assert found.total == pytest.approx(plain_jackknife(pairs, 5))
    even = pair_sums_of(left, right, wrong / trials, np.ones(len(left)), unit)
    even = replace(even, independent=np.asarray((1 / trials).sum()))
    expected = pair_effective_trials(value, total, replace(sums, even=even), level=0.95)
    assert rate.effective_trials == pytest.approx(float(expected))
    only_errors = dyadic_fmr(left[wrong > 0], right[wrong > 0], wrong[wrong > 0], images=images, units=unit)
    assert numbers(only_errors) == pytest.approx(numbers(rate))


def pair_sums_of(left, right, wrong, trials, unit):
    """Sums per unit, pair by pair: a pair of one unit counts once, and is in no square."""
    size, rate = int(unit.max()) + 1, wrong.sum() / trials.sum()
    errors, both, within = np.zeros(size), np.zeros(size), np.zeros(size)
    between, trials_of = {}, {}
    for i, j, e, t in zip(unit[left], unit[right], wrong, trials, strict=True):
        both[i] += t / 2
        both[j] += t / 2
        for u in {i, j}:
            errors[u] += e
        if i == j:
            within[i] += t
        else:
            key = min(i, j), max(i, j)
            between[key] = between.get(key, 0.0) + e - rate * t
            trials_of[key] = trials_of.get(key, 0.0) + t
    squares, tried = np.zeros(size), np.zeros(size)
    for key, value in between.items():
        for u in key:
            squares[u] += value**2
            tried[u] += trials_of[key] ** 2
    return PairSums(errors, both, both, squares, within, trial_squares=tried)


@pytest.mark.parametrize("seed", range(5))
def test_between_two_groups_a_unit_may_have_people_on_both_sides(seed):
    rng = np.random.default_rng(seed)
    unit, first = np.array([0, 0, 1, 1, 2, 2, 3, 4, 4]), np.array([1, 0, 1, 1, 1, 0, 0, 1, 0], bool)
    images = rng.integers(1, 4, 9)
    left, right = (axis.ravel() for axis in np.meshgrid(np.flatnonzero(first), np.flatnonzero(~first)))
    trials = images[left] * images[right]
    wrong = rng.binomial(trials, 0.3)
    everything = dyadic_fmr(left, right, wrong, trials=trials, across=True, units=unit)
    assert (everything.trials, everything.subjects, everything.units) == (trials.sum(), 9, 5)
    erred, own, other = wrong > 0, np.where(first, images, 0), np.where(first, 0, images)
    only_errors = dyadic_fmr(left[erred], right[erred], wrong[erred], images=own, other_images=other, units=unit)
    assert numbers(only_errors) == pytest.approx(numbers(everything))


def test_people_who_are_units_of_their_own_give_the_rate_of_people():
    images, left, right, errors, _ = world((3, 8, 0.3))
    plain = dyadic_fmr(left, right, errors, images=images)
    named = dyadic_fmr(left, right, errors, images=images, units=np.arange(8)[::-1].copy())
    assert numbers(named) == pytest.approx(numbers(plain))
    assert plain.units == plain.subjects == 8


def test_pairs_within_one_unit_are_trials_and_alone_give_no_interval():
    rate = dyadic_fmr([0], [1], [1], images=[1, 1, 1], units=[0, 0, 0])
    assert (rate.errors, rate.trials, rate.subjects, rate.units) == (1, 3, 3, 1)
    assert np.isnan(rate.low)


def test_without_errors_units_are_paired_and_not_people():
    rate = dyadic_fmr([], [], [], images=np.ones(40, int), units=np.repeat(np.arange(10), 4))
    assert (rate.trials, rate.effective_trials, rate.subjects) == (780, 5, 40)


def test_genuine_pairs_of_one_unit_err_together():
    by_person = dyadic_fnmr([0, 1, 4], [1, 1, 1], images=np.full(12, 2))
    by_unit = dyadic_fnmr([0, 1, 4], [1, 1, 1], images=np.full(12, 2), units=np.repeat(np.arange(6), 2))
    same = clustered_rate([2, 0, 1, 0, 0, 0], [2] * 6, np.arange(6))
    assert numbers(by_unit) == pytest.approx([3, 12, 12, same.effective_trials, same.low, same.high])
    assert (by_unit.units, by_person.units, by_person.effective_subjects) == (6, 12, 12.0)


def test_a_code_without_a_unit_is_refused():
    with pytest.raises(StatisticsError, match="units has 2 entries for 3 subject codes"):
        dyadic_fmr([0], [1], [1], images=[1, 1, 1], units=[0, 1])


def test_each_persons_own_genuine_pairs_weigh_equally_in_the_second_rate():
    rate = dyadic_fnmr([0, 1], [3, 1], images=[4, 2, 1], units=[0, 0, 0])
    assert rate.value == pytest.approx(4 / 7)
    assert rate.per_person == pytest.approx((3 / 6 + 1) / 2)


def test_each_pair_of_people_weighs_equally_in_the_second_rate_of_impostor_pairs():
    # Images 2, 1, 3: error rates 1/2 and 2/3 of two pairs of people, 0 of the third; 3 errors in 11 trials.
    by_images = dyadic_fmr([0, 1], [1, 2], [1, 2], images=[2, 1, 3])
    assert by_images.per_person == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    by_trials = dyadic_fmr([0, 1, 0], [1, 2, 2], [1, 2, 0], trials=[2, 3, 6])
    assert numbers(by_trials) == pytest.approx(numbers(by_images))
    assert by_trials.per_person == pytest.approx(by_images.per_person)
    assert by_trials.per_person_trials == pytest.approx(by_images.per_person_trials)


@pytest.mark.parametrize("units", [None, [0, 0, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6]])
@pytest.mark.parametrize("across", [False, True])
def test_pairs_of_people_weigh_equally_whether_only_errors_are_listed_or_all_pairs(units, across):
    rng = np.random.default_rng(7)
    images = rng.integers(1, 6, 12)
    left, right = np.triu_indices(12, 1)
    if across:
        between = (left < 6) & (right >= 6)
        left, right = left[between], right[between]
    trials = images[left] * images[right]
    wrong = rng.binomial(trials, 0.15)
    some = wrong > 0
    first = np.where(np.arange(12) < 6, images, 0) if across else images
    second = np.where(np.arange(12) >= 6, images, 0) if across else None
    listed = dyadic_fmr(left, right, wrong, trials=trials, across=across, units=units)
    errors_only = dyadic_fmr(left[some], right[some], wrong[some], images=first, other_images=second, units=units)
    assert listed.per_person == pytest.approx(np.mean(wrong / trials))
    for name in ("per_person", "per_person_trials", "per_person_low", "per_person_high", "dominated_by"):
        assert getattr(errors_only, name) == pytest.approx(getattr(listed, name)), name
