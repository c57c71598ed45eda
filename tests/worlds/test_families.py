"""Families of planted gaps: verdicts equal to an audit's, with the theoretical power."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import power_proportions_2indep

from facegap.statistics import gap_difference, gap_family
from facegap.statistics.lending import lent_trials
from facegap.statistics.verdicts import BEYOND, GAP, UNKNOWN, WITHIN
from facegap.worlds.families import (
    AT_MARGIN,
    MORE,
    NO_GAP,
    SMALLER,
    TWICE,
    Family,
    evaluate_family,
    evaluate_rates,
    group_labels,
    merged,
    pairs_of,
    planted_size,
    raised_family,
    rates_of_many,
)
from facegap.worlds.people import Setting


def single(rate, subjects):
    return Setting("classification", subjects, 1, rate, "probit", 0.0)


def test_power_is_that_of_the_exact_distribution_by_enumeration():
    # 40 against 40 people, one image each: reject if the interval of the gap excludes 0.
    size, low, high = 40, 0.05, 0.35
    reject = np.zeros((size + 1, size + 1), bool)
    for a in range(size + 1):
        for b in range(size + 1):
            ends = gap_difference(a, size, b, size)
            reject[a, b] = ends[0] > 0 or ends[1] < 0
    exact = binom.pmf(np.arange(size + 1), size, high) @ reject @ binom.pmf(np.arange(size + 1), size, low)
    found = evaluate_family(raised_family(single(low, size), 2, high - low, "two"), 20_000, 1)
    assert found.found == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5)


def test_power_of_many_people_is_near_the_normal_approximation():
    theory = power_proportions_2indep(0.04, 0.1, 500, return_results=False)
    found = evaluate_family(raised_family(single(0.1, 500), 2, 0.04, "two"), 4000, 2)
    assert found.found == pytest.approx(theory, abs=0.03)


@pytest.mark.parametrize("kind", ["classification", "impostor"])
def test_each_simulation_gets_the_verdicts_of_gap_family(kind):
    family = Family(
        "three", tuple(Setting(kind, 30, 2, rate, "probit", 0.1) for rate in (0.05, 0.05, 0.2)), group_labels(3)
    )
    rng = np.random.default_rng(4)
    columns = [rates_of_many(group, 25, rng)[0] for group in family.groups]
    first, second = pairs_of(3)
    rates, effective, errors, trials, subjects = (
        np.stack([getattr(c, name) for c in columns], axis=1)
        for name in ("value", "effective_trials", "errors", "trials", "subjects")
    )
    effective = lent_trials(errors, trials, subjects, effective)
    many = evaluate_rates(rates, effective, first, second, is_ratio=family.is_ratio, margin=family.used_margin)
    for world in range(25):
        rows = [column.rate(world) for column in columns]
        one = gap_family(
            family.group_names,
            [r.errors for r in rows],
            [r.trials for r in rows],
            [r.subjects for r in rows],
            [r.effective_trials for r in rows],
            margin=family.used_margin,
            scale="ratio" if family.is_ratio else "difference",
        ).columns
        assert many.p_adjusted[world] == pytest.approx(one.p_adjusted, nan_ok=True)
        assert np.array_equal(many.within_margin[world], one.within_margin)
        assert np.array_equal(many.beyond_margin[world], one.beyond_margin)


def test_proportions_of_an_obvious_family():
    family = Family("obvious", (single(0.5, 400), single(0.01, 400), single(0.01, 400)), group_labels(3))
    found = evaluate_family(family, 300, 0)
    assert (found.found, found.found_any, found.dishonest) == (1.0, 1.0, 0.0)
    assert found.false_alarm < 0.06
    assert found.confusion[MORE] == {BEYOND: 600, GAP: 0, WITHIN: 0, UNKNOWN: 0}
    assert sum(found.confusion[NO_GAP].values()) == 300


def test_proportions_without_cases_are_nan():
    alike = evaluate_family(Family("alike", (single(0.1, 40),) * 2, group_labels(2)), 20, 0)
    assert np.isnan([alike.found, alike.found_any, alike.dishonest]).all()
    apart = evaluate_family(Family("apart", (single(0.1, 40), single(0.2, 40)), group_labels(2)), 20, 0)
    assert np.isnan([apart.false_alarm, apart.differs]).all()


def test_sizes_of_gaps_by_hand():
    assert list(planted_size(np.array([0, 0.01, 0.02, 0.04, 0.05]), 0.02, is_ratio=False)) == [
        NO_GAP,
        SMALLER,
        AT_MARGIN,
        TWICE,
        MORE,
    ]
    assert list(planted_size(np.array([1.0, 1.5, 2.0, 4.0, 8.0]), 2.0, is_ratio=True)) == [
        NO_GAP,
        SMALLER,
        AT_MARGIN,
        TWICE,
        MORE,
    ]


def test_a_raised_family_has_a_ratio_for_false_matches_and_otherwise_a_difference():
    assert [g.rate for g in raised_family(Setting("impostor", 9, 1, 0.01, "probit", 0), 3, 4.0, "").groups] == [
        0.04,
        0.01,
        0.01,
    ]
    assert [g.rate for g in raised_family(single(0.1, 9), 2, 0.2, "").groups] == pytest.approx([0.3, 0.1])


def test_confusions_add_up():
    once = {NO_GAP: {BEYOND: 4, GAP: 1, WITHIN: 2, UNKNOWN: 3}}
    assert merged([once, once, {TWICE: {BEYOND: 0, GAP: 5, WITHIN: 0, UNKNOWN: 0}}]) == {
        NO_GAP: {BEYOND: 8, GAP: 2, WITHIN: 4, UNKNOWN: 6},
        TWICE: {BEYOND: 0, GAP: 5, WITHIN: 0, UNKNOWN: 0},
    }
