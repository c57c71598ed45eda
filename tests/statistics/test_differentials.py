"""Differential measures: worked values, zero cases, order of groups, fairlearn, and a permutation null distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, demographic_parity_ratio, equalized_odds_difference
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import zero_one_loss

from facegap.errors import StatisticsError
from facegap.statistics import MEASURES, differential
from facegap.statistics.differentials import evaluate

FMR = (np.array([1.0, 2, 4, 1]), np.full(4, 1000.0))
FNMR = (np.array([2.0, 3, 5, 2]), np.full(4, 100.0))
group_counts = st.lists(st.tuples(st.integers(0, 50), st.integers(50, 90)), min_size=2, max_size=7)


def counts(rows):
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))


@pytest.mark.parametrize(
    ("name", "rates", "expected"),
    [
        ("fairness_discrepancy_rate", (FMR, FNMR), 0.9835),
        ("garbe", (FMR, FNMR), 0.347222),
        ("inequity_rate", (FMR, FNMR), 3.162278),
        ("max_over_geometric_mean", (FMR,), 2.378414),
        ("max_over_geometric_mean", (FNMR,), 1.796521),
        ("max_over_geometric_mean", ((np.array([0.0, 5, 10]), np.full(3, 1000.0)),), 1.883906),
        ("max_min_difference", (FNMR,), 0.03),
        ("max_min_ratio", (FMR,), 4.0),
        ("four_fifths_ratio", (FNMR,), 0.4),
        ("equalised_odds_difference", (FMR, FNMR), 0.03),
        ("gini", ((np.array([0.0, 0, 9]), np.full(3, 10.0)),), 1.0),
    ],
)
def test_worked_values(name, rates, expected):
    assert differential(name, *rates).value == pytest.approx(expected, abs=5e-7)


def test_the_trap_of_the_fairness_discrepancy_rate_hides_a_hundredfold_gap():
    fmr, fnmr = (np.array([1.0, 100]), np.full(2, 1e6)), (np.array([1.0, 1]), np.full(2, 100.0))
    assert differential("fairness_discrepancy_rate", fmr, fnmr).value == pytest.approx(0.99995, abs=1e-6)
    assert differential("inequity_rate", fmr, fnmr).value == pytest.approx(10)


@pytest.mark.parametrize("name", ["max_min_ratio", "inequity_rate"])
def test_a_ratio_to_no_errors_is_undefined_and_says_so(name):
    none = (np.array([0.0, 3]), np.full(2, 10.0))
    found = differential(name, *[none] * len(MEASURES[name].rates))
    assert np.isnan(found.value)
    assert "no errors" in found.undefined_because


def test_geometric_mean_is_undefined_where_a_group_without_errors_is_too_small():
    found = differential("max_over_geometric_mean", (np.array([0.0, 5, 10]), np.array([10.0, 1000, 1000])))
    assert np.isnan(found.value)
    assert "exceeds the largest rate" in found.undefined_because


@pytest.mark.parametrize("name", ["gini", "garbe", "max_min_difference", "fairness_discrepancy_rate"])
def test_no_errors_anywhere_are_fair(name):
    none = (np.zeros(3), np.full(3, 10.0))
    measure = MEASURES[name]
    assert differential(name, *[none] * len(measure.rates)).value == measure.fair_value


def test_nobody_selected_has_no_four_fifths_ratio():
    assert np.isnan(differential("four_fifths_ratio", (np.zeros(2), np.full(2, 10.0))).value)


def test_a_group_without_trials_makes_every_measure_nan_with_a_reason():
    empty = (np.array([0.0, 1]), np.array([0.0, 10]))
    for name, measure in MEASURES.items():
        found = differential(name, *[empty] * len(measure.rates))
        assert np.isnan(found.value), name
        assert "no trials" in found.undefined_because


def test_one_group_has_no_gini():
    assert "fewer than two" in differential("gini", (np.array([1.0]), np.array([5.0]))).undefined_because


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: differential("sedg", FMR), "no measure 'sedg'"),
        (lambda: differential("garbe", FMR), "compares fmr and fnmr"),
        (lambda: differential("garbe", FMR, FNMR, weight=2), "weight"),
        (lambda: differential("gini", (np.array([]), np.array([]))), "a differential needs at least one group"),
    ],
)
def test_calls_without_meaning_are_refused(call, said):
    with pytest.raises(StatisticsError, match=said):
        call()


@given(group_counts, st.randoms(use_true_random=False))
def test_order_of_groups_changes_nothing(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    for measure in MEASURES.values():
        values = [float(evaluate(measure, (counts(order),) * len(measure.rates))) for order in (rows, shuffled)]
        assert values[0] == pytest.approx(values[1], nan_ok=True)


@given(st.integers(1, 50), st.integers(50, 90), st.integers(2, 6))
def test_equal_groups_have_the_fair_value(errors, trials, groups):
    for measure in MEASURES.values():
        value = evaluate(measure, (counts([(errors, trials)] * groups),) * len(measure.rates))
        assert value == pytest.approx(measure.fair_value, abs=1e-12)


@given(group_counts)
def test_no_set_of_groups_is_fairer_than_fair(rows):
    for measure in MEASURES.values():
        value = float(evaluate(measure, (counts(rows),) * len(measure.rates)))
        if measure.higher_is_fairer:
            assert not value > measure.fair_value + 1e-12
        elif measure.name != "max_over_geometric_mean":  # the replaced rate of a group can exceed the others
            assert not value < measure.fair_value - 1e-12


@given(group_counts)
def test_gini_is_the_double_sum(rows):
    errors, trials = counts(rows)
    rate, n = errors / trials, len(rows)
    double = np.abs(rate[:, None] - rate[None, :]).sum()
    expected = n / (n - 1) * double / (2 * n**2 * rate.mean()) if rate.any() else 0
    assert differential("gini", (errors, trials)).value == pytest.approx(expected)


def test_differences_and_ratios_agree_with_fairlearn():
    rng = np.random.default_rng(0)
    group, truth = rng.integers(0, 4, 800), rng.integers(0, 2, 800)
    called = np.where(rng.random(800) < 0.1 + 0.05 * group, 1 - truth, truth)

    def of(event, among):
        sums = [(event[among & (group == g)].sum(), (among & (group == g)).sum()) for g in range(4)]
        return counts(sums)

    everyone = np.ones(800, bool)
    frame = MetricFrame(
        metrics=zero_one_loss, y_true=truth, y_pred=called, sensitive_features=pd.Series(group, name="group")
    )
    wrong = of(truth != called, everyone)
    assert differential("max_min_difference", wrong).value == pytest.approx(frame.difference())
    assert 1 / differential("max_min_ratio", wrong).value == pytest.approx(frame.ratio())
    assert differential("four_fifths_ratio", of(called == 1, everyone)).value == pytest.approx(
        demographic_parity_ratio(truth, called, sensitive_features=group)
    )
    odds = differential("equalised_odds_difference", of(called == 1, truth == 1), of(called == 1, truth == 0))
    assert odds.value == pytest.approx(equalized_odds_difference(truth, called, sensitive_features=group))
