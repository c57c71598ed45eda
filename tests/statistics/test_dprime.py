"""d' by subject, and the difference of two settings over the same people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.statistics.dprime import (
    SubjectScores,
    d_prime,
    d_prime_without_each,
    paired_d_prime,
    student,
    subject_scores,
)
from facegap.types import FloatArray


def templates(seed: int, *, people: int = 30, images: int = 2, spread: float = 0.6) -> tuple[FloatArray, np.ndarray]:
    """Scores of unit vectors around one direction per person, and the people."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), images)
    vectors = rng.normal(size=(people, 16))[subjects] + spread * rng.normal(size=(people * images, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T, subjects


def three_people() -> SubjectScores:
    """Two images each. Genuine .9, .8, .7; between 0 and 1 all .1, 0 and 2 all .2, 1 and 2 all .3."""
    scores = np.empty((6, 6))
    between = np.array([[0.9, 0.1, 0.2], [0.1, 0.8, 0.3], [0.2, 0.3, 0.7]])
    subjects = np.repeat(np.arange(3), 2)
    scores[:] = between[subjects][:, subjects]
    np.fill_diagonal(scores, 1.0)
    return subject_scores(scores, subjects)


def test_three_people_by_hand() -> None:
    found = three_people()
    assert found.genuine == pytest.approx([0.9, 0.8, 0.7])
    assert found.impostor == pytest.approx([0.3, 0.4, 0.5])  # .1 + .2, .1 + .3, .2 + .3
    # means .8 and .2; both variances (.01 + 0 + .01) / 3; (.8 - .2) / sqrt(.02 / 3)
    assert d_prime(found) == pytest.approx(0.6 / math.sqrt(0.02 / 3))


def test_leaving_each_person_out_is_the_d_prime_of_the_others() -> None:
    # Without person 0: genuine .8, .7 (mean .75, variance .0025), impostor .3 alone (variance 0).
    left_out = d_prime_without_each(three_people())
    assert left_out[0] == pytest.approx((0.75 - 0.3) / math.sqrt(0.0025 / 2))
    scores, subjects = templates(1, people=6)
    whole = d_prime_without_each(subject_scores(scores, subjects))
    for person in range(6):
        kept = subjects != person
        codes = np.unique(subjects[kept], return_inverse=True)[1]
        alone = subject_scores(scores[np.ix_(kept, kept)], codes)
        assert whole[person] == pytest.approx(d_prime(alone), rel=1e-9)


def test_every_person_weighs_the_same_however_many_images_there_are() -> None:
    scores, subjects = templates(2, people=5)
    more = np.concatenate([np.arange(10), [0, 1]])  # person 0's images again
    again = scores[np.ix_(more, more)]
    again[[0, 1, 10, 11], [10, 11, 0, 1]] = scores[0, 1]  # copies of an image do not change the result
    doubled = subject_scores(again, subjects[more])
    once = subject_scores(scores, subjects)
    assert doubled.genuine == pytest.approx(once.genuine)
    assert d_prime(doubled) == pytest.approx(d_prime(once))


def test_a_model_that_says_the_same_of_everybody_has_a_d_prime_of_zero() -> None:
    found = subject_scores(np.full((6, 6), 1.0), np.repeat(np.arange(3), 2))
    assert d_prime(found) == 0
    paired = paired_d_prime(found, found)
    assert (paired.difference, paired.low, paired.high, paired.p) == (0, 0, 0, 1)


def test_two_means_without_any_spread_have_no_d_prime() -> None:
    scores = np.kron(np.eye(3), np.ones((2, 2)))
    found = subject_scores(scores, np.repeat(np.arange(3), 2))
    assert math.isnan(d_prime(found))
    assert math.isnan(paired_d_prime(found, found).p)


def test_the_jackknife_by_hand() -> None:
    first, second = templates(3), templates(4)
    a, b = subject_scores(*first), subject_scores(*second)
    differences = d_prime_without_each(a) - d_prime_without_each(b)
    variance = 29 / 30 * ((differences - differences.mean()) ** 2).sum()
    found = paired_d_prime(a, b)
    assert found.difference == pytest.approx(d_prime(a) - d_prime(b))
    assert found.high - found.difference == pytest.approx(2.04523 * math.sqrt(variance), rel=1e-5)  # t .975, 29
    assert found.subjects == 30


@pytest.mark.parametrize(("images", "people"), [([0, 0, 1, 1], 2), ([0, 0, 1, 1, 2], 3)])
def test_fewer_than_three_people_or_one_image_are_refused(images: list[int], people: int) -> None:
    with pytest.raises(StatisticsError, match="at least three people, each with two or more images"):
        subject_scores(np.zeros((len(images), len(images))), np.array(images))


def test_other_people_cannot_be_paired() -> None:
    with pytest.raises(StatisticsError, match="30 people in one set and 20 in the other"):
        paired_d_prime(subject_scores(*templates(1)), subject_scores(*templates(1, people=20)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10), st.floats(-1, 1))
def test_d_prime_does_not_depend_on_the_scale_of_the_scores(seed: int, factor: float, shift: float) -> None:
    scores, subjects = templates(seed, people=8)
    plain, moved = (subject_scores(values, subjects) for values in (scores, factor * scores + shift))
    assert d_prime(moved) == pytest.approx(d_prime(plain), rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_exchanging_two_settings_turns_the_difference_round(seed: int) -> None:
    a, b = subject_scores(*templates(seed)), subject_scores(*templates(seed + 1))
    there, back = paired_d_prime(a, b), paired_d_prime(b, a)
    assert there.difference == pytest.approx(-back.difference)
    assert (there.low, there.p) == pytest.approx((-back.high, back.p))


def test_a_mean_of_paired_values_has_the_textbook_t_interval() -> None:
    # 1, 2, 3, 4: mean 2.5, sd 1.29099, se .645497, t .975 of 3 is 3.18245
    found = student(2.5, 0.645497**2, 4, level=0.95)
    assert (found.low, found.high) == pytest.approx((0.44574, 4.55426), abs=1e-4)
    assert found.p == pytest.approx(0.030466, abs=1e-5)


def test_two_settings_of_equal_worth_are_told_apart_in_five_of_a_hundred_worlds() -> None:
    """Two noises of equal size on the same people: the interval covers 0, and p is below .05 with about nominal frequency."""
    worlds, covered = 400, 0
    for world in range(worlds):
        rng = np.random.default_rng(world)
        people = rng.normal(size=(25, 12))[np.repeat(np.arange(25), 2)]
        shared = people + 0.5 * rng.normal(size=(50, 12))  # light and pose are the same in both settings
        found = []
        for _ in range(2):
            vectors = shared + 0.3 * rng.normal(size=(50, 12))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            found.append(subject_scores(vectors @ vectors.T, np.repeat(np.arange(25), 2)))
        paired = paired_d_prime(found[0], found[1])
        covered += paired.low <= 0 <= paired.high
    assert 0.93 <= covered / worlds <= 0.99
