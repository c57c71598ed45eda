"""A sample of pairs: without replacement, seeded, independent of the order of the table, without listing all pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import MatchingError
from facegap.matching.sampled import PairSample, allocated, distinct_numbers, numbered_pairs, sample_pairs


def people(subjects: list[int]) -> tuple[list[str], list[str]]:
    return [f"i{k:03d}.jpg" for k in range(len(subjects))], [f"s{k}" for k in subjects]


def named(sample: PairSample, images: list[str]) -> set[tuple[str, str, float]]:
    rows = zip(sample.left, sample.right, sample.weight, strict=True)
    return {(*sorted((images[left], images[right])), float(weight)) for left, right, weight in rows}


def test_all_pairs_are_compared_where_the_budget_allows_it_each_once_and_for_itself():
    images, subjects = people([0, 0, 1, 2, 2, 3])
    found = sample_pairs(images, subjects, np.array([0, 0, 0, 1, 1, 1]), ["f", "m"], pairs=100, seed=0)
    assert len(named(found, images)) == len(found) == 15
    assert (found.weight == 1).all()
    assert found.genuine.sum() == found.genuine_pairs == 2


@given(st.lists(st.integers(0, 6), min_size=6, max_size=30), st.booleans(), st.integers(0, 5))
def test_weights_add_up_to_all_pairs_and_no_pair_comes_twice(subjects: list[int], directed: bool, seed: int):
    images, who = people(subjects)
    cells = np.arange(len(images)) % 2
    in_all = sum(who[a] != who[b] for a in range(len(who)) for b in range(0 if directed else a + 1, len(who)) if a != b)
    genuine = sum(
        who[a] == who[b] for a in range(len(who)) for b in range(0 if directed else a + 1, len(who)) if a != b
    )
    found = sample_pairs(
        images, who, cells, ["f", "m"], pairs=genuine + max(in_all // 2, 8), seed=seed, directed=directed
    )
    sides = zip(found.left.tolist(), found.right.tolist(), strict=True)
    pairs = [both if directed else tuple(sorted(both)) for both in sides]
    assert len(set(pairs)) == len(pairs)
    assert found.weight[~found.genuine].sum() == pytest.approx(in_all)
    assert found.genuine.sum() == genuine
    same = np.array([who[left] == who[right] for left, right in pairs], np.bool_)
    assert np.array_equal(same, found.genuine)


def test_the_order_of_the_table_does_not_change_the_sample():
    images, subjects = people([k // 3 for k in range(60)])
    cells = np.array([k // 3 % 3 for k in range(60)])
    first = sample_pairs(images, subjects, cells, ["a", "b", "c"], pairs=120, seed=4, genuine_per_subject=1)
    order = np.random.default_rng(0).permutation(60)
    turned, who = [images[k] for k in order], [subjects[k] for k in order]
    second = sample_pairs(turned, who, cells[order], ["a", "b", "c"], pairs=120, seed=4, genuine_per_subject=1)
    assert named(first, images) == named(second, turned)
    assert named(first, images) != named(
        sample_pairs(images, subjects, cells, ["a", "b", "c"], pairs=120, seed=5, genuine_per_subject=1), images
    )


def test_every_pair_of_a_stratum_has_the_same_chance():
    images, subjects = people([0, 0, 0, 1, 2, 2, 3])  # numbers of images that a biased choice of people would favour
    often = np.zeros((7, 7))
    for seed in range(600):
        found = sample_pairs(images, subjects, np.zeros(7, np.int64), ["all"], pairs=9, seed=seed)
        often[found.left[~found.genuine], found.right[~found.genuine]] += 1
    counted = (often + often.T)[np.triu_indices(7, 1)]
    counted = counted[counted > 0]
    assert len(counted) == 17  # of 21 pairs 4 are genuine
    expected = 600 * 5 / 17
    assert np.abs(counted - expected).max() < 5 * np.sqrt(expected)


def test_genuine_pairs_of_one_person_are_bounded_and_weigh_for_those_left_out():
    images, subjects = people([0] * 6 + [1] * 3 + [2])
    found = sample_pairs(images, subjects, np.zeros(10, np.int64), ["all"], pairs=30, seed=1, genuine_per_subject=4)
    assert found.genuine.sum() == 4 + 3
    assert found.weight[found.genuine].sum() == found.genuine_pairs == 15 + 3


def test_too_few_pairs_say_how_many_are_needed():
    images, subjects = people([0, 0, 1, 1, 2, 2])
    cells = np.array([0, 0, 0, 0, 1, 1])
    with pytest.raises(MatchingError, match="7 pairs are the minimum"):
        sample_pairs(images, subjects, cells, ["f", "m"], pairs=5, seed=0)
    with pytest.raises(MatchingError, match="genuine pairs"):
        sample_pairs(*people([0] * 400), np.zeros(400, np.int64), ["all"], pairs=50, seed=0)
    with pytest.raises(MatchingError, match="is listed twice; each image must have one row"):
        sample_pairs(["a", "a"], ["s", "t"], np.zeros(2, np.int64), ["all"], pairs=5, seed=0)


def test_a_budget_is_spent_evenly_and_what_small_strata_leave_goes_to_others():
    assert allocated(np.array([3, 100, 100]), np.array([True, True, False]), 60).tolist() == [3, 27, 30]
    assert allocated(np.array([5, 5, 1000]), np.array([True, True, False]), 100).tolist() == [5, 5, 90]
    assert allocated(np.array([2, 2]), np.array([True, False]), 100).tolist() == [2, 2]


@given(st.integers(1, 10**12), st.integers(0, 50))
def test_numbers_are_distinct_and_in_range_however_many_there_are(size: int, count: int):
    found = distinct_numbers(np.random.default_rng(0), size, min(size, count))
    assert len(np.unique(found)) == len(found) == min(size, count)
    assert ((found >= 0) & (found < size)).all()


@pytest.mark.parametrize("directed", [False, True])
def test_numbers_of_pairs_are_all_pairs_in_order(directed: bool):
    total = 5 * 4 // (1 if directed else 2)
    left, right = numbered_pairs(5, np.arange(total), directed=directed)
    assert len(set(zip(left.tolist(), right.tolist(), strict=True))) == total
    assert (left != right).all() if directed else (left < right).all()
