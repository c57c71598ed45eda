"""Intervals from the errors of each subject: those of the list with one image each, and never narrower with several."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics import dyadic_fmr
from facegap.statistics.subject_errors import comparisons_of_two, fmr_of_subject_errors, square_bounds
from facegap.types import IntArray, Rate


def world(
    seed: int, people: int, images: int, rate: float, effect: float, *, across: bool
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    """Images of everyone in two groups, and the false matches between them, each as left, right and how many."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, images + 1, people)
    second = rng.integers(0, images + 1, people) if across else first
    strength = np.exp(effect * rng.normal(size=people))
    low, high = np.triu_indices(people, 1)
    tried = first[low] * second[high] + (first[high] * second[low] if across else 0)
    wrong = rng.binomial(tried, np.minimum(rate * strength[low] * strength[high], 1.0))
    return first, second, low[wrong > 0], high[wrong > 0], wrong[wrong > 0]


def errors_of(low: IntArray, high: IntArray, wrong: IntArray, people: int) -> IntArray:
    of_low, of_high = (np.bincount(side, weights=wrong, minlength=people) for side in (low, high))
    return (of_low + of_high).astype(np.int64)


def listed_and_counted(seed: int, people: int, images: int, rate: float, effect: float, across: bool) -> list[Rate]:
    """The rate from the list of false matches, and that from how many each subject is in."""
    first, second, low, high, wrong = world(seed, people, images, rate, effect, across=across)
    others = second if across else None
    return [
        dyadic_fmr(low, high, wrong, images=first, other_images=others),
        fmr_of_subject_errors(errors_of(low, high, wrong, people), first, other_images=others),
    ]


def test_two_of_fifteen_pairs_as_by_hand() -> None:
    """Six people, false matches 0-1 and 0-2: errors 2, 1, 1, 0, 0, 0 of 15 pairs, rate 2/15.

    Deleting a person leaves 10 pairs: influence (errors - 5 * 2/15)^2 5/6 / 100, which sums to 4/120 + 2/1080 + 3/270 + ...
    """
    found = fmr_of_subject_errors([2, 1, 1, 0, 0, 0], [1] * 6)
    listed = dyadic_fmr([0, 0], [1, 2], [1, 1], images=[1] * 6)
    assert (found.errors, found.trials, found.subjects) == (2, 15, 6)
    assert found.effective_trials == pytest.approx(listed.effective_trials)
    assert (found.low, found.high) == pytest.approx((listed.low, listed.high))
    # Squares of person 0: two pairs (13/15)^2 and three (2/15)^2; of persons 1 and 2 one and four; of the others five.
    bounds = square_bounds(
        np.array([2, 1, 1, 0, 0, 0]), *[np.ones(6, np.int64)] * 2, 2 / 15, np.full(6, 5.0), across=False
    )
    by_hand = np.array([2 * 169 + 3 * 4, 169 + 16, 169 + 16, 20, 20, 20]) / 225
    np.testing.assert_allclose(bounds.least, by_hand)
    np.testing.assert_allclose(bounds.most, by_hand)


def test_squares_of_several_images_lie_within_bounds_as_by_hand() -> None:
    """Three people with two images each, four comparisons of every two; five false matches of person 0, of two others.

    Spread they are 3 and 2, 9 + 4 = 13; piled up they are 4 and 1, 16 + 1 = 17.
    """
    bounds = square_bounds(np.array([5, 3, 2]), *[np.full(3, 2)] * 2, 0.0, np.full(3, 32.0), across=False)
    assert (bounds.least[0], bounds.most[0], bounds.each) == (13, 17, 4)


