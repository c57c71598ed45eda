"""Paired changes and differences of changes: worked by hand, against the formula for one trial per person, and simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from facegap.errors import StatisticsError
from facegap.statistics.dose_response import Doses, doses_of, interaction_tests
from facegap.statistics.verdicts import BEYOND, UNKNOWN, WITHIN

WORLDS = 200


def one_group(added: list[float], trials: list[float]) -> Doses:
    return Doses(np.array([added]), np.array([trials]))


def test_one_trial_a_person_gives_the_interval_of_bonett_and_price_with_student_s_t() -> None:
    # 30 people: 7 have an error only with the perturbation, 2 only without it
    found = one_group([1.0] * 7 + [-1.0] * 2 + [0.0] * 21, [1.0] * 30).change(0)
    b, c, n = 8 / 32, 3 / 32, 32
    centre, deviation = b - c, np.sqrt((b + c - (b - c) ** 2) / n)
    reach = stats.t.ppf(0.975, 31) * deviation
    assert found.value == pytest.approx(5 / 30)
    assert (found.low, found.high) == pytest.approx((centre - reach, centre + reach))
    assert found.p == pytest.approx(2 * stats.t.sf(centre / deviation, 31))


def test_a_difference_of_changes_of_two_groups_adds_their_variances_and_of_the_same_people_it_does_not() -> None:
    added, ones = np.repeat([1.0, 0.0], [10, 30]), np.ones(40)
    nobody = np.zeros(40)
    apart = Doses(
        np.stack([np.r_[added, nobody], np.r_[nobody, added]]), np.stack([np.r_[ones, nobody], np.r_[nobody, ones]])
    )
    alike = Doses(np.stack([added, added]), np.stack([ones, ones]))
    wide, narrow = apart.interaction(0, 1), alike.interaction(0, 1)
    assert wide.value == narrow.value == 0
    own = apart.change(0)
    deviation = (own.high - own.low) / 2 / stats.t.ppf(0.975, 41)
    degrees = 2 * 41
    assert wide.high == pytest.approx(np.sqrt(2) * deviation * stats.t.ppf(0.975, degrees))
    assert narrow.high < 0.7 * wide.high  # the same people have errors in both: only the added errors vary


def test_a_group_of_one_person_has_no_interval_and_broken_counts_are_refused() -> None:
    assert np.isnan(one_group([1.0, 0.0], [1.0, 0.0]).change(0).low)
    one = np.ones((1, 3))
    with pytest.raises(StatisticsError, match="the errors of a person must be from 0 to the number of trials"):
        doses_of(one, 2 * one, one)
    with pytest.raises(StatisticsError, match="the same groups and people"):
        doses_of(one, np.ones((2, 3)), one)


def world(rng: np.random.Generator, images: int, rates: list[tuple[int, float, float]]) -> Doses:
    """Groups of given sizes with error rates without and with the perturbation, and differences between people."""
    people = sum(count for count, _, _ in rates)
    shape = (len(rates), people)
    before, after, trials = (np.zeros(shape) for _ in range(3))
    start = 0
    for g, (count, plain, worse) in enumerate(rates):
        own = np.s_[g, start : start + count]
        hard = np.sqrt(0.5) * (rng.standard_normal((count, 1)) + rng.standard_normal((count, images)))
        before[own], after[own] = ((hard < stats.norm.ppf(rate)).sum(axis=1) for rate in (plain, worse))
        trials[own] = images
        start += count
    return doses_of(before, after, trials)


def test_in_worlds_without_an_interaction_one_in_twenty_is_significant_at_most_and_a_planted_one_is_covered() -> None:
    rng = np.random.default_rng(5)
    for images in (1, 3):
        null = [world(rng, images, [(60, 0.2, 0.3), (150, 0.05, 0.15)]).interaction(0, 1) for _ in range(WORLDS)]
        assert np.mean([one.p <= 0.05 for one in null]) <= 0.09
        assert np.mean([one.low <= 0 <= one.high for one in null]) >= 0.91
        planted = [world(rng, images, [(60, 0.05, 0.30), (150, 0.02, 0.10)]).interaction(0, 1) for _ in range(WORLDS)]
        assert np.mean([one.low <= 0.17 <= one.high for one in planted]) >= 0.91
        assert np.mean([one.p <= 0.05 for one in planted]) > 0.5
        assert np.mean([one.value for one in planted]) == pytest.approx(0.17, abs=0.015)


def test_verdicts_of_all_doses_are_of_one_family() -> None:
    rng = np.random.default_rng(7)
    strong = world(rng, 2, [(400, 0.05, 0.45), (400, 0.05, 0.10)])
    alike = world(rng, 2, [(2000, 0.01, 0.011), (2000, 0.01, 0.011)])
    few = world(rng, 1, [(10, 0.1, 0.3), (10, 0.1, 0.2)])
    told = [found[0] for found in interaction_tests([strong, few], [0, 1], margin=0.02, alpha=0.05, level=0.95)]
    assert [one.verdict for one in told] == [BEYOND, UNKNOWN]
    assert (told[0].group_a, told[0].group_b) == (0, 1)
    assert told[0].decided_level == pytest.approx(1 - 0.05 / 2)
    assert told[0].decided.low > 0.02
    assert told[0].p_adjusted == pytest.approx(2 * told[0].plain.p)
    (within,) = interaction_tests([alike], [0, 1], margin=0.02, alpha=0.05, level=0.95)
    assert within[0].verdict == WITHIN
    assert interaction_tests([alike], [0], margin=0.02, alpha=0.05, level=0.95) == [[]]


def test_of_many_null_doses_one_family_in_twenty_has_a_false_alarm_at_most() -> None:
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(WORLDS // 4):
        doses: list[Doses] = [world(rng, 2, [(60, 0.1, 0.2), (120, 0.1, 0.2)]) for _ in range(4)]
        told = interaction_tests(doses, [0, 1], margin=0.001, alpha=0.05, level=0.95)
        alarms += any(one.p_adjusted <= 0.05 or one.verdict == BEYOND for found in told for one in found)
    assert alarms / (WORLDS // 4) <= 0.12
