"""The challenge age at which every group meets a target: worked by hand, for arbitrary estimates, and undefined cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.statistics.challenge import challenge_age
from facegap.statistics.clusters import clustered_rates


def test_ten_minors_by_hand() -> None:
    ages = np.array([16.0, 17.2, 18.4, 19.1, 21.7, 15.0, 16.1, 16.8, 17.0, 24.2])
    groups = np.repeat([0, 1], 5)
    found = challenge_age(ages, np.arange(10), groups, n_groups=2, target=0.2, limit=18.0)
    assert (found.value, found.worst) == (19.2, 0)  # one of five may be accepted: above 19.1, and above 17.0
    assert found.low <= found.value and math.isinf(found.high)
    nobody = challenge_age(ages, np.arange(10), groups, n_groups=2, target=0.1, limit=18.0)
    assert (nobody.value, nobody.worst) == (24.3, 1)
    easy = challenge_age(ages, np.arange(10), groups, n_groups=2, target=0.49, limit=20.0)
    assert (easy.value, easy.worst) == (20.0, -1)  # the legal limit is sufficient


def test_an_estimate_on_a_tenth_is_not_let_through() -> None:
    ages = np.full(50, 25.1)
    found = challenge_age(ages, np.arange(50), np.zeros(50, np.int64), n_groups=1, target=0.05, limit=18.0)
    assert found.value == 25.2


def test_many_people_show_a_target_and_few_do_not() -> None:
    rng = np.random.default_rng(1)
    many = challenge_age(
        rng.normal(17, 3, 4000), np.arange(4000), np.zeros(4000, np.int64), n_groups=1, target=0.05, limit=18.0
    )
    few = challenge_age(
        rng.normal(17, 3, 40), np.arange(40), np.zeros(40, np.int64), n_groups=1, target=0.05, limit=18.0
    )
    assert many.low < many.value < many.high < 24  # the 95% point of the estimates is 21.9
    assert 21.3 < many.value < 22.6
    assert math.isinf(few.high)  # the upper limit of no error among 40 is 8.8%


def test_repeated_people_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    own = rng.normal(17, 3, 500)
    ages, group = np.repeat(own, 8), np.zeros(4000, np.int64)
    alone = challenge_age(ages, np.arange(4000), group, n_groups=1, target=0.05, limit=18.0)
    as_people = challenge_age(ages, np.repeat(np.arange(500), 8), group, n_groups=1, target=0.05, limit=18.0)
    assert as_people.value == alone.value
    assert as_people.high - as_people.low > 1.5 * (alone.high - alone.low)


def test_without_estimates_there_is_no_age() -> None:
    empty = challenge_age(
        np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64), n_groups=1, target=0.05, limit=18.0
    )
    assert math.isnan(empty.value) and math.isnan(empty.high) and empty.worst == -1
    outside = challenge_age(np.array([20.0]), np.array([0]), np.array([-1]), n_groups=1, target=0.05, limit=18.0)
    assert math.isnan(outside.value)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 90), st.integers(0, 2)), min_size=1, max_size=60),
    st.floats(0.01, 0.5),
    st.integers(16, 21),
)
def test_no_group_exceeds_the_target_there_and_one_does_a_tenth_below(
    drawn: list[tuple[float, int]], target: float, limit: int
) -> None:
    ages, groups = np.array([age for age, _ in drawn]), np.array([group for _, group in drawn])
    found = challenge_age(ages, np.arange(len(ages)), groups, n_groups=3, target=target, limit=float(limit))
    passed = [(ages[groups == k] >= found.value).mean() for k in range(3) if (groups == k).any()]
    assert max(passed) <= target + 1e-9 and found.low <= found.value <= found.high
    if found.worst >= 0:
        below = (ages[groups == found.worst] >= found.value - 0.1 - 1e-9).mean()
        assert below > target - 1e-9
    if math.isfinite(found.high):
        rates = clustered_rates(ages >= found.high, None, np.arange(len(ages)), groups, n_cells=3, level=1 - 0.05 / 3)
        assert np.nanmax(rates.high) <= target


def test_the_interval_holds_the_true_challenge_age() -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(200):
        ages = rng.normal(17, 3, 300)
        found = challenge_age(ages, np.arange(300), np.zeros(300, np.int64), n_groups=1, target=0.1, limit=16.0)
        held += found.low <= 17 + 3 * 1.2816 + 0.1 and found.high >= 17 + 3 * 1.2816
    assert held >= 184  # 92%


@pytest.mark.parametrize("target", [0.02, 0.05, 0.2])
def test_a_stricter_target_never_lowers_the_age(target: float) -> None:
    ages = np.random.default_rng(4).normal(18, 4, 200)
    groups, people = np.arange(200) % 2, np.arange(200)
    at = [challenge_age(ages, people, groups, n_groups=2, target=t, limit=18.0).value for t in (target / 2, target)]
    assert at[0] >= at[1]
