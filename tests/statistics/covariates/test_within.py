"""Change within people: worked by hand, against a regression with fixed effects of persons, and undefined cases."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from facegap.statistics.covariates.within import within_change


def test_by_hand_two_images_each():
    people = np.repeat(np.arange(12), 2)
    dark = np.tile([0.0, 2.0], 12)
    errors = np.zeros(24, bool)
    errors[[1, 3, 5]] = True  # three of twelve have an error only in the darker image
    found = within_change(errors, dark, people, level=0.95)
    assert found.slope == pytest.approx(3 / 12 / 2)
    assert (found.people, found.trials) == (12, 24)
    # As the mean of twelve differences, three of which are 1: its jackknife variance is s^2 / n.
    differences = np.r_[np.ones(3), np.zeros(9)] / 2
    reach = 2.200985 * differences.std(ddof=1) / np.sqrt(12)
    assert found.high - found.slope == pytest.approx(reach, rel=1e-5)


def test_it_is_the_slope_beside_a_constant_for_each_person():
    rng = np.random.default_rng(0)
    people = rng.integers(0, 40, 150)
    dark = rng.normal(size=150) + people / 10
    errors = rng.random(150) < 0.3 + 0.1 * np.tanh(dark - people / 10)
    design = np.column_stack([dark, people[:, None] == np.unique(people)])
    oracle = sm.OLS(errors.astype(float), design.astype(float)).fit().params[0]
    assert within_change(errors, dark, people, level=0.95).slope == pytest.approx(oracle)


def test_what_a_person_brings_to_every_image_plays_no_part():
    people = np.repeat(np.arange(30), 2)
    errors, dark = people % 2 == 0, (people % 2 == 0) + np.tile([0.0, 0.1], 30)
    assert within_change(errors, dark, people, level=0.95).slope == pytest.approx(0.0)


def test_with_single_images_or_few_people_nothing_is_said():
    rng = np.random.default_rng(0)
    alone = within_change(rng.random(50) < 0.5, rng.normal(size=50), np.arange(50), level=0.95)
    assert np.isnan(alone.slope)
    assert alone.people == 0
    few = within_change(rng.random(18) < 0.5, rng.normal(size=18), np.repeat(np.arange(9), 2), level=0.95)
    assert np.isnan(few.low)
    assert few.people == 9


def test_the_interval_holds_a_known_change_in_most_worlds():
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        people, dark = np.repeat(np.arange(60), 3), rng.normal(size=180)
        own = rng.uniform(0.2, 0.5, 60)[people]
        found = within_change(rng.random(180) < np.clip(own + 0.1 * dark, 0, 1), dark, people, level=0.95)
        held += found.low <= 0.1 <= found.high
    assert held >= 182


def test_of_no_trials_nothing_is_said() -> None:
    found = within_change(np.empty(0, np.bool_), np.empty(0), np.empty(0, np.int64), level=0.95)
    assert np.isnan(found.slope)
    assert (found.people, found.trials) == (0, 0)
