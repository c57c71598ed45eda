"""Curves of error rates along a quantity: against statsmodels, worked by hand for two values, as properties, and simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from facegap.errors import StatisticsError
from facegap.statistics.slopes import fitted_slope


def test_for_two_values_the_curve_is_the_two_rates_with_half_an_error_and_half_a_right_answer_more() -> None:
    # Firth's estimate of a saturated model adds one half to every cell: (2 + 1/2) / (20 + 1) and (8 + 1/2) / (20 + 1).
    wrong = np.r_[np.arange(20) < 2, np.arange(20) < 8]
    found = fitted_slope(wrong, np.repeat([30.0, 50.0], 20), np.arange(40))
    assert (found.errors, found.trials, found.units) == (10, 40, 40)
    assert (found.from_value, found.to_value) == (30.0, 50.0)
    assert found.rate_from == pytest.approx(2.5 / 21, abs=1e-6)
    assert found.rate_to == pytest.approx(8.5 / 21, abs=1e-6)
    assert found.change(is_ratio=False).value == pytest.approx(6 / 21, abs=1e-6)
    assert found.change(is_ratio=True).value == pytest.approx(np.log(8.5 / 2.5), abs=1e-6)


def test_where_errors_are_many_the_curve_is_that_of_logistic_regression_with_clusters() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(400), 5)
    ages = np.repeat(rng.uniform(18, 80, 400), 5)
    wrong = rng.random(2000) < expit(-2 + 0.03 * (ages - 45) + np.repeat(0.5 * rng.normal(size=400), 5))
    fit = sm.Logit(wrong.astype(float), sm.add_constant(ages)).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": units, "use_correction": False}
    )
    found = fitted_slope(wrong, ages, units)
    assert found.coefficients[1] / found.scale == pytest.approx(float(fit.params[1]), rel=0.01)
    spread = float(np.sqrt((found.influence[:, 1] ** 2).sum())) / found.scale
    assert spread == pytest.approx(float(fit.bse[1]), rel=0.01)


def test_there_is_no_curve_of_too_few_errors_or_of_one_value() -> None:
    values = np.arange(50.0)
    assert not fitted_slope(values < 2, values, np.arange(50)).is_defined
    assert not fitted_slope(values < 48, values, np.arange(50)).is_defined
    assert not fitted_slope(values < 20, np.ones(50), np.arange(50)).is_defined
    assert not fitted_slope(values < 20, values, np.zeros(50, np.int64)).is_defined
    assert not fitted_slope(np.empty(0, np.bool_), np.empty(0), np.empty(0, np.int64)).is_defined


def test_a_value_that_parts_all_errors_from_all_right_answers_still_has_a_finite_curve() -> None:
    values = np.arange(60.0)
    found = fitted_slope(values >= 30, values, np.arange(60))
    assert np.isfinite(found.coefficients).all()
    assert found.rate_to > 0.9
    low, high = found.change(is_ratio=False).interval(0.05)
    assert low < found.change(is_ratio=False).value < high


def test_the_unit_of_the_quantity_plays_no_part() -> None:
    rng = np.random.default_rng(8)
    years, wrong = rng.uniform(20, 70, 300), rng.random(300) < 0.2
    one, days = fitted_slope(wrong, years, np.arange(300)), fitted_slope(wrong, years * 365.25, np.arange(300))
    assert one.change(is_ratio=False).interval(0.05) == pytest.approx(days.change(is_ratio=False).interval(0.05))


def test_the_band_is_widest_at_the_ends_and_holds_the_curve() -> None:
    rng = np.random.default_rng(4)
    years = rng.uniform(20, 70, 300)
    found = fitted_slope(rng.random(300) < 0.3, years, np.arange(300))
    rate, low, high = found.band(np.array([20.0, 45.0, 70.0]), level=0.95)
    assert ((low < rate) & (rate < high)).all()
    assert high[1] - low[1] < min(high[0] - low[0], high[2] - low[2])
    assert (low > 0).all()
    assert (high < 1).all()


def test_an_infinite_value_is_refused() -> None:
    with pytest.raises(StatisticsError, match="finite"):
        fitted_slope(np.ones(3, np.bool_), np.array([1.0, np.inf, 2.0]), np.arange(3))


def test_images_of_one_person_count_together() -> None:
    rng = np.random.default_rng(6)
    years, wrong = rng.uniform(20, 70, 100), rng.random(100) < 0.3
    once = fitted_slope(wrong, years, np.arange(100)).change(is_ratio=False)
    again = fitted_slope(np.repeat(wrong, 5), np.repeat(years, 5), np.repeat(np.arange(100), 5)).change(is_ratio=False)
    assert again.error == pytest.approx(once.error, rel=0.05)


def test_intervals_hold_a_change_of_zero_where_people_differ() -> None:
    """40 people with five images each, correlated errors (ICC 0.1), and rate 0.2 at every age."""
    rng, held = np.random.default_rng(12), 0
    for _ in range(200):
        own = rng.beta(0.2 * 9, 0.8 * 9, 40)
        years, units = np.repeat(rng.uniform(20, 70, 40), 5), np.repeat(np.arange(40), 5)
        found = fitted_slope(rng.random(200) < np.repeat(own, 5), years, units)
        low, high = found.change(is_ratio=False).interval(0.05)
        held += bool(low <= 0 <= high)
    assert held >= 0.93 * 200 - 2 * (0.93 * 0.07 * 200) ** 0.5  # 2,000 simulations: benchmarks/coverage.md
