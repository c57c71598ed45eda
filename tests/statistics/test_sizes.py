"""People needed for a verdict: the textbook formula in the simple case, and more with any design effect."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from statsmodels.stats.proportion import power_proportions_2indep

from facegap.errors import StatisticsError
from facegap.statistics.sizes import (
    Sampling,
    people_needed,
    power_of_plan,
    rate_spread,
    shared_errors,
    trials_per_person,
)

PLAIN = {"rate": 0.05, "margin": 0.02, "is_ratio": False, "alpha": 0.05}


def test_one_image_each_is_the_textbook_number():
    z = norm.ppf(0.975) + norm.ppf(0.8)
    by_hand = z**2 * (0.05 * 0.95 + 0.07 * 0.93) / 0.02**2
    assert people_needed("image", Sampling(), **PLAIN) == math.ceil(by_hand) == 2210


def test_its_power_is_that_of_statsmodels():
    for people in (200, 1000, 3000):
        found = power_of_plan("image", people, Sampling(), **PLAIN)
        other = power_proportions_2indep(0.02, 0.05, people, return_results=False)
        assert found == pytest.approx(other, abs=0.02)


def test_trials_of_a_person():
    assert [trials_per_person(kind, 4) for kind in ("image", "genuine pair", "mated search", "non-mated search")] == [
        4,
        6,
        3,
        4,
    ]
    assert trials_per_person("genuine pair", 1) == 0


def test_without_a_trial_no_number_of_people_is_enough():
    assert math.isnan(people_needed("genuine pair", Sampling(1), rate=0.02, margin=2.0, is_ratio=True, alpha=0.05))
    assert math.isnan(people_needed("image", Sampling(), rate=0.6, margin=2.0, is_ratio=True, alpha=0.05))


def test_images_that_go_together_wholly_are_one_image():
    many = rate_spread("image", 0.1, 100, Sampling(5, 0.999999))
    assert many.true == pytest.approx(rate_spread("image", 0.1, 100, Sampling()).true, rel=1e-4)


@pytest.mark.parametrize("kind", ["image", "genuine pair", "impostor pair", "mated search"])
def test_every_burden_asks_for_more_people(kind):
    asked = {"rate": 0.02, "margin": 2.0, "is_ratio": True, "alpha": 0.05}
    plain = people_needed(kind, Sampling(3, 0.05), **asked)
    assert people_needed(kind, Sampling(3, 0.2), **asked) > plain
    assert people_needed(kind, Sampling(3, 0.05, 5, 0.05), **asked) > plain
    assert people_needed(kind, Sampling(3, 0.05), **{**asked, "alpha": 0.01}) > plain
    assert people_needed(kind, Sampling(3, 0.05), **{**asked, "margin": 1.5}) > plain
    assert people_needed(kind, Sampling(3, 0.05), power=0.9, **asked) > plain


def test_independent_pairs_of_people_vary_as_pairs():
    spread = rate_spread("impostor pair", 0.01, 50, Sampling(1, 0.0))
    assert spread.true == pytest.approx(0.01 * 0.99 / (50 * 49 / 2))


@pytest.mark.parametrize(("rate", "part"), [(0.001, 0.1), (0.1, 0.3), (0.5, 0.2)])
def test_shared_errors_are_those_of_two_normal_scores(rate, part):
    cut = norm.isf(rate)
    both = multivariate_normal(cov=[[1, part], [part, 1]]).cdf(np.array([-cut, -cut]))
    assert shared_errors(rate, part) == pytest.approx((both - rate**2) / (rate * (1 - rate)), rel=0.01)


@pytest.mark.parametrize(
    ("kind", "sampling", "rate"),
    [("image", Sampling(1, 0.9, 2, 0.2), 0.1), ("impostor pair", Sampling(1, 0.5), 0.1), ("image", Sampling(), 0.0)],
)
def test_what_cannot_be_is_refused(kind, sampling, rate):
    with pytest.raises(StatisticsError, match="a rate must be between 0 and 1"):
        people_needed(kind, sampling, rate=rate, margin=2.0, is_ratio=True, alpha=0.05)