@given(
    seed=st.integers(0, 2**32 - 1),
    people=st.integers(2, 40),
    rate=st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
    effect=st.sampled_from([0.0, 0.5, 1.5]),
    across=st.booleans(),
)
def test_one_image_each_gives_the_rate_of_the_list(
    seed: int, people: int, rate: float, effect: float, across: bool
) -> None:
    first, second, low, high, wrong = world(seed, people, 1, rate, effect, across=across)
    if across:  # nobody in both groups
        second = np.where(first > 0, 0, second)
        kept = first[low] * second[high] + first[high] * second[low] > 0
        low, high, wrong = low[kept], high[kept], np.ones(int(kept.sum()), np.int64)
    others = second if across else None
    listed = dyadic_fmr(low, high, wrong, images=first, other_images=others)
    counted = fmr_of_subject_errors(errors_of(low, high, wrong, people), first, other_images=others)
    for field, one, other in zip(fields(listed), astuple(listed), astuple(counted), strict=True):
        if field.name != "dominated_by":
            assert other == pytest.approx(one, rel=1e-6, nan_ok=True) if isinstance(one, float) else other == one, field
    assert counted.dominated_by == listed.dominated_by or counted.dominated_by > 0


@given(
    seed=st.integers(0, 2**32 - 1),
    people=st.integers(2, 40),
    images=st.integers(1, 5),
    rate=st.sampled_from([0.0, 0.002, 0.02, 0.2, 1.0]),
    effect=st.sampled_from([0.0, 0.5, 1.5]),
    across=st.booleans(),
)
def test_with_several_images_the_interval_holds_that_of_the_list(
    seed: int, people: int, images: int, rate: float, effect: float, across: bool
) -> None:
    listed, counted = listed_and_counted(seed, people, images, rate, effect, across)
    assert (counted.errors, counted.trials, counted.subjects) == (listed.errors, listed.trials, listed.subjects)
    if not listed.trials:
        return
    assert counted.effective_trials <= listed.effective_trials * (1 + 1e-9)
    assert counted.low <= listed.low + 1e-12
    assert counted.high >= listed.high - 1e-12


@given(seed=st.integers(0, 2**32 - 1), people=st.integers(2, 15), images=st.integers(1, 4), across=st.booleans())
def test_bounds_hold_the_squares_of_brute_force(seed: int, people: int, images: int, across: bool) -> None:
    first, second, low, high, wrong = world(seed, people, images, 0.2, 1.0, across=across)
    errors, trials = np.zeros((people, people)), np.outer(first, second) + across * np.outer(second, first)
    np.fill_diagonal(trials, 0)
    errors[low, high] = errors[high, low] = wrong
    rate = errors.sum() / max(trials.sum(), 1)
    squares = ((errors - rate * trials) ** 2).sum(axis=1)
    bounds = square_bounds(
        errors.sum(axis=1).astype(np.int64), first, second, rate, (trials**2).sum(axis=1), across=across
    )
    assert (bounds.least <= squares + 1e-9).all()
    assert (bounds.most >= squares - 1e-9).all()
    fewest, largest = comparisons_of_two(first, second, across=across)
    for i in range(people):
        some = trials[i][trials[i] > 0]
        assert not len(some) or fewest[i] <= some.min() <= some.max() <= largest[i]


def test_what_the_bound_costs_where_people_differ() -> None:
    """The variance is of people then, and hardly of pairs: little with equal images; half of the trials with unequal ones."""
    listed, counted = listed_and_counted(3, 300, 4, 0.02, 0.7, across=False)
    assert 0.45 * listed.effective_trials < counted.effective_trials < listed.effective_trials
    images = np.full(300, 4)
    _, _, low, high, wrong = world(3, 300, 4, 0.02, 0.7, across=False)
    listed = dyadic_fmr(low, high, wrong, images=images)
    counted = fmr_of_subject_errors(errors_of(low, high, wrong, 300), images)
    assert 0.85 * listed.effective_trials < counted.effective_trials < listed.effective_trials


@pytest.mark.parametrize(
    ("errors", "images", "others", "fault"),
    [
        ([1, 0], [1, 1], None, "two subjects"),
        ([2, 2], [1, 1], None, "subject 0 has 2 false matches of 1"),
        ([1, 1], [1, 1, 1], None, "errors has 2 subjects"),
        ([1, 1], [1, 0], [0, 1, 1], "other_images 3"),
        ([1, 0, 1], [1, 0, 1], None, None),
    ],
)
def test_errors_that_no_list_has_are_refused(errors: Any, images: Any, others: Any, fault: str | None) -> None:
    if fault is None:
        assert fmr_of_subject_errors(errors, images, other_images=others).errors == 1
        return
    with pytest.raises(StatisticsError, match=fault):
        fmr_of_subject_errors(errors, images, other_images=others)
