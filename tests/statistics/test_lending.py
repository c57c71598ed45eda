"""Effective trials that groups with at most one error borrow from the others of their family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.statistics import clustered_rates, dyadic_fmr, gap_family
from facegap.statistics.lending import lent_trials


def lent(errors, trials, subjects, effective):
    return lent_trials(*(np.array(side) for side in (errors, trials, subjects)), np.array(effective, float))


def test_a_group_without_errors_is_worth_its_trials_over_the_largest_design_effect():
    # Design effects 600 / 200 = 3 and 600 / 100 = 6: 900 / 6 = 150. By subjects: 60 * 100 / 40 = 150.
    found = lent([30, 10, 0], [600, 600, 900], [40, 40, 60], [200, 100, 60])
    assert found == pytest.approx([200, 100, 150])


def test_a_group_of_more_people_gets_no_more_than_its_people_are_worth():
    # Pairs grow with the square of people. By trials 100,000 / 5 = 20,000; by people 500 * 2,000 / 50 = 20,000 / 1.
    assert lent([50, 0], [10_000, 1_000_000], [50, 500], [2000, 250])[1] == 20_000
    # A group of fewer people, with even fewer pairs: by trials 100 / 5 = 20, by people 5 * 40 = 200.
    assert lent([50, 0], [10_000, 100], [50, 5], [2000, 2])[1] == 20


def test_what_a_group_has_by_itself_is_not_taken_from_it():
    assert lent([30, 0], [6000, 600], [40, 40], [50, 40])[1] == 40


def test_a_single_error_borrows_too_and_two_do_not():
    assert lent([30, 1, 2], [600, 600, 600], [40, 40, 40], [60, 590, 580]) == pytest.approx([60, 60, 580])


def test_independent_trials_borrow_nothing():
    assert lent([30, 0, 1], [600, 50, 60], [40, 50, 60], [60, 50, 60]) == pytest.approx([60, 50, 60])


def test_without_other_lenders_a_single_error_lends_and_nothing_at_all_lends_nothing():
    assert lent([1, 0], [600, 600], [40, 40], [500, 40]) == pytest.approx([500, 500])
    assert lent([0, 0], [600, 600], [40, 40], [40, 30]) == pytest.approx([40, 30])


def test_all_trials_in_error_mirror_none():
    errors, trials = np.array([30, 0, 1]), np.array([600, 900, 500])
    other = ([40, 60, 50], [200, 60, 480])
    assert lent(trials - errors, trials, *other) == pytest.approx(lent(errors, trials, *other))


def test_a_rate_without_an_interval_neither_lends_nor_borrows():
    found = lent([30, 0, 30], [600, 600, 600], [40, 1, 1], [200, np.nan, np.nan])
    assert found == pytest.approx([200, np.nan, np.nan], nan_ok=True)


def test_many_families_at_once_are_each_a_family():
    errors = np.array([[30, 0], [0, 0]])
    found = lent_trials(errors, np.full((2, 2), 600), np.full((2, 2), 40), np.array([[200.0, 40.0], [40.0, 40.0]]))
    assert found.tolist() == [[200, 200], [40, 40]]


def test_false_matches_of_150_people_no_longer_disappear_with_the_last_error_of_the_better_group():
    rng = np.random.default_rng(1)
    pairs = np.stack(np.triu_indices(150, 1), axis=1)
    worse = pairs[rng.choice(len(pairs), 223, replace=False)]
    a = dyadic_fmr(worse[:, 0], worse[:, 1], np.ones(223, int), images=[1] * 150)
    p = {}
    for errors in (0, 1):
        b = dyadic_fmr([0][:errors], [1][:errors], [1][:errors], images=[1] * 150)
        counts = [[getattr(rate, name) for rate in (a, b)] for name in ("errors", "trials", "subjects")]
        found = gap_family(["a", "b"], *counts, [a.effective_trials, b.effective_trials], margin=2.0, scale="ratio")
        p[errors] = found.rows()[0].p
        assert (a.errors, a.trials, b.errors) == (223, 11_175, errors)
    assert p[0] < p[1] < 1e-6


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(20, 60), st.integers(20, 200), st.integers(2, 15), st.booleans())
def test_the_step_from_one_error_to_none_never_weakens_a_gap_of_clustered_trials(seed, first, second, images, is_ratio):
    rng = np.random.default_rng(seed)
    people = rng.beta(0.3, 1.5, first)
    errors = rng.binomial(images, people)
    if errors.sum() < 2:
        return
    seen = []
    for last in (1, 0):
        sums = np.concatenate([errors, [last], np.zeros(second - 1, int)])
        cells = np.repeat([0, 1], [first, second])
        found = clustered_rates(sums, np.full(len(sums), images), np.arange(len(sums)), cells, n_cells=2)
        family = gap_family(
            ["a", "b"],
            found.errors,
            found.trials,
            found.subjects,
            found.effective_trials,
            margin=2.0 if is_ratio else 0.02,
            scale="ratio" if is_ratio else "difference",
        )
        seen.append(family.rows()[0])
    assert seen[1].p <= seen[0].p * (1 + 1e-9)
    assert seen[1].differs >= seen[0].differs
