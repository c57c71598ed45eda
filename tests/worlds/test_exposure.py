"""Simulations with a gap that depends on exposure: their truth, and the result of balancing."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.worlds.exposure import ExposureSetting, exposed_people, exposure_coverage
from fixtures.campaigns import short_and_full


@pytest.mark.parametrize("route", ["through", "half", "beside"])
def test_the_planted_gap_is_the_gap_in_a_large_sample(route):
    setting = ExposureSetting(150_000, 1, route, 1.0)
    trials, _ = exposed_people(setting, np.random.default_rng(0))
    seen = trials.errors[trials.in_group].mean() - trials.errors[~trials.in_group].mean()
    assert seen == pytest.approx(setting.raw_gap, abs=0.006)
    assert setting.true_gap == pytest.approx(
        {"through": 0, "half": setting.raw_gap / 2, "beside": setting.raw_gap}[route]
    )


def test_the_stated_reliability_is_that_of_the_measured_exposure():
    rng = np.random.default_rng(0)
    setting = ExposureSetting(50_000, 2, "through", 0.5)
    trials, measured = exposed_people(setting, rng)
    assert measured[~trials.in_group].var() == pytest.approx(2.0, rel=0.03)


@short_and_full("worlds", 80, 2000)
def test_the_balanced_gap_is_the_true_one_and_larger_with_a_noisy_covariate(worlds):
    least = 0.88 if worlds < 100 else 0.93
    assert exposure_coverage(ExposureSetting(100, 1, "half", 1.0), worlds, 0).coverage >= least
    noisy = exposure_coverage(ExposureSetting(100, 1, "through", 0.5), worlds, 0)
    assert 0.03 < noisy.left < 0.08 < noisy.raw
    assert noisy.marked == 1
