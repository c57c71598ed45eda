"""A gap as the sum of its parts, against statsmodels and against resampling."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from facegap.errors import StatisticsError
from facegap.statistics.covariates.balancing import Trials
from facegap.statistics.covariates.decomposition import (
    influence_of_split,
    owned_columns,
    resampled_splits,
    split_gap,
)
from facegap.statistics.covariates.logistic import fit_logistic, spline_basis


def world(size=3000, seed=0, slope=(0.8, 0.4), own=0.3):
    rng = np.random.default_rng(seed)
    group = np.arange(size) < size // 2
    covariates = rng.normal(size=(size, 2)) + np.outer(group, [0.8, 0.4])
    wrong = rng.random(size) < expit(-2.5 + covariates @ slope + own * group)
    return Trials(wrong, group, np.arange(size), np.ones(size)), covariates


def split(trials, covariates, scale="difference", **more):
    return split_gap(trials, covariates, scale=scale, level=0.95, replicates=100, rng=np.random.default_rng(0), **more)


def test_parts_and_rest_sum_to_the_observed_gap_and_multiply_to_the_ratio():
    trials, covariates = world()
    rates = [trials.errors[side].mean() for side in (trials.in_group, ~trials.in_group)]
    found = split(trials, covariates)
    assert found.gap == pytest.approx(rates[0] - rates[1], abs=5e-4)
    assert found.rest + found.parts.sum() == pytest.approx(found.gap)
    ratio = split(trials, covariates, "ratio")
    assert ratio.gap == pytest.approx(rates[0] / rates[1], rel=5e-3)
    assert ratio.rest * ratio.parts.prod() == pytest.approx(ratio.gap)


def test_the_rest_is_the_mean_marginal_effect_of_the_group_in_statsmodels():
    trials, covariates = world()
    columns, _ = owned_columns([spline_basis(column) for column in covariates.T])
    design = np.column_stack([np.ones(len(columns)), trials.in_group, columns])
    fit = sm.Logit(trials.errors.astype(float), design).fit(disp=0)
    on, off = design.copy(), design.copy()
    on[:, 1], off[:, 1] = 1, 0
    effect = fit.predict(on) - fit.predict(off)
    by_group = (effect[trials.in_group].mean() + effect[~trials.in_group].mean()) / 2
    assert split(trials, covariates).rest == pytest.approx(by_group, abs=1e-4)


def test_a_covariate_that_no_error_goes_with_has_no_part():
    trials, covariates = world(slope=(0.8, 0.0), own=0.0)
    found = split(trials, covariates)
    assert found.low[0] > 0.03
    assert found.low[1] < 0 < found.high[1]
    assert found.rest_low < 0 < found.rest_high


def test_the_order_of_the_covariates_plays_no_part():
    trials, covariates = world()
    np.testing.assert_allclose(
        split(trials, covariates).parts, split(trials, covariates[:, ::-1]).parts[::-1], atol=1e-4
    )


def test_columns_of_one_covariate_are_one_part():
    trials, covariates = world()
    found = split(trials, covariates, owners=np.array([0, 0]))
    assert found.parts.shape == (1,)
    assert found.rest + found.parts[0] == pytest.approx(found.gap)


@pytest.mark.parametrize("scale", ["difference", "ratio"])
def test_the_linearised_split_varies_as_the_resampled_one(scale):
    trials, covariates = world()
    columns, owner = owned_columns([spline_basis(column) for column in covariates.T])
    design = np.column_stack([np.ones(len(columns)), trials.in_group, columns])
    fit = fit_logistic(design, trials.errors.astype(float), trials.weights)
    spread = np.sqrt((influence_of_split(design, owner, trials, fit, scale, 2) ** 2).sum(axis=1))
    drawn = resampled_splits(design, owner, trials, fit, scale, 2, 400, np.random.default_rng(0)).std(axis=0)
    np.testing.assert_allclose(spread, drawn, rtol=0.15)


def test_too_few_errors_for_a_regression_are_said():
    trials, covariates = world(200)
    few = Trials(np.arange(200) % 40 == 0, trials.in_group, trials.units, trials.weights)
    found = split(few, covariates)
    assert np.isnan(found.rest)
    assert found.reason == "5 errors, fewer than the 40 needed for a regression on these covariates"


def test_a_covariate_that_is_not_finite_is_an_error():
    trials, covariates = world(200)
    covariates[3, 0] = np.inf
    with pytest.raises(StatisticsError, match="finite"):
        split(trials, covariates)
