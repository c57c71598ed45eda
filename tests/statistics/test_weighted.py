"""Population rates: worked by hand, as properties, and against the cluster-robust weighted regression of statsmodels."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.errors import StatisticsError
from facegap.statistics.effective import effective_trials
from facegap.statistics.weighted import weighted_gaps, weighted_rates

ONE = np.zeros(6, np.int64)


def test_an_image_that_stands_for_three_people_counts_three_times() -> None:
    wrong = np.array([True, False, False, True])
    found = weighted_rates(wrong, np.array([3.0, 1.0, 2.0, 2.0]), np.arange(4), ONE[:4], n_groups=1)
    assert found.value[0] == pytest.approx(5 / 8)
    assert (found.errors[0], found.trials[0], found.subjects[0]) == (2, 4, 4)
    assert found.effective_units[0] == pytest.approx(64 / (9 + 1 + 4 + 4))


def test_cells_weigh_what_the_population_says() -> None:
    # Young: 1 of 4 wrong; old: 1 of 2 wrong. Of the population three in ten are young.
    wrong = np.array([True, False, False, False, True, False])
    cells, shares = np.array([0, 0, 0, 0, 1, 1]), np.array([[0.3, 0.7]])
    found = weighted_rates(wrong, np.ones(6), np.arange(6), ONE, n_groups=1, cells=cells, shares=shares)
    assert found.value[0] == pytest.approx(0.3 * 1 / 4 + 0.7 * 1 / 2)
    # Residuals are from the mean of the cell: 0.3 / 4 (0.75, -0.25 x 3), 0.7 / 2 (0.5, -0.5); S / (S - 1) = 6 / 5.
    squares = (0.3 / 4) ** 2 * (0.75**2 + 3 * 0.25**2) + (0.7 / 2) ** 2 * 2 * 0.5**2
    expected = effective_trials(
        found.value,
        1 / np.array([4 * (0.3 / 4) ** 2 + 2 * (0.7 / 2) ** 2]),
        variance=np.array([squares * 6 / 5]),
        shared=np.array([1.0]),
        carriers=np.array([squares**2 / ((0.3 / 4) ** 4 * (0.75**4 + 3 * 0.25**4) + (0.7 / 2) ** 4 * 2 * 0.5**4)]),
        at_least=np.ones(1),
        level=0.95,
    )
    assert found.effective_trials[0] == pytest.approx(expected[0])


def test_a_part_of_the_population_without_a_trial_leaves_no_rate() -> None:
    cells, shares = np.zeros(6, np.int64), np.array([[0.3, 0.7]])
    found = weighted_rates(np.arange(6) < 2, np.ones(6), np.arange(6), ONE, n_groups=1, cells=cells, shares=shares)
    assert np.isnan(found.value[0])
    assert found.empty_cell[0] == 1


def test_a_group_without_trials_or_without_weight_has_no_rate() -> None:
    groups = np.array([0, 0, 0, 1, 1, 1])
    weights = np.array([1.0, 1, 1, 0, 0, 0])
    found = weighted_rates(np.arange(6) < 1, weights, np.arange(6), groups, n_groups=3)
    assert found.value[0] == pytest.approx(1 / 3)
    assert np.isnan(found.value[1:]).all()
    assert np.isnan(found.low[1:]).all()


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(StatisticsError, match="weight"):
        weighted_rates(np.ones(1, np.bool_), np.array([weight]), ONE[:1], ONE[:1], n_groups=1)


def test_the_scale_of_weights_plays_no_part() -> None:
    rng = np.random.default_rng(2)
    wrong, weights, units = rng.random(60) < 0.3, rng.uniform(0.5, 3, 60), np.repeat(np.arange(20), 3)
    one, many = (
        weighted_rates(wrong, times * weights, units, np.zeros(60, np.int64), n_groups=1) for times in (1.0, 1e6)
    )
    for name in ("value", "low", "high", "effective_trials"):
        np.testing.assert_allclose(getattr(one, name), getattr(many, name))


def test_value_and_variance_are_those_of_a_weighted_regression_with_clusters() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(5)
    people = np.repeat(np.arange(40), rng.integers(1, 6, 40))
    wrong = rng.random(len(people)) < np.repeat(rng.uniform(0, 0.6, 40), np.bincount(people))
    weights = rng.uniform(0.2, 4, len(people))
    fit = sm.WLS(wrong.astype(float), np.ones(len(people)), weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": people, "use_correction": False}
    )
    found = weighted_rates(wrong, weights, people, np.zeros(len(people), np.int64), n_groups=1)
    assert found.value[0] == pytest.approx(float(fit.params[0]))
    rate = found.value[0]
    share = weights / weights.sum()
    sums = np.bincount(people, weights=share * (wrong - rate))
    assert float((sums**2).sum()) == pytest.approx(float(fit.cov_params()[0, 0]))
    variance = float((sums**2).sum()) * 40 / 39
    alone = float(((share * (wrong - rate)) ** 2).sum())
    expected = effective_trials(
        found.value,
        1 / np.array([(share**2).sum()]),
        variance=np.array([max(variance, alone)]),
        shared=np.array([1.0]),
        carriers=np.array([(sums**2).sum() ** 2 / (sums**4).sum()]),
        at_least=np.ones(1),
        level=0.95,
    )
    assert found.effective_trials[0] == pytest.approx(expected[0])


def test_gaps_are_of_weighted_rates_and_of_known_groups_alone() -> None:
    rng = np.random.default_rng(7)
    groups = np.repeat([0, 1, 2], 300)
    wrong = rng.random(900) < np.array([0.4, 0.1, 0.1])[groups]
    rates = weighted_rates(wrong, rng.uniform(1, 2, 900), np.arange(900), groups, n_groups=3)
    gaps = weighted_gaps(
        rates, margin=0.02, scale="difference", alpha=0.05, minimum_subjects=20, known=(True, True, False)
    )
    assert (gaps.first.tolist(), gaps.second.tolist()) == ([0], [1])
    assert gaps.difference[0] == pytest.approx(rates.value[0] - rates.value[1])
    assert gaps.verdict[0] == "gap larger than the margin"
    assert gaps.decided_low[0] > 0.02


def test_intervals_hold_the_rate_of_the_population_where_weights_go_with_errors() -> None:
    """Half of the population is old, with error rate 0.3, but only a fifth of the sample. Without weights the rate would be 0.14."""
    rng, held = np.random.default_rng(9), 0
    for _ in range(400):
        old = rng.random(300) < 0.2
        people = np.arange(300)
        wrong = rng.random(300) < np.where(old, 0.3, 0.1)
        weights = np.where(old, 0.5 / 0.2, 0.5 / 0.8)
        found = weighted_rates(wrong, weights, people, np.zeros(300, np.int64), n_groups=1)
        held += bool(found.low[0] <= 0.2 <= found.high[0])
    assert held >= 0.93 * 400 - 2 * (0.93 * 0.07 * 400) ** 0.5  # 2,000 simulations: benchmarks/coverage.md
