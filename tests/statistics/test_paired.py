"""Proportions and means of two settings over the same people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar

from facegap.errors import StatisticsError
from facegap.statistics.paired import paired_means, paired_shares, subject_means, unmatched_change, unmatched_shares
from fixtures.campaigns import short_and_full


def discordant(gained: int, lost: int, people: int) -> np.ndarray:
    """One image per person: 1 if correct with the first setting only, -1 with the second only."""
    return np.concatenate([np.ones(gained), -np.ones(lost), np.zeros(people - gained - lost)])


def test_the_adjusted_wald_interval_by_hand() -> None:
    # 10 gained, 2 lost of 50: proportions 11 / 52 and 3 / 52, difference 8 / 52 = .153846
    # variance (14 / 52 - .153846^2) / 52 = .00472234, half width 1.959964 * .0687193 = .134687
    found = paired_shares(discordant(10, 2, 50))
    assert found.difference == pytest.approx(0.16)
    assert (found.low, found.high) == pytest.approx((0.019159, 0.288533), abs=1e-5)
    assert found.p == pytest.approx(math.erfc(0.153846 / 0.0687193 / math.sqrt(2)), abs=1e-5)


def test_nobody_differing_still_has_an_interval_of_some_width() -> None:
    found = paired_shares(np.zeros(30))
    assert found.difference == 0
    assert found.low == -found.high < 0
    assert found.p == 1


def test_p_is_near_mcnemars_exact_one() -> None:
    for gained, lost in ((10, 2), (5, 0), (8, 8), (30, 12)):
        table = [[100, lost], [gained, 60]]
        exact = float(mcnemar(table, exact=True).pvalue)
        found = paired_shares(discordant(gained, lost, 160 + gained + lost)).p
        assert found == pytest.approx(exact, abs=0.05)
        assert (found <= 0.05) == (exact <= 0.05)


def test_images_of_one_person_are_one_trial() -> None:
    subjects = np.repeat(np.arange(40), 3)
    values = np.tile([1.0, 1.0, 0.0], 40)
    means = subject_means(values, subjects)
    assert means == pytest.approx(np.full(40, 2 / 3))
    assert paired_shares(means).subjects == 40


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=2, max_size=60))
def test_turned_round_the_interval_is_the_mirror_and_lies_within_bounds(values: list[float]) -> None:
    there, back = paired_shares(np.array(values)), paired_shares(-np.array(values))
    assert (there.low, there.high, there.p) == pytest.approx((-back.high, -back.low, back.p))
    assert -1 <= there.low <= there.high <= 1


def test_shares_differ_by_no_more_than_one() -> None:
    with pytest.raises(StatisticsError, match="between -1 and 1"):
        paired_shares(np.array([2.0, 0.0]))


def test_means_have_the_paired_t_interval() -> None:
    found = paired_means(np.array([1.0, 2.0, 3.0, 4.0]))
    assert (found.difference, found.low, found.high) == pytest.approx((2.5, 0.44574, 4.55426), abs=1e-4)


@pytest.mark.parametrize("make", [paired_shares, paired_means])
def test_one_person_or_none_has_no_interval(make: object) -> None:
    assert callable(make)
    assert math.isnan(make(np.array([0.5])).low)
    assert make(np.array([0.5])).difference == 0.5
    assert math.isnan(make(np.array([])).difference)


@short_and_full("worlds", 800, 40_000)
def test_the_interval_of_shares_covers_the_truth_in_planted_worlds(worlds: int) -> None:
    """30 people, 2 images each, with correlation within people: rates .9 against .8."""
    rng, covered = np.random.default_rng(7), 0
    for _ in range(worlds):
        ease = rng.normal(size=(30, 1))
        right = [(0.7 * ease + 0.714 * rng.normal(size=(30, 2)) < limit) for limit in (1.2816, 0.8416)]
        found = paired_shares(right[0].mean(axis=1) - right[1].mean(axis=1))
        covered += found.low <= 0.1 <= found.high
    assert covered / worlds >= 0.93


# ---- unknown overlap of errors ----


@given(st.integers(2, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n))))
def test_the_interval_holds_that_of_every_possible_overlap(counts: tuple[int, int, int]) -> None:
    before, after, people = counts
    found = unmatched_shares(before, after, people)
    for both in range(max(0, before + after - people), min(before, after) + 1):
        known = paired_shares(discordant(after - both, before - both, people))
        assert found.difference == pytest.approx(known.difference)
        assert found.low <= known.low + 1e-12
        assert found.high >= known.high - 1e-12
        assert found.p >= known.p - 1e-12


def test_the_widest_overlap_is_one_that_the_counts_allow() -> None:
    # 40 and 30 wrong of 50: at least 20 were wrong both times, so at most 20 only before and 10 only after.
    assert unmatched_shares(40, 30, 50) == paired_shares(discordant(10, 20, 50))


def test_a_change_of_a_gap_adds_the_variances_of_two_groups() -> None:
    # Centres -10/102 and 0, variances ((12/102) - (10/102)^2)/102 and (2/102)/102.
    found = unmatched_change((10, 0, 100), (0, 0, 100))
    centre, deviation = -10 / 102, math.sqrt((12 / 102 - (10 / 102) ** 2) / 102 + 2 / 102 / 102)
    assert found.difference == pytest.approx(-0.1)
    assert (found.low, found.high) == pytest.approx((centre - 1.959964 * deviation, centre + 1.959964 * deviation))
    assert found.p == pytest.approx(math.erfc(abs(centre) / deviation / math.sqrt(2)))
    assert found.subjects == 200


@pytest.mark.parametrize("counts", [(-1, 0, 10), (0, 11, 10), (0, 0, 1)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(
        StatisticsError, match="errors must be whole numbers from 0 to the number of people, which must be at least two"
    ):
        unmatched_shares(*counts)
    with pytest.raises(
        StatisticsError, match="errors must be whole numbers from 0 to the number of people, which must be at least two"
    ):
        unmatched_change(counts, (0, 0, 10))
