"""Power for the groups of a run: estimates solved by hand, and agreement with planted families."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal
from statsmodels.stats.proportion import power_proportions_2indep

from facegap.plan.power import (
    DIFFERENCES,
    OwnFamily,
    People,
    crossing,
    evaluated_worlds,
    intraclass_correlation,
    own_power,
    proportions_found,
    rho_of,
    shared_correlation,
    simulated_rates,
)
from facegap.statistics.verdicts import GAPS_FOUND, verdicts
from facegap.worlds.families import evaluate_rates, pairs_of
from facegap.worlds.people import Setting, impostor_errors, subject_errors


def family(sort, groups, rate, strength, *, is_ratio):
    people = tuple(People(f"g{k}", np.asarray(trials)) for k, trials in enumerate(groups))
    metric = "fmr" if is_ratio else "error_rate_all"
    return OwnFamily(
        metric, "kind", np.nan, "", sort, people, 1, 1, rate, strength, is_ratio, 2.0 if is_ratio else 0.02, 0.05
    )


def test_intraclass_correlation_by_hand():
    # 2 people, 2 trials each, one always wrong and one never: p = 1/2; sum (e - p m)^2 2/1 = 4; p(1-p) m = 1/2 each.
    assert intraclass_correlation([np.array([2.0, 0.0])], [np.array([2.0, 2.0])]) == 0.9  # (4 - 1) / 1, capped at 0.9
    # One of two trials wrong for both people: no spread, (0 - 1) / 1, raised to 0.
    assert intraclass_correlation([np.array([1.0, 1.0])], [np.array([2.0, 2.0])]) == 0.0
    assert intraclass_correlation([np.array([1.0, 0.0])], [np.array([1.0, 1.0])]) == 0.0  # no repeated trials


def test_intraclass_correlation_recovers_the_planted_value():
    errors, trials = subject_errors(Setting("classification", 4000, 5, 0.2, "beta", 0.3), 1, np.random.default_rng(0))
    assert intraclass_correlation([errors[0]], [np.full(4000, float(trials))]) == pytest.approx(0.3, abs=0.03)


def test_rho_recovers_the_planted_value_between_pairs():
    matches, images = [], []
    for errors in impostor_errors(Setting("impostor", 120, 2, 0.05, "probit", 0.15), 30, np.random.default_rng(1)):
        left, right = np.nonzero(np.triu(errors))
        matches.append(
            (np.repeat(left, errors[left, right].astype(int)), np.repeat(right, errors[left, right].astype(int)))
        )
        images.append(np.full(120, 2))
    correlation, rate = shared_correlation(matches, images)
    assert rate == pytest.approx(0.05, rel=0.1)
    assert rho_of(correlation, rate) == pytest.approx(0.15, abs=0.03)


def test_rho_solves_the_bivariate_normal():
    both = multivariate_normal(cov=[[1, 0.2], [0.2, 1]]).cdf([ndtri(0.03)] * 2)
    assert rho_of((both - 0.03**2) / (0.03 * 0.97), 0.03) == pytest.approx(0.2, abs=1e-5)
    assert rho_of(-0.1, 0.03) == 0.0
    assert rho_of(np.nan, np.nan) == 0.0


def test_three_pairs_that_share_a_person_by_hand():
    # Persons 0, 1, 2 with one image each; 0-1 and 0-2 match, 1-2 does not: p = 2/3, E = (2/3, -1/3, -1/3) ...
    correlation, rate = shared_correlation([(np.array([0, 0]), np.array([1, 2]))], [np.array([1, 1, 1])])
    e = {(0, 1): 1 / 3, (0, 2): 1 / 3, (1, 2): -2 / 3}
    by_hand = 2 * (e[0, 1] * e[0, 2] + e[0, 1] * e[1, 2] + e[0, 2] * e[1, 2]) / (2 / 9 * 6)
    assert rate == pytest.approx(2 / 3)
    assert correlation == pytest.approx(by_hand)


def test_power_of_two_groups_is_near_that_of_two_proportions():
    found = own_power(family("singles", [np.ones(400, int)] * 2, 0.1, 0.0, is_ratio=False), 500, (0,))
    level = DIFFERENCES.index(0.05)
    theory = power_proportions_2indep(0.05, 0.1, 400, return_results=False)
    assert found.found[0, level] == pytest.approx(theory, abs=0.075)
    assert found.found_any[level] == found.found[0, level]
    assert found.false_alarm < 0.08
    assert (np.diff(found.found[0]) > -0.03).all()


def test_updated_pairs_agree_with_a_complete_evaluation():
    planted = family("singles", [np.full(30, 2), np.full(40, 2), np.full(50, 1)], 0.2, 0.1, is_ratio=False)
    first, second = pairs_of(3)
    base = [simulated_rates(planted, group, 0.2, 60, [k])[:2] for k, group in enumerate(planted.groups)]
    raised = [base[0], simulated_rates(planted, planted.groups[1], 0.6, 60, [9])[:2], base[2]]
    shares, found_any = proportions_found(
        planted, raised, evaluated_worlds(planted, base, first, second), 1, first, second
    )
    value, effective = (np.stack([one[side] for one in raised], axis=1) for side in (0, 1))
    whole = evaluate_rates(value, effective, first, second, is_ratio=False, margin=0.02)
    said = np.isin(
        verdicts(beyond_margin=whole.beyond_margin, within_margin=whole.within_margin, differs=whole.differs),
        GAPS_FOUND,
    )
    assert shares == pytest.approx(said.mean(axis=0))
    assert found_any == said[:, [0, 2]].any(axis=1).mean()


def test_pairs_of_people_are_planted_by_ratio():
    found = own_power(family("pairs", [np.full(60, 2), np.full(60, 1)], 0.02, 0.05, is_ratio=True), 30, (1,))
    assert found.found[0, -1] > 0.9
    assert found.found[0, -1] >= found.found[0, 0]
    assert (found.covered > 0.85).all()


def test_a_rate_that_cannot_be_raised_far_enough_has_no_power():
    found = own_power(family("singles", [np.ones(20, int)] * 2, 0.9, 0.0, is_ratio=False), 10, (0,))
    assert np.isnan(found.found[0, -1])
    assert np.isnan(found.found_any[-1])


def test_a_curve_crosses_where_it_is_halfway():
    assert crossing(np.array([1.0, 2.0]), np.array([0.6, 1.0]), 0.8) == pytest.approx(1.5)
    assert crossing(np.array([1.0, 2.0]), np.array([0.9, 1.0]), 0.8) == 1.0
    assert np.isnan(crossing(np.array([1.0, 2.0]), np.array([0.1, np.nan]), 0.8))
