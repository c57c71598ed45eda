"""Rates dominated by a few people."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.statistics import clustered_rate, dyadic_fmr, gap_family
from facegap.statistics.dominated import dominating_units_of_pairs
from facegap.statistics.verdicts import BEYOND, GAP, UNKNOWN, WITHIN, withheld


def dominated(errors, trials=10):
    people = len(errors)
    return clustered_rate(errors, np.full(people, trials), np.arange(people)).dominated_by


@pytest.mark.parametrize("few", [1, 2, 3])
def test_few_people_of_twenty_with_nearly_all_errors_are_counted(few):
    # 9 of 10 images of each; more than half of the errors are from 1, 2 and 2 of them.
    errors = [9] * few + [0] * (20 - few)
    assert dominated(errors) == few // 2 + 1
    noisy = [9] * few + [1, 1] + [0] * (18 - few)
    assert dominated(noisy) == few // 2 + 1


def test_errors_that_many_people_share_dominate_nothing():
    assert dominated([2, 1, 1, 1, 2, 1, 1, 2] + [0] * 12) == 0
    assert dominated([5] * 8 + [0] * 12) == 0


def test_a_few_errors_of_different_people_dominate_nothing():
    assert dominated([1, 1, 1] + [0] * 17) == 0
    assert dominated([1] * 6 + [0] * 14, trials=1) == 0


def test_a_person_with_half_of_the_images_has_half_of_the_errors_without_dominating():
    errors, trials = [10] + [1] * 10, [100] + [10] * 10
    assert clustered_rate(errors, trials, np.arange(11)).dominated_by == 0


def test_a_cluster_dominates_as_a_person_does():
    from facegap.statistics.clusters import clustered_rates

    errors, units = [3, 3, 3] + [0] * 27, [0, 0, 0] + [k // 3 + 1 for k in range(27)]
    found = clustered_rates(errors, [10] * 30, np.arange(30), np.zeros(30, int), n_cells=1, units=units)
    assert found.dominated_by.tolist() == [1]


def test_a_wolf_is_in_most_false_matches_and_lookalikes_are_one_pair():
    images = np.full(20, 4)
    wolf = dyadic_fmr([0] * 10, range(1, 11), [4] * 10, images=images)
    assert wolf.dominated_by == 1
    lookalikes = dyadic_fmr([0, 3], [1, 7], [16, 1], images=images)
    assert lookalikes.dominated_by == 1
    spread = dyadic_fmr(range(0, 20, 2), range(1, 20, 2), [1] * 10, images=images)
    assert spread.dominated_by == 0


def test_false_matches_of_two_wolves_are_counted_without_their_common_ones_twice():
    low, high = np.array([0] * 8 + [1] * 8 + [4]), np.array([*range(2, 10), *range(8, 16), 5])
    assert dominating_units_of_pairs(low, high, np.ones(17), np.full(30, 29.0), 17, 435) == 2


def test_a_gap_is_withheld_only_where_it_rests_on_the_few():
    rates = np.array([0.2, 0.2, 0.1, 0.2]), np.array([0.1, 0.1, 0.1, 0.1])
    few = np.array([2, 0, 1, 0]), np.array([0, 1, 0, 0])
    said = withheld(np.array([BEYOND, GAP, WITHIN, GAP]), rates, few)
    assert said.tolist() == [UNKNOWN, GAP, UNKNOWN, GAP]


def test_a_family_says_by_how_many_people_each_group_is_dominated():
    counts = (["women", "men"], [60, 5], [400, 400], [40, 40], [400.0, 400.0])
    plain = gap_family(*counts, margin=0.02, scale="difference").rows()[0]
    assert (plain.verdict, plain.dominated_by_a, plain.dominated_by_b) == (BEYOND, 0, 0)
    few = gap_family(*counts, margin=0.02, scale="difference", dominated_by=[2, 0]).rows()[0]
    assert (few.verdict, few.dominated_by_a, few.dominated_by_b) == (UNKNOWN, 2, 0)
    assert few.differs, "the test itself is left as it is"
    better = gap_family(*counts, margin=0.02, scale="difference", dominated_by=[0, 1]).rows()[0]
    assert better.verdict == BEYOND


def test_gaps_are_of_the_rates_given_where_people_weigh_equally():
    family = gap_family(
        ["a", "b"], [40, 10], [200, 200], [50, 50], [100.0, 100.0], margin=0.02, scale="difference", rates=[0.1, 0.3]
    )
    gap = family.rows()[0]
    assert (gap.rate_a, gap.rate_b, gap.difference) == (0.1, 0.3, pytest.approx(-0.2))
    assert (family.worst, family.best) == ("b", "a")
