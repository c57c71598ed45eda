"""Probabilities of darker: worked by hand without estimation, and calibrated for a known distribution of tones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from facegap.groups.prior import GRID, START_MEAN, START_SD, darker_probability, learnt_prior

NOBODY = np.empty(0)


def test_without_a_prior_it_is_the_normal_distribution() -> None:
    found = darker_probability(np.array([28.0, 38.0, 18.0]), np.array([10.0, 10.0, 5.0]), 28, None)
    assert found == pytest.approx([0.5, norm.cdf(-1), norm.cdf(2)])


def test_of_nobody_the_broad_guess_is_learnt() -> None:
    prior = learnt_prior(NOBODY, NOBODY)
    assert prior.sum() == pytest.approx(1)
    assert prior @ GRID == pytest.approx(START_MEAN, abs=0.1)
    assert np.sqrt(prior @ (GRID - START_MEAN) ** 2) == pytest.approx(START_SD, abs=0.2)


def test_under_the_broad_guess_it_is_the_posterior_of_two_normal_distributions() -> None:
    # measurement 10 +- 20, prior 30 +- 25: precision 1/400 + 1/625, mean (10/400 + 30/625) / precision
    precision = 1 / 400 + 1 / 625
    mean = (10 / 400 + 30 / 625) / precision
    found = darker_probability(np.array([10.0]), np.array([20.0]), 28, learnt_prior(NOBODY, NOBODY))
    assert found == pytest.approx(norm.cdf((28 - mean) * precision**0.5), abs=0.005)


def test_the_same_measurement_means_less_among_light_people() -> None:
    rng = np.random.default_rng(0)
    light, mixed = 48 + 12 * rng.standard_normal(800), 20 + 35 * rng.standard_normal(800)
    seen, doubt = np.array([22.0]), np.array([10.0])
    among_light, among_all = (
        float(darker_probability(seen, doubt, 28, learnt_prior(group, np.full(800, 10.0)))[0])
        for group in (light, mixed)
    )
    assert among_light < 0.5 < among_all


def test_probabilities_are_calibrated_where_the_truth_is_known() -> None:
    rng = np.random.default_rng(4)
    truth = np.where(rng.random(6000) < 0.8, 46 + 8 * rng.standard_normal(6000), 2 + 15 * rng.standard_normal(6000))
    doubt = rng.uniform(6, 18, 6000)
    seen = truth + doubt * rng.standard_normal(6000)
    found = darker_probability(seen, doubt, 28, learnt_prior(seen, doubt))
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1)):
        chosen = (found >= low) & (found <= high)
        assert (truth[chosen] <= 28).mean() == pytest.approx(found[chosen].mean(), abs=0.1)
    sure = (found <= 0.1) | (found >= 0.9)
    assert ((found > 0.5) == (truth <= 28))[sure].mean() >= np.maximum(found, 1 - found)[sure].mean()
    assert sure.mean() > 0.6


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(-90, 135), st.floats(4.1, 60)), min_size=1, max_size=6),
    st.floats(-90, 90),
)
def test_it_is_a_probability_and_falls_with_the_cut(measured: list[tuple[float, float]], cut: float) -> None:
    seen, doubt = np.array(measured).T
    for prior in (None, learnt_prior(seen, doubt)):
        found = darker_probability(seen, doubt, cut, prior)
        assert ((found >= 0) & (found <= 1)).all()
        assert (darker_probability(seen, doubt, cut - 5, prior) <= found + 1e-12).all()
