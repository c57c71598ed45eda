"""Rates with repeated subjects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from facegap.errors import StatisticsError
from facegap.statistics import clopper_pearson, clustered_rate, clustered_rates, subject_correlation, wilson

observations = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=60)


def test_two_images_of_each_of_four_people_worked_by_hand():
    # Errors 2, 1, 0, 0 of 2 each: rate 3/8, residuals 1.25, .25, -.75, -.75; squares 1.5625, .0625, .5625, .5625
    rate = clustered_rate([1, 1, 1, 0, 0, 0, 0, 0], None, list("aabbccdd"))
    squares = np.array([1.5625, 0.0625, 0.5625, 0.5625])
    variance = squares.sum() / 64 * 4 / 3
    independent = 0.375 * 0.625 / 8
    shared = 1 - independent / variance
    carriers = squares.sum() ** 2 / (squares**2).sum()
    quantile = t.ppf(0.975, max((carriers - 1) / np.sqrt(shared), 1))
    worth = 0.375 * 0.625 / variance * (1.959963985 / quantile) ** 2
    assert worth < 4  # fewer than the people, so the number of people is used
    assert rate.effective_trials == pytest.approx(4)
    assert (rate.errors, rate.trials, rate.subjects) == (3, 8, 4)
    assert (rate.low, rate.high) == pytest.approx(wilson(1.5, 4))


def test_effective_trials_with_twenty_people_follow_the_formula():
    errors = np.array([3, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    rate = clustered_rate(errors, np.full(20, 4), np.arange(20))
    p = errors.sum() / 80
    squares = (errors - 4 * p) ** 2
    variance = squares.sum() / 80**2 * 20 / 19
    shared = 1 - p * (1 - p) / 80 / variance
    freedom = (squares.sum() ** 2 / (squares**2).sum() + 0.5) / np.sqrt(shared)
    worth = p * (1 - p) / variance * (1.959963985 / t.ppf(0.975, freedom)) ** 2
    assert 20 < worth < 80
    assert rate.effective_trials == pytest.approx(worth)


def test_without_a_repeated_subject_it_is_plain_wilson():
    rate = clustered_rate([1, 0, 0, 0, 1], None, list("abcde"))
    assert (rate.low, rate.high) == wilson(2, 5)
    assert (rate.method, rate.effective_trials) == ("wilson", 5)


def test_one_subject_with_several_images_has_no_interval():
    rate = clustered_rate([1, 0, 1], None, ["a"] * 3)
    assert rate.value == pytest.approx(2 / 3)
    assert np.isnan([rate.low, rate.high, rate.effective_trials]).all()
    assert rate.method == "none"


def test_no_trials_are_nan_not_zero():
    rate = clustered_rate([], None, [])
    assert np.isnan([rate.value, rate.low, rate.high]).all()


@pytest.mark.parametrize("error", [0, 1])
def test_without_any_error_people_are_the_trials(error):
    rate = clustered_rate([error] * 60, None, np.repeat(np.arange(20), 3))
    assert (rate.low, rate.high) == clopper_pearson(20 * error, 20)
    assert rate.method == "clopper-pearson on subjects"


def test_observations_without_trials_say_nothing():
    rate = clustered_rate([0, 1, 0], [0, 1, 1], ["x", "y", "z"])
    assert (rate.trials, rate.subjects) == (2, 2)


def test_sums_per_subject_give_what_single_images_give():
    single = clustered_rate([1, 0, 0, 1, 1, 0, 0, 0, 0], None, list("aaabbbccc"))
    assert clustered_rate([1, 2, 0], [3, 3, 3], list("abc")) == single


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([2], [1], ["a"]), "2 errors in 1 trials"),
        (([-1], [1], ["a"]), "errors contains -1"),
        (([1, 0], [1], ["a"]), "rows"),
        (([0.5], [1], ["a"]), "whole"),
    ],
)
def test_impossible_observations_are_refused(arguments, said):
    with pytest.raises(StatisticsError, match=said):
        clustered_rate(*arguments)


def test_a_cell_code_out_of_range_is_refused():
    with pytest.raises(StatisticsError, match="cells run from"):
        clustered_rates([0], None, [0], [3], n_cells=3)


@given(observations)
def test_effective_trials_lie_between_people_and_trials(rows):
    subjects, wrong = zip(*rows, strict=True)
    rate = clustered_rate(np.array(wrong, dtype=int), None, subjects)
    if not np.isnan(rate.low):
        sizes = np.bincount(subjects)
        assert sizes.sum() ** 2 / (sizes**2).sum() - 1e-9 <= rate.effective_trials * (1 + 1e-9) or rate.errors in (
            0,
            rate.trials,
        )
        assert rate.effective_trials <= rate.trials
        assert 0 <= rate.low <= rate.value <= rate.high <= 1


@given(observations, st.randoms(use_true_random=False))
def test_order_of_rows_and_names_of_people_change_nothing(rows, random):
    subjects, wrong = zip(*rows, strict=True)
    plain = clustered_rate(np.array(wrong, dtype=int), None, subjects)
    shuffled = list(rows)
    random.shuffle(shuffled)
    named = clustered_rate([int(w) for _, w in shuffled], None, [f"person {100 - s}" for s, _ in shuffled])
    assert (named.errors, named.trials, named.subjects) == (plain.errors, plain.trials, plain.subjects)
    assert [named.low, named.high] == pytest.approx([plain.low, plain.high], nan_ok=True)


@settings(max_examples=40)
@given(observations)
def test_many_cells_at_once_are_the_cells_one_by_one(rows):
    subjects = np.array([subject for subject, _ in rows])
    wrong = np.array([int(error) for _, error in rows])
    cells = subjects % 3 - 1  # -1 is in no cell
    columns = clustered_rates(wrong, None, subjects, cells, n_cells=3)
    for cell, rate in enumerate(columns.rows()):
        inside = cells == cell
        alone = clustered_rate(wrong[inside], None, subjects[inside])
        assert (rate.errors, rate.trials, rate.subjects, rate.method) == (
            alone.errors,
            alone.trials,
            alone.subjects,
            alone.method,
        )
        assert [rate.low, rate.high] == pytest.approx([alone.low, alone.high], nan_ok=True)


def test_doubling_every_image_adds_no_information():
    errors, subjects = np.array([1, 0, 0, 1, 0, 0, 0, 0]), np.repeat(np.arange(4), 2)
    once = clustered_rate(errors, None, subjects)
    twice = clustered_rate(np.tile(errors, 2), None, np.tile(subjects, 2))
    assert twice.effective_trials <= once.effective_trials + 1e-9


def test_correlation_of_cells_is_that_of_a_subject_bootstrap():
    rng = np.random.default_rng(4)
    person = rng.random(400)
    trials = np.full((400, 2), 3.0)
    errors = rng.binomial(3, np.clip(person[:, None] - 0.3, 0, 1), size=(400, 2)).astype(float)
    found = subject_correlation(errors, trials)[0, 1]
    drawn = rng.integers(0, 400, size=(4000, 400))
    rates = errors[drawn].sum(axis=1) / trials[drawn].sum(axis=1)
    assert found == pytest.approx(np.corrcoef(rates.T)[0, 1], abs=0.04)
    assert found > 0.4


def test_a_cell_without_errors_correlates_with_nothing():
    assert subject_correlation(np.array([[1.0, 0], [0, 0]]), np.ones((2, 2)))[0].tolist() == [1.0, 0.0]


def test_units_vary_in_place_of_subjects_who_are_counted_all_the_same():
    errors, subjects, units = [1, 1, 0, 0, 1, 0, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 0, 0, 1, 1, 2, 2]
    found = clustered_rates(errors, None, subjects, [0] * 8, n_cells=1, units=units).rate(0)
    same = clustered_rates(errors, None, units, [0] * 8, n_cells=1).rate(0)
    assert (found.low, found.high, found.effective_trials) == (same.low, same.high, same.effective_trials)
    assert (found.subjects, found.units, same.subjects) == (4, 3, 3)
    assert found.effective_subjects == pytest.approx(64 / (16 + 4 + 4))
    assert found.largest_share == 0.5


def test_people_are_counted_by_cell_where_units_vary():
    found = clustered_rates([1, 0, 1, 0], [1, 0, 1, 1], [0, 1, 1, 2], [0, 0, 1, -1], n_cells=2, units=[5, 5, 5, 6])
    assert found.subjects.tolist() == [1, 1]


def test_each_persons_own_rate_weighs_equally_in_the_second_rate() -> None:
    # Ada has errors in 1 of 4 images, eve in 1 of 1: 2 of 5 images, and (1/4 + 1) / 2 by person, whatever the units.
    errors, subjects = [1, 0, 0, 0, 1], [0, 0, 0, 0, 1]
    for units in (None, [3, 3, 3, 3, 3]):
        found = clustered_rates(errors, None, subjects, [0] * 5, n_cells=2, units=units)
        assert found.value[0] == 0.4
        assert found.per_person[0] == pytest.approx(0.625)
        assert np.isnan(found.per_person[1])
