"""Label uncertainty as probabilities: resampled annotators, pooling by person, resamples, and Rubin's rules, worked by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from facegap.errors import StatisticsError
from facegap.statistics.label_uncertainty.probabilities import (
    answer_probabilities,
    attenuation,
    median_probabilities,
    pooled_over_people,
    rubin,
    sampled_classes,
    second_answers,
)

COUNTS = st.lists(st.integers(0, 4), min_size=2, max_size=5)

# ---- Rubin's rules ----


def test_three_draws_are_combined_as_by_hand() -> None:
    # Estimates 1, 2, 3: mean 2, variance among them 1. Variances .3, .3, .6: mean .4. Total .4 + (4/3) 1 = 1.7333.
    found = rubin(np.array([1.0, 2.0, 3.0]), np.array([0.3, 0.3, 0.6]))
    assert (found.estimate, found.within, found.between) == pytest.approx((2.0, 0.4, 1.0))
    assert found.total == pytest.approx(0.4 + 4 / 3)
    # Degrees of freedom 2 (1 + .4 / (4/3))^2 = 2 * 1.3^2 = 3.38.
    assert found.freedom == pytest.approx(3.38)


def test_draws_that_agree_add_nothing_and_leave_the_normal_quantile() -> None:
    estimate = 0.1 + 0.2  # not a short number: the mean of three copies must still equal it exactly
    found = rubin(np.full(3, estimate), np.full(3, 0.04))
    assert found.estimate == estimate
    assert (found.between, found.freedom) == (0.0, np.inf)
    assert found.total == pytest.approx(0.04)


def test_a_draw_without_an_estimate_leaves_none() -> None:
    found = rubin(np.array([[0.1, 0.1], [np.nan, 0.2]]), np.ones((2, 2)))
    assert np.isnan([found.estimate[0], found.total[0], found.freedom[0]]).all()
    assert found.estimate[1] == pytest.approx(0.15)


def test_one_draw_shows_no_spread() -> None:
    with pytest.raises(StatisticsError, match="two or more"):
        rubin(np.ones(1), np.ones(1))


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(1e-6, 1)), min_size=2, max_size=20))
@example([(0.0, 1.0), (6e-105, 1.0)])  # resamples so similar that the degrees of freedom overflow
@settings(deadline=None)
def test_the_total_is_never_less_than_what_the_draws_have_within(draws: list[tuple[float, float]]) -> None:
    estimates, variances = np.array(draws).T
    found = rubin(estimates, variances)
    assert found.total >= found.within >= 0
    assert found.freedom >= len(draws) - 1


# ---- panels ----


def median_by_counting(counts: list[int]) -> np.ndarray:
    """All panels of the same number of answers, by enumeration."""
    answers = np.repeat(np.arange(len(counts)), counts)
    found = np.zeros(len(counts))
    for panel in product(answers, repeat=len(answers)):
        ordered = sorted(panel)
        found[ordered[(len(panel) - 1) // 2]] += 0.5
        found[ordered[len(panel) // 2]] += 0.5
    return found / found.sum()


def test_two_against_one_is_the_majority_of_three_drawn_anew() -> None:
    # P(at least two of three say 0) at 2/3 each: 3 (4/9)(1/3) + 8/27 = 20/27.
    assert median_probabilities(np.array([[2, 1]]))[0] == pytest.approx([20 / 27, 7 / 27])


def test_an_even_split_is_even() -> None:
    assert median_probabilities(np.array([[1, 1], [3, 3]])) == pytest.approx(np.full((2, 2), 0.5))


def test_annotators_who_agree_leave_no_doubt_to_the_last_bit() -> None:
    assert median_probabilities(np.array([[0, 3, 0], [5, 0, 0]])).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_one_answer_or_none_says_nothing() -> None:
    assert np.isnan(median_probabilities(np.array([[0, 1], [0, 0]]))).all()


@given(COUNTS.filter(lambda counts: 2 <= sum(counts) <= 5))
@settings(deadline=None)
def test_the_formula_is_the_count_over_all_panels(counts: list[int]) -> None:
    assert median_probabilities(np.array([counts]))[0] == pytest.approx(median_by_counting(counts), abs=1e-12)


@given(st.lists(COUNTS.map(lambda counts: (counts + [0] * 5)[:5]), min_size=1, max_size=6))
@settings(deadline=None)
def test_probabilities_sum_to_one_or_are_unknown(counts: list[list[int]]) -> None:
    for ordinal in (True, False):
        found = answer_probabilities(np.array(counts), ordinal=ordinal)
        rows = found[~np.isnan(found).any(axis=1)]
        assert rows.sum(axis=1) == pytest.approx(np.ones(len(rows)))
        assert (rows >= -1e-15).all()
        assert np.isnan(found[np.array(counts).sum(axis=1) == 0]).all()


def test_one_answer_is_doubted_as_much_as_second_annotators_differed() -> None:
    # Images with two answers: 0 and 0, 0 and 0, 0 and 1. Of five answers 0, four have a second answer 0.
    counts = np.array([[2, 0], [2, 0], [1, 1], [1, 0], [0, 1]])
    assert second_answers(counts) == pytest.approx(np.array([[0.8, 0.2], [1.0, 0.0]]))
    assert answer_probabilities(counts, ordinal=True)[3] == pytest.approx([0.8, 0.2])


def test_with_one_annotator_in_all_the_doubt_is_unknown_and_not_none() -> None:
    assert np.isnan(answer_probabilities(np.array([[1, 0], [0, 1]]), ordinal=True)).all()


def test_without_an_order_a_class_is_as_probable_as_its_share_of_the_answers() -> None:
    assert answer_probabilities(np.array([[1, 0, 3]]), ordinal=False)[0] == pytest.approx([0.25, 0, 0.75])


# ---- people and draws ----


def test_a_person_is_believed_as_the_mean_of_the_images() -> None:
    chances = np.array([[0.9, 0.1], [0.5, 0.5], [np.nan, np.nan], [1.0, 0.0], [np.nan, np.nan]])
    found = pooled_over_people(chances, np.array([0, 0, 0, 1, 2]))
    assert found[:2] == pytest.approx(np.array([[0.7, 0.3], [1.0, 0.0]]))
    assert np.isnan(found[2]).all()


def test_photographs_that_contradict_each_other_give_doubt_though_each_is_sure() -> None:
    assert pooled_over_people(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0])).tolist() == [[0.5, 0.5]]


def test_what_is_certain_is_always_drawn_and_what_is_unknown_never() -> None:
    rng = np.random.default_rng(0)
    chances = np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, np.nan], [0.0, 1.0]])
    for _ in range(200):
        assert sampled_classes(chances, rng).tolist() == [0, 1, -1, 1]


def test_draws_follow_their_probabilities() -> None:
    chances = np.tile([0.2, 0.5, 0.3], (20_000, 1))
    counts = np.bincount(sampled_classes(chances, np.random.default_rng(1)), minlength=3)
    assert stats.chisquare(counts, 20_000 * chances[0]).pvalue > 1e-3


# ---- attenuation ----


def test_of_two_classes_the_shares_of_right_labels_less_one_are_left() -> None:
    confusion = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert attenuation(confusion, np.array([0]), np.array([1])) == pytest.approx([0.7])


def test_the_attenuation_is_what_mixing_true_rates_gives() -> None:
    confusion, rates = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0.30, 0.10])
    seen = confusion @ rates
    assert seen[0] - seen[1] == pytest.approx(0.7 * (rates[0] - rates[1]))


def test_right_labels_leave_all_of_a_gap_and_labels_by_chance_none() -> None:
    assert attenuation(np.eye(3), np.array([0]), np.array([2])).tolist() == [1.0]
    assert attenuation(np.full((2, 2), 0.5), np.array([0]), np.array([1])).tolist() == [0.0]
