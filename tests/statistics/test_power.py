"""The difference detectable by a study of a given size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import power_proportions_2indep

from facegap.errors import StatisticsError
from facegap.statistics.power import detectable_difference, power_of_difference


def test_power_by_hand_for_two_hundred_against_two_hundred() -> None:
    # p_a .15, p_b .05: pooled .10, s0 = sqrt(.09 * .01) = .03; s1 = sqrt((.1275 + .0475) / 200) = .02958;
    # (.1 - 1.95996 * .03) / .02958 = 1.3928 and Phi(1.3928) = .9182.
    assert power_of_difference(200, 200, base=0.05, difference=0.10) == pytest.approx(0.9182, abs=5e-5)


def test_no_difference_is_found_in_one_direction_half_as_often_as_the_test_errs() -> None:
    assert power_of_difference(80, 300, base=0.05, difference=0.0) == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("n_a", "n_b", "base", "difference"), [(157, 722, 0.05, 0.06), (40, 40, 0.2, 0.3), (500, 60, 0.01, 0.2)]
)
def test_power_is_the_upper_tail_of_statsmodels(n_a: int, n_b: int, base: float, difference: float) -> None:
    oracle = power_proportions_2indep(difference, base, n_a, ratio=n_b / n_a, alpha=0.025, alternative="larger")
    assert power_of_difference(n_a, n_b, base=base, difference=difference) == pytest.approx(oracle.power, abs=1e-12)


@given(st.integers(3, 5000), st.integers(3, 5000), st.sampled_from([0.0, 0.01, 0.05, 0.3]))
def test_the_difference_found_reaches_the_power_and_no_smaller_one_does(n_a: int, n_b: int, base: float) -> None:
    found = detectable_difference(n_a, n_b, base=base)
    if math.isnan(found):
        assert power_of_difference(n_a, n_b, base=base, difference=1 - base) < 0.8
        return
    assert power_of_difference(n_a, n_b, base=base, difference=min(found + 1e-6, 1 - base)) >= 0.8 - 1e-9
    smaller = np.linspace(0, found * 0.999, 20)
    assert all(power_of_difference(n_a, n_b, base=base, difference=float(d)) < 0.8 for d in smaller)


def test_a_simulated_study_finds_it_four_times_in_five() -> None:
    rng = np.random.default_rng(20240501)
    found = detectable_difference(300, 600)
    a, b = rng.binomial(300, 0.05 + found, 20_000), rng.binomial(600, 0.05, 20_000)
    pooled = (a + b) / 900
    z = (a / 300 - b / 600) / np.sqrt(pooled * (1 - pooled) * (1 / 300 + 1 / 600))
    assert np.mean(np.abs(z) > 1.959964) == pytest.approx(0.8, abs=0.02)


def test_more_people_show_smaller_differences() -> None:
    differences = [detectable_difference(n, 1000) for n in (10, 20, 50, 200, 1000)]
    assert differences == sorted(differences, reverse=True)


@pytest.mark.parametrize(("n_a", "n_b"), [(0, 100), (100, 0), (1, 1), (2, 3)])
def test_groups_too_small_to_show_anything_are_nan(n_a: int, n_b: int) -> None:
    assert math.isnan(detectable_difference(n_a, n_b))


@pytest.mark.parametrize("wrong", [{"base": 1.0}, {"base": -0.1}, {"power": 1.0}, {"alpha": 0.0}])
def test_settings_without_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StatisticsError):
        detectable_difference(10, 10, **wrong)
