"""Weighted logistic regressions, many at once, against statsmodels; splines and their columns."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from facegap.statistics.covariates.logistic import fit_logistic, spline_basis, standardised, with_constant


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    columns = standardised(rng.normal(size=(400, 3)))
    outcome = (rng.random(400) < 1 / (1 + np.exp(1 - columns @ [0.8, -0.5, 0.0]))).astype(float)
    return with_constant(columns), outcome, rng.exponential(size=(5, 400))


def test_a_fit_is_that_of_statsmodels(data):
    design, outcome, weights = data
    for one in weights:
        oracle = sm.GLM(outcome, design, family=sm.families.Binomial(), freq_weights=one).fit()
        np.testing.assert_allclose(fit_logistic(design, outcome, one), oracle.params, atol=2e-3)


def test_many_fits_at_once_are_the_same_as_one_after_another_from_any_start(data):
    design, outcome, weights = data
    together = fit_logistic(design, outcome, weights)
    alone = [fit_logistic(design, outcome, one, start=np.full(4, 0.3)) for one in weights]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_groups_that_a_covariate_separates_have_a_finite_fit(data):
    column = np.r_[np.zeros(50), np.ones(50)]
    fit = fit_logistic(with_constant(standardised(column[:, None])), column, np.ones(100))
    assert np.isfinite(fit).all()
    assert fit[1] > 2


def test_one_outcome_alone_has_no_fit(data):
    design, _, weights = data
    assert np.isnan(fit_logistic(design, np.zeros(400), weights)).all()


def test_a_spline_bends_at_terciles_and_a_constant_gives_no_column():
    values = np.arange(9.0)
    assert spline_basis(values).shape == (9, 3)
    assert spline_basis(np.ones(9)).shape == (9, 0)
    assert spline_basis(np.tile([0.0, 1.0], 5)).shape == (10, 1)
    bent = np.abs(values - np.quantile(values, 1 / 3))
    within = np.column_stack([np.ones(9), spline_basis(values)])
    np.testing.assert_allclose(within @ np.linalg.lstsq(within, bent, rcond=None)[0], bent, atol=1e-9)


def test_a_column_that_others_give_is_left_out():
    rng = np.random.default_rng(0)
    two = rng.normal(size=(20, 2))
    assert standardised(np.column_stack([two, two.sum(axis=1)])).shape == (20, 2)
