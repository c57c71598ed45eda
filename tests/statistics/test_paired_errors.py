"""Two models on the same trials: McNemar by hand, against statsmodels, and clustered by person with several images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar

from facegap.errors import StatisticsError
from facegap.statistics.paired import paired_shares
from facegap.statistics.paired_errors import (
    CLUSTERED,
    EXACT,
    UNDEFINED,
    carriers_of,
    exact_p,
    paired_errors,
    t_interval,
)


def table(both: int, only_a: int, only_b: int, neither: int) -> tuple[Any, Any]:
    """Errors of two models over trials with given numbers of agreements and disagreements."""
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b


def test_exact_mcnemar_by_hand() -> None:
    # one model has the only error on 1 trial, the other on 9: 2 * P(Bin(10, .5) <= 1) = 2 * (1 + 10) / 1024
    a, b = table(3, 1, 9, 87)
    found = paired_errors(a, b, np.arange(100))
    assert (found.only_a, found.only_b, found.errors_a, found.errors_b) == (1, 9, 4, 12)
    assert found.difference == pytest.approx(0.08)
    assert found.p == pytest.approx(22 / 1024)
    assert found.method == EXACT
    plain = paired_shares(b.astype(float) - a)
    assert (found.low, found.high) == (plain.low, plain.high)


@pytest.mark.parametrize("counts", [(5, 0, 0, 20), (0, 3, 0, 10), (10, 7, 19, 200), (0, 1, 1, 0), (4, 12, 2, 50)])
def test_p_without_repeated_people_is_that_of_statsmodels(counts: tuple[int, int, int, int]) -> None:
    a, b = table(*counts)
    oracle = float(mcnemar([[counts[0], counts[1]], [counts[2], counts[3]]], exact=True).pvalue)
    assert paired_errors(a, b, np.arange(len(a))).p == pytest.approx(oracle)


def test_trials_on_which_both_err_say_nothing_about_p() -> None:
    few, many = (paired_errors(*table(both, 2, 8, 40), np.arange(50 + both)) for both in (0, 500))
    assert few.p == many.p == exact_p(2, 8)


def test_people_with_several_images_are_one_each_by_hand() -> None:
    # Three people with two images: on those of p0 only b has errors, on both; on the others they agree.
    a = np.zeros(6, bool)
    b = np.array([True, True, False, False, False, False])
    found = paired_errors(a, b, [0, 0, 1, 1, 2, 2])
    # with two more people with one trial each: sums 2 0 0 1 -1 over trials 2 2 2 1 1, centre 2/8 = .25
    influence = np.array([2 - 0.5, -0.5, -0.5, 0.75, -1.25])
    clustered = (influence**2).sum() / 64 * 5 / 4
    independent = (2 + 2 - 8 * 0.0625) / 64
    assert clustered > independent
    carriers = (influence**2).sum() ** 2 / (influence**4).sum()
    expected = t_interval(0.25, clustered, carriers=carriers, shared=1 - independent / clustered, level=0.95)
    assert found.method == CLUSTERED
    assert found.difference == pytest.approx(2 / 6)
    assert (found.low, found.high, found.p) == pytest.approx(expected)


def test_the_same_errors_from_fewer_people_say_less() -> None:
    a, b = table(0, 2, 18, 180)
    alone = paired_errors(a, b, np.arange(200))
    fours = paired_errors(a, b, np.arange(200) // 4)
    assert fours.high - fours.low > alone.high - alone.low
    assert fours.p > alone.p


def test_no_disagreement_at_all_has_an_interval_of_some_width() -> None:
    for subjects in (np.arange(40), np.arange(40) // 2):
        found = paired_errors(np.zeros(40, bool), np.zeros(40, bool), subjects)
        assert found.difference == 0
        assert found.low < 0 < found.high
        assert found.p == pytest.approx(1)


def test_without_trials_or_with_one_person_nothing_can_be_said() -> None:
    empty = paired_errors([], [], [])
    assert math.isnan(empty.difference) and math.isnan(empty.p) and empty.method == UNDEFINED
    one = paired_errors([True, False], [False, False], [7, 7])
    assert one.difference == -0.5
    assert math.isnan(one.low) and math.isnan(one.p)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(StatisticsError, match="2, 2 and 3 rows"):
        paired_errors([True, False], [False, False], [0, 1, 2])


def test_carriers_count_those_who_matter() -> None:
    assert carriers_of(np.array([1.0, 1.0, 0.0, 0.0])) == 2
    assert carriers_of(np.array([100.0, 1.0, 1.0])) == pytest.approx(1, abs=1e-3)


def test_an_interval_needs_t_only_for_what_people_share() -> None:
    z = t_interval(0.1, 0.01, carriers=2, shared=0.0, level=0.95)
    assert (z[0], z[1]) == pytest.approx((0.1 - 0.195996, 0.1 + 0.195996), abs=1e-5)
    wide = t_interval(0.1, 0.01, carriers=2, shared=1.0, level=0.95)
    assert (wide[0], wide[1]) == (-1.0, 1.0)  # 12.7 times .1 to each side, truncated at the ends
    assert all(math.isnan(value) for value in t_interval(0.0, 0.0, carriers=5, shared=0.0, level=0.95))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=1, max_size=50),
    st.sampled_from([0.9, 0.95]),
)
def test_turned_round_the_difference_is_the_mirror(rows: list[tuple[bool, bool, int]], level: float) -> None:
    a, b, subjects = (np.array(column) for column in zip(*rows, strict=True))
    there, back = paired_errors(a, b, subjects, level=level), paired_errors(b, a, subjects, level=level)
    assert (there.low, there.high, there.p) == pytest.approx((-back.high, -back.low, back.p), nan_ok=True)
    assert there.difference == pytest.approx(-back.difference)


def test_intervals_hold_the_true_difference_of_people_who_repeat() -> None:
    """400 simulations of 40 people with 3 images and correlated errors: 95% intervals have coverage of at least 93%."""
    rng, held, worlds = np.random.default_rng(5), 0, 400
    subjects = np.repeat(np.arange(40), 3)
    for _ in range(worlds):
        hard = rng.beta(0.1 * 4, 0.9 * 4, 40)[subjects]
        harder = np.clip(hard + 0.08, 0, 1)
        a, b = rng.random(120) < hard, rng.random(120) < harder
        found = paired_errors(a, b, subjects)
        # the true difference in these simulations is the mean over the population
        held += found.low <= TRUE_DIFFERENCE <= found.high
    assert held / worlds >= 0.93


def _true_difference() -> float:
    hard = np.random.default_rng(1).beta(0.1 * 4, 0.9 * 4, 2_000_000)
    return float((np.clip(hard + 0.08, 0, 1) - hard).mean())


TRUE_DIFFERENCE = _true_difference()
